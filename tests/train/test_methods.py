"""The method table and the options, held to the TRL that is installed."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from prefdata.io.directory import open_dataset
from prefdata.train.loading import load_tokenizer
from prefdata.train.methods import METHODS
from prefdata.train.options import GONE, OWNED, option_types
from prefdata.train.quiet import hushed
from prefdata.train.view import load_view


@pytest.mark.parametrize("name", METHODS)
def test_the_options_are_those_of_trl(name: str) -> None:
    """What is read from TRL's source is exactly what its config takes; what is gone is gone."""
    with hushed():
        import trl

        config = getattr(trl, METHODS[name].config)
        fields = {field.name for field in dataclasses.fields(config) if field.init}
        assert hasattr(trl, METHODS[name].trainer)
    known = set(option_types(METHODS[name].config_sources))
    assert fields - known == set()
    assert set(OWNED) <= fields
    deprecated = {"pad_token", "use_liger_kernel"}
    assert set(GONE) & fields <= deprecated


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, math.log(2)),
        ({"loss_type": "ipo", "beta": 0.1}, 25),
        ({"loss_type": ["sigmoid", "hinge"], "loss_weights": [0.5, 2.0]}, math.log(2) / 2 + 2),
        ({"loss_type": ["sigmoid", "sft"]}, None),
    ],
)
def test_a_start_loss_is_known_beforehand(
    options: dict[str, object], expected: float | None
) -> None:
    """Single losses, sums of them, and the one that depends on the data."""
    found = METHODS["dpo"].start_loss(options)  # type: ignore[arg-type]
    assert found == (None if expected is None else pytest.approx(expected))


def test_each_start_loss_is_what_trl_computes(
    pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """TRL's own loss of a model that is its own reference, for every loss in the table."""
    with hushed():
        import torch
        import trl

        rows = load_view(
            open_dataset(pairs), "test", view="pairs", chat=True, seed=0, cache=tmp_path
        )
        trainer = trl.DPOTrainer(
            model=str(chat_model),
            args=trl.DPOConfig(
                output_dir=str(tmp_path), bf16=False, label_smoothing=0.001, report_to="none"
            ),
            train_dataset=rows,
            processing_class=load_tokenizer(str(chat_model)),
        )
        batch = trainer.data_collator([trainer.train_dataset[n] for n in range(4)])
        for loss in METHODS["dpo"].losses:
            expected = METHODS["dpo"].start_loss({"loss_type": loss, "label_smoothing": 0.001})
            trainer.loss_types = [loss]
            with torch.no_grad():
                found = trainer.compute_loss(trainer.model, batch).item()
            assert expected is None or found == pytest.approx(expected, abs=1e-4), loss
