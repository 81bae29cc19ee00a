"""What can be judged: every shape in which two or more responses to a prompt come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from prefdata.errors import UnknownNameError, UsageError
from prefdata.formats import ReadOptions
from prefdata.io.readers import reader
from prefdata.judging.comparison_store import ComparisonOptions
from prefdata.judging.decide import VerdictPolicy
from prefdata.judging.judge import run_plan
from prefdata.transforms.options import Options
from tests.judging.judged import endpoint, plan, run
from tests.judging.server import Body, Said, Server, seen, verdict


def best(body: Body) -> Said:
    """Prefer the answer with more stars."""
    shown = seen(body)
    one, two = shown.first.count("*"), shown.second.count("*")
    return Said(verdict(body, "tie" if one == two else "1" if one > two else "2"))


SHAPES: dict[str, list[dict[str, Any]]] = {
    "comparisons": [{"prompt": "p?", "response_a": "a*", "response_b": "b", "winner": "b"}],
    "comparisons without a winner": [{"prompt": "p?", "response_a": "a*", "response_b": "b"}],
    "an empty winner": [
        {"prompt": "p?", "response_a": "a*", "response_b": "b", "winner": None},
        {"prompt": "q?", "response_a": "c", "response_b": "d", "winner": "a"},
    ],
    "pairs": [{"prompt": "p?", "chosen": "b", "rejected": "a*"}],
    "a list": [{"prompt": "p?", "responses": ["b", "a*"]}],
    "a list with models": [{"prompt": "p?", "responses": ["b", "a*"], "models": ["x", "y"]}],
    "one to a row": [{"prompt": "p?", "response": "b"}, {"prompt": "p?", "response": "a*"}],
    "rated": [
        {"prompt": "p?", "response": "b", "score": 5},
        {"prompt": "p?", "response": "a*", "score": 1},
    ],
    "rated in part": [
        {"prompt": "p?", "response": "b", "score": None},
        {"prompt": "p?", "response": "a*", "score": 1},
    ],
    "messages": [
        {
            "prompt": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "u"},
                {"role": "assistant", "content": "v"},
                {"role": "user", "content": "p?"},
            ],
            "chosen": [{"role": "assistant", "content": "b"}],
            "rejected": [{"role": "assistant", "content": "a*"}],
        }
    ],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_judged(tmp_path: Path, shape: str) -> None:
    """What the file itself says of the answers does not matter."""
    with Server(brain=best) as server:
        report, out = run(tmp_path, SHAPES[shape], [endpoint(server.url)])
    assert out.chosen == {"p?": "a*"}
    assert report.complete


def test_of_three_answers_each_two_are_compared(tmp_path: Path) -> None:
    """Three comparisons, and a row is used if one of them made a pair."""
    rows = [{"prompt": "p?", "response": text, "model": text} for text in ("a", "b**", "c*")]
    with Server(brain=best) as server:
        report, out = run(tmp_path, rows, [endpoint(server.url)])
    pairs = {(p["chosen"][0]["content"], p["rejected"][0]["content"]) for p in out.pairs}
    assert pairs == {("b**", "a"), ("b**", "c*"), ("c*", "a")}
    assert report.comparisons == 3
    assert out.pairs[0]["model_chosen"] in {"b**", "c*"}


def test_a_comparison_that_stands_twice_is_asked_once(tmp_path: Path) -> None:
    """Also where it stands the other way round; the second row is merged with the first."""
    rows = [
        {"prompt": "p?", "response_a": "a*", "response_b": "b", "winner": "a"},
        {"prompt": "p?", "response_a": "b", "response_b": "a*", "winner": "a"},
    ]
    with Server(brain=best) as server:
        report, out = run(tmp_path, rows, [endpoint(server.url)])
    assert report.comparisons == 1
    assert report.outcomes == {"kept": {"kept": 1}, "merged": {"duplicate of a pair": 1}}
    assert [v["winner"] for v in out.comparisons[0]["verdicts"]] == ["a", "b", "a"]


def test_rows_that_cannot_be_compared_say_why(tmp_path: Path) -> None:
    """Empty, equal, alone: no money is spent on them."""
    rows = [
        {"prompt": "p?", "response_a": "same", "response_b": "same"},
        {"prompt": "q?", "response_a": "", "response_b": "b"},
        {"prompt": "r?", "response_a": "a*", "response_b": "b"},
    ]
    with Server(brain=best) as server:
        report, out = run(tmp_path, rows, [endpoint(server.url)])
    assert server.number == 3
    assert out.chosen == {"r?": "a*"}
    assert report.rows_read == 3


def test_a_reference_answer_is_shown_to_the_judge(tmp_path: Path) -> None:
    """The column that ``--map reference=…`` names."""
    rows = [{"prompt": "p?", "response_a": "a*", "response_b": "b", "gold": "GOLD {prompt}"}]
    comparison_options = ComparisonOptions(ReadOptions(columns={"reference": ("gold",)}))
    with Server(brain=best, keep=True) as server:
        run(tmp_path, rows, [endpoint(server.url)], comparison_options=comparison_options)
    asked = server.bodies[-1]["messages"][-1]["content"]
    assert "reference answer, known to be right>>\nGOLD {prompt}\n" in asked


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_reference_column_that_is_not_there_is_told(tmp_path: Path, ending: str) -> None:
    """Before anything is asked, and with the columns that there are."""
    source = tmp_path / f"in.{ending}"
    row = {"prompt": "p?", "response_a": "a*", "response_b": "b", "gold": "G"}
    lines = {"csv": f"{','.join(row)}\n{','.join(row.values())}\n", "jsonl": json.dumps(row)}
    source.write_text(lines[ending], encoding="utf-8")
    comparison_options = ComparisonOptions(ReadOptions(columns={"reference": ("glod",)}))
    with (
        Server(brain=best) as server,
        pytest.raises(UnknownNameError, match="unknown column 'glod'") as caught,
    ):
        run_plan(
            [source],
            tmp_path / "out",
            plan([endpoint(server.url)], comparison_options=comparison_options),
        )
    assert "gold" in caught.value.hint
    assert server.number == 0


def test_reference_answers_that_are_no_text_are_told(tmp_path: Path) -> None:
    """A list of messages is not what stands beside two answers."""
    gold = [{"role": "assistant", "content": "G"}]
    rows = [{"prompt": "p?", "response_a": "a*", "response_b": "b", "gold": gold}]
    comparison_options = ComparisonOptions(ReadOptions(columns={"reference": ("gold",)}))
    with (
        Server(brain=best) as server,
        pytest.raises(UsageError, match="gold holds lists or objects") as caught,
    ):
        run(tmp_path, rows, [endpoint(server.url)], comparison_options=comparison_options)
    assert caught.value.hint
    assert server.number == 0


def test_a_split_by_conversation_keeps_its_turns_together(tmp_path: Path) -> None:
    """Prompts that begin with the same user turn go to one side, as in a conversion."""
    rows = [
        {
            "prompt": [
                {"role": "user", "content": f"begin {n}"},
                *([{"role": "assistant", "content": "yes"}, {"role": "user", "content": "on"}] * k),
            ],
            "chosen": [{"role": "assistant", "content": "a*"}],
            "rejected": [{"role": "assistant", "content": "b"}],
        }
        for n in range(20)
        for k in range(2)
    ]
    policy = VerdictPolicy(pairing=Options(test_size=0.5, split_by="conversation"))
    with Server(brain=best) as server:
        report, out = run(tmp_path, rows, [endpoint(server.url)], policy=policy)
    sides: dict[str, set[str]] = {"train": set(), "test": set()}
    for split, begun in sides.items():
        files = sorted((tmp_path / "out" / "data").glob(f"{split}-*"))
        table = pq.read_table(files[0]).to_pylist()
        begun |= {row["prompt"][0]["content"] for row in table}
    assert len(out.pairs) == 40
    assert not sides["train"] & sides["test"]
    assert report.split_by == "conversation"
    assert {s: n["conversations"] for s, n in report.splits.items()} == {
        split: len(begun) for split, begun in sides.items()
    }


def test_a_conversation_is_shown_turn_by_turn(tmp_path: Path) -> None:
    """With the role of each turn."""
    with Server(brain=best, keep=True) as server:
        run(tmp_path, SHAPES["messages"], [endpoint(server.url)])
    shown = seen(server.bodies[-1])
    assert shown.prompt == "[system]\ns\n\n[user]\nu\n\n[assistant]\nv\n\n[user]\np?"


def test_what_only_late_rows_show_is_read_as_if_it_stood_at_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages after thousands of texts, and prompts that every answer repeats."""
    monkeypatch.setattr(reader, "SAMPLE_BYTES", 1000)
    messages = [{"role": "assistant", "content": "late*"}]
    odd: dict[str, Any] = {"prompt": "odd?", "response_a": messages, "response_b": "odd? b"}
    given: list[dict[str, Any]] = [
        {"prompt": f"p{n}?", "response_a": f"p{n}? a*", "response_b": f"p{n}? b"} for n in range(60)
    ]
    for name, rows in (("first", [odd, *given]), ("last", [*given, odd])):
        (tmp_path / name).mkdir()
        with Server(brain=best) as server:
            report, out = run(tmp_path / name, rows, [endpoint(server.url)])
        assert out.reasons == {}
        assert out.chosen == {"odd?": "late*"} | {f"p{n}?": "a*" for n in range(60)}
        (source,) = report.sources
        assert [note.rows for note in source.notes] == [61]
        assert set(odd) <= {use.name for use in source.column_uses}
