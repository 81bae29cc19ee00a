"""Judged pairs go through the one maker of pairs: what converted pairs can have, they can have."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from prefdata.cli import main
from prefdata.judging.decide import VerdictPolicy
from prefdata.transforms import filters
from prefdata.transforms.options import Conflicts, Options
from tests.judging.judged import endpoint, read, rows, run
from tests.judging.server import Body, Said, Server, seen, verdict


def one_or_two(body: Body) -> Said:
    """The judge "x" prefers the answer that ends in "one", any other judge the other."""
    wanted = "one" if body["model"] == "x" else "two"
    return Said(verdict(body, "1" if seen(body).first.endswith(wanted) else "2"))


def one(body: Body) -> Said:
    """Prefer the answer that ends in "one", by a margin that the number of the question says."""
    shown = seen(body)
    number = int("".join(filter(str.isdigit, shown.prompt)) or 0)
    first = shown.first.endswith("one")
    return Said(verdict(body, "1" if first else "2", (5 + number % 5, 5)))


def asked(folder: Path, server: Server, *options: str) -> int:
    """The exit code of the command on the source ``in.jsonl`` of a folder."""
    with pytest.raises(SystemExit) as left:
        main(
            [
                *("judge", str(folder / "in.jsonl"), "-o", str(folder / "out"), "-f", "-q"),
                *("--model", "x", "--base-url", server.url, *options),
            ]
        )
    return int(str(left.value.code))


def judged(folder: Path, *options: str) -> int:
    """As `asked`, without a test split."""
    with Server(brain=one) as server:
        return asked(folder, server, "--test-size", "0", *options)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Comparisons with one more column."""
    lines = [json.dumps({**row, "lang": f"l{n}"}) for n, row in enumerate(rows(5))]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("conflicts", "pairs", "reasons"),
    [
        ("majority", ["answer 0 two"], {}),
        ("drop", [], {"verdicts contradict each other": 1}),
        ("keep", ["answer 0 one", "answer 0 two"], {}),
    ],
)
def test_judges_that_contradict_each_other_are_a_conflict(
    tmp_path: Path, conflicts: Conflicts, pairs: list[str], reasons: dict[str, int]
) -> None:
    """Their majority decides, or nobody, or each side is a pair on its own votes."""
    policy = VerdictPolicy(pairing=Options(test_size=0.0, conflicts=conflicts))
    with Server(brain=one_or_two) as server:
        judges = [endpoint(server.url, name) for name in "xyz"]
        _, out = run(tmp_path, rows(1), judges, policy=policy)
    assert sorted(pair["chosen"][-1]["content"] for pair in out.pairs) == pairs
    assert out.reasons == reasons
    if conflicts == "keep":
        assert sorted(pair["votes"] for pair in out.pairs) == [1, 2]


def test_a_margin_that_is_too_small_makes_no_pair(source: Path) -> None:
    """The margin is that of the scores, where there are no log-probabilities."""
    assert judged(source, "--min-margin", "3") == 0
    out = read(source / "out")
    assert sorted(pair["margin"] for pair in out.pairs) == [3.0, 4.0]
    assert out.reasons["margin is too small"] == 3
    assert out.manifest["options"]["min_margin"] == 3.0


def test_columns_are_passed_on(source: Path) -> None:
    """From the row of the comparison."""
    assert judged(source, "--keep", "lang") == 0
    pairs = read(source / "out").pairs
    assert {(p["prompt"][0]["content"], p["keep_lang"]) for p in pairs} == {
        (f"question {n}?", f"l{n}") for n in range(5)
    }


def test_a_source_gives_no_more_pairs_than_its_cap(source: Path) -> None:
    """What exceeds it is left over, and accounted for."""
    assert judged(source, "--cap", "in.jsonl=2") == 0
    out = read(source / "out")
    assert len(out.pairs) == 2
    outcomes = out.manifest["outcomes"]
    assert outcomes["left over"] == {"more than the cap or share of its source": 3}


