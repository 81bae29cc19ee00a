"""Answers of a model to a set of prompts, beside those of the model that it started from."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdata.errors import InputError, UsageError
from prefdata.io.directory import open_dataset
from prefdata.io.plain import prompt_text
from prefdata.train import processes

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

Messages = list[dict[str, Any]]

BEFORE, AFTER = "before", "after"
"""What the two sides of a comparison are called: the reference, and the model."""

MADE_BY = "prefdata eval"
ENDINGS = (".jsonl", ".json", ".parquet", ".csv", ".txt")


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
            "response_a": _answer(self.before or ""),
            "response_b": _answer(self.after),
            "verdicts": [tie] if same else [],
            "model_a": BEFORE,
            "model_b": AFTER,
        }


SILENT = "(no answer)"
"""What stands for an answer without a word, as a record cannot hold an empty one."""


def _answer(text: str) -> Messages:
    return [{"role": "assistant", "content": text or SILENT}]


@dataclass(frozen=True)
class Prompting:
    """How a model and its reference are asked for answers.

    Args:
        source: a data set directory, or a file of prompts; None for the held-out prompts of the
            first data set.
        answers: per prompt.
        most: prompts that are asked at most; None for all.
        max_new_tokens: of an answer.
        temperature: of the sampling; 0 always takes the likeliest token.
        seed: of the sampling.

    Example:
        >>> Prompting().answers
        1
    """

    source: Path | None = None
    answers: int = 1
    most: int | None = None
    max_new_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0


def check_prompts(source: Path | None) -> None:
    """Raise, before anything heavy is loaded, where there are no prompts to read.

    Raises:
        UsageError: there is no such file, or it is of no kind that is read.

    Example:
        >>> check_prompts(None)
    """
    if source is None or source.is_dir():
        return
    if not source.exists():
        raise UsageError(f"{source}: no such file of prompts", hint="Check the path.")
    if source.suffix not in ENDINGS:
        raise UsageError(
            f"{source}: prompts are not read from {source.suffix or 'such'} files",
            hint=f"Give a data set directory, or a file that ends in {', '.join(ENDINGS)}.",
        )


def read_prompts(source: Path, *, most: int | None = None) -> list[Messages]:
    """The prompts of a file or a data set directory, each once, in their order.

    Args:
        source: a data set directory, of which the held-out prompts are taken; a text file with a
            prompt a line; or a JSON, JSONL, CSV or Parquet file with a column ``prompt``, text or
            a list of messages.
        most: how many to take.

    Raises:
        UsageError: there is no such file.
        InputError: a row holds no prompt, or there is none.

    Example:
        >>> read_prompts(Path("prompts.jsonl"))  # doctest: +SKIP
        [[{'role': 'user', 'content': 'Name a colour.'}]]
    """
    check_prompts(source)
    found: dict[str, Messages] = {}
    for number, value in enumerate(_values(source), 1):
        prompt = _as_messages(value)
        if prompt is None:
            raise InputError(
                f"{source}: row {number} holds no prompt",
                hint="Expected a column 'prompt': text, or a list of messages that ends in a "
                "user's.",
            )
        found.setdefault(json.dumps(prompt, sort_keys=True), prompt)
        if len(found) == most:
            break
    if not found:
        raise InputError(f"{source} holds no prompt", hint="Give a file with a prompt a line.")
    return list(found.values())


def _values(source: Path) -> Iterator[object]:
    """What stands where a prompt is expected, row by row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if source.is_dir():
        dataset = open_dataset(source)
        files = dataset.files.get("test", dataset.files["train"])
        for file in files:
            yield from pq.read_table(file, columns=["prompt"])[0].to_pylist()
        return
    try:
        if source.suffix == ".parquet":
            table = pq.read_table(source)
            yield from (row.get("prompt") for row in table.to_pylist())
            return
        text = source.read_text(encoding="utf-8-sig")
        lines = [line for line in text.splitlines() if line.strip()]
        if source.suffix == ".txt":
            yield from lines
        elif source.suffix == ".csv":
            yield from (row.get("prompt") for row in csv.DictReader(text.splitlines()))
        else:
            whole = text.lstrip().startswith("[")
            rows = json.loads(text) if whole else map(json.loads, lines)
            yield from (row.get("prompt") if isinstance(row, dict) else row for row in rows)
    except (ValueError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{source}: not what its name says ({str(error).splitlines()[0]})",
            hint="Expected UTF-8 text; JSON has one object a line, or one list.",
        ) from None


