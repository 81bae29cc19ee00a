"""A row as token ids, exactly as TRL's trainers make them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefdata.training.data.dataset_views import ARGUMENTS, TOOLS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ViewRow = Mapping[str, str | Sequence[Mapping[str, object]]]


@dataclass(frozen=True)
class EncodedRow:
    """One row as token ids: the prompt, and each completion behind it.

    Args:
        prompt: ids shared by prompt and completions.
        completions: per completion, the ids that follow the prompt.
        merged: whether the end of the prompt is tokenised another way when a completion follows.
    """

    prompt: list[int]
    completions: list[list[int]]
    merged: bool


def encode(row: ViewRow, sides: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> EncodedRow:
    """Tokenise a row exactly as TRL's trainers do: render, then cut where the prompt ends.

    Args:
        row: a prompt and completions, all messages or all text.
        sides: which columns hold the completions.
        tokenizer: of the model.
    """
    prompt, sequences, template = row["prompt"], [], template_arguments(row)
    prompt_ids = _ids(prompt, tokenizer, template, generate=True)
    for completion in (row[side] for side in sides):
        if isinstance(prompt, str) and isinstance(completion, str):
            end = str(tokenizer.eos_token)
            ended = completion if completion.endswith(end) else completion + end
            sequences.append(_ids(prompt + ended, tokenizer, template))
        else:
            sequences.append(_ids([*prompt, *completion], tokenizer, template))
    start = min(_common_prefix(prompt_ids, ids) for ids in sequences)
    completions = [ids[start:] for ids in sequences]
    return EncodedRow(prompt_ids[:start], completions, merged=start < len(prompt_ids))


def row_tools(row: Mapping[str, object]) -> object:
    """The tools of a row, read from their JSON where they are text.

    Example:
        >>> row_tools({"tools": "[]"}), row_tools({})
        ([], None)
    """
    tools = row.get(TOOLS)
    return json.loads(tools) if isinstance(tools, str) else tools


def template_arguments(row: Mapping[str, object]) -> dict[str, Any]:
    """What a row passes to the chat template beside its messages, as TRL does.

    Example:
        >>> template_arguments({"chat_template_kwargs": '{"enable_thinking": false}'})
        {'tools': None, 'enable_thinking': False}
    """
    more = row.get(ARGUMENTS) or {}
    more = json.loads(more) if isinstance(more, str) else more
    return {"tools": row_tools(row), **(more if isinstance(more, Mapping) else {})}


def _ids(
    content: str | Sequence[object],
    tokenizer: PreTrainedTokenizerBase,
    template: Mapping[str, Any],
    *,
    generate: bool = False,
) -> list[int]:
    if isinstance(content, str):
        return list(tokenizer(text=content)["input_ids"])
    rendered = tokenizer.apply_chat_template(
        content, **template, tokenize=True, return_dict=True, add_generation_prompt=generate
    )
    return list(rendered["input_ids"])


def _common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many ids both begin with."""
    for position, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return position
    return min(len(first), len(second))
