"""The preflight: what tokenizer and max_length would do to each row, counted before training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefdata.errors import InputError
from prefdata.training.data.template_checks import doubled, repeated, stripped, untold
from prefdata.training.data.tokenize import Encoded, ViewRow, encode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Encoded", "Preflight", "encode", "examine", "preflight_lines", "refuse_losses"]

LOST = {
    "filled": "whose prompt alone fills max_length {max_length:,}",
    "long": "longer than max_length {max_length:,}",
    "equal": "with equal completions once cut",
    "identical": "with completions that are identical to the tokenizer",
    "repeated": "whose completion repeats the prompt",
    "doubled": "that begin with two start tokens",
    "stripped": "whose thinking the chat template leaves out",
    "untold": "whose tools the chat template leaves out",
}
"""Why a row is lost, in the order in which it is looked for; each row counts once."""

REMEDIES = {
    "repeated": "Convert the source again: a completion holds the answer alone.",
    "doubled": "Convert the source from messages, not from text that a template has rendered.",
    "stripped": "Set chat_template to a template that keeps thinking.",
    "untold": "Set chat_template to a template that renders tools.",
}
"""What helps where a longer max_length does not."""


@dataclass
class Preflight:
    """What becomes of the rows of one split; counts are rows.

    Args:
        rows: how many were looked at.
        filled: the prompt alone fills `max_length`, so the trainer drops the row.
        long: the row is beyond `max_length`, and the trainer drops such rows.
        equal: both completions are the same once cut, so there is nothing to learn.
        identical: both completions are the same tokens even uncut.
        repeated: a completion begins with its prompt, which would be trained on.
        doubled: the text brings a start token, and the tokenizer adds another.
        stripped: the chat template leaves out what a completion thinks.
        untold: the chat template leaves out the tools, or calls of them.
        cut: a completion loses its end, and the token that says stop.
        unended: a completion that fits has no end token either.
        merged: the end of the prompt is tokenised another way once the completion follows.
        good: completions that are labelled good.
        bad: completions that are labelled bad.
        longest: tokens of the longest row that was lost.
        lost: the positions of the rows that are lost.
    """

    rows: int = 0
    filled: int = 0
    long: int = 0
    equal: int = 0
    identical: int = 0
    repeated: int = 0
    doubled: int = 0
    stripped: int = 0
    untold: int = 0
    cut: int = 0
    unended: int = 0
    merged: int = 0
    good: int = 0
    bad: int = 0
    longest: int = 0
    lost: list[int] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """The counts by name, without the positions.

        Example:
            >>> Preflight(rows=2, cut=1).counts()["cut"]
            1
        """
        return {k: v for k, v in vars(self).items() if isinstance(v, int)} | {
            "lost": len(self.lost)
        }


def examine(
    rows: Iterable[ViewRow],
    sides: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    *,
    drops_long: bool = False,
) -> Preflight:
    """Count what would be dropped, cut or made equal, on the tokenizer that will train.

    A loop over rows, as the chat template is: about 0.2 ms per row of a few hundred tokens.

    Args:
        rows: of one split.
        sides: the columns that hold completions.
        tokenizer: of the model.
        max_length: tokens of prompt and completion together.
        drops_long: whether the trainer drops rows beyond `max_length` rather than cutting them.

    Example:
        >>> examine(rows, ["chosen", "rejected"], tokenizer, 1024).cut  # doctest: +SKIP
        12
    """
    found = Preflight()
    for position, row in enumerate(rows):
        encoded = encode(row, sides, tokenizer)
        reason = _reason(encoded, max_length, drops_long=drops_long)
        reason = reason or _spoiled(row, encoded, sides, tokenizer)
        _tally(found, encoded, reason, position, max_length, tokenizer.eos_token_id)
        if "label" in row:
            found.good += bool(row["label"])
            found.bad += not row["label"]
    return found


def refuse_losses(found: Preflight, *, max_length: int, allow_drops: int, split: str) -> None:
    """Raise where more rows would be lost than the recipe allows.

    Args:
        found: by `examine`.
        max_length: that it was found with.
        allow_drops: rows that may be lost.
        split: for the message.

    Raises:
        InputError: with the counts, and the ways out.

    Example:
        >>> refuse_losses(Preflight(rows=3), max_length=1024, allow_drops=0, split="train")
    """
    lost = len(found.lost)
    counts = found.counts()
    said = ", ".join(
        f"{counts[name]:,} {what.format(max_length=max_length)}"
        for name, what in LOST.items()
        if counts[name]
    )
    remedies = [remedy for name, remedy in REMEDIES.items() if counts[name]]
    if lost == found.rows:
        longer = [f"Use --max-length {found.longest}."] if found.longest else []
        raise InputError(
            f"no row of the {split} split is left to train on: {said}",
            hint=" ".join([*longer, *remedies]) or "Check how the source was converted.",
        )
    if lost <= allow_drops:
        return
    longer_or = f"Keep them with --max-length {found.longest}, or lose" if found.longest else "Lose"
    raise InputError(
        f"{lost:,} of {found.rows:,} rows of the {split} split would be lost: {said}",
        hint=" ".join([*remedies, f"{longer_or} them with --allow-drops {lost}."]),
    )


def preflight_lines(found: Preflight, *, split: str, max_length: int) -> list[str]:
    """What the preflight has to say about one split.

    Example:
        >>> preflight_lines(Preflight(rows=9, cut=2), split="test", max_length=64)
        ['test: 9 rows, 2 lose the end of an answer at max_length 64']
    """
    said = [f"{split}: {found.rows:,} rows"]
    if found.good or found.bad:
        said.append(f"{found.good:,} answers labelled good and {found.bad:,} bad")
    if found.lost:
        said.append(f"{len(found.lost):,} left out, as nothing could be learned from them")
    if found.cut:
        said.append(f"{found.cut:,} lose the end of an answer at max_length {max_length:,}")
    if found.unended:
        said.append(f"{found.unended:,} have no end token, so the model will not learn to stop")
    if found.merged:
        said.append(f"{found.merged:,} have prompts that merge with the answer when tokenised")
    return [", ".join(said)]


def _reason(row: Encoded, max_length: int, *, drops_long: bool) -> str:
    """Why the row cannot be learned from at this length: a key of `LOST`, or nothing."""
    room = max_length - len(row.prompt)
    first, *others = row.completions
    if others and first in others:
        return "identical"
    if room <= 0:
        return "filled"
    if drops_long and _length(row) > max_length:
        return "long"
    if others and first[:room] in [other[:room] for other in others]:
        return "equal"
    return ""


def _spoiled(
    row: ViewRow, encoded: Encoded, sides: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> str:
    """Why the row would teach something else than it says: a key of `LOST`, or nothing."""
    if repeated(row, encoded, sides):
        return "repeated"
    if doubled(encoded, tokenizer):
        return "doubled"
    if stripped(row, encoded, sides, tokenizer):
        return "stripped"
    return "untold" if untold(row, encoded, sides, tokenizer) else ""


def _tally(
    found: Preflight, row: Encoded, reason: str, position: int, max_length: int, end: int | None
) -> None:
    found.rows += 1
    found.merged += row.merged
    if reason:
        setattr(found, reason, getattr(found, reason) + 1)
        found.lost.append(position)
        if reason in ("filled", "long", "equal"):
            found.longest = max(found.longest, _length(row))
        return
    room = max_length - len(row.prompt)
    found.cut += _length(row) > max_length
    found.unended += any(end not in ids for ids in row.completions if len(ids) <= room)


def _length(row: Encoded) -> int:
    return len(row.prompt) + max(map(len, row.completions))
