"""Answers of a model to a set of prompts, beside those of the model that it started from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefdata.records.plain_text import prompt_text
from prefdata.training.data.prompts import Messages
from prefdata.training.model import distributed

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

BEFORE, AFTER = "before", "after"
"""What the two sides of a comparison are called: the reference, and the model."""

MADE_BY = "prefdata eval"


@dataclass(frozen=True)
class Generated:
    """What a model, and its reference, answered to one prompt.

    Args:
        prompt: the messages before the answer.
        after: the model's answer.
        before: the reference's; None without one.
        after_tokens: tokens of the model's answer.
        before_tokens: tokens of the reference's answer.
        ended: whether the model ended its answer by itself.
        kl: log-probability under the model minus that under the reference, of the model's answer:
            one sample of the divergence, in nats; None without a reference.
    """

    prompt: Messages
    after: str
    before: str | None
    after_tokens: int
    before_tokens: int | None
    ended: bool
    kl: float | None

    def as_comparison(self) -> dict[str, Any]:
        """The two answers as a record that `pref judge` and `pref label` take.

        Answers that are the same need no judge: they are a tie.

        Example:
            >>> ask = [{"role": "user", "content": "Hi"}]
            >>> Generated(ask, "Yes.", "No.", 3, 3, True, 0.1).as_comparison()["model_b"]
            'after'
        """
        same = self.after == self.before
        tie = {"winner": "tie", "annotator": MADE_BY, "evidence": "the answers are the same"}
        return {
            "prompt": self.prompt,
            "response_a": as_answer(self.before or ""),
            "response_b": as_answer(self.after),
            "verdicts": [tie] if same else [],
            "model_a": BEFORE,
            "model_b": AFTER,
        }


SILENT = "(no answer)"
"""What stands for an answer without a word, as a record cannot hold an empty one."""


def as_answer(text: str) -> Messages:
    """An answer as the messages of a record.

    Example:
        >>> as_answer("")[0]["content"]
        '(no answer)'
    """
    return [{"role": "assistant", "content": text or SILENT}]


def answered(
    prompts: Sequence[Messages],
    model: torch.nn.Module,
    reference: torch.nn.Module | None,
    tokenizer: PreTrainedTokenizerBase,
    *,
    answers: int = 1,
    max_new_tokens: int = 256,
    temperature: float = 0.0,
    seed: int = 0,
    batch_size: int = 8,
) -> list[Generated]:
    """Have a model, and its reference where there is one, answer prompts.

    Args:
        prompts: as `read_prompts` gives them.
        model: in evaluation mode.
        reference: in evaluation mode.
        tokenizer: of both.
        answers: per prompt.
        max_new_tokens: of an answer.
        temperature: of the sampling; 0 always takes the likeliest token.
        seed: of the sampling.
        batch_size: answers at a time.

    Example:
        >>> answered(prompts, model, None, tokenizer)  # doctest: +SKIP
    """
    asked = [(prompt, prompt_ids(prompt, tokenizer)) for prompt in prompts for _ in range(answers)]
    mine = asked[distributed.rank() :: distributed.world_size()]
    ids = [one for _, one in mine]
    how: dict[str, Any] = {"max_new_tokens": max_new_tokens, "temperature": temperature}
    how |= {"batch_size": batch_size, "seed": seed + distributed.rank()}
    after = generate(model, ids, tokenizer, **how)
    none = [None] * len(mine)
    before = generate(reference, ids, tokenizer, **how) if reference else none
    moved = _moved(ids, after, model, reference, batch_size) if reference else none
    end = tokenizer.eos_token_id
    found = [
        Generated(
            prompt=prompt,
            after=_text(its, tokenizer),
            before=None if old is None else _text(old, tokenizer),
            after_tokens=len(its),
            before_tokens=None if old is None else len(old),
            ended=bool(its) and its[-1] == end,
            kl=kl,
        )
        for (prompt, _), its, old, kl in zip(mine, after, before, moved, strict=True)
    ]
    places = range(distributed.rank(), len(asked), distributed.world_size())
    together = distributed.all_gather(list(zip(places, found, strict=True)))
    return [one for _, one in sorted(together, key=lambda placed: placed[0])]


def prompt_ids(prompt: Messages, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """A prompt as the token ids that training has before an answer.

    Example:
        >>> prompt_ids([{"role": "user", "content": "Hi"}], tokenizer)  # doctest: +SKIP
        [1, 17, 4]
    """
    if not tokenizer.chat_template:
        return list(tokenizer(text=prompt_text(prompt))["input_ids"])
    rendered = tokenizer.apply_chat_template(
        prompt, tokenize=True, return_dict=True, add_generation_prompt=True
    )
    return list(rendered["input_ids"])


def generate(
    model: torch.nn.Module,
    prompts: Sequence[Sequence[int]],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    batch_size: int = 8,
) -> list[list[int]]:
    """The token ids of a model's answers, one to each prompt, their end tokens included.

    Args:
        model: in evaluation mode.
        prompts: token ids.
        tokenizer: of the model.
        max_new_tokens: of an answer.
        temperature: of the sampling; 0 always takes the likeliest token.
        seed: of the sampling.
        batch_size: prompts at a time, padded on the left.

    Example:
        >>> generate(model, [[1, 2]], tokenizer, max_new_tokens=8)  # doctest: +SKIP
        [[7, 9, 3]]
    """
    import torch

    device = next(model.parameters()).device
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    pad = end if pad is None else pad
    how: dict[str, Any] = {"max_new_tokens": max_new_tokens, "eos_token_id": end}
    how |= {"pad_token_id": pad, "do_sample": temperature > 0}
    how |= {"temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature > 0 else {}
    found: list[list[int]] = []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(seed)
        for at in range(0, len(prompts), batch_size):
            batch = prompts[at : at + batch_size]
            width = max(map(len, batch))
            ids = torch.tensor([[pad] * (width - len(p)) + [*p] for p in batch], device=device)
            mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in batch])
            made = model.generate(input_ids=ids, attention_mask=mask.to(device), **how)
            found += [_ended(row, end) for row in made[:, width:].tolist()]
    return found


def _ended(ids: list[int], end: int) -> list[int]:
    """The ids up to the end token, without the padding behind it."""
    return ids[: ids.index(end) + 1] if end in ids else ids


def _moved(
    prompts: Sequence[list[int]],
    answers: Sequence[list[int]],
    model: torch.nn.Module,
    reference: torch.nn.Module,
    batch_size: int,
) -> list[float]:
    """How far the model has moved, by its own answers."""
    from prefdata.training.data.tokenize import EncodedRow
    from prefdata.training.evaluation.logprobs import score

    longest = max((len(p) + len(a) for p, a in zip(prompts, answers, strict=True)), default=0)
    rows = [EncodedRow(p, [a], merged=False) for p, a in zip(prompts, answers, strict=True)]
    scored = score(rows, model, reference=reference, max_length=longest, batch_size=batch_size)
    return [one.logp - (one.reference or 0.0) for [one] in scored]


def _text(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=True)).strip()