@pytest.mark.parametrize("strategy", ["judged", "best-worst"])
def test_a_filter_refuses_judged_and_ranked_pairs(
    tmp_path: Path, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own reason and remedy."""
    own = filters.Filter(
        name="short",
        reason="the chosen response is short",
        remedy="Lower the number of --filter short.",
        refuses=lambda pair, least: pair.chosen_words < least,
        needs=("chosen_words",),
        threshold=4,
    )
    monkeypatch.setattr(filters, "FILTERS", (own,))
    lines = [
        {"prompt": f"question {n}?", "response": f"answer {'long ' * n}{word}"}
        for n in range(3)
        for word in ("one", "two")
    ]
    lines += [{"prompt": f"question {n}?", "response": "answer two"} for n in range(3)]
    text = "\n".join(json.dumps(line) for line in lines)
    (tmp_path / "in.jsonl").write_text(text, encoding="utf-8")
    assert judged(tmp_path, "--filter", "short", "--strategy", strategy) == 0
    out = read(tmp_path / "out")
    chosen = pl.Series([pair["chosen"][-1]["content"] for pair in out.pairs])
    assert len(chosen)
    assert (chosen.str.split(" ").list.len() >= 4).all()
    assert out.manifest["options"]["filters"] == {"short": 4}
    assert own.reason in str(out.manifest["outcomes"])


@pytest.mark.parametrize("strategy", ["judged", "best-worst"])
def test_judged_pairs_keep_the_splits_of_their_rows(tmp_path: Path, strategy: str) -> None:
    """A prompt that is in two splits is asked about once, for the more held-out one."""
    splits = ["train", "dev", "test", "train", "train"]
    lines = [{**row, "split": splits[n]} for n, row in enumerate(rows(5))]
    lines += [{**row, "split": "test"} for row in rows(5)[3:4]]
    text = "\n".join(map(json.dumps, lines))
    (tmp_path / "in.jsonl").write_text(text, encoding="utf-8")
    with Server(brain=one) as server:
        assert asked(tmp_path, server, "--strategy", strategy) == 0
    out = read(tmp_path / "out")
    assert len(out.calls) == 10
    by_split = {
        split: sorted(
            row["prompt"][0]["content"]
            for row in pl.read_parquet(tmp_path / "out" / "data" / f"{split}-*.parquet").to_dicts()
        )
        for split in ("train", "validation", "test")
    }
    assert by_split == {
        "train": ["question 0?", "question 4?"],
        "validation": ["question 1?"],
        "test": ["question 2?", "question 3?"],
    }
    assert out.manifest["split_why"].startswith("split by the column split")
    assert out.manifest["outcomes"]["left over"] == {"its prompt is in a more held-out split": 1}


def test_ranked_pairs_keep_the_splits_of_their_rows(tmp_path: Path) -> None:
    """Of the responses to a prompt, those of a less held-out split are not compared."""
    lines = [
        {"prompt": f"question {n}?", "response": f"answer {n} {word}", "split": split}
        for n, split in enumerate(["train", "test"])
        for word in ("one", "two", "three")
    ]
    lines.append({**lines[0], "response": "answer 0 four", "split": "dev"})
    lines.append({**lines[0], "response": "answer 0 one", "split": "dev"})
    text = "\n".join(map(json.dumps, lines))
    (tmp_path / "in.jsonl").write_text(text, encoding="utf-8")
    with Server(brain=one) as server:
        assert asked(tmp_path, server, "--strategy", "best-rest", "--split", "keep") == 0
    data = tmp_path / "out" / "data"
    chosen = {
        split: sorted(
            row["rejected"][0]["content"]
            for row in pl.read_parquet(data / f"{split}-*.parquet").to_dicts()
        )
        for split in ("validation", "test")
    }
    assert chosen["validation"] == ["answer 0 four"]
    assert "answer 1 two" in chosen["test"]
    out = read(tmp_path / "out")
    assert out.manifest["outcomes"]["left over"]["its prompt is in a more held-out split"] == 3


def test_rows_of_no_split_are_asked_about_before_any_judge_is(tmp_path: Path) -> None:
    """No call is paid for."""
    lines = [{**row, "split": ["train", "test", None][n % 3]} for n, row in enumerate(rows(5))]
    text = "\n".join(map(json.dumps, lines))
    (tmp_path / "in.jsonl").write_text(text, encoding="utf-8")
    with Server(brain=one) as server:
        assert asked(tmp_path, server) == 2
    assert server.number == 0
