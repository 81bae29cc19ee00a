"""Every method on real files, converted by us: it trains, evaluates, saves, loads and generates."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pytest
from pydantic import JsonValue

from prefdata import convert
from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.training import METHODS, TrainingResult, evaluate, load_recipe, train
from tests.training.config.test_example_recipes import RECIPES, scores
from tests.training.saved import generate

pytestmark = pytest.mark.shared

ROWS = 120
"""So many of each: enough for real texts, lengths and turns."""

SOURCES = {
    "transcripts": "hh-rlhf/harmless-base-test.jsonl.gz",
    "pairs": "llama-factory/dpo_en_demo.json",
    "labels": "llama-factory/kto_en_demo.json",
}


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The real files as data set directories, made as they are asked for."""
    return {"": tmp_path_factory.mktemp("real")}


def converted(name: str, real: dict[str, Path], data: Path) -> Path:
    """The first rows of a source, converted once."""
    if name not in real:
        source, real[name] = (
            real[""] / Path(SOURCES[name]).name.removesuffix(".gz"),
            real[""] / name,
        )
        raw = (data / SOURCES[name]).read_bytes()
        text = (gzip.decompress(raw) if SOURCES[name].endswith(".gz") else raw).decode()
        if source.suffix == ".json":
            source.write_text(json.dumps(json.loads(text)[:ROWS]), encoding="utf-8")
        else:
            source.write_text("\n".join(text.splitlines()[:ROWS]) + "\n", encoding="utf-8")
        convert([source], output=real[name])
    return real[name]


def trained(
    data: Path, output: Path, recipe: Path | None = None, **keys: JsonValue
) -> TrainingResult:
    flags: dict[str, JsonValue] = {
        "model": "tiny",
        "data": str(data),
        "output": str(output),
        "max_steps": 2,
        "batch_size": 4,
        "max_length": 256,
        "allow_drops": 100_000,
        **keys,
    }
    result = train(load_recipe(recipe, flags=flags))
    for numbers in (result.before, result.after):
        assert all(math.isfinite(value) for value in numbers.values())
    manifest = json.loads((data / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["schema_version"] == 2
    if result.method == "reward":
        assert math.isfinite(scores(output))
    else:
        assert generate(output).startswith("Tell me of the river")
        if manifest["kind"] == "pairs":
            evaluation = evaluate(str(output), data=data)
            assert 0 <= (evaluation.estimates["accuracy"].value or 0) <= 1
    return result


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_on_real_data(
    method: str, source: str, real: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    """But for those that need pairs, on answers that have labels only."""
    dataset = converted(source, real, data)
    kind = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))["kind"]
    if kind not in METHODS[method].views:
        assert (kind, source) == ("unpaired", "labels")
        return
    result = trained(dataset, tmp_path / "m", method=method)
    assert result.steps == 2
    assert result.rows["train"] >= 5
    if METHODS[method].views[kind] == kind:
        rows = {split: result.rows[split] + result.lost[split] for split in result.rows}
        assert rows == open_dataset(dataset).rows


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_on_real_data(
    path: Path, real: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    """As it is written, but for the quantisation where its library is missing."""
    dataset = converted("pairs", real, data)
    keys: dict[str, JsonValue] = {}
    if path.stem == "dpo-qlora":
        text = path.read_text(encoding="utf-8").replace("quantization: 4bit", "")
        path = tmp_path / "dpo-qlora.yaml"
        path.write_text(text, encoding="utf-8")
    assert trained(dataset, tmp_path / "m", path, **keys).steps == 2
