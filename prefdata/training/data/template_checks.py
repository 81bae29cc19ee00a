"""What a tokenizer or its chat template can do to a row without a warning, one check for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from prefdata.training.data.tokenize import EncodedRow, ViewRow, row_tools

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

END_OF_THINKING = "</think>"
"""The mark behind the thinking of models that write it into their answers."""


def repeats_prompt(row: ViewRow, encoded: EncodedRow, sides: Sequence[str]) -> bool:
    """Whether a completion begins with its prompt, which would be trained on.

    Args:
        row: as the trainer gets it.
        encoded: the same row as token ids.
        sides: the columns that hold completions.

    Example:
        >>> row = {"prompt": "Hi, you.", "chosen": "Hi, you. Hello."}
        >>> repeats_prompt(row, EncodedRow([], [[]], merged=False), ["chosen"])
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


def has_two_start_tokens(encoded: EncodedRow, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the row begins with two start tokens: one from its text, one from the tokenizer."""
    start = tokenizer.bos_token_id
    return start is not None and encoded.prompt[:2] == [start, start]


def loses_thinking(
    row: ViewRow, encoded: EncodedRow, sides: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> bool:
    """Whether the chat template leaves out the thinking of a completion."""
    return any(
        any(END_OF_THINKING in str(message.get("content")) for message in _messages(row[side]))
        and END_OF_THINKING not in tokenizer.decode(ids)
        for side, ids in zip(sides, encoded.completions, strict=True)
    )


def loses_tools(
    row: ViewRow, encoded: EncodedRow, sides: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> bool:
    """Whether the chat template leaves out the row's tools, or a call of one."""
    tools = row_tools(row) or []
    names = {*_names(tools if isinstance(tools, list) else []), *_names(_calls(row["prompt"]))}
    if not _all_in(names, encoded.prompt, tokenizer):
        return True
    return not all(
        _all_in(set(_names(_calls(row[side]))), ids, tokenizer)
        for side, ids in zip(sides, encoded.completions, strict=True)
    )


def _all_in(names: set[str], ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the text of the ids has every name; nothing is decoded where there is none."""
    if not names:
        return True
    text = tokenizer.decode(ids)
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
