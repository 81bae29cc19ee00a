"""What filters need to know of texts: measured on records, looked up for pairs, and judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from prefdata.records.frames import Kind
from prefdata.transforms.filters import MEASURES, chosen_filters, with_thresholds

RESPONSES: dict[Kind, tuple[str, ...]] = {
    "ratings": ("response",),
    "comparisons": ("a", "b"),
    "unpaired": ("response",),
}
"""The columns of a kind of records that hold answers, in the order in which they are stacked."""


def measured_schema(kind: Kind, needs: Collection[str]) -> dict[str, pl.DataType]:
    """The columns that records get where filters need to know of their texts.

    Args:
        kind: which records.
        needs: what is needed of pairs, such as ``chosen_chars``.

    Example:
        >>> measured_schema("comparisons", ["chosen_chars"])
        {'a_chars': UInt32, 'b_chars': UInt32}
    """
    empty = pl.DataFrame(schema={"text": pl.String})
    return {
        column: empty.select(MEASURES[measure](pl.col("text"))).dtypes[0]
        for column, (_, measure) in _measured(kind, needs).items()
    }


def with_measures(records: pl.DataFrame, kind: Kind, needs: Collection[str]) -> pl.DataFrame:
    """Measure the texts of records.

    Args:
        records: with their texts.
        kind: which records.
        needs: what is needed of pairs, such as ``chosen_chars``.
    """
    return records.with_columns(
        MEASURES[measure](_plain_text(records[text])).alias(column)
        for column, (text, measure) in _measured(kind, needs).items()
    )


def _measured(kind: Kind, needs: Collection[str]) -> dict[str, tuple[str, str]]:
    """The columns that records get, each with its text and measure."""
    columns = {}
    for need in needs:
        side, _, measure = need.partition("_")
        for text in ("prompt",) if side == "prompt" else RESPONSES[kind]:
            columns[f"{text}_{measure}"] = (text, measure)
    return columns


def _plain_text(texts: pl.Series) -> pl.Expr:
    text = pl.col(texts.name)
    if texts.dtype == pl.String:
        return text
    return text.list.eval(pl.element().struct.field("content")).list.join("\n")


def of_pairs(
    ratings: pl.DataFrame, comparisons: pl.DataFrame, index: pl.DataFrame, needs: Collection[str]
) -> list[pl.Series]:
    """Look up what is needed of pairs in the records that they were made of.

    Args:
        ratings: with their measures.
        comparisons: with their measures.
        index: where the texts of each pair stand, as `prefdata.transforms.pair_texts.text_index`
            returns it.
        needs: the columns to return.
    """
    columns = []
    for need in needs:
        side, _, measure = need.partition("_")
        texts = {"prompt": ("prompt", "prompt")}.get(side, ("response", "a", "b"))
        frames = (ratings, comparisons, comparisons)
        measured = pl.concat(
            frame[f"{text}_{measure}"] for frame, text in zip(frames, texts, strict=False)
        )
        columns.append(measured.gather(index[side]).alias(need))
    return columns


def of_answers(needs: Collection[str]) -> list[pl.Expr]:
    """What is needed of labelled answers: those that are true are chosen, the others rejected.

    Args:
        needs: the columns to make of measured records that have a ``label``.
    """
    columns = []
    for need in needs:
        side, _, measure = need.partition("_")
        if side == "prompt":
            columns.append(pl.col(need))
        else:
            has_side = pl.col("label") == (side == "chosen")
            columns.append(pl.when(has_side).then(f"response_{measure}").alias(need))
    return columns


def refusal(filters: Mapping[str, float | None]) -> pl.Expr:
    """The reason of the first filter that refuses a pair; null where none does.

    Args:
        filters: those that were chosen, with their thresholds.
    """
    thresholds = with_thresholds(filters)
    refusals = [
        pl.when(each.refuses(pl.col, thresholds[each.name] or 0.0)).then(pl.lit(each.reason))
        for each in chosen_filters(filters)
    ]
    return pl.coalesce(*refusals).alias("refusal")
