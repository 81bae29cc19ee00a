"""The win rate of after over before, from judged comparisons in either order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefdata.agreement.before_after import before_after
from prefdata.errors import InputError, UsageError
from prefdata.schemas import Comparison
from tests.judging.judged import endpoint, run
from tests.judging.server import Body, Said, Server, seen, verdict


def record(number: int, winner: str | None, *, swapped: bool = False) -> dict[str, Any]:
    """A comparison of two answers; after is the longer one."""
    sides = [("before", f"no {number}"), ("after", f"yes, {number}")]
    (model_a, a), (model_b, b) = sides[::-1] if swapped else sides
    return {
        "id": str(number),
        "prompt_id": str(number),
        "prompt": [{"role": "user", "content": f"Question {number}?"}],
        "response_a": [{"role": "assistant", "content": a}],
        "response_b": [{"role": "assistant", "content": b}],
        "model_a": model_a,
        "model_b": model_b,
        "verdicts": [{"winner": winner, "annotator": "judge"}] if winner else [],
    }


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_win_counts_whichever_side_stood_first(tmp_path: Path) -> None:
    """Wins, a tie, a loss, and one without a verdict, which counts for neither."""
    rows = [
        record(1, "b"),
        record(2, "a", swapped=True),
        record(3, "tie"),
        record(4, "a"),
        record(5, "none"),
    ]
    found = before_after([write(tmp_path / "c.jsonl", rows)])
    assert (found.wins, found.ties, found.losses, found.no_verdict) == (2, 1, 1, 1)
    assert found.rate.value == 2.5 / 4


def test_an_answer_may_hold_any_separator_of_lines(tmp_path: Path) -> None:
    """JSON leaves some as they are; only a line feed ends a row."""
    row = record(1, "b")
    row["response_b"][0]["content"] = "yes,\u2028one\u0085"
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert before_after([path]).wins == 1


def test_same_answers_are_ties_and_a_verdict_is_found_in_any_source(tmp_path: Path) -> None:
    """What was generated holds all prompts, what was judged holds those that differ."""
    same = record(3, None)
    same["response_a"] = same["response_b"]
    generated = write(tmp_path / "generations.jsonl", [record(1, None), record(2, None), same])
    judged = tmp_path / "judged"
    (judged / "comparisons").mkdir(parents=True)
    records = [Comparison.model_validate(record(n, "b", swapped=False)) for n in (1, 2)]
    table = pa.Table.from_pylist(
        [each.model_dump() for each in records], schema=Comparison.arrow_schema()
    )
    pq.write_table(table, judged / "comparisons" / "comparisons-0.parquet")
    for sources in ([judged, generated], [generated, judged]):
        found = before_after(sources)
        assert (found.wins, found.ties, found.losses, found.no_verdict) == (2, 1, 0, 0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (record(1, None), "no comparison has a verdict"),
        ({**record(1, "a"), "model_a": "gpt"}, "the models are 'gpt' and 'after'"),
        ({"prompt": "x"}, "row 1: no comparison"),
    ],
)
def test_what_gives_no_win_rate_is_told(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    """With what to judge instead."""
    with pytest.raises(InputError, match=message) as caught:
        before_after([write(tmp_path / "c.jsonl", [row])])
    assert caught.value.hint


def test_a_source_that_is_not_there_is_told(tmp_path: Path) -> None:
    """And so is one that is not JSON."""
    with pytest.raises(UsageError, match="no comparisons there"):
        before_after([tmp_path / "none"])
    (tmp_path / "c.jsonl").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="not a file of comparisons"):
        before_after([tmp_path / "c.jsonl"])


def longer(body: Body) -> Said:
    """Prefer the longer answer, whichever stands first."""
    shown = seen(body)
    return Said(verdict(body, "1" if len(shown.first) > len(shown.second) else "2"))


def test_what_pref_judge_writes_of_the_answers_gives_the_win_rate(tmp_path: Path) -> None:
    """Judged on the test server, which prefers the longer answer; equal answers stay ties."""
    same = record(9, None)
    same["response_a"] = same["response_b"]
    shorter = record(8, None, swapped=True)
    shorter["response_a"][0]["content"] = "y"
    generated = [record(1, None), record(2, None, swapped=True), shorter, same]
    with Server(brain=longer) as server:
        run(tmp_path, generated, [endpoint(server.url)])
    found = before_after([tmp_path / "in.jsonl", tmp_path / "out"])
    assert (found.wins, found.ties, found.losses, found.no_verdict) == (2, 1, 1, 0)
