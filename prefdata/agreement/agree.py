"""From sources of verdicts to how far their annotators agree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from os import PathLike
from typing import Literal

import polars as pl

from prefdata.agreement.agreement import Against, Agreement, AnnotatorAgreement, measure_agreement
from prefdata.agreement.read_verdicts import AllVerdicts, read_verdicts
from prefdata.agreement.remarks import remarks
from prefdata.agreement.verdict_frame import annotator_names
from prefdata.agreement.verdict_source import VerdictOptions, VerdictSourceReport
from prefdata.errors import InputError, UnknownNameError
from prefdata.formats import ReadOptions
from prefdata.io.readers.memory import Sources, as_source_list

PeopleFrom = Literal["you", "the data", "their names"]

MODEL = re.compile(
    r"gpt|claude|llama|gemini|gemma|palm|mistral|mixtral|qwen|deepseek|vicuna|judge|model"
    r"|^o\d(-|$)|/",
    re.IGNORECASE,
)
"""Names that are those of models, where the data does not say what an annotator is."""


@dataclass(frozen=True)
class AgreeReport:
    """How far annotators agree, and what that rests on.

    Attributes:
        agreement: the figures.
        people_from: what says who is a person: ``"you"``, ``"the data"`` or ``"their names"``.
        sources: what each source gave.
        remarks: what the figures can and cannot show, a sentence each.
        source_names: the sources as they were named; of a frame, its type.
    """

    agreement: Agreement
    people_from: PeopleFrom
    sources: tuple[VerdictSourceReport, ...]
    remarks: tuple[str, ...]
    source_names: tuple[str, ...]

    def missed(self, threshold: float) -> list[AnnotatorAgreement]:
        """Those whose accuracy is below a threshold, or who decided nothing that people did.

        Args:
            threshold: the accuracy that is asked for, from 0 to 1, ties left out.
        """
        return [each for each in self.agreement.judges if (each.accuracy.value or 0) < threshold]

    def unproven(self, threshold: float) -> list[AnnotatorAgreement]:
        """Those who reach a threshold, but may have done so by chance.

        The lower end of their interval is below it: a worse judge would get there in one of forty
        such samples.

        Args:
            threshold: as in `missed`.
        """
        return [
            each
            for each in self.agreement.judges
            if each.accuracy.low < threshold <= (each.accuracy.value or 0)
        ]

    def to_dict(self) -> dict[str, object]:
        """The report as plain values that JSON can hold."""
        return {
            **self.agreement.to_dict(),
            "people_told_by": self.people_from,
            "remarks": list(self.remarks),
            "sources": [each.to_dict() for each in self.sources],
        }


def agree(
    sources: Sources,
    *,
    people: Sequence[str] = (),
    against: Against = "each",
    ids: Sequence[str] = (),
    by: str = "",
    read_options: ReadOptions | None = None,
    format: str = "",
    encoding: str = "",
) -> AgreeReport:
    """Measure how far the annotators of some sources agree.

    Sources are joined on what was compared: the same prompt and the same two responses, in
    whichever order; or, with ``ids``, the same values of those columns.

    Args:
        sources: one or several: paths, globs, folders, data set directories, ``"-"`` for standard
            input, frames of Polars, pandas, PyArrow or datasets, lists of dictionaries or records.
        people: names or patterns of the annotators who are people; by default what the data says,
            and where it does not, all whose name is not that of a model.
        against: whether one is compared with each person or with most of them.
        ids: columns that say what was compared, instead of the texts; in every source.
        by: a column of categories, in any source.
        read_options: what the sources do not say themselves; a column may be in any of them.
        format: the format of all sources, where detection is not wanted.
        encoding: the encoding of text sources, if not UTF-8.

    Raises:
        UnknownNameError: a column or an annotator is not there.
        UsageError: the request cannot be met as it was made.
        InputError: a source cannot be used, or no two annotators judged the same comparison.

    Example:
        >>> report = agree("examples/votes.jsonl")
        >>> report.agreement.verdicts
        34
    """
    options = VerdictOptions(read_options or ReadOptions(), format, encoding, tuple(ids), by)
    data = read_verdicts(sources, options)
    _check_overlap(data)
    who, people_from = _people(data, people)
    figures = measure_agreement(data.verdicts, people=who, against=against)
    sentences = (*remarks(figures), *_repetitions(data))
    names = tuple(map(_name, as_source_list(sources)))
    return AgreeReport(figures, people_from, data.sources, sentences, names)


def _name(source: object) -> str:
    return str(source) if isinstance(source, str | PathLike) else type(source).__name__


def _people(data: AllVerdicts, patterns: Sequence[str]) -> tuple[list[str], PeopleFrom]:
    """The annotators who are people, and what says so."""
    names = annotator_names(data.verdicts)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UnknownNameError("annotator", pattern, names, where="--human")
    if patterns:
        return [n for n in names if any(fnmatchcase(n, pattern) for pattern in patterns)], "you"
    by_name = {name: "model" if MODEL.search(name) else "person" for name in names}
    people = [name for name in names if (data.kinds.get(name) or by_name[name]) == "person"]
    return people, "the data" if set(names) <= set(data.kinds) else "their names"


def _check_overlap(data: AllVerdicts) -> None:
    """Refuse verdicts that cannot be compared.

    Raises:
        InputError: no comparison was judged twice, by two annotators or in both orders.
    """
    verdicts = data.verdicts
    if not verdicts.height:
        reasons = sum((Counter(each.left_out) for each in data.sources), Counter[str]())
        counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(4))
        raise InputError(
            f"no row gives a verdict (left out: {counts or 'none'})",
            hint="Look at the sources with pref inspect.",
        )
    twice = verdicts.group_by("comparison").agg(
        pl.struct("annotator", "swapped").n_unique().alias("n")
    )
    if twice.filter(pl.col("n") > 1).height:
        return
    names = annotator_names(verdicts)
    who = f"{', '.join(names[:4])}{', …' if len(names) > 4 else ''}" or "none"
    raise InputError(
        f"no two annotators judged the same comparison ({verdicts['comparison'].n_unique():,} "
        f"comparisons; {len(names)} {'annotator' if len(names) == 1 else 'annotators'}: {who})",
        hint="Sources join on their texts; where those differ, name the columns that say what was "
        "compared, as in --id question_id,turn. --map annotator=… names who judged.",
    )


def _repetitions(data: AllVerdicts) -> list[str]:
    """Say that verdicts were given more than once."""
    if not data.repeated:
        return []
    many = f"{data.repeated:,} comparisons were" if data.repeated > 1 else "1 comparison was"
    what = "judged more than once by one annotator in one order: where the verdicts differ"
    return [f"{many} {what}, none counts."]
