"""What texts hold that their user should know of, counted; and the rows whose text is not whole.

One look at a whole column says whether anything in it needs a closer look, which nearly always is
the whole cost. The closer look is only at the rows that this one picks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from prefdata.formats.base import RAW, Match
from prefdata.formats.cell_messages import CELL_BEGINS
from prefdata.formats.text_marks import (
    ANY_BEGINNING,
    ANY_MARK,
    CLOSED,
    END_MARK,
    END_NOTE,
    LINE,
    MAY_HAVE_MARK,
    NOT_WHOLE,
    NOTES,
    PLACEHOLDER,
    USER_NOTE,
    USER_TURN,
    WORD_NOTE,
    WORDS,
)
from prefdata.records import reasons
from prefdata.records.notes import Note


def plain_columns(frame: pl.DataFrame, match: Match, *, again: bool) -> frozenset[str]:
    """The columns of texts in which no row needs a closer look.

    Args:
        frame: the raw columns of a piece.
        match: which of them hold texts, and how they are written.
        again: whether the piece was checked before, so that only messages are to be found.
    """
    names = [
        name
        for name, shape in match.shapes.items()
        if shape == "text" and _is_text(frame, name) and not frame[RAW + name].null_count()
    ]
    if not names:
        return frozenset()
    beginning = CELL_BEGINS if again else ANY_BEGINNING
    return frozenset(
        name
        for name in names
        if not frame[RAW + name].str.contains(beginning).any()
        and (again or not _has_mark(frame[RAW + name]))
    )


def _has_mark(texts: pl.Series) -> bool:
    """Whether any of some texts has a mark."""
    return texts.filter(texts.str.contains(MAY_HAVE_MARK)).str.contains(ANY_MARK).any()


def _is_text(frame: pl.DataFrame, name: str) -> bool:
    """Whether a column of the source is one of texts."""
    return frame.schema.get(RAW + name) == pl.String


def text_columns(records: pl.DataFrame) -> list[str]:
    """The columns of records that hold a prompt or an answer."""
    return [
        name
        for name, kind in records.schema.items()
        if name in ("prompt", "a", "b", "response") and isinstance(kind, pl.String | pl.List)
    ]


def source_names(match: Match) -> dict[str, str]:
    """For each column of texts of records, the column of the source that it comes from."""
    fields = {
        "prompt": ("prompt",),
        "a": ("chosen", "response_a"),
        "b": ("rejected", "response_b"),
        "response": ("response", "responses", "completion", "ranked"),
    }
    columns = {name: _columns(match, those) for name, those in fields.items()}
    shared = len({*columns.values()}) < len([each for each in columns.values() if each])
    return {
        name: " + ".join(each) if each and (len(each) == 1 or not shared) else name
        for name, each in columns.items()
    }


def _columns(match: Match, fields: Sequence[str]) -> tuple[str, ...]:
    return next((match.columns[field] for field in fields if field in match.columns), ())


def texts_of(records: pl.DataFrame, name: str) -> pl.Series:
    """A column of prompts or answers as texts, the messages of each joined."""
    if records.schema[name] == pl.String:
        return records[name]
    content = pl.col(name).list.eval(pl.element().struct.field("content"))
    return records.select(content.list.join("\n\n", ignore_nulls=True)).to_series()


def refuse_incomplete(records: pl.DataFrame, match: Match) -> pl.DataFrame:
    """Refuse records in which an image, audio or video stands where text is read.

    In prompts a placeholder at the beginning, at the end or on a line of its own says so; in an
    answer only one that is the whole answer, since answers may be about such tags.
    """
    names = source_names(match)
    for name in text_columns(records):
        pattern = NOT_WHOLE if name == "prompt" else rf"\A\s*{LINE}\z"
        texts = texts_of(records, name)
        bad = texts.str.contains(pattern) & ~texts.str.contains(CLOSED)
        places = bad.fill_null(value=False) & records["reason"].is_null()
        if not places.any():
            continue
        detail = (
            pl.lit("found ")
            + texts.str.extract(f"({PLACEHOLDER}|data:image)").to_frame()[texts.name]
        )
        records = records.with_columns(
            pl.when(places).then(pl.lit(reasons.NOT_TEXT)).otherwise("reason").alias("reason"),
            pl.when(places).then(pl.lit(names[name])).otherwise("field").alias("field"),
            pl.when(places).then(detail).otherwise("detail").alias("detail"),
        )
    return records


def text_notes(records: pl.DataFrame, match: Match) -> list[Note]:
    """Notes on texts that look like something other than a plain prompt or answer.

    Args:
        records: those of a piece, sound ones and others.
        match: which columns of the source they come from.
    """
    sound = records.filter(pl.col("reason").is_null())
    names = source_names(match)
    picked = {}
    for name in text_columns(sound):
        texts = pl.DataFrame([sound["row"].alias("row"), texts_of(sound, name).alias("text")])
        closer = pl.col("text").str.contains(ANY_MARK) | pl.col("text").str.contains(ANY_BEGINNING)
        picked[name] = texts.filter(closer)
    notes = [
        _note(text, names[name], texts, pattern)
        for name, texts in picked.items()
        for text, pattern in _patterns(name).items()
    ]
    return [note for note in (*notes, *_end_marks(sound, names)) if note.rows]


def _patterns(name: str) -> Mapping[str, str]:
    return NOTES if name == "prompt" else {**NOTES, USER_NOTE: USER_TURN}


def _note(text: str, column: str, texts: pl.DataFrame, pattern: str) -> Note:
    hits = texts.filter(pl.col("text").str.contains(pattern))
    example = hits["text"][0] if hits.height else ""
    return Note(text, column, hits["row"].n_unique(), example)


def _end_marks(sound: pl.DataFrame, names: Mapping[str, str]) -> Iterator[Note]:
    """Rows whose one answer ends with an end mark: its length and form give it away."""
    if not {"a", "b"} <= set(sound.columns):
        return
    first, second = (
        texts_of(sound, name).str.contains(END_MARK).fill_null(value=False) for name in ("a", "b")
    )
    for name, alone in (("a", first & ~second), ("b", second & ~first)):
        if alone.any():
            texts = texts_of(sound.filter(alone), name)
            yield Note(END_NOTE, names[name], int(alone.sum()), f"…{texts[0][-40:]}")


def word_notes(frame: pl.DataFrame, match: Match) -> Iterator[Note]:
    """Notes on cells that hold nothing but a word for no value.

    Args:
        frame: the raw columns of a piece.
        match: which of them hold texts.
    """
    names = [name for name in match.shapes if _is_text(frame, name)]
    if not names:
        return
    longest = max(map(len, WORDS))
    shortest = frame.select(pl.col(RAW + name).str.len_bytes().min() for name in names).row(0)
    for name, size in zip(names, shortest, strict=True):
        if size is not None and size <= longest:
            words = frame[RAW + name].filter(frame[RAW + name].is_in(WORDS))
            if words.len():
                yield Note(WORD_NOTE, name, words.len(), words[0])


def closer_look(
    frame: pl.DataFrame, records: pl.DataFrame, match: Match
) -> tuple[pl.DataFrame, Sequence[Note]]:
    """Records with those refused whose text is not whole, and the notes on the others.

    Args:
        frame: the raw columns of a piece.
        records: what was made of them.
        match: how, and which columns need no closer look.
    """
    notes = list(word_notes(frame, match))
    texts = [n for n, shape in match.shapes.items() if RAW + n in frame.columns]
    if texts and match.plain.issuperset(texts):
        return records, notes
    records = refuse_incomplete(records, match)
    return records, [*notes, *text_notes(records, match)]
