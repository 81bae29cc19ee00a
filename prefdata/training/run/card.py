"""What is saved beside the model: the card, the effective recipe, the metrics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from prefdata._version import __version__
from prefdata.io.dataset.dataset_reader import DatasetDirectory
from prefdata.training.config.check_model import PLAIN, is_local
from prefdata.training.config.plan import Plan
from prefdata.training.config.recipe import TINY, Recipe
from prefdata.training.run.result import TrainingResult

USE = """```python
from {library} import {loader}
from transformers import AutoTokenizer

model = {loader}.from_pretrained("{model}")
tokenizer = AutoTokenizer.from_pretrained("{model}")
```"""


def write_records(
    folder: Path, plan: Plan, result: TrainingResult, history: Sequence[Mapping[str, float]]
) -> None:
    """Write README.md, recipe.yaml and metrics.jsonl into the folder of a model.

    Args:
        folder: of the saved model.
        plan: what was run.
        result: what came of it.
        history: the trainer's logs in order.

    Example:
        >>> write_records(Path("model"), plan, result, history)  # doctest: +SKIP
    """
    (folder / "README.md").write_text(model_card(plan, result), encoding="utf-8")
    (folder / "recipe.yaml").write_text(recipe_yaml(plan.recipe), encoding="utf-8")
    lines = [json.dumps(dict(entry)) for entry in history]
    lines.append(json.dumps({"split": result.split, "before": result.before}))
    lines.append(json.dumps({"split": result.split, "after": result.after}))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def recipe_yaml(recipe: Recipe) -> str:
    """The effective recipe as YAML that `pref train` takes again, local paths made absolute.

    Keys that say nothing are left out.

    Args:
        recipe: with its defaults filled in.

    Example:
        >>> recipe_yaml(Recipe(model="tiny", data="/data/pairs")).splitlines()[0]
        'model: tiny'
    """
    keys = recipe.model_dump(mode="json")
    paths = {
        "model": recipe.model != TINY and is_local(recipe.model),
        "reference": is_local(recipe.reference),
        "data": True,
        "output": True,
        "chat_template": recipe.chat_template != PLAIN,
    }
    for key, local in paths.items():
        if local and keys[key]:
            keys[key] = str(Path(keys[key]).expanduser().absolute())
    said = {key: value for key, value in keys.items() if value not in (None, "")}
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True)


def model_card(plan: Plan, result: TrainingResult) -> str:
    """A model card: what the model is, what it was trained on and how, what it scores.

    Example:
        >>> model_card(plan, result).startswith("---")  # doctest: +SKIP
        True
    """
    adapter = plan.recipe.lora is not None and not plan.recipe.lora.merge
    scores = plan.method.task == "SEQ_CLS"
    library = "peft" if adapter else "transformers"
    task = "SequenceClassification" if scores else "CausalLM"
    header: dict[str, object] = {
        "library_name": library,
        "pipeline_tag": "text-classification" if scores else "text-generation",
        "tags": ["trl", plan.method.name, "prefdata"],
    }
    if plan.recipe.model != TINY and not is_local(plan.recipe.model):
        header["base_model"] = plan.recipe.model
    loader = f"Auto{'Peft' if adapter else ''}ModelFor{task}"
    merged = "LoRA, saved as an adapter" if adapter else "LoRA, merged into the weights"
    how = merged if result.lora else "a full fine-tune"
    if plan.recipe.first:
        how += ", after supervised fine-tuning on the chosen answers"
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=False)}---",
        f"# {plan.output.name}",
        f"Trained from `{plan.recipe.model}` with {plan.method.summary}; {how}.",
        f"Made by prefdata {__version__} with {plan.trainer_label}.",
        "## Use",
        USE.format(library=library, loader=loader, model=plan.output.name),
        "## Metrics",
        _metrics(result),
        "## Data",
        _lineage(plan.dataset, result),
        "## Recipe",
        f"```yaml\n{recipe_yaml(plan.recipe)}```",
    ]
    return "\n\n".join(parts) + "\n"


def _metrics(result: TrainingResult) -> str:
    rows = [f"| {k} | {v:.4f} | {result.after[k]:.4f} |" for k, v in result.before.items()]
    head = f"On {result.measured:,} rows of the {result.split} split, {result.steps:,} steps:"
    return "\n".join([head, "", "| metric | before | after |", "|---|---|---|", *rows])


def _lineage(dataset: DatasetDirectory, result: TrainingResult) -> str:
    """Which data set, by name and by the hash of its manifest, and the sources that it names."""
    raw = (dataset.path / "manifest.json").read_bytes()
    counts = ", ".join(f"{rows:,} {split}" for split, rows in result.rows.items())
    lost, cut = sum(result.lost.values()), sum(result.cut.values())
    lines = [
        f"- data set: `{dataset.path.absolute().name}`, {dataset.kind}, rows used: {counts}",
        f"- lost to max_length: {lost:,}; answers that lost their end: {cut:,}",
        f"- sha256 of its manifest.json: `{hashlib.sha256(raw).hexdigest()}`",
    ]
    sources = dataset.manifest.get("sources")
    if sources:
        lines += ["", "Its sources:", "", f"```json\n{json.dumps(sources, indent=2)}\n```"]
    return "\n".join(lines)
