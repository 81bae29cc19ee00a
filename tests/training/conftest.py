"""Models and data sets that several tests share, each made once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.training import Recipe, TrainingResult, train
from prefdata.training.model.library_output import suppress_output
from prefdata.training.model.tiny import make_tiny
from tests.training.datasets import polite_pairs, unpaired, write_dataset


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The reference's numbers are kept where the tests end, not in the user's cache."""
    before = os.environ.get("PREFDATA_CACHE")
    os.environ["PREFDATA_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("PREFDATA_CACHE")
    if before is not None:
        os.environ["PREFDATA_CACHE"] = before


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 pairs to train on and 24 held out; the chosen answer is the polite one."""
    folder = tmp_path_factory.mktemp("data") / "pairs"
    return write_dataset(folder, polite_pairs(120), polite_pairs(24, seed=1))


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as answers labelled good or bad, all the good ones first."""
    folder = tmp_path_factory.mktemp("data") / "labelled"
    rows = unpaired(polite_pairs(60))
    return write_dataset(folder, rows, unpaired(polite_pairs(12, seed=1)), kind="unpaired")


@pytest.fixture(scope="session")
def trained(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """A tiny model trained on the pairs, all weights."""
    output = tmp_path_factory.mktemp("models") / "full"
    return train(Recipe(model="tiny", data=str(pairs), output=str(output)))


@pytest.fixture(scope="session")
def chat_model(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that was not trained, with a chat template."""
    folder = tmp_path_factory.mktemp("models") / "chat"
    with suppress_output():
        make_tiny(folder, open_dataset(pairs), seed=7, max_length=1024)
    return folder


@pytest.fixture(scope="session")
def plain_model(chat_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without a chat template."""
    folder = tmp_path_factory.mktemp("models") / "plain"
    shutil.copytree(chat_model, folder)
    (folder / "chat_template.jinja").unlink()
    return folder
