"""Verdicts of any number of annotators as one frame, whichever order the responses stood in.

The same two responses to the same prompt are one comparison, also where a file has them the other
way round: the winner is turned with them. Which of the two counts as the first is decided once for
each comparison: as most rows show it, so that figures are those of the raw columns.
"""

from __future__ import annotations

import polars as pl

from prefdata.records.ids import joined_ids

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
"""One row per verdict, in the order of its comparison.

``comparison`` says on what. ``winner`` is 1 for the first response, -1 for the second, 0 for a tie,
null where there is no verdict. ``swapped``: the second response was shown first; null where it is
not known which was. ``longer`` is 1 or -1 for the longer response, 0 where they are equal, null
where there is no text. ``category`` may be null.
"""

SOURCE_VERDICTS = pl.Schema(
    {
        "comparison": pl.UInt128,
        "turned": pl.Boolean,
        "annotator": pl.String,
        "winner": pl.Int8,
        "as_shown": pl.Boolean,
        "longer": pl.Int8,
        "category": pl.String,
    }
)
"""One row per verdict as a source has it: ``winner`` and ``longer`` by the columns of the source.

``turned``: those columns are in the other order than the ids of the responses. ``as_shown``: they
are in the order in which the responses were shown.
"""


def with_comparison(frame: pl.DataFrame) -> pl.DataFrame:
    """Add ``comparison`` and ``turned`` to a frame of ``prompt_id``, ``a_id`` and ``b_id``."""
    low, high = pl.min_horizontal("a_id", "b_id"), pl.max_horizontal("a_id", "b_id")
    frame = frame.with_columns(
        low.alias("low_id"),
        high.alias("high_id"),
        (pl.col("a_id") > pl.col("b_id")).alias("turned"),
    )
    return joined_ids(frame, ["prompt_id", "low_id", "high_id"], "comparison")


def longer_response(frame: pl.DataFrame) -> pl.Expr:
    """Which of the responses ``a`` and ``b`` has more characters: 1, -1, or 0 for neither."""
    return (_characters(frame, "a") - _characters(frame, "b")).sign().cast(pl.Int8)


def _characters(frame: pl.DataFrame, name: str) -> pl.Expr:
    text = pl.col(name)
    if frame.schema[name] == pl.String:
        return text.str.len_chars().cast(pl.Int64)
    each = text.list.eval(pl.element().struct.field("content").str.len_chars().cast(pl.Int64))
    return each.list.sum()


def orient(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Bring the verdicts of all sources to one order of the responses.

    Args:
        verdicts: the columns of `SOURCE_VERDICTS`.

    Returns:
        The columns of `VERDICTS`. Row order does not change what a comparison's order is.

    Example:
        >>> frame = pl.DataFrame(
        ...     [(7, False, "anna", 1, True, 1, None), (7, True, "bert", -1, True, -1, None)],
        ...     schema=SOURCE_VERDICTS,
        ...     orient="row",
        ... )
        >>> orient(frame).select("winner", "swapped", "longer").rows()
        [(1, False, 1), (1, True, 1)]
    """
    as_shown = pl.col("as_shown").fill_null(value=False)
    votes = pl.when(as_shown).then(pl.when("turned").then(-1).otherwise(1)).otherwise(0)
    other = (votes.sum().over("comparison") < 0) != pl.col("turned")
    sign = pl.when(other).then(pl.lit(-1, pl.Int8)).otherwise(pl.lit(1, pl.Int8))
    return verdicts.select(
        "comparison",
        "annotator",
        (pl.col("winner") * sign).alias("winner"),
        pl.when(as_shown).then(other).alias("swapped"),
        (pl.col("longer") * sign).drop_nulls().first().over("comparison").alias("longer"),
        pl.col("category").drop_nulls().first().over("comparison").alias("category"),
    ).cast(VERDICTS)


def annotator_names(verdicts: pl.DataFrame) -> list[str]:
    """Who gave verdicts, in alphabetical order."""
    return sorted(verdicts["annotator"].unique().to_list())
