"""Sources of verdicts, of any shape, as one frame in which the same comparison is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from prefdata.agreement.verdict_frame import SOURCE_VERDICTS, orient
from prefdata.agreement.verdict_source import (
    VerdictOptions,
    VerdictSource,
    VerdictSourceReport,
    recognise_verdicts,
)
from prefdata.errors import InputError, UnknownNameError, UsageError
from prefdata.formats import Sample
from prefdata.io.readers.memory import Sources, as_source_list
from prefdata.io.readers.reader import read_sample
from prefdata.io.readers.sources import Source, open_sources
from prefdata.records.ids import content_ids


class AllVerdicts(NamedTuple):
    """The verdicts of all sources.

    Attributes:
        verdicts: the columns of `prefdata.agreement.verdict_frame.VERDICTS`.
        kinds: annotator to ``"person"`` or ``"model"``, where the data says so.
        sources: what each source gave.
        repeated: how many comparisons an annotator judged more than once in one order.
    """

    verdicts: pl.DataFrame
    kinds: Mapping[str, str]
    sources: tuple[VerdictSourceReport, ...]
    repeated: int


def read_verdicts(sources: Sources, options: VerdictOptions) -> AllVerdicts:
    """Read the verdicts of all sources.

    Args:
        sources: one or several: paths, globs, folders, data set directories, ``"-"`` for standard
            input, frames, lists of rows.
        options: what they do not say themselves.

    Raises:
        UnknownNameError: a column that was named is in no source.
        UsageError: the request cannot be met as it was made.
        InputError: a source cannot be used.
    """
    with open_sources([_comparisons(source) for source in as_source_list(sources)]) as files:
        samples = [read_sample(each, options.encoding, options.read_options) for each in files]
        _check_columns(options, files, samples)
        recognised = [
            recognise_verdicts(file, rows, options)
            for file, rows in zip(files, samples, strict=True)
        ]
        sides = _sides(recognised) if options.ids else ""
        rows = pl.concat([frame for each in recognised for frame in each.frames()])
    rows = _by_id(rows, sides, options) if options.ids else rows
    verdicts = orient(rows.select(list(SOURCE_VERDICTS)))
    kinds = rows.select("annotator", "kind").drop_nulls().unique().sort("kind").iter_rows()
    counts = verdicts.group_by("comparison", "annotator", "swapped").len()
    return AllVerdicts(
        verdicts,
        {str(annotator): str(kind) for annotator, kind in kinds},
        tuple(each.report() for each in recognised),
        counts.filter(pl.col("len") > 1)["comparison"].n_unique(),
    )


def _comparisons(source: Any) -> Any:  # noqa: ANN401 - one of `Sources`
    """Of a data set directory its comparisons, where it has them."""
    if not isinstance(source, str | PathLike):
        return source
    folder = Path(source)
    if (folder / "manifest.json").is_file() and (folder / "comparisons").is_dir():
        return str(folder / "comparisons")
    return source


def _check_columns(
    options: VerdictOptions, files: Sequence[Source], samples: Sequence[Sample]
) -> None:
    """Every column that was named must be in one source, and those of ``--id`` in all."""
    names = sorted({name for each in samples for name in each.names})
    mapped = [name for columns in options.read_options.columns.values() for name in columns]
    ignored = options.read_options.ignore
    by = [options.by] if options.by else []
    for option, columns in (("--map", mapped), ("--by", by), ("--ignore", ignored)):
        for name in columns:
            if name not in names:
                raise UnknownNameError("column", name, names, where=option)
    for file, first in zip(files, samples, strict=True):
        for name in options.ids:
            if name not in first.names:
                raise UnknownNameError("column", name, first.names, where=f"{file.name} for --id")


def _sides(sources: Sequence[VerdictSource]) -> str:
    """What tells the first response from the second where ids say what was compared.

    Returns:
        ``"models"`` or ``"text"`` where all sources have them; ``""``: both stand in the order of
        the columns, the same in all sources.

    Raises:
        UsageError: it cannot be told.
    """
    if all(each.has_models for each in sources):
        return "models"
    if all(each.has_texts for each in sources):
        return "text"
    with_models = next((each for each in sources if each.has_models), None)
    without = next(each for each in sources if not each.has_models)
    pairs = next((each for each in sources if not each.as_shown), None)
    if with_models:
        reason = f"{with_models.source.name} names the models, {without.source.name} does not"
    elif pairs:
        reason = f"{pairs.source.name} has the better response first"
    else:
        return ""
    raise UsageError(
        f"which response is which cannot be told by --id alone: {reason}",
        hint="Name the columns with --map model_a=…,model_b=…, or leave them out of all sources "
        "with --map model_a=,model_b=.",
    )


def _by_id(rows: pl.DataFrame, sides: str, options: VerdictOptions) -> pl.DataFrame:
    """Let ids say what was compared: the same id, and the same models where they are named.

    Raises:
        InputError: an id stands for several comparisons.
    """
    key = pl.col("id")
    if not sides:
        rows = rows.with_columns(pl.lit(value=False).alias("turned"))
    if sides == "models":
        low = pl.min_horizontal("model_a", "model_b")
        high = pl.max_horizontal("model_a", "model_b")
        key = pl.concat_str(key, low, high, separator="\x1f")
        turned = (pl.col("model_a") > pl.col("model_b")).fill_null(value=False)
        rows = rows.with_columns(turned.alias("turned"))
    rows = content_ids(rows.with_columns(key.alias("key")), {"key": "comparison"})
    texts = rows.group_by("comparison").agg(
        pl.col("text").drop_nulls().n_unique().alias("n"), pl.col("id").first()
    )
    several = texts.filter(pl.col("n") > 1)
    if several.height:
        columns = ",".join(options.ids)
        example = str(several["id"].sort()[0]).replace("\x1f", ", ")
        raise InputError(
            f"{several.height:,} of {texts.height:,} values of {columns} stand for different "
            f"comparisons, such as {example}",
            hint=f"Add a column that tells them apart, as in --id {columns},turn.",
        )
    return rows
