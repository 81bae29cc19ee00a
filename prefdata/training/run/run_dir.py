"""The directory of a run: its checkpoints and curves, until the model is saved."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import JsonValue

from prefdata.errors import RecipeError, TrainingError, UsageError
from prefdata.io.dataset.atomic_dir import remove_folder
from prefdata.report.progress import Log
from prefdata.training.config.check_model import adapter_base, is_adapter, is_local
from prefdata.training.config.plan import Plan
from prefdata.training.config.recipe import TINY
from prefdata.training.model.sharding import full_shape

if TYPE_CHECKING:
    from transformers import Trainer

IDENTITY = "run.json"
CHANGEABLE = ("output", "smaller_on_oom", "reference_cache", "allow_drops", "samples")
"""Recipe keys that a resumed run may change."""


@dataclass(frozen=True)
class RunDir:
    """The directory beside the output, named after it, from which an interrupted run is resumed.

    Args:
        path: of the directory.

    Example:
        >>> RunDir(Path("pairs-dpo.run")).checkpoints
        PosixPath('pairs-dpo.run/checkpoints')
    """

    path: Path

    @classmethod
    def of(cls, output: Path) -> Self:
        """The directory of the run that writes an output, whether it exists or not.

        Example:
            >>> RunDir.of(Path("/models/pairs-dpo")).path
            PosixPath('/models/pairs-dpo.run')
        """
        return cls(output.absolute().with_name(f"{output.name}.run"))

    @property
    def exists(self) -> bool:
        """Whether an interrupted run is here that can be resumed."""
        return (self.path / IDENTITY).is_file()

    @property
    def checkpoints(self) -> Path:
        """Where the trainer saves its checkpoints."""
        return self.path / "checkpoints"

    @property
    def start(self) -> Path:
        """The starting model, where the run had to make it."""
        return self.path / "start"

    @property
    def first(self) -> Path:
        """The model of the first stage."""
        return self.path / "first"

    @property
    def metrics(self) -> Path:
        """The logs of the run so far, one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """The files of TensorBoard."""
        return self.path / "tensorboard"

    def last_checkpoint(self) -> Path | None:
        """The newest whole checkpoint, or None.

        Example:
            >>> RunDir(Path("none")).last_checkpoint()
        """
        whole = [p for p in self.checkpoints.glob("checkpoint-*") if _is_whole(p)]
        return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)

    def has_progress(self) -> bool:
        """Whether a run that stops now leaves anything to resume from.

        Example:
            >>> RunDir(Path("none")).has_progress()
            False
        """
        first_run = RunDir.of(self.first)
        return self.first.is_dir() or first_run.path.is_dir() or self.last_checkpoint() is not None

    def remove(self) -> None:
        """Remove the directory.

        Raises:
            InputError: it cannot be removed.
        """
        remove_folder(self.path)


def open_run_dir(plan: Plan, *, force: bool, resume: bool) -> RunDir:
    """Make the directory of a run, or find that of an interrupted one.

    Args:
        plan: of the run.
        force: throw an interrupted run away.
        resume: go on with an interrupted run.

    Raises:
        UsageError: there is nothing to resume; or there is, and neither option says what to do.
        RecipeError: data, model or recipe are not those of the interrupted run.
    """
    run_dir = RunDir.of(plan.output)
    identity_file = run_dir.path / IDENTITY
    if resume:
        if not run_dir.exists:
            finished = plan.output.is_dir() and (plan.output / "recipe.yaml").is_file()
            raise UsageError(
                f"{plan.output} is finished already: there is nothing to resume"
                if finished
                else f"there is no interrupted run to resume: no {run_dir.path.name}",
                hint="Train anew, without --resume.",
            )
        check_identity(json.loads(identity_file.read_text(encoding="utf-8")), run_identity(plan))
        return run_dir
    if run_dir.exists and not force:
        raise UsageError(
            f"{run_dir.path} holds an interrupted run",
            hint="Go on with it by --resume, or start anew with --force.",
        )
    run_dir.remove()
    run_dir.path.mkdir(parents=True)
    identity_file.write_text(json.dumps(run_identity(plan), indent=2), encoding="utf-8")
    return run_dir


