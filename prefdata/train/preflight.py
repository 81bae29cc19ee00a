"""The preflight: what tokenizer and max_length would do to each row, counted before training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefdata.errors import InputError
from prefdata.train.view import Messages

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Row = Mapping[str, str | Messages]


@dataclass
class Preflight:
    """What becomes of the rows of one split; counts are rows.

    Args:
        rows: how many were looked at.
        filled: the prompt alone fills `max_length`, so the trainer drops the row.
        equal: both completions are the same once cut, so there is nothing to learn.
        identical: both completions are the same tokens even uncut.
        cut: a completion loses its end, and the token that says stop.
        unended: a completion that fits has no end token either.
        merged: the end of the prompt is tokenised another way once the completion follows.
        longest: tokens of the longest row that was lost.
        lost: the positions of the rows that are filled, equal or identical.
    """

    rows: int = 0
    filled: int = 0
    equal: int = 0
    identical: int = 0
    cut: int = 0
    unended: int = 0
    merged: int = 0
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


@dataclass(frozen=True)
class Encoded:
    """One row as token ids: the prompt, and each completion behind it.

    Args:
        prompt: ids shared by prompt and completions.
        completions: per completion, the ids that follow the prompt.
        merged: whether the prompt alone was tokenised another way at its end.
    """

    prompt: list[int]
    completions: list[list[int]]
    merged: bool


def encode(row: Row, sides: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> Encoded:
    """Tokenise a row exactly as TRL's trainers do: render, then cut where the prompt ends.

    Args:
        row: a prompt and completions, all messages or all text.
        sides: which columns hold the completions.
        tokenizer: of the model.

    Example:
        >>> encode({"prompt": "User: hi", "chosen": " hello"}, ["chosen"], tokenizer)
        ... # doctest: +SKIP
    """
    prompt, wholes = row["prompt"], []
    alone = _ids(prompt, tokenizer, generate=True)
    for completion in (row[side] for side in sides):
        if isinstance(prompt, str) and isinstance(completion, str):
            end = str(tokenizer.eos_token)
            ended = completion if completion.endswith(end) else completion + end
            wholes.append(_ids(prompt + ended, tokenizer))
        else:
            wholes.append(_ids([*prompt, *completion], tokenizer))
    start = min(_common(alone, whole) for whole in wholes)
    return Encoded(alone[:start], [whole[start:] for whole in wholes], start < len(alone))


def examine(
    rows: Iterable[Row],
    sides: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> Preflight:
    """Count what would be dropped, cut or made equal, on the tokenizer that will train.

    A loop over rows, as the chat template is: about 0.2 ms per row of a few hundred tokens.

    Args:
        rows: of one split.
        sides: the columns that hold completions.
        tokenizer: of the model.
        max_length: tokens of prompt and completion together.

    Example:
        >>> examine(rows, ["chosen", "rejected"], tokenizer, 1024).cut  # doctest: +SKIP
        12
    """
    found = Preflight()
    for position, row in enumerate(rows):
        found.rows += 1
        encoded = encode(row, sides, tokenizer)
        _tally(found, encoded, position, max_length, tokenizer.eos_token_id)
    return found


def refuse_losses(found: Preflight, *, max_length: int, allow_drops: int, split: str) -> None:
    """Raise where more rows would be lost than the recipe allows.

    Args:
        found: by `examine`.
        max_length: that it was found with.
        allow_drops: rows that may be lost.
        split: for the message.

    Raises:
        InputError: with the counts, and both ways out.

    Example:
        >>> refuse_losses(Preflight(rows=3), max_length=1024, allow_drops=0, split="train")
    """
    lost = len(found.lost)
    reasons = [
        (found.filled, f"whose prompt alone fills max_length {max_length:,}"),
        (found.equal, "with equal completions once cut"),
        (found.identical, "with completions that are identical to the tokenizer"),
    ]
    said = ", ".join(f"{count:,} {what}" for count, what in reasons if count)
    if lost == found.rows:
        raise InputError(
            f"no row of the {split} split is left to train on: {said}",
            hint=f"Use --max-length {found.longest}.",
        )
    if lost <= allow_drops:
        return
    longer = f"Keep them with --max-length {found.longest}, or lose" if found.longest else "Lose"
    raise InputError(
        f"{lost:,} of {found.rows:,} rows of the {split} split would be lost: {said}",
        hint=f"{longer} them with --allow-drops {lost}.",
    )


def preflight_lines(found: Preflight, *, split: str, max_length: int) -> list[str]:
    """What the preflight has to say about one split, a line per finding.

    Example:
        >>> preflight_lines(Preflight(rows=9, cut=2), split="test", max_length=64)
        ['test: 9 rows, 2 lose the end of an answer at max_length 64']
    """
    said = [f"{split}: {found.rows:,} rows"]
    if found.lost:
        said.append(f"{len(found.lost):,} left out, as nothing could be learned from them")
    if found.cut:
        said.append(f"{found.cut:,} lose the end of an answer at max_length {max_length:,}")
    if found.unended:
        said.append(f"{found.unended:,} have no end token, so the model will not learn to stop")
    if found.merged:
        said.append(f"{found.merged:,} have prompts that merge with the answer when tokenised")
    return [", ".join(said)]


def _tally(found: Preflight, row: Encoded, position: int, max_length: int, end: int | None) -> None:
    room = max_length - len(row.prompt)
    longest = len(row.prompt) + max(map(len, row.completions))
    first, *others = row.completions
    found.merged += row.merged
    if others and first in others:
        found.identical += 1
        found.lost.append(position)
    elif room <= 0 or (others and first[:room] in [other[:room] for other in others]):
        found.filled += room <= 0
        found.equal += room > 0
        found.longest = max(found.longest, longest)
        found.lost.append(position)
    else:
        found.cut += longest > max_length
        found.unended += any(end not in ids for ids in row.completions if len(ids) <= room)


def _ids(
    content: str | Sequence[object], tokenizer: PreTrainedTokenizerBase, *, generate: bool = False
) -> list[int]:
    if isinstance(content, str):
        return list(tokenizer(text=content)["input_ids"])
    rendered = tokenizer.apply_chat_template(
        content, tokenize=True, return_dict=True, add_generation_prompt=generate
    )
    return list(rendered["input_ids"])


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """How many ids both start with."""
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return place
    return min(len(left), len(right))
