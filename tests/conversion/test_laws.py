"""Laws that hold for every source: accounting, order, idempotence, buckets, polarity."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.conversion.convert_options import ConvertOptions
from prefdata.io.readers import json as reading
from prefdata.io.store import bucket_store, frame_store
from prefdata.transforms.options import CONFLICTS, STRATEGIES
from tests.conversion.generated import SOUND, sources
from tests.roundtrip import Converted, Row, converted, make

KINDS = list(SOUND)
KIND = st.sampled_from(KINDS)
FEW = settings(max_examples=int(os.environ.get("PREFDATA_EXAMPLES", "16")))
HOW = st.builds(
    ConvertOptions,
    strategy=st.sampled_from(STRATEGIES),
    conflicts=st.sampled_from(CONFLICTS),
    aggregate=st.sampled_from(["mean", "median", "majority"]),
    min_margin=st.sampled_from([0.0, 0.0, 0.0, 0.1, 1.0]),
    test_size=st.just(0.5),
    seed=st.integers(0, 3),
)
CONTENT = (
    "prompt_id",
    "split",
    "score_chosen",
    "score_rejected",
    "margin",
    "votes",
    "agreement",
    "label",
    "weight",
)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def content(made: Converted, *more: str) -> dict[object, tuple[object, ...]]:
    """What a data set says of each pair, apart from how its texts were spelled."""
    return {row["id"]: tuple(row.get(name) for name in (*CONTENT, *more)) for row in made.rows}


def options(how: ConvertOptions, kind: str) -> ConvertOptions:
    """Margins are asked for only where a source has scores that make some."""
    return how if kind in ("long", "wide", "lists") else {**how, "min_margin": 0.0}


@FEW
@given(kind=KIND, data=st.data(), how=HOW)
def test_every_row_is_accounted_for(kind: str, data: st.DataObject, how: ConvertOptions) -> None:
    """Rows read are rows used and rejected, and each is named with what became of it."""
    rows = data.draw(sources(kind))
    with folder() as work:
        made = make(work, rows, **options(how, kind))
    manifest, ids = made.manifest, {row["id"] for row in made.rows}
    assert manifest["rows_read"] == len(rows) == manifest["rows_used"] + manifest["rows_rejected"]
    assert sum(sum(reasons.values()) for reasons in manifest["outcomes"].values()) == len(rows)
    assert {entry["line"] for entry in made.ledger} == set(range(1, len(rows) + 1))
    assert all(entry["reason"] for entry in made.ledger)
    kept = {entry["pair"] for entry in made.ledger if entry["outcome"] == "kept"}
    assert kept == ids
    assert {entry["pair"] for entry in made.ledger} <= ids | {None}
    assert all(entry["pair"] for entry in made.ledger if entry["outcome"] == "merged")
    used = {e["line"] for e in made.ledger if e["outcome"] != "rejected"}
    refused = [reject["line"] for reject in made.rejects]
    assert sorted(refused) == sorted(set(range(1, len(rows) + 1)) - used)
    assert len(refused) == manifest["rows_rejected"]
    assert all(r["reason"] and r["remedy"] and r["raw"] is not None for r in made.rejects)


@FEW
@given(kind=KIND, data=st.data(), how=HOW)
def test_the_rejected_response_is_strictly_worse(
    kind: str, data: st.DataObject, how: ConvertOptions
) -> None:
    """Wherever there are scores or a margin they say the same as the pair; shares are shares."""
    with folder() as work:
        made = make(work, data.draw(sources(kind)), **options(how, kind))
    for row in made.rows:
        if kind == "unpaired":
            continue
        better, worse = row["score_chosen"], row["score_rejected"]
        if better is not None and worse is not None:
            assert better > worse
            assert row["margin"] == better - worse
        assert row["margin"] is None or row["margin"] > 0
        assert row["votes"] >= 1
        assert row["agreement"] is None or 0 <= row["agreement"] <= 1
        assert str(row["chosen"]).strip() != str(row["rejected"]).strip()


@FEW
@given(kind=KIND, data=st.data(), how=HOW)
def test_the_order_of_the_rows_does_not_matter(
    kind: str, data: st.DataObject, how: ConvertOptions
) -> None:
    """Shuffled rows give the same pairs with the same scores, votes and split."""
    rows = data.draw(sources(kind))
    shuffled = random.Random(0).sample(rows, len(rows))  # noqa: S311  # not a secret
    with folder() as work:
        one = make(work / "one", rows, **options(how, kind))
        two = make(work / "two", shuffled, **options(how, kind))
    assert content(one) == content(two)
    assert one.manifest["outcomes"] == two.manifest["outcomes"]


@FEW
@given(kind=KIND, data=st.data(), how=HOW)
def test_two_files_are_one(kind: str, data: st.DataObject, how: ConvertOptions) -> None:
    """Rows give the same whether they stand in one file or in two, named in either order."""
    first, second = data.draw(sources(kind)), data.draw(sources(kind))
    with folder() as work:
        one = make(work / "one", [*first, *second], **options(how, kind))
        two = make(work / "two", second, first, **options(how, kind))
    assert content(one) == content(two)


@FEW
@given(kind=KIND, data=st.data(), how=HOW)
def test_converting_again_changes_nothing(
    kind: str, data: st.DataObject, how: ConvertOptions
) -> None:
    """A data set directory is a source too: ids, texts, numbers and split stay as they are."""
    texts = ("prompt", "chosen", "rejected", "completion", "model_chosen", "source")
    with folder() as work:
        once = make(work, data.draw(sources(kind)), **options(how, kind))
        twice = converted([work / "out"], work / "again", **options(how, kind))
    assert content(once, *texts) == content(twice, *texts)
    assert list(twice.manifest["outcomes"]) == ["kept"]


@FEW
@given(kind=KIND, data=st.data(), how=HOW, memory=st.sampled_from([0, 500, 4000]))
def test_buckets_and_pieces_do_not_matter(
    kind: str, data: st.DataObject, how: ConvertOptions, memory: int
) -> None:
    """However small the pieces, many the buckets and little the memory, the result is the same."""
    rows = data.draw(sources(kind))
    with folder() as work, pytest.MonkeyPatch.context() as patch:
        whole = make(work / "whole", rows, **options(how, kind))
        patch.setattr(bucket_store, "BUCKET_BYTES", 100)
        patch.setattr(frame_store, "MEMORY", memory)
        patch.setattr(reading, "CHUNK_BYTES", 64)
        pieces = make(work / "pieces", rows, **options(how, kind))
    assert [row["id"] for row in whole.rows] == [row["id"] for row in pieces.rows]
    assert content(whole, "prompt", "chosen", "rejected", "source") == content(
        pieces, "prompt", "chosen", "rejected", "source"
    )
    assert whole.manifest["outcomes"] == pieces.manifest["outcomes"]
    assert _sorted(whole.ledger) == _sorted(pieces.ledger)
    assert _sorted(whole.rejects) == _sorted(pieces.rejects)


def _sorted(rows: list[dict[str, object]]) -> list[str]:
    """Entries without the name of their folder."""
    return sorted(str({**row, "source": Path(str(row["source"])).name}) for row in rows)


def exchanged(made: Converted) -> set[tuple[object, object, object]]:
    return {(row["prompt_id"], row["rejected"], row["chosen"]) for row in made.rows}


def as_they_are(made: Converted) -> set[tuple[object, object, object]]:
    return {(row["prompt_id"], row["chosen"], row["rejected"]) for row in made.rows}


def swapped(row: Row, **names: str) -> Row:
    """A row with the values of its fields exchanged."""
    return {name: row.get(names.get(name, name)) for name in row}


@FEW
@given(rows=sources("comparisons", garbage=False), how=HOW)
def test_swapping_the_sides_and_the_winner_changes_nothing(
    rows: list[Row], how: ConvertOptions
) -> None:
    """Which response is called a is of no meaning."""
    other = {"a": "b", "b": "a", "tie": "tie"}
    turned = [
        {
            **swapped(row, response_a="response_b", response_b="response_a"),
            "winner": other[str(row["winner"])],
        }
        for row in rows
    ]
    with folder() as work:
        one = make(work / "one", rows, **options(how, "comparisons"))
        two = make(work / "two", turned, **options(how, "comparisons"))
    assert content(one) == content(two)
    assert one.manifest["outcomes"] == two.manifest["outcomes"]


@FEW
@given(rows=sources("comparisons", garbage=False), how=HOW)
def test_swapping_the_winner_exchanges_chosen_and_rejected(
    rows: list[Row], how: ConvertOptions
) -> None:
    """The opposite verdicts give the opposite pairs, and as many ties and conflicts."""
    other = {"a": "b", "b": "a", "tie": "tie"}
    turned = [{**row, "winner": other[str(row["winner"])]} for row in rows]
    with folder() as work:
        one = make(work / "one", rows, **options(how, "comparisons"))
        two = make(work / "two", turned, **options(how, "comparisons"))
    assert {(p, c.strip(), r.strip()) for p, c, r in _texts(exchanged(one))} == {
        (p, c.strip(), r.strip()) for p, c, r in _texts(as_they_are(two))
    }
    assert one.manifest["outcomes"] == two.manifest["outcomes"]


def _texts(found: set[tuple[object, object, object]]) -> Iterator[tuple[str, str, str]]:
    for prompt, chosen, rejected in found:
        yield str(prompt), str(chosen), str(rejected)


@pytest.mark.parametrize("strategy", ["best-worst", "all"])
@FEW
@given(rows=sources("long", garbage=False))
def test_negating_the_scores_exchanges_chosen_and_rejected(
    strategy: str, rows: list[Mapping[str, float]]
) -> None:
    """Where a low number is good, what was best is worst; equal scores stay equal.

    Every number is a score here, a lone -1 too.
    """
    turned = [{**row, "score": -row["score"]} for row in rows]
    how = ConvertOptions(strategy=strategy, columns={"score": "score"})  # type: ignore[typeddict-item]
    with folder() as work:
        one = make(work / "one", rows, **how)
        two = make(work / "two", turned, **how)
    assert exchanged(one) == as_they_are(two)
    assert one.manifest["outcomes"] == two.manifest["outcomes"]


@FEW
@given(rows=sources("long", garbage=False), how=HOW)
def test_the_order_of_the_columns_does_not_matter(rows: list[Row], how: ConvertOptions) -> None:
    """Columns go by their names."""
    turned = [dict(reversed(list(row.items()))) for row in rows]
    with folder() as work:
        one = make(work / "one", rows, **how)
        two = make(work / "two", turned, **how)
    assert content(one, "prompt", "chosen") == content(two, "prompt", "chosen")
