"""Records as Hypothesis draws them."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from prefdata.schemas import (
    Comparison,
    DimensionScores,
    FunctionCall,
    Message,
    PreferencePair,
    RatedResponses,
    Rating,
    Record,
    Response,
    SideScores,
    ToolCall,
    UnpairedPreference,
    Verdict,
)

# Lone surrogates are no text, and Arrow refuses them.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
answers = texts.filter(str.strip)
numbers = st.floats(-100, 100)
models = st.none() | st.sampled_from(["gpt-4", "llama"])

calls = st.builds(ToolCall, id=texts, function=st.builds(FunctionCall, name=texts, arguments=texts))
plain_turns = st.builds(
    Message, role=st.sampled_from(["system", "user", "assistant"]), content=texts
)
tool_turns = st.builds(
    Message,
    role=st.just("assistant"),
    content=texts,
    reasoning_content=st.none() | texts,
    tool_calls=st.lists(calls, min_size=1, max_size=2),
)
turns = st.lists(plain_turns | tool_turns, max_size=2)
questions = st.builds(Message, role=st.sampled_from(["user", "tool"]), content=answers)
replies = st.builds(Message, role=st.just("assistant"), content=answers)
prompts = st.tuples(turns, questions).map(lambda parts: [*parts[0], parts[1]])
completions = st.tuples(replies, turns).map(lambda parts: [parts[0], *parts[1]])

side_scores = st.lists(
    st.builds(SideScores, dimension=texts, a=numbers, b=numbers),
    unique_by=lambda score: score.dimension,
    max_size=2,
)
verdicts = st.builds(
    Verdict,
    winner=st.sampled_from(["a", "b", "tie", "none"]),
    annotator=models,
    strength=st.none() | st.floats(0, 3),
    scores=st.none() | side_scores,
)
ids = {"id": texts, "prompt_id": texts}
comparisons = st.builds(
    Comparison,
    **ids,
    prompt=prompts,
    response_a=completions,
    response_b=completions,
    verdicts=st.lists(verdicts, max_size=4),
    model_a=models,
    model_b=models,
)
ratings = st.builds(Rating, value=numbers, annotator=models)
responses = st.builds(
    Response, content=completions, model=models, ratings=st.lists(ratings, max_size=3)
)
rated = st.builds(
    RatedResponses, **ids, prompt=prompts, responses=st.lists(responses, min_size=1, max_size=4)
)
dimension_scores = st.lists(
    st.builds(DimensionScores, dimension=texts, chosen=st.none() | numbers, rejected=numbers),
    unique_by=lambda score: score.dimension,
    max_size=2,
)
pairs = (
    st.tuples(completions, completions)
    .filter(lambda sides: sides[0] != sides[1])
    .flatmap(
        lambda sides: st.builds(
            PreferencePair,
            **ids,
            prompt=prompts,
            chosen=st.just(sides[0]),
            rejected=st.just(sides[1]),
            votes=st.none() | st.integers(1, 9),
            margin=st.none() | numbers,
            dimensions=st.none() | dimension_scores,
            tools=st.none() | st.just('[{"name": "clock"}]'),
            chat_template_kwargs=st.none() | st.just('{"enable_thinking": false}'),
        )
    )
)
unpaired = st.builds(
    UnpairedPreference, **ids, prompt=prompts, completion=completions, label=st.booleans()
)

records: dict[str, SearchStrategy[Record]] = {
    "message": plain_turns | tool_turns,
    "rated-responses": rated,
    "comparison": comparisons,
    "verdict": verdicts,
    "preference-pair": pairs,
    "unpaired-preference": unpaired,
}
