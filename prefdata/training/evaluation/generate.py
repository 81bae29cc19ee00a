"""Answers of a model to a set of prompts, beside those of the model that it started from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdata.errors import UsageError
from prefdata.records.plain_text import prompt_text
from prefdata.report.progress import Log
from prefdata.training.data.prompts import Messages, Prompting, read_prompts
from prefdata.training.data.tokenize import EncodedRow
from prefdata.training.evaluation.logprobs import score_rows
from prefdata.training.model import distributed

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

BEFORE, AFTER = "before", "after"
"""What the two sides of a comparison are called: the reference, and the model."""

ANNOTATOR = "prefdata eval"
"""Who says that two answers which are the same are a tie."""


@dataclass(frozen=True)
class GeneratedAnswer:
    """The answers of a model, and of its reference, to one prompt.

    Args:
        prompt: the messages before the answer.
        after: the model's answer.
        before: the reference's; None without one.
        after_tokens: tokens of the model's answer.
        before_tokens: tokens of the reference's answer.
        ended: whether the model's answer ends with the end token.
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

    def to_comparison(self) -> dict[str, Any]:
        """The two answers as a record that `pref judge` takes.

        Answers that are the same need no judge: they are a tie.

        Example:
            >>> prompt = [{"role": "user", "content": "Hi"}]
            >>> GeneratedAnswer(prompt, "Yes.", "No.", 3, 3, True, 0.1).to_comparison()["model_b"]
            'after'
        """
        same = self.after == self.before
        tie = {"winner": "tie", "annotator": ANNOTATOR, "evidence": "the answers are the same"}
        return {
            "prompt": self.prompt,
            "response_a": as_response(self.before or ""),
            "response_b": as_response(self.after),
            "verdicts": [tie] if same else [],
            "model_a": BEFORE,
            "model_b": AFTER,
        }


EMPTY_ANSWER = "(no answer)"
"""Stands for an answer without a word, as a record cannot hold an empty one."""


def as_response(text: str) -> Messages:
    """An answer as the messages of a record.

    Example:
        >>> as_response("")[0]["content"]
        '(no answer)'
    """
    return [{"role": "assistant", "content": text or EMPTY_ANSWER}]


def answer_prompts(model: str, prompting: Prompting, *, log: Log) -> list[GeneratedAnswer]:
    """Load a model and generate its answers to a set of prompts.

    Args:
        model: a folder or a name on the hub.
        prompting: the prompts, and how they are answered.
        log: called with a line of progress.

    Raises:
        UsageError: no prompts are named, or there is no such file.
        InputError: a row holds no prompt.
    """
    from prefdata.training.model.library_output import suppress_output
    from prefdata.training.model.load import load_model, load_tokenizer

    if prompting.source is None:
        raise UsageError(
            "no prompts are named to answer", hint="Name a file, or a data set directory."
        )
    prompts = read_prompts(prompting.source, most=prompting.most)
    with suppress_output():
        return generate_answers(
            prompts, load_model(model), None, load_tokenizer(model), prompting, log=log
        )


def generate_answers(
    prompts: Sequence[Messages],
    model: torch.nn.Module,
    reference: torch.nn.Module | None,
    tokenizer: PreTrainedTokenizerBase,
    prompting: Prompting,
    *,
    batch_size: int = 8,
    log: Log,
) -> list[GeneratedAnswer]:
    """Generate the answers of a model, and of its reference where there is one, to prompts.

    Each of several processes generates a share of them, and each gets all.

    Args:
        prompts: as `read_prompts` gives them.
        model: in evaluation mode.
        reference: in evaluation mode.
        tokenizer: of both.
        prompting: how prompts are answered.
        batch_size: answers at a time.
        log: called with a line of progress.
    """
    log(f"answering {len(prompts):,} prompts, {prompting.answers} times each")
    tasks = [
        (prompt, prompt_ids(prompt, tokenizer))
        for prompt in prompts
        for _ in range(prompting.answers)
    ]
    positions = range(distributed.rank(), len(tasks), distributed.world_size())
    ids = [tasks[position][1] for position in positions]
    options: dict[str, Any] = {
        "max_new_tokens": prompting.max_new_tokens,
        "temperature": prompting.temperature,
        "seed": prompting.seed + distributed.rank(),
        "batch_size": batch_size,
    }
    after = generate_ids(model, ids, tokenizer, **options)
    before: Sequence[list[int] | None] = [None] * len(ids)
    kl: Sequence[float | None] = [None] * len(ids)
    if reference is not None:
        before = generate_ids(reference, ids, tokenizer, **options)
        kl = _sampled_kl(ids, after, model, reference, batch_size)
    answers = [
        GeneratedAnswer(
            prompt=tasks[position][0],
            after=decode_answer(after_ids, tokenizer),
            before=None if before_ids is None else decode_answer(before_ids, tokenizer),
            after_tokens=len(after_ids),
            before_tokens=None if before_ids is None else len(before_ids),
            ended=bool(after_ids) and after_ids[-1] == tokenizer.eos_token_id,
            kl=divergence,
        )
        for position, after_ids, before_ids, divergence in zip(
            positions, after, before, kl, strict=True
        )
    ]
    gathered = distributed.all_gather(list(zip(positions, answers, strict=True)))
    return [answer for _, answer in sorted(gathered, key=lambda pair: pair[0])]


