"""What is known of the rounds of a plan: on disk, so that the same command goes on from there."""

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
    """By name of the round, what came of it in earlier runs.

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
        known: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["rounds"]
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{file}: cannot be read", hint="Bring it back, or name another output."
        ) from None
    return known


def write_state(folder: Path, rounds: Mapping[str, Mapping[str, Any]]) -> None:
    """Write down what came of the rounds, in one step.

    Args:
        folder: the output of the plan.
        rounds: by name, what came of each.

    Example:
        >>> write_state(Path("rounds"), {})  # doctest: +SKIP
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{STATE}"
    new.write_text(json.dumps({"rounds": rounds}, indent=2) + "\n", encoding="utf-8")
    new.replace(folder / STATE)


def round_identity(plan: RoundsPlan, one: RoundSpec, chain: str) -> str:
    """What a round rests on: its recipe, data, prompts and gate, and the model it starts from.

    Args:
        plan: of the round.
        one: the round.
        chain: the identity of the round that it starts from, or the model of the plan.

    Returns:
        A hash: as long as it is the same, so is what comes of the round.

    Example:
        >>> round_identity(plan, plan.rounds[0], plan.model)  # doctest: +SKIP
        '9c1f…'
    """
    recipe = plan.recipe_of(one, data=one.data, model="", output=Path())
    compare = plan.compare_of(one)
    known = {
        "start": chain,
        "recipe": recipe.model_dump(mode="json", exclude={"data", "model", "output"}),
        "round": one.model_dump(
            mode="json", include={"prompts", "answers", "temperature", "max_new_tokens", "judge"}
        ),
        "gate": plan.gate_of(one),
        "reference": plan.reference,
        **({"compare": compare.model_dump(mode="json")} if compare else {}),
    }
    digest = hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=20)
    asked = [text for text in (one.prompts, compare.prompts if compare else "") if text]
    folders = [text for text in asked if Path(text).is_dir()]
    for data in filter(None, [one.data, *one.evaluate, *folders]):
        for files in open_dataset(Path(data)).files.values():
            for file in files:
                with Path(file).open("rb") as opened:
                    digest.update(hashlib.file_digest(opened, "sha256").digest())
    for prompts in map(Path, asked):
        if prompts.is_file():
            digest.update(prompts.read_bytes())
    return digest.hexdigest()
