"""Verdicts of any number of annotators as one frame, whichever order the responses stood in.

The same two responses to the same prompt are one comparison, also where a file has them the other
way round: the winner is turned with them. Which of the two counts as the first is decided once for
each comparison: as most rows show it, so that figures are those of the raw columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from prefdata.records.frames import MESSAGES
from prefdata.records.ids import content_ids, joined_ids
from prefdata.schemas import Comparison, Message

VERDICTS = pl.Schema(
    {
        "comparison": pl.UInt128,
        "annotator": pl.String,
        "winner": pl.Int8,
        "swapped": pl.Boolean,
        "longer": pl.Int8,
        "category": pl.String,
    }
)
"""One row per verdict as it was cast.

``comparison`` says on what. ``winner`` is 1 for the first response, -1 for the second, 0 for a tie,
null where there is no verdict. ``swapped``: the second response was shown first; null where it is
not known which was. ``longer`` is 1 or -1 for the longer response, 0 where they are equal, null
where there is no text. ``category`` may be null.
"""

SHOWN = pl.Schema(
    {
        "comparison": pl.UInt128,
        "turned": pl.Boolean,
        "annotator": pl.String,
        "winner": pl.Int8,
        "placed": pl.Boolean,
        "longer": pl.Int8,
        "category": pl.String,
    }
)
"""One row per verdict as a source has it: ``winner`` and ``longer`` by the columns of the source.

``turned``: those columns are in the other order than the ids of the responses. ``placed``: they are
in the order in which the responses were shown.
"""


def identified(frame: pl.DataFrame) -> pl.DataFrame:
    """Add ``comparison`` and ``turned`` to a frame of ``prompt_id``, ``a_id`` and ``b_id``."""
    low, high = pl.min_horizontal("a_id", "b_id"), pl.max_horizontal("a_id", "b_id")
    frame = frame.with_columns(
        low.alias("low_id"),
        high.alias("high_id"),
        (pl.col("a_id") > pl.col("b_id")).alias("turned"),
    )
    return joined_ids(frame, ["prompt_id", "low_id", "high_id"], "comparison")


def longer(frame: pl.DataFrame) -> pl.Expr:
    """Which of the responses ``a`` and ``b`` has more characters: 1, -1, or 0 for neither."""
    return (_characters(frame, "a") - _characters(frame, "b")).sign().cast(pl.Int8)


def _characters(frame: pl.DataFrame, name: str) -> pl.Expr:
    text = pl.col(name)
    if frame.schema[name] == pl.String:
        return text.str.len_chars().cast(pl.Int64)
    each = text.list.eval(pl.element().struct.field("content").str.len_chars().cast(pl.Int64))
    return each.list.sum()


def oriented(shown: pl.DataFrame) -> pl.DataFrame:
    """Bring the verdicts of all sources to one order of the responses.

    Args:
        shown: the columns of `SHOWN`.

    Returns:
        The columns of `VERDICTS`. Row order does not change what a comparison's order is.

    Example:
        >>> frame = pl.DataFrame(
        ...     [(7, False, "anna", 1, True, 1, None), (7, True, "bert", -1, True, -1, None)],
        ...     schema=SHOWN,
        ...     orient="row",
        ... )
        >>> oriented(frame).select("winner", "swapped", "longer").rows()
        [(1, False, 1), (1, True, 1)]
    """
    seen = pl.col("placed").fill_null(value=False)
    votes = pl.when(seen).then(pl.when("turned").then(-1).otherwise(1)).otherwise(0)
    other = (votes.sum().over("comparison") < 0) != pl.col("turned")
    sign = pl.when(other).then(pl.lit(-1, pl.Int8)).otherwise(pl.lit(1, pl.Int8))
    return shown.select(
        "comparison",
        "annotator",
        (pl.col("winner") * sign).alias("winner"),
        pl.when(seen).then(other).alias("swapped"),
        (pl.col("longer") * sign).drop_nulls().first().over("comparison").alias("longer"),
        pl.col("category").drop_nulls().first().over("comparison").alias("category"),
    ).cast(VERDICTS)


def from_comparisons(
    comparisons: Sequence[Comparison], *, placed: bool = True, category: str | None = None
) -> pl.DataFrame:
    """Lay records out as a frame of verdicts; of records with the same texts, as one comparison.

    For samples: each record is a Python object. `pref agree` reads files column by column.

    Args:
        comparisons: the records; verdicts without an annotator are those of ``""``.
        placed: whether ``response_a`` is what the annotators saw first.
        category: of all of them.

    Returns:
        The columns of `VERDICTS`.

    Example:
        >>> from prefdata.schemas import Verdict
        >>> record = Comparison(
        ...     prompt="2+2?",
        ...     response_a="4",
        ...     response_b="It is 5.",
        ...     verdicts=[Verdict(winner="a", annotator="anna")],
        ... )
        >>> from_comparisons([record]).select("annotator", "winner", "longer").row(0)
        ('anna', 1, -1)
    """
    numbers = {"a": 1, "b": -1, "tie": 0, "none": None}
    rows = [
        (
            *(_plain(side) for side in (each.prompt, each.response_a, each.response_b)),
            verdict.annotator or "",
            numbers[verdict.winner],
        )
        for each in comparisons
        for verdict in each.verdicts
    ]
    texts = ("prompt", "a", "b")
    columns = [(name, MESSAGES) for name in texts]
    schema = pl.Schema([*columns, ("annotator", pl.String()), ("winner", pl.Int8())])
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    frame = identified(content_ids(frame, {name: f"{name}_id" for name in texts}))
    frame = frame.with_columns(
        pl.lit(placed).alias("placed"),
        longer(frame).alias("longer"),
        pl.lit(category, pl.String).alias("category"),
    )
    return oriented(frame.select(list(SHOWN)))


def _plain(messages: Sequence[Message]) -> list[dict[str, object]]:
    return [message.model_dump(include={"role", "content"}) for message in messages]


def names(verdicts: pl.DataFrame) -> list[str]:
    """Who gave verdicts, in alphabetical order."""
    return sorted(verdicts["annotator"].unique().to_list())
