"""Learning to summarize (OpenAI): summaries of posts and articles, compared and rated."""

from __future__ import annotations

from collections.abc import Mapping

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.paths import fill_placeholders, placeholders
from prefdata.formats.spec.spec import FormatSpec, InvalidRow, RawRow
from prefdata.records import reasons

POST = "SUBREDDIT: r/{subreddit}\nTITLE: {title}\nPOST: {post}\nTL;DR:"
ARTICLE = "TITLE: {title}\nARTICLE: {article}\nTL;DR:"
AXES = ("overall", "accuracy", "coverage", "coherence", "compatible")
PROMPT = (
    "The prompt is the text with its title (and subreddit), and 'TL;DR:' at the end. A row must "
    "hold a post or an article, not both."
)
SETS = ("openai/summarize_from_feedback",)
LICENCE = (
    "a modified MIT licence, in the publisher's repository; it does not cover the TL;DR posts, "
    "which have one of their own"
)
ASKED = {"title": "Sums", "subreddit": "math", "post": "What is 2 + 2?"}


def _with_prompt(row: RawRow) -> RawRow:
    """The row with what was to be summarised as a prompt."""
    info = row.get("info")
    if not isinstance(info, Mapping):
        raise InvalidRow(reasons.MISSING, "info")
    kinds = [name for name in ("post", "article") if info.get(name)]
    if len(kinds) != 1:
        problem = "both are there" if kinds else "neither is there"
        raise InvalidRow(reasons.MISSING, "info", f"expected a post or an article, {problem}")
    template = POST if kinds[0] == "post" else ARTICLE
    return {
        **row,
        "prompt": fill_placeholders(
            template, {name: _text(info, name) for name in placeholders(template)}
        ),
    }


def _text(info: Mapping[str, object], name: str) -> str:
    value = info.get(name)
    if not isinstance(value, str):
        what = reasons.MISSING if value is None else reasons.WRONG_TYPE
        raise InvalidRow(what, f"info.{name}")
    return value


FORMATS = (
    format_of(
        FormatSpec(
            name="summarize-comparisons",
            kind="comparisons",
            summary="one row per two summaries of a text, and which one a worker chose",
            fields={
                "prompt": "prompt",
                "response_a": "summaries[0].text",
                "response_b": "summaries[1].text",
                "winner": "choice",
                "model_a": "summaries[0].policy",
                "model_b": "summaries[1].policy",
                "annotator": "worker",
            },
            values={"0": "a", "1": "b"},
            needs=("info", "summaries[0].text", "choice"),
            extra_columns=("worker",),
            prepare=_with_prompt,
            polarity="a choice of 0: the first summary is better; 1: the second",
            ties="none",
            absent="no choice",
            sets=SETS,
            licence=LICENCE,
            notes=f"{PROMPT} extra.confidence is no margin: the publisher does not say whether 1 "
            "means unsure, or sure of the first.",
            example={
                "info": ASKED,
                "summaries": [{"text": "It is 5."}, {"text": "It is 4."}],
                "choice": 1,
            },
        )
    ),
    format_of(
        FormatSpec(
            name="summarize-axis",
            kind="ratings",
            summary="one row per summary and worker: ratings on several axes",
            fields={
                "prompt": "prompt",
                "response": "summary.text",
                "score": {name: f"summary.axes.{name}" for name in AXES},
                "model": "summary.policy",
                "annotator": "worker",
            },
            needs=("info", "summary.text", "summary.axes"),
            extra_columns=("worker",),
            prepare=_with_prompt,
            dimensions={"overall": 1.0},
            polarity="a higher rating is better",
            ties="equal ratings",
            absent="no rating on the axis",
            sets=SETS,
            licence=LICENCE,
            notes=f"{PROMPT} Pairs rest on the overall axis, unless --dimension says otherwise. "
            "Several workers rate a summary; --aggregate says how they become one score.",
            example={
                "info": ASKED,
                "summary": {"text": "It is 4.", "axes": {"overall": 7, "accuracy": 7}},
                "worker": "w1",
            },
        )
    ),
)
