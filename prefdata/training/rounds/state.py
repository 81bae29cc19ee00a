"""The state of the rounds of a plan: on disk, so that the same command goes on from there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefdata.errors import InputError
from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.training.rounds.plan import RoundSpec, RoundsPlan

STATE = "state.json"


def read_state(folder: Path) -> dict[str, dict[str, Any]]:
    """The entry of each round in state.json, by name.

    Args:
        folder: the output of the plan.

    Raises:
        InputError: the file cannot be read.

    Example:
        >>> read_state(Path("no/such/folder"))
        {}
    """
    file = folder / STATE
    if not file.is_file():
        return {}
    try:
        rounds: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["rounds"]
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{file}: cannot be read", hint="Bring it back, or name another output."
        ) from None
    return rounds


def write_state(folder: Path, rounds: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the entries of the rounds, in one step.

    Args:
        folder: the output of the plan.
        rounds: the entries, by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{STATE}"
    new.write_text(json.dumps({"rounds": rounds}, indent=2) + "\n", encoding="utf-8")
    new.replace(folder / STATE)


def round_identity(plan: RoundsPlan, spec: RoundSpec, chain: str) -> str:
    """What a round rests on: its recipe, data, prompts and gate, and the model it starts from.

    Args:
        plan: of the round.
        spec: the round.
        chain: the identity of the round that it starts from, or the model of the plan.

    Returns:
        A hash: as long as it is the same, so is the result of the round.
    """
    recipe = plan.recipe_of(spec, data=spec.data, model="", output=Path())
    compare = plan.compare_of(spec)
    parts = {
        "start": chain,
        "recipe": recipe.model_dump(mode="json", exclude={"data", "model", "output"}),
        "round": spec.model_dump(
            mode="json", include={"prompts", "answers", "temperature", "max_new_tokens", "judge"}
        ),
        "gate": plan.gate_of(spec),
        "reference": plan.reference,
        **({"compare": compare.model_dump(mode="json")} if compare else {}),
    }
    digest = hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=20)
    prompts = [text for text in (spec.prompts, compare.prompts if compare else "") if text]
    folders = [text for text in prompts if Path(text).is_dir()]
    for data in filter(None, [spec.data, *spec.evaluate, *folders]):
        for files in open_dataset(Path(data)).files.values():
            for file in files:
                with Path(file).open("rb") as opened:
                    digest.update(hashlib.file_digest(opened, "sha256").digest())
    for path in map(Path, prompts):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()
