"""Several sources in one data set: caps, shares, and what they have in common."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.conversion.convert import convert
from prefdata.conversion.convert_options import ConvertOptions, convert_config
from prefdata.conversion.inspect import inspect
from prefdata.errors import UnknownNameError, UsageError
from prefdata.io.store import bucket_store
from prefdata.records import reasons
from prefdata.transforms import overlap
from prefdata.transforms.options import STRATEGIES, Strategy
from tests.roundtrip import Converted, Row, converted, jsonl, labelled, make, pair, rated

FEW = settings(max_examples=12)


def pairs(prompt: str) -> list[Row]:
    return [pair("good", "bad", prompt)]


def ratings(prompt: str) -> list[Row]:
    return [rated("good", 2, prompt), rated("bad", 1, prompt)]


def labels(prompt: str) -> list[Row]:
    return [labelled("good", True, prompt)]


SHAPES = [pairs, ratings, labels]
Shape = Callable[[str], list[Row]]


def many(name: str, count: int, shape: Shape = pairs) -> list[Row]:
    return [row for n in range(count) for row in shape(f"{name}{n}")]


def gave(made: Converted) -> Counter[object]:
    """Rows by source, as the rows themselves say."""
    return Counter(row["source"] for row in made.rows)


def ids(made: Converted) -> set[object]:
    return {row["id"] for row in made.rows}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cap_is_exact_and_the_rest_is_left_over(tmp_path: Path, shape: Shape) -> None:
    """So many rows of the source, no more; the account says why the others are not there."""
    made = make(tmp_path, many("a", 30, shape), many("b", 5, shape), caps={"0.jsonl": 12})
    assert gave(made) == {"0.jsonl": 12, "1.jsonl": 5}
    assert [each.gave for each in made.report.sources] == [12, 5]
    each = len(shape("x"))
    assert made.report.outcomes["left over"] == {reasons.SURPLUS: 18 * each}
    assert made.report.rows_read == made.report.rows_used == 35 * each
    lost = [entry for entry in made.ledger if entry["reason"] == reasons.SURPLUS]
    assert all(entry["pair"] is None for entry in lost)


@pytest.mark.parametrize("shape", SHAPES)
def test_shares_are_met_by_taking_less(tmp_path: Path, shape: Shape) -> None:
    """Seven to three: as many rows as the scarcer source allows, none twice."""
    sources = (many("a", 20, shape), many("b", 30, shape))
    made = make(tmp_path, *sources, mix={"0.jsonl": 0.7, "1.jsonl": 0.3})
    assert gave(made) == {"0.jsonl": 20, "1.jsonl": 9}


@FEW
@given(
    counts=st.lists(st.integers(1, 25), min_size=2, max_size=3),
    weights=st.lists(st.sampled_from([0.2, 1, 3, 7.5]), min_size=3, max_size=3),
    cap=st.sampled_from([None, 0, 1, 10]),
    seed=st.integers(0, 3),
    shape=st.sampled_from(SHAPES),
)
def test_laws_of_mixing(
    counts: list[int], weights: list[float], cap: int | None, seed: int, shape: Shape
) -> None:
    """Caps are exact, shares are met within one row, whatever the buckets and the order of rows."""
    sources = [many(f"{at}-", count, shape) for at, count in enumerate(counts)]
    anchor = many("anchor", 1, shape)
    mix = {f"{at}.jsonl": weights[at] for at in range(len(counts))}
    how: ConvertOptions = {"seed": seed}
    if cap is None:
        how["mix"] = mix
    else:
        how["caps"] = {"0.jsonl": cap}
        sources[1] = [*sources[1], *anchor]
    with tempfile.TemporaryDirectory() as work, pytest.MonkeyPatch.context() as patch:
        one = make(Path(work) / "one", *sources, **how)
        patch.setattr(bucket_store, "BUCKET_BYTES", 100)
        two = make(Path(work) / "two", *(rows[::-1] for rows in sources), **how)
    assert ids(one) == ids(two)
    assert one.report.outcomes == two.report.outcomes
    assert one.report.rows_read == one.report.rows_used
    found = [each.gave or 0 for each in one.report.sources]
    if cap is not None:
        assert found[0] == min(cap, counts[0])
        return
    shares = [weights[at] / sum(weights[: len(counts)]) for at in range(len(counts))]
    whole = min(count / share for count, share in zip(counts, shares, strict=True))
    for number, share in zip(found, shares, strict=True):
        assert abs(number - share * whole) <= 1


def test_more_data_keeps_what_was_chosen(tmp_path: Path) -> None:
    """With a larger cap nothing goes; with more rows only what the new ones displace."""
    few = make(tmp_path / "1", many("a", 40), caps={"0.jsonl": 10})
    larger = make(tmp_path / "2", many("a", 40), caps={"0.jsonl": 20})
    assert ids(few) < ids(larger)
    more = make(tmp_path / "3", many("a", 44), caps={"0.jsonl": 10})
    assert len(ids(few) - ids(more)) <= 4
    other = make(tmp_path / "4", many("a", 40), caps={"0.jsonl": 10}, seed=1)
    assert ids(few) != ids(other)


def test_a_pattern_caps_its_files_together(tmp_path: Path) -> None:
    """A set that lies in several files is one part; a folder is named as it is."""
    (tmp_path / "in" / "shards").mkdir(parents=True)
    for at in range(3):
        jsonl(tmp_path / "in" / "shards" / f"part-{at}.jsonl", many(f"{at}-", 10))
    jsonl(tmp_path / "in" / "other.jsonl", many("x", 10))
    for pattern in ("part-*.jsonl", str(tmp_path / "in" / "shards"), f"{tmp_path}/in/shards/"):
        report = convert(tmp_path / "in", tmp_path / "out", caps={pattern: 7}, force=True)
        assert report.rows == 17
    report = convert(
        tmp_path / "in",
        tmp_path / "out",
        mix={"part-*": 1, "other.jsonl": 1},
        caps={"part-*": 6},
        force=True,
    )
    assert report.rows == 12


@pytest.mark.parametrize(
    ("how", "error", "says", "hint"),
    [
        (
            ConvertOptions(caps={"helpster.jsonl": 5}),
            UnknownNameError,
            "unknown source",
            "helpsteer.jsonl",
        ),
        (
            ConvertOptions(mix={"helpsteer.jsonl": 1}),
            UsageError,
            "other.jsonl has no share",
            "every source",
        ),
        (
            ConvertOptions(caps={"help*": 5, "*": 6}),
            UsageError,
            "is meant by 'help\\*' and by '\\*'",
            "one name",
        ),
    ],
)
def test_names_that_do_not_fit_are_told(
    tmp_path: Path, how: ConvertOptions, error: type[Exception], says: str, hint: str
) -> None:
    """Before anything is read in full, in the conversion and the inspection."""
    files = [jsonl(tmp_path / name, many("a", 3)) for name in ("helpsteer.jsonl", "other.jsonl")]
    with pytest.raises(error, match=says) as caught:
        convert(files, tmp_path / "out", **how)
    assert hint in str(getattr(caught.value, "hint", ""))
    with pytest.raises(error):
        inspect(files, **how)


@pytest.mark.parametrize(
    "how",
    [
        ConvertOptions(caps={"a": -1}),
        ConvertOptions(caps={"a": 1.5}),  # type: ignore[dict-item]
        ConvertOptions(mix={"a": 0}),
        ConvertOptions(mix={"a": float("nan")}),
    ],
)
def test_numbers_that_make_no_sense_are_refused(how: ConvertOptions) -> None:
    """A cap is a number of rows, a share is above nothing."""
    with pytest.raises(UsageError, match="expected a number"):
        convert_config(how)


COMMON: list[tuple[Sequence[Row], Sequence[Row], tuple[int, int, int]]] = [
    (
        [pair("x", "y", "P"), pair("x", "y", "Q"), pair("x", "y", "R"), pair("x", "y", "A")],
        [pair("x", "y", "P"), pair("y", "x", "Q"), pair("z", "y", "R"), pair("x", "y", "B")],
        (3, 1, 1),
    ),
    (
        [*ratings("P"), *ratings("Q"), *ratings("A")],
        [*ratings("P"), rated("good", 0, "Q"), rated("bad", 5, "Q"), *ratings("B")],
        (2, 1, 1),
    ),
    (
        [*ratings("P"), *ratings("Q")],
        [pair("good", "bad", "P"), pair("bad", "good", "Q")],
        (2, 1, 1),
    ),
    (
        [labelled("x", True, "P"), labelled("x", True, "Q"), labelled("x", True, "A")],
        [labelled("x", True, "P"), labelled("x", False, "Q"), labelled("x", True, "B")],
        (2, 1, 1),
    ),
]


@pytest.mark.parametrize(("one", "two", "expected"), COMMON)
@pytest.mark.parametrize("bucket_bytes", [None, 100])
def test_what_sources_have_in_common_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    one: Sequence[Row],
    two: Sequence[Row],
    expected: tuple[int, int, int],
    bucket_bytes: int | None,
) -> None:
    """Prompts in both, rows that each gives by itself, and those that contradict each other."""
    if bucket_bytes:
        monkeypatch.setattr(bucket_store, "BUCKET_BYTES", bucket_bytes)
    made = make(tmp_path, one, two)
    assert made.report.overlap is not None
    (found,) = made.report.overlap
    assert (found.prompts, found.pairs, found.contradictions) == expected
    assert [Path(name).name for name in found.sources] == ["0.jsonl", "1.jsonl"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["overlap"][0]["contradictions"] == expected[2]
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert f"| {expected[0]} | {expected[1]} | {expected[2]} |" in card


def test_sources_with_nothing_in_common_say_nothing(tmp_path: Path) -> None:
    """No line where there is nothing to tell; and one source is not held against itself."""
    assert make(tmp_path / "1", many("a", 3), many("b", 3)).report.overlap == ()
    assert make(tmp_path / "2", [*many("a", 3), *many("a", 3)]).report.overlap == ()


@pytest.mark.parametrize("kind", ["scores", "ranks"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_sources_have_in_common_is_what_each_gives_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, strategy: Strategy
) -> None:
    """Whatever the rule is that makes pairs of ratings, and however much is counted at a time."""
    monkeypatch.setattr(overlap, "AT_ONCE", 5)
    chance = random.Random(kind + strategy)  # noqa: S311  # not a secret

    def row() -> Row:
        size = chance.randrange(2, 5)
        numbers = chance.sample(range(1, size + 1), size)
        answers = chance.sample("abcd", size)
        return {"prompt": f"P{chance.randrange(8)}", "responses": answers, kind: numbers}

    names = [str(jsonl(tmp_path / f"{n}.jsonl", [row() for _ in range(6)])) for n in range(4)]
    alone = {
        name: converted([Path(name)], tmp_path / f"{Path(name).stem}-alone", strategy=strategy)
        for name in names
    }
    told = convert(names, tmp_path / "out", strategy=strategy).overlap
    assert told
    assert any(each.pairs for each in told)
    assert any(each.contradictions for each in told)
    for each in told:
        one, other = (alone[name].pairs for name in each.sources)
        assert each.pairs == len(one & other)
        assert each.contradictions == len(one & {(p, r, c) for p, c, r in other})


def test_a_hundred_sources_are_held_against_each_other(tmp_path: Path) -> None:
    """Those with the most in common stand in the card; of more sources it says that none is."""
    made = make(tmp_path / "1", *(many("a", 1) for _ in range(100)))
    assert made.report.overlap is not None
    assert len(made.report.overlap) == 100 * 99 // 2
    card = (tmp_path / "1" / "out" / "README.md").read_text("utf-8")
    assert "\nand 4,930 more, in manifest.json" in card
    made = make(tmp_path / "2", *(many("a", 1) for _ in range(101)))
    assert made.report.overlap is None
    card = (tmp_path / "2" / "out" / "README.md").read_text("utf-8")
    assert "What they have in common was not looked for: there are too many of them." in card
