"""Cells that hold a word for no value, such as ``nan`` or ``#N/A``, read as empty ones.

Where cells have no type, as in CSV, nobody can write that a value is missing but by a word: what
pandas and spreadsheets write is taken so. In JSON, Parquet and Arrow only null is missing, unless
the user says which words are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import polars as pl

from prefdata.formats.base import RAW, ReadOptions
from prefdata.formats.text_marks import SPREADSHEET_ERRORS
from prefdata.io.readers.chunks import Chunk
from prefdata.records.notes import Note

WORDS = ("nan", "NaN")
NOTE = "the cell holds a word for no value, and is read as empty"
PLACES = ("row", "line")


def missing_words(read_options: ReadOptions, *, text_only: bool) -> frozenset[str]:
    """The words that stand for no value in a source.

    Args:
        read_options: may name them, and the meaning of values that are then none of them.
        text_only: whether its cells have no type.

    Example:
        >>> sorted(missing_words(ReadOptions(missing=("NONE",)), text_only=False))
        ['NONE']
    """
    words = set(WORDS if read_options.missing is None and text_only else read_options.missing or ())
    words |= set(SPREADSHEET_ERRORS if text_only else ())
    return frozenset(words - {*read_options.winner, *read_options.label, ""})


def row_without(
    row: dict[str, object], words: Collection[str], *, text_only: bool
) -> dict[str, object]:
    """A row of a sample in which no cell is one of the words.

    Example:
        >>> row_without({"prompt": "Hi", "chosen": "#N/A"}, {"#N/A"}, text_only=True)
        {'prompt': 'Hi', 'chosen': ''}
    """
    none = "" if text_only else None
    return {name: none if _is_word(value, words) else value for name, value in row.items()}


def _is_word(value: object, words: Collection[str]) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return any(value == number for number in _numbers(words))
    return isinstance(value, str) and value in words


def _numbers(words: Collection[str]) -> list[float]:
    """Those of the words that are numbers."""
    numbers = []
    for word in words:
        try:
            numbers.append(float(word))
        except ValueError:
            continue
    return numbers


def chunk_without(chunk: Chunk, words: Collection[str], *, text_only: bool) -> Chunk:
    """A piece in which no cell is one of the words, and a note on those that were.

    Args:
        chunk: the piece.
        words: what stands for no value.
        text_only: whether such a cell becomes an empty text; null otherwise.
    """
    frame, notes = chunk.frame, []
    for name, hits in _hits(frame, words).items():
        values = frame[name].filter(hits)
        column = name.removeprefix(RAW)
        notes.append(Note(NOTE, column, values.len(), str(values[0])))
        none = pl.lit("" if text_only else None, frame.schema[name])
        frame = frame.with_columns(pl.when(hits).then(none).otherwise(name).alias(name))
    return replace(chunk, frame=frame, notes=(*chunk.notes, *notes)) if notes else chunk


def _hits(frame: pl.DataFrame, words: Collection[str]) -> dict[str, pl.Series]:
    """The columns that have such cells, and where: only short cells are compared."""
    longest = max((len(word.encode()) for word in words), default=0)
    texts = [n for n, kind in frame.schema.items() if kind == pl.String and n not in PLACES]
    sizes = [pl.col(name).str.len_bytes().min() for name in texts]
    shortest = frame.select(sizes).row(0) if texts else ()
    checks = {
        name: pl.col(name).is_in(list(words))
        for name, size in zip(texts, shortest, strict=True)
        if size is not None and size <= longest
    }
    if numbers := _numbers(words):
        numeric = [n for n, kind in frame.schema.items() if kind.is_numeric() and n not in PLACES]
        checks |= {name: pl.col(name).cast(pl.Float64).is_in(numbers) for name in numeric}
    hits = frame.select(check.fill_null(value=False).alias(n) for n, check in checks.items())
    return {name: hits[name] for name in hits.columns if hits[name].any()}
