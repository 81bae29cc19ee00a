"""The texts of pairs, fetched from the records that the pairs were made of."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from prefdata.records.frames import stacked


def text_index(rows: pl.DataFrame, ratings: int, comparisons: int) -> pl.DataFrame:
    """Where the texts of pairs stand: ``prompt``, ``chosen`` and ``rejected``.

    Prompts are counted over all ratings, then all comparisons; responses over all ratings, then the
    first responses of all comparisons, then the second.

    Args:
        rows: pairs with ``rated``, ``winner``, ``index_a`` and ``index_b``.
        ratings: how many there are.
        comparisons: how many there are.
    """
    rated, won = pl.col("rated"), pl.col("winner") == 1
    a = pl.when(rated).then("index_a").otherwise(pl.col("index_a") + ratings)
    b = pl.when(rated).then("index_b").otherwise(pl.col("index_b") + ratings + comparisons)
    return rows.select(
        a.alias("prompt"),
        pl.when(won).then(a).otherwise(b).alias("chosen"),
        pl.when(won).then(b).otherwise(a).alias("rejected"),
    )


def with_texts(
    rows: pl.DataFrame,
    ratings: pl.DataFrame,
    comparisons: pl.DataFrame,
    keep: Collection[str] = (),
) -> pl.DataFrame:
    """Fetch the texts of pairs from the records that they were made of.

    Args:
        rows: rows that `prefdata.transforms.make_pairs.make_pairs` returned, all or some of them.
        ratings: the ratings that they were made of.
        comparisons: the comparisons that they were made of.
        keep: columns of both to take along, of ratings from that of the chosen response.
    """
    index = text_index(rows, ratings.height, comparisons.height)
    prompts = stacked([ratings["prompt"], comparisons["prompt"]])
    responses = stacked([ratings["response"], comparisons["a"], comparisons["b"]])
    return rows.with_columns(
        prompts.gather(index["prompt"]).alias("prompt"),
        responses.gather(index["chosen"]).alias("chosen"),
        responses.gather(index["rejected"]).alias("rejected"),
        *(
            pl.concat([ratings[name], comparisons[name]]).gather(index["prompt"]).alias(name)
            for name in keep
        ),
    )
