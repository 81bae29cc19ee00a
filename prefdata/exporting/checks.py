"""What several targets cannot hold, each with the remedy that the rejects show."""

from __future__ import annotations

from collections.abc import Callable, Collection

from prefdata.exporting.base import DatasetRow, Refusal, Turn, answers, template_columns

SEVERAL_MESSAGES = "an answer of several messages"
TOOL_CALLS = "tool calls"
REASONING = "reasoning"
OFFERED_TOOLS = "tools on offer"
TEMPLATE_ARGUMENTS = "arguments of the chat template"
NOT_ALTERNATING = "turns do not alternate"
LATE_SYSTEM = "a system turn that is not the first"
TEXT_AND_CALLS = "a turn with both text and tool calls"
FOUND_ELSEWHERE = "the answer may be found in the template"
BOTH_LABELS = "the answer is chosen in one pair and rejected in another"

REMEDIES = {
    SEVERAL_MESSAGES: "Keep the last answer only, or export to trl, openrlhf or ms-swift.",
    TOOL_CALLS: "Write the calls as text, or export to trl, llama-factory, ms-swift or openai.",
    REASONING: "Write the reasoning into the text, or export to trl, llama-factory or ms-swift.",
    OFFERED_TOOLS: "Export to trl, llama-factory, ms-swift or openai.",
    TEMPLATE_ARGUMENTS: "Export to trl, or set the same arguments for all rows there.",
    NOT_ALTERNATING: "Join turns that follow each other, or export to trl.",
    LATE_SYSTEM: "Move the system turn to the beginning, or export to trl.",
    TEXT_AND_CALLS: "Write the calls as text, or export to trl, ms-swift or openai.",
    FOUND_ELSEWHERE: "Write the answer in more words, or export to trl.",
    BOTH_LABELS: "Convert with --strategy best-worst, which uses no answer twice.",
}

Check = Callable[[DatasetRow], Refusal | None]


def first_of(*checks: Check) -> Check:
    """A check that gives the first refusal of several.

    Example:
        >>> turns = [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]
        >>> first_of(no_tool_calls, one_message)({"prompt": [], "completion": turns}).reason
        'an answer of several messages'
    """

    def check(row: DatasetRow) -> Refusal | None:
        return next((refusal for each in checks if (refusal := each(row))), None)

    return check


def one_message(row: DatasetRow) -> Refusal | None:
    """Refuse answers that are more than one message."""
    for side, turns in answers(row).items():
        if len(turns) > 1:
            return Refusal(SEVERAL_MESSAGES, f"{side} has {len(turns)} messages")
    return None


def no_tool_calls(row: DatasetRow) -> Refusal | None:
    """Refuse conversations in which a tool is called; what a tool said is a turn like others."""
    for side, turns in {"prompt": row["prompt"], **answers(row)}.items():
        if any(turn.get("tool_calls") for turn in turns):
            return Refusal(TOOL_CALLS, f"in the {side}")
    return None


def no_reasoning(row: DatasetRow) -> Refusal | None:
    """Refuse conversations in which a turn has reasoning beside its text."""
    for side, turns in {"prompt": row["prompt"], **answers(row)}.items():
        if any(turn.get("reasoning_content") for turn in turns):
            return Refusal(REASONING, f"in the {side}")
    return None


UNCARRIED = {"tools": OFFERED_TOOLS, "chat_template_kwargs": TEMPLATE_ARGUMENTS}
"""Why rows with these columns are refused where they do not reach the target."""


def beyond_messages(row: DatasetRow, carries: Collection[str]) -> Refusal | None:
    """Refuse rows with tools or template arguments that would not reach the target.

    Example:
        >>> beyond_messages({"prompt": [], "tools": "[{}]"}, ["margin"]).reason
        'tools on offer'
    """
    if "*" in carries:
        return None
    lost = [name for name in template_columns(row) if name not in carries]
    return Refusal(UNCARRIED[lost[0]]) if lost else None


def alternating(row: DatasetRow) -> Refusal | None:
    """Refuse prompts that are not user, assistant, user, …, after a system turn or none.

    What a tool said stands where the user speaks.
    """
    turns = row["prompt"]
    first = 1 if turns[0]["role"] == "system" else 0
    for place, turn in enumerate(turns[first:]):
        where = f"turn {place + first + 1} of the prompt"
        if turn["role"] == "system":
            return Refusal(LATE_SYSTEM, where)
        if (turn["role"] == "assistant") != bool(place % 2):
            return Refusal(NOT_ALTERNATING, f"{where} is the {turn['role']}'s")
    return None


def common_features(row: DatasetRow) -> list[str]:
    """What is in a row that some targets cannot hold or use, in words."""
    turns = row["prompt"]
    features = []
    if turns[0]["role"] == "system":
        features.append("a system prompt")
    if len(turns) > 1 and any(turn["role"] == "assistant" for turn in turns):
        features.append("earlier turns")
    sides = answers(row).values()
    if any(len(side) > 1 for side in sides):
        features.append("an answer of several messages")
    if row.get("tools") or _tools(turns) or any(_tools(side) for side in sides):
        features.append("tools")
    every = [turn for side in (turns, *sides) for turn in side]
    if any(turn.get("reasoning_content") for turn in every):
        features.append("reasoning")
    if any(turn.get("name") and turn["role"] != "tool" for turn in every):
        features.append("names of speakers")
    return features


def _tools(turns: list[Turn]) -> bool:
    return any(turn["role"] == "tool" or turn.get("tool_calls") for turn in turns)
