"""What figures of agreement can and cannot show, in words."""

from __future__ import annotations

from prefdata.agreement.agreement import Agreement, AnnotatorAgreement
from prefdata.stats.intervals import Estimate

ENOUGH = 0.1
"""An interval that reaches further than this to either side is too wide for a claim."""


def remarks(figures: Agreement) -> list[str]:
    """Say in words what the figures can and cannot show.

    Returns:
        Sentences, the most important first; none where there is nothing to say.

    Example:
        >>> import polars as pl
        >>> from prefdata.agreement.agreement import measure_agreement
        >>> from prefdata.agreement.verdict_frame import VERDICTS
        >>> verdicts = pl.DataFrame([(1, "anna", 1, False, None, None)], VERDICTS, orient="row")
        >>> remarks(measure_agreement(verdicts))
        ['There is one annotator: how far others agree is not known.']
    """
    sentences = [line for each in figures.judges for line in _accuracy(each, figures)]
    if figures.peers and len(figures.annotators) == 1:
        sentences = ["There is one annotator: how far others agree is not known."]
    elif figures.peers:
        peers = "No annotator is known to be a person: each is held against the others."
        sentences.insert(0, peers)
    elif not figures.ceiling.n:
        sentences.append(
            "No comparison has verdicts of several people: how far people agree is not known."
        )
    elif _is_wide(figures.ceiling):
        sentences.append(f"How far people agree is known roughly only: {figures.ceiling}.")
    return sentences + [line for each in figures.judges for line in _habits(each)]


def _accuracy(each: AnnotatorAgreement, figures: Agreement) -> list[str]:
    """Whether the accuracy is of enough, and above what takes no reading."""
    accuracy, baseline = each.accuracy, figures.longer_baseline
    if not accuracy.n:
        return [f"{each.annotator}: no comparison was decided both here and by others."]
    sentences = []
    if _is_wide(accuracy):
        sentences.append(
            f"{each.annotator}: too few comparisons for a claim: the accuracy may be anything "
            f"from {_percent(accuracy.low)} to {_percent(accuracy.high)}."
        )
    longer = baseline.accuracy.value if baseline else None
    if longer is not None and accuracy.low <= longer:
        sentences.append(
            f"{each.annotator}: not shown to be better than taking the longer answer "
            f"({_percent(longer)})."
        )
    return sentences


def _habits(each: AnnotatorAgreement) -> list[str]:
    """Preferences for a place, where each answer stood in both, and for length."""
    sentences = []
    if each.flips.n and not each.first_slot.low <= 0.5 <= each.first_slot.high:
        place = "first" if (each.first_slot.value or 0) > 0.5 else "second"
        sentences.append(
            f"{each.annotator}: prefers the answer that is shown {place} "
            f"({each.flips.hits:,g} of {each.flips.n:,g} verdicts change with the order)."
        )
    if each.longer_people.n and each.longer.low > each.longer_people.high:
        sentences.append(f"{each.annotator}: prefers longer answers more than people do.")
    return sentences


def _is_wide(estimate: Estimate) -> bool:
    return estimate.high - estimate.low > 2 * ENOUGH


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