def run_identity(plan: Plan) -> dict[str, JsonValue]:
    """The recipe of a run, and hashes of the bytes of its data and model."""
    recipe = plan.recipe.model_dump(mode="json", exclude=set(CHANGEABLE) | {"data", "model"})
    files = [
        Path(file) for split in sorted(plan.dataset.files) for file in plan.dataset.files[split]
    ]
    model = plan.recipe.model
    local = model != TINY and is_local(model)
    return {
        "recipe": recipe,
        "data": _digest(files),
        "model": _digest(_model_files(Path(model).expanduser())) if local else model,
    }


def check_identity(before: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> None:
    """Raise unless a run to resume is the one that was interrupted.

    Args:
        before: identity of the interrupted run.
        now: identity of the run to resume.

    Raises:
        RecipeError: with what differs.

    Example:
        >>> check_identity({"data": "a"}, {"data": "a"})
    """
    for part in ("data", "model"):
        if before.get(part) != now.get(part):
            raise RecipeError(
                f"the {part} has changed since the run was interrupted",
                hint="Train anew with --force, or bring back what was there.",
            )
    old, new = _flat(before.get("recipe")), _flat(now.get("recipe"))
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            raise RecipeError(
                f"{key} is {new.get(key)!r}, and the interrupted run has {old.get(key)!r}",
                hint="Resume with the same recipe, or train anew with --force.",
            )


def _flat(recipe: JsonValue) -> dict[str, JsonValue]:
    """The keys of a recipe, those of its parts with a dot."""
    keys: dict[str, JsonValue] = {}
    for key, value in (recipe if isinstance(recipe, dict) else {}).items():
        if isinstance(value, dict):
            name = "" if key == "options" else f"{key}."
            keys |= {f"{name}{inner}": entry for inner, entry in value.items()}
        else:
            keys[key] = value
    return keys


def _model_files(folder: Path) -> list[Path]:
    """The files of a model; of an adapter, those of its base as well."""
    names = ("*.safetensors", "*.json", "*.jinja", "*.model")
    files = sorted(path for pattern in names for path in folder.glob(pattern))
    base = adapter_base(folder) if is_adapter(folder) else ""
    return [*files, *_model_files(Path(base).expanduser())] if base and is_local(base) else files


def _digest(files: list[Path]) -> str:
    """A hash of the files' names and bytes; about a second per gigabyte."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as data:
            digest.update(hashlib.file_digest(data, "sha256").digest())
    return digest.hexdigest()


def _is_whole(checkpoint: Path) -> bool:
    """The trainer writes its state last, so that a checkpoint with a readable one is whole."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


OPTIMIZER_BYTES = 8
"""Bytes of optimiser state per trained weight: Adam's two moments in float32."""


def check_disk(trainer: Trainer, folder: Path, log: Log) -> None:
    """Raise where checkpoints and model would not fit on the disk; log where it gets tight.

    Args:
        trainer: built, with its model.
        folder: on the disk that is written to.
        log: called where less than twice the needed space is free.

    Raises:
        TrainingError: there is too little space.
    """
    needed, free = bytes_needed(trainer), shutil.disk_usage(folder).free
    if needed > free:
        raise TrainingError(
            f"{folder.parent}: the run writes {needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB "
            "are free",
            hint="Free some space, name an output elsewhere with -o, or --set save_strategy=no.",
        )
    if 2 * needed > free:
        log(f"the run writes {needed / 1e9:,.1f} GB of the {free / 1e9:,.1f} GB that are free")


def bytes_needed(trainer: Trainer) -> int:
    """Bytes that the run writes at most: the model, and its checkpoints with one being written."""
    weights = list(trainer.model.parameters())
    model: int = sum(full_shape(weight).numel() * weight.element_size() for weight in weights)
    trained = [weight for weight in weights if weight.requires_grad]
    checkpoint: int = sum(
        full_shape(weight).numel() * (weight.element_size() + OPTIMIZER_BYTES) for weight in trained
    )
    saves = str(getattr(trainer.args.save_strategy, "value", trainer.args.save_strategy)) != "no"
    checkpoints: int = (trainer.args.save_total_limit or 2) + 1 if saves else 0
    return model + checkpoints * checkpoint
