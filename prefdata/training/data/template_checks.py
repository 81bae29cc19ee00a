"""What a tokenizer or its chat template can do to a row without a warning, one check for each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from prefdata.training.data.dataset_views import TOOLS
from prefdata.training.data.tokenize import EncodedRow, ViewRow, row_tools, template_arguments

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

END_OF_THINKING = "</think>"
"""The mark behind the thinking of models that write it into their answers."""


SHORTEST_NAME = 3
"""Letters of a special token from which on no text has it by chance."""


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


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str] | None:
    """What finds the tokenizer's own special tokens in a text; None where it has none."""
    added = [each.content for each in tokenizer.added_tokens_decoder.values() if each.special]
    names = {name for name in (*tokenizer.all_special_tokens, *added) if len(name) >= SHORTEST_NAME}
    return re.compile("|".join(map(re.escape, sorted(names, key=len)))) if names else None


def holds_special_tokens(
    row: ViewRow, sides: Sequence[str], tokens: re.Pattern[str] | None
) -> bool:
    """Whether a text has a special token written in it, as where a template was applied already.

    Example:
        >>> row = {"prompt": "<s>[INST] Hi [/INST]", "chosen": "Hello", "rejected": "No"}
        >>> holds_special_tokens(row, ["chosen", "rejected"], re.compile("<s>"))
        True
    """
    if tokens is None:
        return False
    texts = [text for name in ("prompt", *sides) for text in _texts(row[name])]
    return any(tokens.search(text) for text in texts)


def _texts(content: str | Sequence[Mapping[str, object]]) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [str(message.get("content") or "") for message in content]


def loses_thinking(
    row: ViewRow, encoded: EncodedRow, sides: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> bool:
    """Whether the chat template leaves out the thinking of a completion.

    It stands in the text, before its end mark, or in a field of its own.
    """
    if any(
        not _all_in(set(_thoughts(row[side])), ids, tokenizer)
        for side, ids in zip(sides, encoded.completions, strict=True)
    ):
        return True
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
    """Whether the text of the ids has every piece; nothing is decoded where there is none."""
    if not names:
        return True
    text = _without_spaces(tokenizer.decode(ids))
    return all(_without_spaces(name) in text for name in names)


def _without_spaces(text: str) -> str:
    """A text without white space, which templates may write otherwise."""
    return "".join(text.split())


def _thoughts(content: str | Sequence[Mapping[str, object]]) -> Iterator[str]:
    for message in _messages(content):
        if thought := message.get("reasoning_content"):
            yield str(thought)


def ignores_arguments(row: ViewRow, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the chat template reads none of the row's arguments by their names."""
    names = template_arguments(row).keys() - {TOOLS}
    template = str(tokenizer.chat_template or "")
    return bool(names) and not any(name in template for name in names)


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
