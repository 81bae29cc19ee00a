"""What figures of agreement can and cannot show, in words."""

from __future__ import annotations

from prefdata.agreement.agreement import Agreement, Figures
from prefdata.stats.intervals import Estimate

ENOUGH = 0.1
"""An interval that reaches further than this to either side is too wide for a claim."""


def remarks(found: Agreement) -> list[str]:
    """Say in words what the figures can and cannot show.

    Args:
        found: the figures.

    Returns:
        Sentences, the most important first; none where there is nothing to say.
    """
    said = [line for each in found.judges for line in _accuracy(each, found)]
    if found.peers and len(found.annotators) == 1:
        said = ["There is one annotator: how far others agree is not known."]
    elif found.peers:
        said.insert(0, "No annotator is known to be a person: each is held against the others.")
    elif not found.ceiling.n:
        said.append(
            "No comparison has verdicts of several people: how far people agree is not known."
        )
    elif _wide(found.ceiling):
        said.append(f"How far people agree is known roughly only: {found.ceiling}.")
    return said + [line for each in found.judges for line in _habits(each)]


def _accuracy(each: Figures, found: Agreement) -> list[str]:
    """Whether the accuracy is of enough, and above what takes no reading."""
    share, base = each.accuracy, found.longer_baseline
    if not share.n:
        return [f"{each.annotator}: no comparison was decided both here and by others."]
    said = []
    if _wide(share):
        said.append(
            f"{each.annotator}: too few comparisons for a claim: the accuracy may be anything "
            f"from {_percent(share.low)} to {_percent(share.high)}."
        )
    if base and base.accuracy.value is not None and share.low <= base.accuracy.value:
        said.append(
            f"{each.annotator}: not shown to be better than taking the longer answer "
            f"({_percent(base.accuracy.value)})."
        )
    return said


def _habits(each: Figures) -> list[str]:
    """Preferences for a place, where each answer stood in both, and for length."""
    said = []
    if each.flips.n and not each.first_slot.low <= 0.5 <= each.first_slot.high:
        place = "first" if (each.first_slot.value or 0) > 0.5 else "second"
        said.append(
            f"{each.annotator}: prefers the answer that is shown {place} "
            f"({each.flips.hits:,g} of {each.flips.n:,g} verdicts change with the order)."
        )
    if each.longer_people.n and each.longer.low > each.longer_people.high:
        said.append(f"{each.annotator}: prefers longer answers more than people do.")
    return said


def _wide(share: Estimate) -> bool:
    return share.high - share.low > 2 * ENOUGH


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
