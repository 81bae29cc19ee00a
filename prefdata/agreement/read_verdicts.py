"""Sources of verdicts, of any shape, as one frame in which the same comparison is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from prefdata.agreement.verdict_frame import SHOWN, oriented
from prefdata.agreement.verdict_source import How, Voted, Voting, recognised
from prefdata.errors import InputError, UnknownNameError, UsageError
from prefdata.formats import Sample
from prefdata.io.readers.reader import read_sample
from prefdata.io.readers.sources import Source, open_sources
from prefdata.records.ids import content_ids


class Votes(NamedTuple):
    """The verdicts of all sources.

    Attributes:
        verdicts: the columns of `prefdata.agreement.verdict_frame.VERDICTS`.
        kinds: annotator to ``"person"`` or ``"model"``, where the data says so.
        sources: what each source gave.
        repeated: how many comparisons an annotator judged more than once in one order.
    """

    verdicts: pl.DataFrame
    kinds: Mapping[str, str]
    sources: tuple[Voted, ...]
    repeated: int


def read_votes(sources: Sequence[str | Path], how: How) -> Votes:
    """Read the verdicts of all sources.

    Args:
        sources: files, globs, folders, data set directories, or ``"-"`` for standard input.
        how: what they do not say themselves.

    Raises:
        UnknownNameError: a column that was named is in no source.
        UsageError: the request cannot be met as it was made.
        InputError: a source cannot be used.
    """
    with open_sources([_comparisons(str(source)) for source in sources]) as files:
        samples = [read_sample(each, how.encoding) for each in files]
        _check_columns(how, files, samples)
        read = [recognised(each, s, how) for each, s in zip(files, samples, strict=True)]
        sides = _sides(read) if how.ids else ""
        cast = pl.concat([frame for each in read for frame in each.frames()])
    cast = _by_id(cast, sides, how) if how.ids else cast
    verdicts = oriented(cast.select(list(SHOWN)))
    kinds = cast.select("annotator", "kind").drop_nulls().unique().sort("kind").iter_rows()
    again = verdicts.group_by("comparison", "annotator", "swapped").len().filter(pl.col("len") > 1)
    return Votes(
        verdicts,
        {str(who): str(kind) for who, kind in kinds},
        tuple(each.voted for each in read),
        again["comparison"].n_unique(),
    )


def _comparisons(source: str) -> str:
    """Of a data set directory its comparisons, where it has them."""
    folder = Path(source)
    if (folder / "manifest.json").is_file() and (folder / "comparisons").is_dir():
        return str(folder / "comparisons")
    return source


def _check_columns(how: How, files: Sequence[Source], samples: Sequence[Sample]) -> None:
    """Every column that was named must be in one source, and those of ``--id`` in all."""
    names = sorted({name for each in samples for name in each.names})
    mapped = [name for columns in how.read_options.columns.values() for name in columns]
    for option, wanted in (("--map", mapped), ("--by", [how.by] if how.by else [])):
        for name in wanted:
            if name not in names:
                raise UnknownNameError("column", name, names, where=option)
    for file, first in zip(files, samples, strict=True):
        for name in how.ids:
            if name not in first.names:
                raise UnknownNameError("column", name, first.names, where=f"{file.name} for --id")


def _sides(read: Sequence[Voting]) -> str:
    """What tells the first response from the second where ids say what was compared.

    Returns:
        ``"models"`` or ``"text"`` where all sources have them; ``""``: both stand in the order of
        the columns, the same in all sources.

    Raises:
        UsageError: it cannot be told.
    """
    if all(each.models for each in read):
        return "models"
    if all(each.texts for each in read):
        return "text"
    one = next((each for each in read if each.models), None)
    other = next(each for each in read if not each.models)
    pairs = next((each for each in read if not each.placed), None)
    if one is None and pairs is None:
        return ""
    why = (
        f"{one.voted.name} names the models, {other.voted.name} does not"
        if one
        else f"{pairs.voted.name if pairs else ''} has the better response first"
    )
    raise UsageError(
        f"which response is which cannot be told by --id alone: {why}",
        hint="Name the columns with --map model_a=…,model_b=…, or leave them out of all sources "
        "with --map model_a=,model_b=.",
    )


def _by_id(cast: pl.DataFrame, sides: str, how: How) -> pl.DataFrame:
    """Let ids say what was compared: the same id, and the same models where they are named.

    Raises:
        InputError: an id stands for several comparisons.
    """
    key = pl.col("id")
    if not sides:
        cast = cast.with_columns(pl.lit(value=False).alias("turned"))
    if sides == "models":
        low = pl.min_horizontal("model_a", "model_b")
        high = pl.max_horizontal("model_a", "model_b")
        key = pl.concat_str(key, low, high, separator="\x1f")
        turned = (pl.col("model_a") > pl.col("model_b")).fill_null(value=False)
        cast = cast.with_columns(turned.alias("turned"))
    cast = content_ids(cast.with_columns(key.alias("key")), {"key": "comparison"})
    texts = cast.group_by("comparison").agg(
        pl.col("text").drop_nulls().n_unique().alias("n"), pl.col("id").first()
    )
    several = texts.filter(pl.col("n") > 1)
    if several.height:
        columns = ",".join(how.ids)
        shown = str(several["id"].sort()[0]).replace("\x1f", ", ")
        raise InputError(
            f"{several.height:,} of {texts.height:,} values of {columns} stand for different "
            f"comparisons, such as {shown}",
            hint=f"Add a column that tells them apart, as in --id {columns},turn.",
        )
    return cast
