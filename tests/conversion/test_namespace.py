"""No name of a column in a source is taken for one of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from prefdata.formats import FORMATS, ReadOptions, Sample
from prefdata.formats.detect import recognise
from prefdata.io.store.record_store import SCHEMAS
from prefdata.records.frames import COLUMNS, PLACE
from tests.roundtrip import Converted, Row, converted, judged, labelled, make, pair, rated

OURS = sorted(
    {*PLACE, *(name for kind in COLUMNS.values() for name in kind)}
    | {name for schema in SCHEMAS.values() for name in schema}
    | {"@a", "@b", "@response", "@measure", "@model", "@system", "@history", "@whole", "@n"}
    | {"response+", "@a+", "@a#", "response#", "word", "new", "of_row", "of_item", "pair"}
    | {"raw:prompt", "raw:x", "raw:raw:prompt", "raw:row", "field:score", "field:place"}
    | {"measure:x", "place", "outcome", "keep_x", "chosen_id", "dimension:x", "a.b", "x\ny", "é"}
    | {"^.*$"}
)
"""Names that columns have inside the program, and a few that are hard to write."""

MESSAGES = [{"role": "assistant", "content": "good"}], [{"role": "assistant", "content": "bad"}]
SHAPES: dict[str, list[Row]] = {
    "pairs": [pair("good", "bad", f"Q{n}") for n in range(3)],
    "messages": [{"prompt": "Q", "chosen": MESSAGES[0], "rejected": MESSAGES[1]}],
    "ratings": [rated("good", 5), rated("bad", 1), rated("fair", None)],
    "wide": [
        {"prompt": "Q", "response_a": "bad", "score_a": 1, "response_b": "good", "score_b": 4}
    ],
    "lists": [{"prompt": "Q", "responses": ["bad", "good"], "scores": [1, 5]}],
    "comparisons": [judged("good", "bad", "a"), judged("bad", "good", "b", "Q2")],
    "unpaired": [labelled("good", label=True), labelled("bad", label=False)],
    "described": [FORMATS["ultrafeedback"].example],
}
VALUES = ["zed", 9, {"x": 1}, ["L1"], 2.5]


def outcome(made: Converted) -> object:
    """All that may not change."""
    rows = [{k: v for k, v in row.items() if not k.startswith("keep_")} for row in made.rows]
    ledger = [{k: v for k, v in entry.items() if k != "source"} for entry in made.ledger]
    return rows, ledger, made.refused, made.report.outcomes


def columns_of(rows: Sequence[Row]) -> object:
    """The format of rows and the columns that it reads, or None where it asks."""
    sample = Sample(list(rows[0]), [dict(row) for row in rows])
    match = recognise(sample, ReadOptions(), name="rows").match
    return None if match.questions or match.claims else (match.format, match.columns)


@pytest.mark.parametrize("shape", SHAPES)
def test_columns_with_names_of_ours_change_nothing(tmp_path: Path, shape: str) -> None:
    """Pairs, ids, rows and rejects stay, whether the columns are passed on or not."""
    before = outcome(make(tmp_path / "before", SHAPES[shape]))
    rows: Sequence[Row] = SHAPES[shape]
    unread: list[str] = []
    for m, name in enumerate(name for name in OURS if name not in rows[0]):
        more = [{**row, name: VALUES[(n + m) % 5]} for n, row in enumerate(rows)]
        if columns_of(more) == columns_of(SHAPES[shape]):
            rows, unread = more, [*unread, name]
    assert len(unread) > 40
    assert outcome(make(tmp_path / "ignored", rows)) == before
    kept = make(tmp_path / "kept", rows, keep=tuple(unread))
    assert outcome(kept) == before
    assert {name for name in kept.rows[0] if name.startswith("keep_")} == {
        name if name == "keep_x" else f"keep_{name}" for name in unread
    }


@pytest.mark.parametrize(
    "names", [("score_a", "score_b"), ("model_a", "origin"), ("a", "b", "reason"), ("list", "item")]
)
def test_passing_on_one_column_changes_nothing(tmp_path: Path, names: tuple[str, ...]) -> None:
    """A column of a name that a pair has inside is carried on, and read as nothing."""
    rows = [pair("good", "bad", f"Q{n}", **dict.fromkeys(names, n)) for n in range(3)]
    before, after = make(tmp_path / "a", rows), make(tmp_path / "b", rows, keep=names)
    assert outcome(after) == outcome(before)
    assert [row[f"keep_{names[0]}"] for row in after.rows] == ["0", "1", "2"]


def test_two_columns_never_share_a_kept_name(tmp_path: Path) -> None:
    """A column that begins with ``keep_`` does not take the place of the one without."""
    made = make(tmp_path, [pair("good", "bad", lang="en", keep_lang="de")], keep=("*lang",))
    assert (made.only["keep_lang"], made.only["keep_keep_lang"]) == ("en", "de")


def test_an_annotator_keeps_its_name(tmp_path: Path) -> None:
    """A name that begins like one of ours inside is a name like any other."""
    rows = [judged("good", "bad", "a", annotator="raw:anna"), judged("bad", "good", "b")]
    made = make(tmp_path, rows, keep=("annotator",))
    assert "raw:anna" in {row["keep_annotator"] for row in made.rows}


@pytest.mark.parametrize("name", ["^.*$", "^prompt$", "^zzz$"])
def test_a_name_that_is_a_pattern_elsewhere_is_a_name(tmp_path: Path, name: str) -> None:
    """In CSV too, whose columns are picked by name."""
    source = tmp_path / "rows.csv"
    source.write_text(f"prompt,chosen,rejected,{name}\nQ,good,bad,x\n", "utf-8")
    made = converted(source, keep=[name], test_size=0.0)
    assert "x" in made.rows[0].values()


def test_a_column_without_a_name_is_ignored(tmp_path: Path) -> None:
    """It is no column of splits because there is none."""
    made = make(tmp_path, [{**pair("good", "bad"), "": "hello"}])
    (source,) = made.report.sources
    assert [(u.status, u.example) for u in source.column_uses if not u.name] == [
        ("ignored", "hello")
    ]
