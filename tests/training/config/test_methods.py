"""The method table and the options, held to the TRL that is installed."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from pathlib import Path

import pytest

from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.training.config.losses import loss_types, loss_weights, trl_losses
from prefdata.training.config.methods import METHODS
from prefdata.training.config.recipe import Recipe
from prefdata.training.config.trl_options import (
    DEPRECATED_OPTIONS,
    REMOVED_OPTIONS,
    RENAMED_OPTIONS,
    option_types,
)
from prefdata.training.data.dataset_views import load_view
from prefdata.training.model.library_output import suppress_output
from prefdata.training.model.load import import_class, load_tokenizer


@pytest.mark.parametrize("name", METHODS)
def test_the_options_are_those_of_trl(name: str) -> None:
    """What is read from TRL's source is exactly what its config takes; what is gone is gone."""
    with suppress_output():
        config = import_class(METHODS[name].config)
        fields = {field.name: field for field in dataclasses.fields(config) if field.init}
        assert isinstance(import_class(METHODS[name].trainer), type)
    known = option_types(METHODS[name].config_sources)
    assert set(known) == set(fields)
    assert set(REMOVED_OPTIONS) & set(fields) <= DEPRECATED_OPTIONS
    for option, entry in known.items():
        default = fields[option].default
        if entry.choices and isinstance(default, str):
            assert getattr(default, "value", default) in entry.choices, option


def test_every_owned_option_is_one_of_trl() -> None:
    """What a recipe has a key of its own for is there in some config."""
    known = {
        option for method in METHODS.values() for option in option_types(method.config_sources)
    }
    assert set(RENAMED_OPTIONS) <= known
    assert known >= DEPRECATED_OPTIONS
    assert set(RENAMED_OPTIONS.values()) <= set(Recipe.model_fields)


def test_the_losses_are_those_of_trl() -> None:
    """Every loss that TRL's sources compare with is in the table, and the table has no other."""
    with suppress_output():
        for name, ours in {"dpo": {"cdpo"}, "kto": set(), "cpo": {"alphapo"}}.items():
            source = inspect.getsource(import_class(METHODS[name].trainer))
            theirs = set(re.findall(r"loss_type == \"(\w+)\"", source)) - {"kto_pair"}
            assert set(METHODS[name].losses) - ours == theirs, name


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
    with suppress_output():
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
            made = trl_losses({"loss_type": loss, "label_smoothing": 0.001})
            trainer.loss_types, trainer.loss_weights = loss_types(made), loss_weights(made)
            with torch.no_grad():
                found = trainer.compute_loss(trainer.model, batch).item()
            assert expected is None or found == pytest.approx(expected, abs=1e-4), loss