def _as_messages(value: object) -> Messages | None:
    """A prompt as messages, or None where it is none."""
    if isinstance(value, str) and value.strip():
        return [{"role": "user", "content": value}]
    if not isinstance(value, list) or not value:
        return None
    messages = [
        {key: field for key, field in message.items() if field is not None}
        for message in value
        if isinstance(message, dict)
    ]
    whole = len(messages) == len(value) and all({"role", "content"} <= m.keys() for m in messages)
    return messages if whole and messages[-1]["role"] in ("user", "tool") else None


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
    mine = asked[processes.rank() :: processes.count()]
    ids = [one for _, one in mine]
    how: dict[str, Any] = {"max_new_tokens": max_new_tokens, "temperature": temperature}
    how |= {"batch_size": batch_size, "seed": seed + processes.rank()}
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
    places = range(processes.rank(), len(asked), processes.count())
    together = processes.gathered(list(zip(places, found, strict=True)))
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
    from prefdata.train.encoding import Encoded
    from prefdata.train.scoring import score

    longest = max((len(p) + len(a) for p, a in zip(prompts, answers, strict=True)), default=0)
    rows = [Encoded(p, [a], merged=False) for p, a in zip(prompts, answers, strict=True)]
    scored = score(rows, model, reference=reference, max_length=longest, batch_size=batch_size)
    return [one.logp - (one.reference or 0.0) for [one] in scored]


def _text(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=True)).strip()


def write_generations(made: Sequence[Generated], path: Path) -> None:
    """Write answers of before and after as comparisons, one JSON object a line.

    Args:
        made: by `answered`, with a reference.
        path: of the file.

    Example:
        >>> write_generations(made, Path("generations.jsonl"))  # doctest: +SKIP
    """
    lines = [json.dumps(one.as_comparison(), ensure_ascii=False) + "\n" for one in made]
    path.write_text("".join(lines), encoding="utf-8")


def write_candidates(made: Sequence[Generated], path: Path) -> None:
    """Write the model's answers, those to one prompt together, as `pref judge` takes them.

    Answers that are the same count once, and empty ones not at all: there is nothing to judge.

    Args:
        made: by `answered`.
        path: of the file.

    Example:
        >>> write_candidates(made, Path("candidates.jsonl"))  # doctest: +SKIP
    """
    together: dict[str, tuple[Messages, list[str]]] = {}
    for one in made:
        key = json.dumps(one.prompt, sort_keys=True)
        texts = together.setdefault(key, (one.prompt, []))[1]
        if one.after and one.after not in texts:
            texts.append(one.after)
    with path.open("w", encoding="utf-8") as opened:
        for prompt, texts in together.values():
            row = {"prompt": prompt, "responses": [_answer(text) for text in texts]}
            opened.write(json.dumps(row, ensure_ascii=False) + "\n")


def answer_prompts(
    model: str, prompting: Prompting, *, batch_size: int = 8, say: Callable[[str], None]
) -> list[Generated]:
    """Load a model and have it answer a set of prompts.

    Args:
        model: a folder or a name on the hub.
        prompting: what is asked, and how.
        batch_size: answers at a time.
        say: gets a line of progress.

    Example:
        >>> answer_prompts("model", Prompting(Path("prompts.txt")), say=print)  # doctest: +SKIP
    """
    from prefdata.train.loading import load_model, load_tokenizer
    from prefdata.train.quiet import hushed

    prompts = read_prompts(prompting.source or Path(), most=prompting.most)
    say(f"answering {len(prompts):,} prompts, {prompting.answers} times each")
    with hushed():
        return answered(
            prompts,
            load_model(model),
            None,
            load_tokenizer(model),
            answers=prompting.answers,
            max_new_tokens=prompting.max_new_tokens,
            temperature=prompting.temperature,
            seed=prompting.seed,
            batch_size=batch_size,
        )
