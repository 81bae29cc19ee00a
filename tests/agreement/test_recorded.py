"""Recorded replies of three judges to 300 labelled pairs, replayed over HTTP: the known figures."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from prefdata.judging.ask import JudgeConfig
from prefdata.judging.client.runner import RequestLimits
from prefdata.judging.judge import estimate_costs
from prefdata.judging.prompting.prompt import parse_template
from prefdata.judging.prompting.request import JudgePrompt
from tests.judging.judged import PRICES, endpoint, plan, run
from tests.judging.server import Body, Said, Server, seen

PROMPT = """---
first: Output (a)
second: Output (b)
---
<<X request>>
{prompt}
<<X end>>
<<X answer 1>>
{answer_1}
<<X end>>
<<X answer 2>>
{answer_2}
<<X end>>
Which is better, Output (a) or Output (b)?"""

FIGURES = {
    ("MT-Bench", "GPT-4"): (81.0, 85.6, 87.0, 149, 174, 0),
    ("MT-Bench", "ChatGPT"): (71.2, 87.0, 57.5, 100, 115, 0),
    ("MT-Bench", "PaLM2"): (70.2, 81.4, 70.0, 114, 140, 15),
    ("Natural", "GPT-4"): (93.5, 94.8, 97.0, 92, 97, 0),
    ("Natural", "ChatGPT"): (79.0, 92.6, 68.0, 63, 68, 0),
    ("Natural", "PaLM2"): (82.0, 91.4, 81.0, 74, 81, 6),
}
"""One order; both orders: accuracy, coverage, right, decided; replies that hold no verdict."""


@pytest.fixture(scope="module")
def recorded() -> list[dict[str, Any]]:
    """The recorded replies."""
    path = Path(os.environ["PREFDATA_DATA"]) / "llmbar" / "recorded-judgments.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def replayed(rows: list[dict[str, Any]]) -> Iterator[Server]:
    """A server whose models say what was recorded of them."""
    replies = {}
    for row in rows:
        shown = (row["response_1"], row["response_2"])
        first, second = shown if row["shown"] == "1-2" else shown[::-1]
        said = "".join(row["reply"]) if isinstance(row["reply"], list) else row["reply"]
        replies[row["judge"], row["prompt"], first, second] = said or ""

    def brain(body: Body) -> Said:
        page = seen(body)
        return Said(replies.get((body["model"], *page[1:]), "Output (a)"))

    with Server(brain=brain) as server:
        yield server


@pytest.mark.shared
@pytest.mark.parametrize("name", ["MT-Bench", "Natural"])
def test_open_instruct_never_applied_a_verdict_and_recorded_ones_give_the_known_figures(
    tmp_path: Path, recorded: list[dict[str, Any]], name: str
) -> None:
    """Accuracy and coverage of each judge, and not one reply without a verdict becomes a label."""
    rows = [row for row in recorded if row["set"] == name]
    items = {row["item"]: row for row in rows}
    given = [
        {
            "prompt": row["prompt"],
            "response_1": row["response_1"],
            "response_2": row["response_2"],
            "winner": row["human_label"],
        }
        for row in items.values()
    ]
    names = ["GPT-4", "ChatGPT", "PaLM2"]
    prices = dict.fromkeys(names, PRICES["judge"])
    config = JudgeConfig(
        JudgePrompt(parse_template(PROMPT, "recorded")),
        RequestLimits(concurrency=16, tries=1),
        prices=prices,
    )
    for server in replayed(rows):
        judges = [endpoint(server.url, model) for model in names]
        source = tmp_path / "in.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row in given))
        estimates = estimate_costs([source], tmp_path / "out", plan(judges, config=config))
        report, out = run(tmp_path, given, judges, config=config)
    for each in estimates:
        spent = report.judges[each.judge]["spent"]
        dollars = each.dollars()
        assert isinstance(spent, dict)
        assert dollars is not None
        assert abs(dollars[1] / spent["dollars"] - 1) < 0.15
        assert dollars[0] < spent["dollars"] < dollars[2]
    found = {key(each): each for each in out.comparisons}
    for judge in names:
        assert figures(list(items.values()), found, out.calls, judge) == FIGURES[name, judge]
    causes = {call["cause"] for call in out.calls if call["winner"] == "none"}
    assert causes <= {"the reply is empty"}
    assert report.comparisons == len(found)


def key(comparison: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
    """Prompt and answers, whichever stands first, of a record or of a recorded row."""
    names = (
        ("response_a", "response_b") if "response_a" in comparison else ("response_1", "response_2")
    )
    prompt, *answers = (text(comparison[name]) for name in ("prompt", *names))
    return prompt, frozenset(answers)


def text(turns: str | list[dict[str, str]]) -> str:
    """A text, or the only turn of messages."""
    return str(turns if isinstance(turns, str) else turns[0]["content"]).strip()


def figures(
    items: list[dict[str, Any]],
    found: Mapping[tuple[str, frozenset[str]], Mapping[str, Any]],
    calls: Sequence[Mapping[str, Any]],
    judge: str,
) -> tuple[float, float, float, int, int, int]:
    """The figures of a judge by item: five of MT-Bench's 200 stand twice, and are asked once."""
    single, right, decided, empty = 0, 0, 0, 0
    for item in items:
        comparison = found[key(item)]
        wanted = text(item[f"response_{item['human_label']}"])
        side = "a" if text(comparison["response_a"]) == wanted else "b"
        said = [c for c in calls if (c["comparison"], c["judge"]) == (comparison["id"], judge)]
        verdict = next(v for v in comparison["verdicts"] if v["annotator"] == judge)
        single += sum(call["winner"] == side for call in said)
        empty += sum(call["winner"] == "none" for call in said)
        decided += verdict["winner"] in ("a", "b")
        right += verdict["winner"] == side
    n = len(items)
    alone, together, coverage = single / (2 * n), right / decided, decided / n
    return (
        round(100 * alone, 1),
        round(100 * together, 1),
        round(100 * coverage, 1),
        right,
        decided,
        empty,
    )
