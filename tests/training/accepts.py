"""The proof that TRL takes a data set directory as it is meant: usable on any converted data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.training.config.methods import METHODS
from prefdata.training.data.dataset_views import COMPLETIONS, load_view
from prefdata.training.model.library_output import suppress_output
from prefdata.training.model.load import import_class
from prefdata.training.model.tiny import END, make_tiny

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Row = dict[str, object]


def assert_trl_accepts(path: Path, *, chat: bool = True, limit: int | None = None) -> int:
    """Assert that TRL's own preparation of a data set directory keeps what its rows mean.

    For every row: the completions differ, the prompt is shared, whole and there once, and each
    completion is the answer and the end token, nothing else.

    Args:
        path: what ``pref convert`` wrote, pairs or unpaired.
        chat: prepare with a chat template; without, as plain text.
        limit: look at so many rows of each split, evenly spread; None for all.

    Returns:
        How many rows were looked at.
    """
    dataset = open_dataset(path)
    view = "pairs" if dataset.kind == "pairs" else "unpaired"
    seen = 0
    with tempfile.TemporaryDirectory() as folder, suppress_output():
        work = Path(folder)
        make_tiny(work / "tiny", dataset, seed=0, max_length=64)
        tokenizer = _tokenizer(work / "tiny", chat=chat)
        for split in dataset.rows:
            rows = load_view(dataset, split, view=view, chat=chat, seed=0, cache=work / "cache")
            step = max(1, len(rows) // limit) if limit else 1
            rows = rows.select(range(0, len(rows), step))
            prepared = prepare_with_trl(rows, tokenizer, work, view=view)
            assert len(prepared) == len(rows), "TRL dropped rows"
            for row, ids in zip(rows, prepared, strict=True):
                _check(row, ids, COMPLETIONS[view], tokenizer, chat=chat)
                seen += 1
    return seen


def prepare_with_trl(
    rows: object, tokenizer: PreTrainedTokenizerBase, work: Path, *, view: str, method: str = ""
) -> list[dict[str, list[int]]]:
    """The rows as TRL's trainer tokenises them, with nothing cut."""
    chosen = METHODS[method or ("dpo" if view == "pairs" else "kto")]
    trainer = import_class(chosen.trainer)(
        model=str(work / "tiny"),
        args=import_class(chosen.config)(
            output_dir=str(work / "out"), bf16=False, max_length=None, report_to="none"
        ),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    return list(trainer.train_dataset)


def _check(
    row: Row,
    ids: dict[str, list[int]],
    sides: tuple[str, ...],
    tokenizer: PreTrainedTokenizerBase,
    *,
    chat: bool,
) -> None:
    prompt = tokenizer.decode(ids["prompt_ids"])
    assert prompt == _rendered(row["prompt"], tokenizer, chat=chat)
    answers = [ids[f"{side}_ids"] for side in sides]
    assert len({tuple(answer) for answer in answers}) == len(answers), "equal completions"
    for side, answer in zip(sides, answers, strict=True):
        whole = ids["prompt_ids"] + answer
        assert tokenizer.decode(answer) == _answer(row[side], tokenizer, chat=chat)
        assert tokenizer.decode(whole).count(prompt) == 1, "the prompt is there more than once"
        assert answer[-1] == tokenizer.eos_token_id


def _rendered(prompt: object, tokenizer: PreTrainedTokenizerBase, *, chat: bool) -> str:
    if not chat:
        return str(prompt)
    return str(tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True))


def _answer(completion: object, tokenizer: PreTrainedTokenizerBase, *, chat: bool) -> str:
    if not chat:
        return f"{completion}{END}"
    rendered = str(tokenizer.apply_chat_template(completion, tokenize=False))
    return rendered.removeprefix("<|im_start|>assistant<|im_sep|>")


def _tokenizer(folder: Path, *, chat: bool) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if not chat:
        tokenizer.chat_template = None
    return tokenizer
