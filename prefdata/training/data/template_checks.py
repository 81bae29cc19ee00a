"""What a tokenizer or its chat template can do to a row without a word, each found by looking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from prefdata.training.data.tokenize import Encoded, ViewRow, tools_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

THOUGHT = "</think>"
"""What ends the thinking of models that write it down."""


def repeated(row: ViewRow, encoded: Encoded, sides: Sequence[str]) -> bool:
    """Whether a completion begins with its prompt, which would then be trained on.

    Args:
        row: as the trainer gets it.
        encoded: the same as token ids.
        sides: the columns that hold completions.

    Example:
        >>> row = {"prompt": "Hi, you.", "chosen": "Hi, you. Hello."}
        >>> repeated(row, Encoded([], [[]], merged=False), ["chosen"])
        True
    """
    prompt = row["prompt"]
    for side in sides:
        completion = row[side]
        if isinstance(prompt, str) and isinstance(completion, str):
            if completion.lstrip().startswith(prompt.strip()):
                return True
        elif list(completion[: len(prompt)]) == list(prompt):
            return True
    length = len(encoded.prompt)
    return length > 1 and any(ids[:length] == encoded.prompt for ids in encoded.completions)


def doubled(encoded: Encoded, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the row begins with two start tokens: one from its text, one from the tokenizer.

    Example:
        >>> doubled(encoded, tokenizer)  # doctest: +SKIP
        False
    """
    start = tokenizer.bos_token_id
    return start is not None and encoded.prompt[:2] == [start, start]


def stripped(
    row: ViewRow, encoded: Encoded, sides: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> bool:
    """Whether the chat template leaves out what a completion thinks.

    Example:
        >>> stripped(row, encoded, ["chosen"], tokenizer)  # doctest: +SKIP
        False
    """
    return any(
        any(THOUGHT in str(message.get("content")) for message in _messages(row[side]))
        and THOUGHT not in tokenizer.decode(ids)
        for side, ids in zip(sides, encoded.completions, strict=True)
    )


def untold(
    row: ViewRow, encoded: Encoded, sides: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> bool:
    """Whether the chat template leaves out the row's tools, or a call of one.

    Example:
        >>> untold(row, encoded, ["chosen"], tokenizer)  # doctest: +SKIP
        False
    """
    offered = tools_of(row) or []
    named = set(_names(offered if isinstance(offered, list) else []))
    named |= set(_names(_calls(row["prompt"])))
    if named and not _all_in(named, tokenizer.decode(encoded.prompt)):
        return True
    for side, ids in zip(sides, encoded.completions, strict=True):
        called = set(_names(_calls(row[side])))
        if called and not _all_in(called, tokenizer.decode(ids)):
            return True
    return False


def _all_in(names: set[str], text: str) -> bool:
    return all(name in text for name in names)


def _messages(content: str | Sequence[Mapping[str, object]]) -> Sequence[Mapping[str, object]]:
    return [] if isinstance(content, str) else content


def _calls(content: str | Sequence[Mapping[str, object]]) -> Iterator[object]:
    for message in _messages(content):
        calls = message.get("tool_calls")
        if isinstance(calls, list):
            yield from calls


def _names(tools: Sequence[object] | Iterator[object]) -> Iterator[str]:
    """The names of functions, offered or called."""
    for tool in tools:
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if isinstance(function, Mapping) and function.get("name"):
            yield str(function["name"])
