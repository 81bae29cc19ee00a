"""The format of every source of a run, and all that is open about them, asked at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, TypeAlias, cast

from prefdata.conversion.conversation_groups import split_by
from prefdata.conversion.ingest import DetectedSource
from prefdata.conversion.kept_columns import choose_columns
from prefdata.conversion.survey import code_values, survey
from prefdata.errors import QuestionError
from prefdata.formats import Detection, ReadOptions, Sample, detect
from prefdata.formats.base import Format
from prefdata.formats.questions import joined_errors
from prefdata.io.readers.reader import read_sample
from prefdata.io.readers.sources import Source
from prefdata.transforms import filters
from prefdata.transforms.options import Options

LooksAt: TypeAlias = Literal["sample", "questions", "all"]


def detect_sources(
    files: Sequence[Source],
    read_options: ReadOptions,
    format: str = "",
    encoding: str = "",
    others: Mapping[str, Format] | None = None,
    *,
    options: Options | None = None,
    samples: Sequence[Sample] | None = None,
    looks_at: LooksAt = "all",
) -> list[DetectedSource]:
    """Detect the format of each source by its first rows, and how it is read.

    Args:
        files: the sources.
        read_options: what they do not say themselves.
        format: the format of all of them, where detection is not wanted.
        encoding: their encoding, if not UTF-8.
        others: formats beyond the registered ones.
        options: what the split goes by, which columns are kept and which filters there are; by
            default prompts, and none.
        samples: the first rows of each; by default they are read here.
        looks_at: which rows are looked at for what codes mean: those of the ``"sample"``, all of
            them before a question is asked (``"questions"``), or in any case (``"all"``).

    Raises:
        InputError: one of them is not of a known shape.
        QuestionError: some of them can be read in two ways.
        UsageError: a filter cannot be applied to one of them.
        UnknownNameError: a column that is to be kept is in none of them.
    """
    options = options or Options(split_by="prompt")
    read_options = replace(read_options, deciding=tuple(options.rule_dimensions))
    samples = samples or [read_sample(file, encoding) for file in files]
    detector = partial(detect, read_options=read_options, format=format, others=others)
    samples, detections = _detect_all(files, samples, encoding, detector, looks_at)
    grouped = split_by(options, zip(files, detections, strict=True)) == "conversation"
    columns = choose_columns(options.keep, [sample.names for sample in samples])
    for file, detection in zip(files, detections, strict=True):
        if detection.format.kind == "unpaired":
            filters.check_answers(options.filters, file.name)
    needs = filters.needed_columns(options.filters)
    return [
        DetectedSource(file, sample, detection, read_options.dimension, grouped, keep, needs)
        for file, sample, detection, keep in zip(files, samples, detections, columns, strict=True)
    ]


def _detect_all(
    files: Sequence[Source],
    samples: Sequence[Sample],
    encoding: str,
    detector: Callable[..., Detection],
    looks_at: LooksAt,
) -> tuple[list[Sample], list[Detection]]:
    """The sample and the format of each source; or the questions on all of them."""
    results, errors = [], []
    for file, sample in zip(files, samples, strict=True):
        try:
            results.append(_detect(file, sample, encoding, detector, looks_at))
        except QuestionError as error:
            errors.append(error)
    if errors:
        raise joined_errors(errors)
    return [sample for sample, _ in results], [detection for _, detection in results]


def _detect(
    file: Source,
    sample: Sample,
    encoding: str,
    detector: Callable[..., Detection],
    looks_at: LooksAt,
) -> tuple[Sample, Detection]:
    try:
        detection = detector(sample, name=file.name)
    except QuestionError as error:
        columns = sorted({name for each in error.questions for name in _columns(each)})
        if looks_at == "sample" or sample.is_whole or set(columns) <= set(sample.counts):
            raise
        sample = survey(file, sample, columns, columns, encoding)
        return sample, detector(sample, name=file.name)
    codes = detection.match.coded_columns
    if looks_at != "all" or sample.is_whole or set(codes) <= set(sample.counts):
        return sample, detection
    sample = survey(file, sample, detection.match.source_columns, codes, encoding)
    return sample, detector(sample, name=file.name)


def _columns(question: Mapping[str, object]) -> Sequence[str]:
    return cast("Sequence[str]", question["columns"])


def look_again(each: DetectedSource, encoding: str) -> Sample:
    """The sample of a source, with what its later rows have and the sample does not."""
    match = each.detection.match
    codes = [*code_values(each.sample, match.coded_columns)]
    return survey(each.source, each.sample, match.source_columns, codes, encoding)
