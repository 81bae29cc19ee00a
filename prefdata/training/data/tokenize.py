"""A row as token ids, exactly as TRL's trainers make them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefdata.training.data.dataset_views import TOOLS

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
    prompt, sequences, tools = row["prompt"], [], row_tools(row)
    prompt_ids = _ids(prompt, tokenizer, tools, generate=True)
    for completion in (row[side] for side in sides):
        if isinstance(prompt, str) and isinstance(completion, str):
            end = str(tokenizer.eos_token)
            ended = completion if completion.endswith(end) else completion + end
            sequences.append(_ids(prompt + ended, tokenizer, tools))
        else:
            sequences.append(_ids([*prompt, *completion], tokenizer, tools))
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


def _ids(
    content: str | Sequence[object],
    tokenizer: PreTrainedTokenizerBase,
    tools: object,
    *,
    generate: bool = False,
) -> list[int]:
    if isinstance(content, str):
        return list(tokenizer(text=content)["input_ids"])
    rendered = tokenizer.apply_chat_template(
        content, tools=tools, tokenize=True, return_dict=True, add_generation_prompt=generate
    )
    return list(rendered["input_ids"])


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many ids both begin with."""
    for position, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return position
    return min(len(left), len(right))
