"""Words for no value, spreadsheet errors and rows of headers are never an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.cli import main
from prefdata.errors import InputError
from prefdata.formats.text_marks import SPREADSHEET_ERRORS
from prefdata.io.readers.missing import NOTE
from prefdata.records import reasons
from tests.roundtrip import Converted, converted, make, pair

PAIRS = "prompt,chosen,rejected\n"


def csv(folder: Path, text: str, *, missing: tuple[str, ...] | None = None) -> Converted:
    path = folder / "cells.csv"
    path.write_text(text, encoding="utf-8")
    options = {} if missing is None else {"missing": missing}
    return converted(path, test_size=0.0, **options)  # type: ignore[arg-type]


def rows(cells: list[str]) -> str:
    return PAIRS + "".join(f"Name tool {i}.,An awl.,{cell}\n" for i, cell in enumerate(cells))


@pytest.mark.parametrize("word", [*SPREADSHEET_ERRORS, "nan", "NaN"])
def test_words_for_no_value_in_csv(tmp_path: Path, word: str) -> None:
    """Are read as an empty cell is, and counted."""
    result = csv(tmp_path, rows(["A cloud.", word, ""]))
    assert [(r.line, r.field, r.reason) for r in result.refused] == [
        (3, "rejected", reasons.MISSING),
        (4, "rejected", reasons.MISSING),
    ]
    (note,) = result.manifest["sources"][0]["notes"]
    assert (note["text"], note["column"], note["rows"], note["example"]) == (
        NOTE,
        "rejected",
        1,
        word,
    )


@pytest.mark.parametrize("word", ["null", "None", "N/A", "-", "Nan", "#5", "nanometre", "#N/A!"])
def test_other_words_are_answers(tmp_path: Path, word: str) -> None:
    """Unless the user says that they are missing, in any kind of file."""
    assert len(csv(tmp_path, rows(["A cloud.", word])).rows) == 2
    assert len(csv(tmp_path, rows(["A cloud.", word]), missing=(word,)).rows) == 1
    typed = [pair("An awl.", "A cloud."), pair("An awl.", word, "Another?")]
    assert len(make(tmp_path, typed).rows) == 2
    assert len(make(tmp_path, typed, missing=(word,)).rows) == 1


@pytest.mark.parametrize("word", ["nan", "#N/A", "#VALUE!"])
def test_typed_sources_have_null(tmp_path: Path, word: str) -> None:
    """A text is a text there, also one that CSV would have as missing."""
    typed = [pair("An awl.", "A cloud."), pair("An awl.", word, "Another?")]
    assert len(make(tmp_path, typed).rows) == 2


@pytest.mark.parametrize("score", ["nan", "#DIV/0!", "null", "None", "N/A", "-", "-99"])
def test_scores_that_are_missing(tmp_path: Path, score: str) -> None:
    """In every spelling, and in the one that the user names."""
    text = f"prompt,response,score\nQ,A,2\nQ,B,1\nQ,C,{score}\n"
    result = csv(tmp_path, text, missing=("-99", "nan"))
    assert [(r.line, r.reason) for r in result.refused] == [(4, reasons.MISSING)]
    typed = [
        {"prompt": "Q", "response": r, "score": s} for r, s in (("A", 2), ("B", 1), ("C", -99))
    ]
    assert [r.reason for r in make(tmp_path, typed, missing=("-99",)).refused] == [reasons.MISSING]


def test_a_word_with_a_meaning_is_not_missing(tmp_path: Path) -> None:
    """What the user says of a winner goes before what CSV usually means."""
    text = "prompt,response_a,response_b,winner\nQ1,A,B,a\nQ2,A,B,#N/A\n"
    path = tmp_path / "votes.csv"
    path.write_text(text, encoding="utf-8")
    result = converted(path, test_size=0.0, winner={"a": "a", "#N/A": "b"})
    assert result.pairs == {("Q1", "A", "B"), ("Q2", "B", "A")}


def test_the_option_of_the_command(tmp_path: Path) -> None:
    """Takes words with commas between them."""
    path = tmp_path / "cells.csv"
    path.write_text(rows(["A cloud.", "N/A", "none", "nan"]), encoding="utf-8")
    command = ["convert", str(path), "-o", str(tmp_path / "out"), "-q", "--missing", "N/A,none"]
    with pytest.raises(SystemExit) as left:
        main(command)
    assert left.value.code == 0
    manifest = (tmp_path / "out" / "manifest.json").read_text(encoding="utf-8")
    assert '"rows_used": 2' in manifest
    assert '"N/A"' in manifest


ID_ROW = '"{""ImportId"":""QID1""}","{""ImportId"":""QID2""}","{""ImportId"":""QID3""}"\n'
QUESTIONS = "Which prompt?,The better?,The worse?\n"
DATA = "Name a tool.,An awl.,A cloud.\n"
MORE = "Name a sea.,The Baltic.,A tile.\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (PAIRS + QUESTIONS + ID_ROW + DATA + MORE, [2, 3]),
        (PAIRS + ID_ROW + DATA + MORE, [2]),
        (PAIRS + "Prompt,CHOSEN,rejected\n" + DATA + MORE, [2]),
        (PAIRS + DATA + PAIRS + MORE, [3]),
        (PAIRS + DATA + PAIRS + QUESTIONS + ID_ROW + MORE, [3, 4, 5]),
        (PAIRS + DATA + MORE + PAIRS, [4]),
        (PAIRS + DATA + MORE + ID_ROW, [4]),
        (PAIRS + "\n" + QUESTIONS + ID_ROW + DATA + MORE, [3, 4]),
        (PAIRS + QUESTIONS + ID_ROW + DATA + "bad,row\n" + MORE, [2, 3, 5]),
        (PAIRS + DATA + "bad,row\n" + PAIRS + QUESTIONS + ID_ROW + MORE, [3, 4, 5, 6]),
        ("\ufeff" + PAIRS + DATA + "\ufeff" + PAIRS + MORE, [3]),
    ],
)
def test_rows_of_headers_are_no_data(tmp_path: Path, text: str, lines: list[int]) -> None:
    """Those of survey tools, and those of files put end to end, quickly read or row by row."""
    result = csv(tmp_path, text)
    assert {row["prompt"] for row in result.rows} == {"Name a tool.", "Name a sea."}
    assert [each.line for each in result.refused] == lines
    assert {each.reason for each in result.refused} <= {reasons.HEADER_ROW, reasons.RAGGED}


@pytest.mark.parametrize(
    "text",
    [
        PAIRS + "prompt,An awl.,A cloud.\n" + MORE,
        PAIRS + '"{""ImportId"":""QID1""}",An awl.,A cloud.\n' + MORE,
    ],
)
def test_rows_that_only_resemble_headers(tmp_path: Path, text: str) -> None:
    """One cell alone says nothing."""
    assert len(csv(tmp_path, text).rows) == 2


def test_headers_do_not_hide_scores(tmp_path: Path) -> None:
    """The rows that survey tools add are not looked at to recognise a file."""
    names = "prompt,response,score\n"
    text = names + "Which?,What?,How good?\n" + ID_ROW + "Q,A,5\nQ,B,1\n" + names + "R,A,2\nR,B,1\n"
    result = csv(tmp_path, text)
    assert result.pairs == {("Q", "A", "B"), ("R", "A", "B")}
    assert [each.line for each in result.refused] == [2, 3, 6]


@pytest.mark.parametrize("place", ["first", "last"])
def test_headers_in_a_long_file(tmp_path: Path, place: str) -> None:
    """The place of the odd row changes nothing."""
    lines = [f"Name tool {i}.,An awl.,A cloud.\n" for i in range(20_000)]
    lines = [PAIRS, *lines] if place == "first" else [*lines, PAIRS]
    result = csv(tmp_path, PAIRS + "".join(lines))
    assert len(result.rows) == 20_000
    assert [each.reason for each in result.refused] == [reasons.HEADER_ROW]


@pytest.mark.parametrize("more", ["", "Name a sea.,The Baltic.,A tile.,yes,no\n"])
def test_a_header_longer_than_its_rows(tmp_path: Path, more: str) -> None:
    """Is read where the rows are all alike, the other cells empty; a full row is read too."""
    lines = "".join(f"Name tool {i}.,An awl.,A cloud.\n" for i in range(12))
    result = csv(tmp_path, PAIRS.rstrip() + ",Approve,Reject\n" + lines + more)
    assert not result.rejects
    assert len(result.rows) == 12 + bool(more)
    (note,) = result.manifest["sources"][0]["notes"]
    assert note["text"].endswith("no cell for Approve, Reject")


def test_rows_of_different_lengths_are_still_refused(tmp_path: Path) -> None:
    """A single short row is a broken one."""
    result = csv(tmp_path, rows(["A cloud."] * 4) + "Name a sea.,The Baltic.\n")
    assert [each.reason for each in result.refused] == [reasons.RAGGED]


CURLY = [
    ("\N{LEFT DOUBLE QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}"),
    ("\N{DOUBLE LOW-9 QUOTATION MARK}", "\N{LEFT DOUBLE QUOTATION MARK}"),
    ("\N{DOUBLE LOW-9 QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}"),
    ("\N{LEFT SINGLE QUOTATION MARK}", "\N{RIGHT SINGLE QUOTATION MARK}"),
    ("\N{LEFT DOUBLE QUOTATION MARK}", "\N{LEFT DOUBLE QUOTATION MARK}"),
]


@pytest.mark.parametrize(("left", "right"), CURLY)
def test_curly_quotes(tmp_path: Path, left: str, right: str) -> None:
    """Quote nothing in CSV: the file is refused where its header has them, and they are named."""
    line, header = (
        ",".join(f"{left}{cell}{right}" for cell in cells) + "\n"
        for cells in (("Name a herb, please", "Basil", "A brick"), ("prompt", "chosen", "rejected"))
    )
    with pytest.raises(InputError, match=f"quotes {left} and {right}"):
        csv(tmp_path, header + line)
    result = csv(tmp_path, PAIRS + DATA + line)
    assert f"{left} quotes nothing in CSV" in result.refused[0].detail


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("count", [1, 64, 500])
def test_lines_of_nuls(tmp_path: Path, place: int, count: int) -> None:
    """What a crash leaves costs the line, not the file."""
    lines = ['{"prompt": "Q", "chosen": "A", "rejected": "B"}'] * 2
    lines.insert(place, "\0" * count)
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = converted(path, test_size=0.0)
    assert [(r.line, r.reason) for r in result.refused] == [(place + 1, reasons.BAD_TEXT)]
