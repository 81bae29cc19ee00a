"""The preflight: counts, before training, of what tokenizer and max_length would do to rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefdata.errors import InputError
from prefdata.training.data.template_checks import (
    has_two_start_tokens,
    holds_special_tokens,
    ignores_arguments,
    loses_thinking,
    loses_tools,
    repeats_prompt,
    special_tokens,
)
from prefdata.training.data.tokenize import EncodedRow, ViewRow, encode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


LOSSES = {
    "filled": "whose prompt alone fills max_length {max_length:,}",
    "long": "longer than max_length {max_length:,}",
    "equal": "with equal completions once cut",
    "identical": "with completions that are identical to the tokenizer",
    "repeats_prompt": "whose completion repeats the prompt",
    "two_start_tokens": "that begin with two start tokens",
    "loses_thinking": "whose thinking the chat template leaves out",
    "loses_tools": "whose tools the chat template leaves out",
}
"""Why a row is lost, in the order of the checks; each row counts once."""

REMEDIES = {
    "repeats_prompt": "Convert the source again: a completion holds the answer alone.",
    "two_start_tokens": (
        "Convert the source from messages, not from text that a template has rendered."
    ),
    "loses_thinking": "Set chat_template to a template that keeps thinking.",
    "loses_tools": "Set chat_template to a template that renders tools.",
}
"""What helps where a longer max_length does not."""


@dataclass
class Preflight:
    """What tokenizer and `max_length` do to the rows of one split, in numbers of rows.

    Args:
        rows: all of them.
        filled: the prompt alone fills `max_length`, so the trainer drops the row.
        long: the row is beyond `max_length`, and the trainer drops such rows.
        equal: both completions are the same once cut, so there is nothing to learn.
        identical: both completions are the same tokens even uncut.
        repeats_prompt: a completion begins with its prompt, which would be trained on.
        two_start_tokens: the text begins with a start token, and the tokenizer adds another.
        loses_thinking: the chat template leaves out what a completion thinks.
        loses_tools: the chat template leaves out the tools, or calls of them.
        cut: a completion loses its end, and the token that says stop.
        no_end_token: a completion that fits has no end token either.
        ignored_arguments: the chat template reads none of the row's arguments.
        special_tokens: a text has special tokens of the tokenizer written in it.
        merged: the end of the prompt is tokenised another way once the completion follows.
        good: completions that are labelled good.
        bad: completions that are labelled bad.
        longest: tokens of the longest row that was lost.
        lost_rows: the positions of the rows that are lost.
    """

    rows: int = 0
    filled: int = 0
    long: int = 0
    equal: int = 0
    identical: int = 0
    repeats_prompt: int = 0
    two_start_tokens: int = 0
    loses_thinking: int = 0
    loses_tools: int = 0
    cut: int = 0
    no_end_token: int = 0
    ignored_arguments: int = 0
    special_tokens: int = 0
    merged: int = 0
    good: int = 0
    bad: int = 0
    longest: int = 0
    lost_rows: list[int] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """The counts by name, without the positions.

        Example:
            >>> Preflight(rows=2, cut=1).counts()["cut"]
            1
        """
        return {k: v for k, v in vars(self).items() if isinstance(v, int)} | {
            "lost": len(self.lost_rows)
        }


def examine(
    rows: Iterable[ViewRow],
    sides: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    *,
    drops_long: bool = False,
) -> Preflight:
    """Count the rows that training would drop, cut or make equal, with the tokenizer that it uses.

    A loop over rows, since chat templates render one at a time: about 0.2 ms per row of a few
    hundred tokens.

    Args:
        rows: of one split.
        sides: the columns that hold completions.
        tokenizer: of the model.
        max_length: tokens of prompt and completion together.
        drops_long: whether the trainer drops rows beyond `max_length` rather than cutting them.
    """
    preflight = Preflight()
    tokens = special_tokens(tokenizer)
    for position, row in enumerate(rows):
        encoded = encode(row, sides, tokenizer)
        reason = _reason(encoded, max_length, drops_long=drops_long)
        if reason in ("", "identical"):
            reason = _template_reason(row, encoded, sides, tokenizer) or reason
        preflight.ignored_arguments += ignores_arguments(row, tokenizer)
        _count_row(preflight, encoded, reason, position, max_length, tokenizer.eos_token_id)
        preflight.special_tokens += holds_special_tokens(row, sides, tokens)
        if "label" in row:
            preflight.good += bool(row["label"])
            preflight.bad += not row["label"]
    return preflight


def refuse_losses(preflight: Preflight, *, max_length: int, allow_drops: int, split: str) -> None:
    """Raise where more rows would be lost than the recipe allows.

    Args:
        preflight: the counts of a split.
        max_length: the one that they were counted with.
        allow_drops: how many rows may be lost.
        split: its name, for the message.

    Raises:
        InputError: with the counts, and the remedies.

    Example:
        >>> refuse_losses(Preflight(rows=3), max_length=1024, allow_drops=0, split="train")
    """
    lost_count = len(preflight.lost_rows)
    counts = preflight.counts()
    losses = ", ".join(
        f"{counts[name]:,} {what.format(max_length=max_length)}"
        for name, what in LOSSES.items()
        if counts[name]
    )
    remedies = [remedy for name, remedy in REMEDIES.items() if counts[name]]
    if lost_count == preflight.rows:
        longer = [f"Use --max-length {preflight.longest}."] if preflight.longest else []
        raise InputError(
            f"no row of the {split} split is left to train on: {losses}",
            hint=" ".join([*longer, *remedies]) or "Check how the source was converted.",
        )
    if lost_count <= allow_drops:
        return
    longest = preflight.longest
    longer_or = f"Keep them with --max-length {longest}, or lose" if longest else "Lose"
    raise InputError(
        f"{lost_count:,} of {preflight.rows:,} rows of the {split} split would be lost: {losses}",
        hint=" ".join([*remedies, f"{longer_or} them with --allow-drops {lost_count}."]),
    )


def preflight_summary(preflight: Preflight, *, split: str, max_length: int) -> str:
    """The counts of one split, as a line for the log.

    Example:
        >>> preflight_summary(Preflight(rows=9, cut=2), split="test", max_length=64)
        'test: 9 rows, 2 lose the end of an answer at max_length 64'
    """
    parts = [f"{split}: {preflight.rows:,} rows"]
    if preflight.good or preflight.bad:
        parts.append(f"{preflight.good:,} answers labelled good and {preflight.bad:,} bad")
    if preflight.lost_rows:
        parts.append(
            f"{len(preflight.lost_rows):,} left out, as nothing could be learned from them"
        )
    if preflight.cut:
        parts.append(f"{preflight.cut:,} lose the end of an answer at max_length {max_length:,}")
    if preflight.no_end_token:
        parts.append(
            f"{preflight.no_end_token:,} have no end token, so the model will not learn to stop"
        )
    if preflight.ignored_arguments:
        parts.append(
            f"{preflight.ignored_arguments:,} have arguments that the chat template does not read"
        )
    if preflight.special_tokens:
        parts.append(
            f"{preflight.special_tokens:,} have special tokens of the tokenizer in their texts, as "
            "where a template was applied already"
        )
    if preflight.merged:
        parts.append(f"{preflight.merged:,} have prompts that merge with the answer when tokenised")
    return ", ".join(parts)


def _reason(row: EncodedRow, max_length: int, *, drops_long: bool) -> str:
    """Why the row cannot be learned from at this length: a key of `LOSSES`, or empty."""
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


def _template_reason(
    row: ViewRow, encoded: EncodedRow, sides: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> str:
    """Why the row would teach something else than it says: a key of `LOSSES`, or empty."""
    if repeats_prompt(row, encoded, sides):
        return "repeats_prompt"
    if has_two_start_tokens(encoded, tokenizer):
        return "two_start_tokens"
    if loses_thinking(row, encoded, sides, tokenizer):
        return "loses_thinking"
    return "loses_tools" if loses_tools(row, encoded, sides, tokenizer) else ""


def _count_row(
    preflight: Preflight,
    row: EncodedRow,
    reason: str,
    position: int,
    max_length: int,
    end: int | None,
) -> None:
    preflight.rows += 1
    preflight.merged += row.merged
    if reason:
        setattr(preflight, reason, getattr(preflight, reason) + 1)
        preflight.lost_rows.append(position)
        if reason in ("filled", "long", "equal"):
            preflight.longest = max(preflight.longest, _length(row))
        return
    room = max_length - len(row.prompt)
    preflight.cut += _length(row) > max_length
    preflight.no_end_token += any(end not in ids for ids in row.completions if len(ids) <= room)


def _length(row: EncodedRow) -> int:
    return len(row.prompt) + max(map(len, row.completions))