def prompt_ids(prompt: Messages | str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """A prompt as the token ids that training has before an answer.

    Args:
        prompt: messages; or text, as rows have it where the tokenizer has no chat template.
        tokenizer: of the model.
    """
    if isinstance(prompt, str):
        return list(tokenizer(text=prompt)["input_ids"])
    if not tokenizer.chat_template:
        return list(tokenizer(text=prompt_text(prompt))["input_ids"])
    rendered = tokenizer.apply_chat_template(
        prompt, tokenize=True, return_dict=True, add_generation_prompt=True
    )
    return list(rendered["input_ids"])


def generate_ids(
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
    """
    import torch

    device = next(model.parameters()).device
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    pad = end if pad is None else pad
    options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "eos_token_id": end}
    options |= {"pad_token_id": pad, "do_sample": temperature > 0}
    options |= {"temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature > 0 else {}
    answers: list[list[int]] = []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(seed)
        for first in range(0, len(prompts), batch_size):
            batch = prompts[first : first + batch_size]
            width = max(map(len, batch))
            ids = torch.tensor([[pad] * (width - len(p)) + [*p] for p in batch], device=device)
            mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in batch])
            output = model.generate(input_ids=ids, attention_mask=mask.to(device), **options)
            answers += [_without_padding(row, end) for row in output[:, width:].tolist()]
    return answers


def _without_padding(ids: list[int], end: int) -> list[int]:
    """The ids up to the end token."""
    return ids[: ids.index(end) + 1] if end in ids else ids


def _sampled_kl(
    prompts: Sequence[list[int]],
    answers: Sequence[list[int]],
    model: torch.nn.Module,
    reference: torch.nn.Module,
    batch_size: int,
) -> list[float]:
    """Per answer of the model, one sample of its divergence from the reference, in nats."""
    rows = [EncodedRow(p, [a], merged=False) for p, a in zip(prompts, answers, strict=True)]
    longest = max((len(row.prompt) + len(row.completions[0]) for row in rows), default=0)
    scores = score_rows(rows, model, reference=reference, max_length=longest, batch_size=batch_size)
    return [(one.logp or 0.0) - (one.reference_logp or 0.0) for [one] in scores]


def decode_answer(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> str:
    """The text of an answer, without its end token."""
    return str(tokenizer.decode(ids, skip_special_tokens=True)).strip()


def write_generations(answers: Sequence[GeneratedAnswer], path: Path) -> None:
    """Write answers of before and after as comparisons, one JSON object a line.

    Args:
        answers: by `generate_answers`, with a reference.
        path: of the file.
    """
    lines = [json.dumps(one.to_comparison(), ensure_ascii=False) + "\n" for one in answers]
    path.write_text("".join(lines), encoding="utf-8")


def write_candidates(answers: Sequence[GeneratedAnswer], path: Path) -> None:
    """Write the model's answers, those to one prompt together, as `pref judge` reads them.

    Answers that are the same count once, and empty ones are left out: there is nothing to judge.

    Args:
        answers: by `generate_answers`.
        path: of the file.
    """
    by_prompt: dict[str, tuple[Messages, list[str]]] = {}
    for one in answers:
        key = json.dumps(one.prompt, sort_keys=True)
        texts = by_prompt.setdefault(key, (one.prompt, []))[1]
        if one.after and one.after not in texts:
            texts.append(one.after)
    with path.open("w", encoding="utf-8") as file:
        for prompt, texts in by_prompt.values():
            row = {"prompt": prompt, "responses": [as_response(text) for text in texts]}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
