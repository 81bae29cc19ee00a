"""What a model answered, written down for judges: before beside after, or candidates for pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from prefdata.errors import UsageError
from prefdata.training.data.prompts import Messages, Prompting, read_prompts
from prefdata.training.evaluation.generate import Generated, answered, as_answer


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
            row = {"prompt": prompt, "responses": [as_answer(text) for text in texts]}
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

    Raises:
        UsageError: no prompts are named, or there is no such file.
        InputError: a row holds no prompt.

    Example:
        >>> answer_prompts("model", Prompting(Path("prompts.txt")), say=print)  # doctest: +SKIP
    """
    from prefdata.training.model.library_output import suppress_output
    from prefdata.training.model.load import load_model, load_tokenizer

    if prompting.source is None:
        raise UsageError(
            "no prompts are named to answer", hint="Name a file, or a data set directory."
        )
    prompts = read_prompts(prompting.source, most=prompting.most)
    say(f"answering {len(prompts):,} prompts, {prompting.answers} times each")
    with suppress_output():
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
