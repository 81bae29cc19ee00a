"""The format of every source of a run, and all that is open about them, asked at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, TypeAlias

from prefdata.conversion.conversation_groups import split_by
from prefdata.conversion.detected_source import DetectedSource, scalar_columns
from prefdata.conversion.kept_columns import choose_columns
from prefdata.conversion.source_splits import name_splits, split_column
from prefdata.conversion.survey import code_values, survey
from prefdata.errors import QuestionError, UnknownNameError
from prefdata.formats import Detection, ReadOptions, Sample
from prefdata.formats.base import Format
from prefdata.formats.closed_list import kind_of
from prefdata.formats.detect import check_settled, recognise
from prefdata.formats.questions import joined_errors
from prefdata.io.readers.reader import read_sample
from prefdata.io.readers.sources import Source, beside
from prefdata.records.frames import TEMPLATE
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
    apart: Sequence[str] = (),
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
        apart: columns that are read for something else than records.

    Raises:
        InputError: one of them is not of a known shape.
        QuestionError: some of them can be read in two ways.
        UsageError: a filter cannot be applied to one of them.
        UnknownNameError: a column that is to be kept is in none of them.
    """
    options = options or Options(split_by="prompt")
    read_options = replace(read_options, deciding=tuple(options.rule_dimensions))
    without = replace(read_options, ignore=(*read_options.ignore, *apart))
    samples = samples or [read_sample(file, encoding, read_options) for file in files]
    _check_ignored(read_options.ignore, [sample.names for sample in samples])
    detector = partial(recognise, read_options=without, format=format, others=others)
    samples, detections = _detect_all(files, samples, encoding, detector, without, looks_at)
    grouped = split_by(options, zip(files, detections, strict=True)) == "conversation"
    columns = choose_columns(options.keep, [sample.names for sample in samples])
    for file, detection in zip(files, detections, strict=True):
        if detection.format.kind == "unpaired":
            filters.check_answers(options.filters, file.name)
    needs = filters.needed_columns(options.filters)
    template = tuple(n for n in TEMPLATE if any(n in each.match.template for each in detections))
    sources = [
        DetectedSource(
            file,
            sample,
            detection,
            dimension=read_options.dimension,
            grouped=grouped,
            keep=keep,
            needs=needs,
            template=template,
            ignore=read_options.ignore,
        )
        for file, sample, detection, keep in zip(files, samples, detections, columns, strict=True)
    ]
    return sources if options.split == "anew" else _with_splits(sources)


def _with_splits(sources: Sequence[DetectedSource]) -> list[DetectedSource]:
    """The sources with what may say which split their rows are in."""
    names = name_splits([each.source.name for each in sources])
    sources = [
        replace(
            each,
            split_column=split_column(
                each.sample.without(each.ignore), each.detection.match.source_columns
            ),
            split_name=name,
        )
        for each, name in zip(sources, names, strict=True)
    ]
    with_splits = any(each.split_column for each in sources)
    return [replace(each, with_splits=with_splits) for each in sources]


def _check_ignored(columns: Sequence[str], names: Sequence[Sequence[str]]) -> None:
    """Each column that is left out is in one of the sources."""
    every = list(dict.fromkeys(name for each in names for name in each))
    for column in columns:
        if column not in every:
            raise UnknownNameError("column", column, every, where="--ignore")


def _detect_all(
    files: Sequence[Source],
    samples: Sequence[Sample],
    encoding: str,
    detector: Callable[..., Detection],
    read_options: ReadOptions,
    looks_at: LooksAt,
) -> tuple[list[Sample], list[Detection]]:
    """The sample and the format of each source; or the questions on all of them."""
    results, errors = [], []
    for file, sample in zip(files, samples, strict=True):
        try:
            recogniser = partial(detector, name=file.name)
            with beside(file.data_glob):
                result = detect_source(file, sample, encoding, recogniser, looks_at)
            check_settled(result[1], read_options, file.name)
            results.append(result)
        except QuestionError as error:
            errors.append(error)
    if errors:
        raise joined_errors(errors)
    return [sample for sample, _ in results], [detection for _, detection in results]


def detect_source(
    file: Source,
    sample: Sample,
    encoding: str,
    recogniser: Callable[[Sample], Detection],
    looks_at: LooksAt = "all",
) -> tuple[Sample, Detection]:
    """Recognise a source, by all of its rows where what its codes mean rests on them.

    Args:
        file: the source.
        sample: its first rows.
        encoding: its encoding, if not UTF-8.
        recogniser: recognises it by a sample; what is open stays in the match.
        looks_at: as in `detect_sources`.

    Returns:
        The sample, with what the later rows have and it did not, and the format.
    """
    detection = recogniser(sample)
    match = detection.match
    asked = {name for each in match.questions for name in each.columns if kind_of(name)}
    coded = set(code_values(sample, match.coded_columns)) | set(match.measured)
    decides = match.questions or match.counted or looks_at == "all"
    is_counted = coded <= set(sample.counts) and asked <= set(sample.filled)
    if looks_at == "sample" or sample.is_whole or not decides or is_counted:
        return sample, detection
    match = replace(match, watched=tuple(dict.fromkeys([*match.watched, *sorted(asked)])))
    sample = survey(file, sample, match, scalar_columns(match), encoding)
    return sample, recogniser(sample)
