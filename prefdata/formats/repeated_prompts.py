"""Answers that begin with their prompt, as models write them that complete a text.

Where nearly all rows of a source are so, the prompt is taken off: it would be trained on as if it
were answered. In a few rows it may be chance, such as an answer "Hi, you" to "Hi", and nothing is
taken off; a note says how many there are. All rows of the source decide, wherever they stand.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from prefdata.formats.base import Match
from prefdata.formats.cell_notes import source_names, text_columns
from prefdata.records.notes import Note

SHARE = 0.9
"""Share of a source's rows from which on the prompt is taken off."""

LEAST_ROWS = 5
"""Rows of a source from which on it can be no chance."""

SPACE = r"\A(?: |[\r\n]+)"
"""What separates the prompt from the answer."""

TAKEN_OFF = "the answers repeated the prompt, which was taken off"
LEFT = "the answers begin with the prompt, which is left in them: too few rows are so"
ONE_SIDE = "one answer begins with the prompt, and the other does not"


class Repeats(NamedTuple):
    """How many records repeat their prompt in every answer, of how many."""

    repeated: int = 0
    records: int = 0

    def __add__(self, other: object) -> Repeats:
        if not isinstance(other, Repeats):
            return NotImplemented
        return Repeats(self.repeated + other.repeated, self.records + other.records)

    @property
    def decide(self) -> bool:
        """Whether so many do that the prompt is to be taken off.

        Example:
            >>> Repeats(8, 8).decide, Repeats(2, 100).decide, Repeats(2, 2).decide
            (True, False, False)
        """
        return self.records >= LEAST_ROWS and self.repeated >= SHARE * self.records


def _turn(name: str, kind: pl.DataType) -> pl.Expr:
    """The text of a prompt or an answer of one turn; null where there are several."""
    if kind == pl.String:
        return pl.col(name)
    only = pl.col(name).list.get(0, null_on_oob=True).struct.field("content")
    return pl.when(pl.col(name).list.len() == 1).then(only)


def without_prompts(
    records: pl.DataFrame, match: Match, *, strips: bool
) -> tuple[pl.DataFrame, Repeats, list[Note]]:
    """Count the records whose answers repeat the prompt, and take it off if that is decided.

    Args:
        records: those of a piece.
        match: which columns of the source they come from.
        strips: whether the prompt is taken off where every answer of a record begins with it.
    """
    answers = [name for name in text_columns(records) if name != "prompt"]
    prompt = _turn("prompt", records.schema["prompt"])
    begins = [
        (
            _turn(name, records.schema[name]).str.starts_with(prompt)
            & (_turn(name, records.schema[name]).str.len_bytes() > prompt.str.len_bytes())
        ).fill_null(value=False)
        for name in answers
    ]
    sound = pl.col("reason").is_null()
    some = records.select(
        each=pl.all_horizontal(begins) & sound, any=pl.any_horizontal(begins) & sound
    )
    every = some["each"]
    repeats = Repeats(int(every.sum()), records.height - int(records["reason"].count()))
    names = source_names(match)
    column = " and ".join(dict.fromkeys(names[name] for name in answers))
    notes = [
        Note(
            TAKEN_OFF if strips else LEFT, column, _rows(records, every), _example(records, every)
        ),
        Note(ONE_SIDE, column, _rows(records, some["any"] & ~every)),
    ]
    if strips and repeats.repeated:
        with_prompt = records.with_columns(prompt.alias("@prompt"))
        records = with_prompt.with_columns(
            pl.when(every).then(_stripped(name, records.schema[name])).otherwise(name).alias(name)
            for name in answers
        ).drop("@prompt")
    return records, repeats, notes


def _rows(records: pl.DataFrame, which: pl.Series) -> int:
    """The rows that some records come from."""
    return records["row"].filter(which).n_unique() if which.any() else 0


def _example(records: pl.DataFrame, every: pl.Series) -> str:
    if not every.any():
        return ""
    prompt = records.filter(every)["prompt"][0]
    return prompt if isinstance(prompt, str) else str(prompt[0]["content"])


def _stripped(name: str, kind: pl.DataType) -> pl.Expr:
    """The answer behind the prompt; as it is where nothing stands there."""
    rest = _turn(name, kind).str.strip_prefix(pl.col("@prompt")).str.replace(SPACE, "")
    answer = rest
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
        first = pl.col(name).list.get(0, null_on_oob=True).struct
        fields = [each.name for each in kind.inner.fields]
        answer = pl.concat_list(
            pl.struct(
                (rest if field == "content" else first.field(field)).alias(field)
                for field in fields
            )
        )
    return pl.when(rest.str.contains(r"\S")).then(answer).otherwise(name)
