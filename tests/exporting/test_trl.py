"""TRL takes its exports: its trainers make the same tokens of them as of the data set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset

from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.training.data.dataset_views import load_view
from prefdata.training.model.library_output import suppress_output
from prefdata.training.model.load import load_tokenizer
from prefdata.training.model.tiny import make_tiny
from tests.exporting.conversations import LABELLED, PAIRS
from tests.exporting.made import dataset, exported
from tests.training.accepts import prepare_with_trl

ROWS = {"trl": PAIRS, "kto": LABELLED}


def tiny(source: Path, folder: Path) -> Path:
    make_tiny(folder / "tiny", open_dataset(source), seed=0, max_length=1024)
    return folder / "tiny"


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("target", list(ROWS))
def test_trl_makes_the_same_tokens_of_the_export(target: str, plain: bool, tmp_path: Path) -> None:
    """As of the data set itself, of which `tests/training/accepts.py` proves what they mean."""
    source = dataset(tmp_path / "in", ROWS[target])
    _, output = exported(source, target, plain=plain)
    view = "pairs" if target == "trl" else "unpaired"
    with suppress_output():
        tokenizer = load_tokenizer(str(tiny(source, tmp_path)))
        tokenizer.chat_template = None if plain else tokenizer.chat_template
        whole = load_view(
            open_dataset(source), "train", view=view, chat=not plain, seed=0, cache=tmp_path / "c"
        )
        rows = Dataset.from_parquet(
            str(output / "data" / "train.parquet"), cache_dir=str(tmp_path / "cache")
        )
        made, meant = (
            prepare_with_trl(each, tokenizer, tmp_path, view=view) for each in (rows, whole)
        )
    assert len(made) == len(meant) > 20
    assert sorted(map(str, map(sides, made))) == sorted(map(str, map(sides, meant)))


def sides(row: dict[str, list[int]]) -> list[object]:
    """The tokens of a row, and its label."""
    answers = ("chosen_ids", "rejected_ids", "completion_ids", "label")
    return [row.get(name) for name in ("prompt_ids", *answers)]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["trl", "trl-reward", "kto", "sft"])
def test_the_commands_of_trl_train_on_the_export(target: str, tmp_path: Path) -> None:
    """One step by `trl dpo`, `reward`, `kto` and `sft`, with the configuration that was written."""
    rows = [{**row, "margin": 1.5} for row in PAIRS]
    source = dataset(tmp_path / "in", rows, test_size=0.2)
    _, output = exported(source, target)
    (config,) = output.glob("*.yaml")
    with suppress_output():
        model = tiny(source, tmp_path)
    small = {"max_steps": 1, "per_device_train_batch_size": 4, "bf16": False, "use_cpu": True}
    flags = {"model_name_or_path": model, "report_to": "none", "eval_steps": 1, **small}
    result = subprocess.run(
        [
            *(sys.executable, "-m", f"trl.scripts.{config.stem}", "--config", str(config)),
            *(text for key, value in flags.items() for text in (f"--{key}", str(value))),
        ],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "ideal range" not in result.stderr, "TRL finds the class weights wrong"
    assert (Path(f"{output}-{config.stem}") / "config.json").exists()
