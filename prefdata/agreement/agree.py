"""From sources of verdicts to how far their annotators agree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import polars as pl

from prefdata.agreement.agreement import Against, Agreement, Figures, agreement
from prefdata.agreement.read_verdicts import Votes, read_votes
from prefdata.agreement.remarks import remarks
from prefdata.agreement.verdict_frame import names
from prefdata.agreement.verdict_source import How, Voted
from prefdata.errors import InputError, UnknownNameError
from prefdata.formats import ReadOptions

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
        told_by: how it is known who is a person: ``"you"``, ``"the data"`` or ``"their names"``.
        sources: what each source gave.
        remarks: what the figures can and cannot show, a sentence each.
        asked: the sources as they were named.
    """

    agreement: Agreement
    told_by: str
    sources: tuple[Voted, ...]
    remarks: tuple[str, ...]
    asked: tuple[str, ...]

    def missed(self, least: float) -> list[Figures]:
        """Those whose accuracy is below a threshold, or who decided nothing that people did.

        Args:
            least: the accuracy that is asked for, from 0 to 1, ties left out.
        """
        return [each for each in self.agreement.judges if (each.accuracy.value or 0) < least]

    def unproven(self, least: float) -> list[Figures]:
        """Those who reach a threshold, but may have done so by chance.

        The lower end of their interval is below it: a worse judge would get there in one of forty
        such samples.

        Args:
            least: as in `missed`.
        """
        reached = [each for each in self.agreement.judges if (each.accuracy.value or 0) >= least]
        return [each for each in reached if each.accuracy.low < least]

    def to_dict(self) -> dict[str, object]:
        """The report as plain values that JSON can hold."""
        return {
            **self.agreement.to_dict(),
            "people_told_by": self.told_by,
            "remarks": list(self.remarks),
            "sources": [each.to_dict() for each in self.sources],
        }


def agree(
    sources: Sequence[str | Path],
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
        sources: files, globs, folders, data set directories, or ``"-"`` for standard input.
        people: names or patterns of the annotators who are people; by default what the data says,
            and where it does not, all whose name is not that of a model.
        against: whether one is held against each person or against most of them.
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
        >>> report = agree(["examples/votes.jsonl"])
        >>> report.agreement.verdicts
        34
    """
    how = How(read_options or ReadOptions(), format, encoding, tuple(ids), by)
    votes = read_votes(sources, how)
    _check_overlap(votes)
    found, told_by = _people(votes, people)
    measured = agreement(votes.verdicts, people=found, against=against)
    said = (*remarks(measured), *_notes(votes))
    return AgreeReport(measured, told_by, votes.sources, said, tuple(map(str, sources)))


def _people(votes: Votes, patterns: Sequence[str]) -> tuple[list[str], str]:
    """Who of the annotators is a person, and who says so."""
    known = names(votes.verdicts)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise UnknownNameError("annotator", pattern, known, where="--human")
    if patterns:
        return [n for n in known if any(fnmatchcase(n, pattern) for pattern in patterns)], "you"
    kinds: Mapping[str, str] = votes.kinds
    guessed = {n: "model" if MODEL.search(n) else "person" for n in known}
    people = [name for name in known if (kinds.get(name) or guessed[name]) == "person"]
    return people, "the data" if set(known) <= set(kinds) else "their names"


def _check_overlap(votes: Votes) -> None:
    """Refuse what nothing can be said of.

    Raises:
        InputError: no comparison was judged twice, by two annotators or in both orders.
    """
    verdicts = votes.verdicts
    if not verdicts.height:
        left = sum((each.left_out for each in votes.sources), Counter[str]())
        shown = ", ".join(f"{count:,} {reason}" for reason, count in left.most_common(4))
        raise InputError(
            f"no row gives a verdict (left out: {shown or 'none'})",
            hint="Look at the sources with pref inspect.",
        )
    twice = verdicts.group_by("comparison").agg(
        pl.struct("annotator", "swapped").n_unique().alias("n")
    )
    if twice.filter(pl.col("n") > 1).height:
        return
    who = names(verdicts)
    shown = f"{', '.join(who[:4])}{', …' if len(who) > 4 else ''}" or "none"
    raise InputError(
        f"no two annotators judged the same comparison ({verdicts['comparison'].n_unique():,} "
        f"comparisons; {len(who)} {'annotator' if len(who) == 1 else 'annotators'}: {shown})",
        hint="Sources join on their texts; where those differ, name the columns that say what was "
        "compared, as in --id question_id,turn. --map annotator=… names who judged.",
    )


def _notes(votes: Votes) -> list[str]:
    """What happened on the way to the figures."""
    if not votes.repeated:
        return []
    many = f"{votes.repeated:,} comparisons were" if votes.repeated > 1 else "1 comparison was"
    what = "judged more than once by one annotator in one order: where the verdicts differ"
    return [f"{many} {what}, none counts."]
