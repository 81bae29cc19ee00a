"""The folder of a run under way: checkpoints and curves, kept until the model is saved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from prefdata.errors import RecipeError, UsageError
from prefdata.io.dataset.atomic_dir import remove_folder
from prefdata.training.config.check_model import adapter_base, is_adapter, is_local
from prefdata.training.config.plan import Plan
from prefdata.training.config.recipe import TINY

IDENTITY = "run.json"
FREE = ("output", "smaller_on_oom", "reference_cache", "allow_drops", "samples")
"""Recipe keys that a resumed run may change."""


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what it needs to go on: beside the output, named after it.

    Args:
        path: the folder.

    Example:
        >>> RunFolder(Path("pairs-dpo.run")).checkpoints
        PosixPath('pairs-dpo.run/checkpoints')
    """

    path: Path

    @property
    def begun(self) -> bool:
        """Whether a run was begun here that can be gone on with."""
        return (self.path / IDENTITY).is_file()

    @property
    def checkpoints(self) -> Path:
        """Where the trainer saves its checkpoints."""
        return self.path / "checkpoints"

    @property
    def start(self) -> Path:
        """Where a starting model goes that had to be made."""
        return self.path / "start"

    @property
    def first(self) -> Path:
        """The model of the first stage."""
        return self.path / "first"

    @property
    def metrics(self) -> Path:
        """One JSON object per line, as the run goes."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """What TensorBoard reads."""
        return self.path / "tensorboard"

    def last_checkpoint(self) -> Path | None:
        """The newest whole checkpoint, or None.

        Example:
            >>> RunFolder(Path("none")).last_checkpoint()
        """
        found = [p for p in self.checkpoints.glob("checkpoint-*") if _whole(p)]
        return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)

    def worth_keeping(self) -> bool:
        """Whether a run that stops now left anything to go on from.

        Example:
            >>> RunFolder(Path("none")).worth_keeping()
            False
        """
        begun = self.first.with_name(f"{self.first.name}.run")
        return self.first.is_dir() or begun.is_dir() or self.last_checkpoint() is not None

    def remove(self) -> None:
        """Remove the folder.

        Raises:
            InputError: it cannot be removed.
        """
        remove_folder(self.path)


def run_folder(plan: Plan) -> RunFolder:
    """The folder of a run, whether it is there or not.

    Example:
        >>> run_folder(plan)  # doctest: +SKIP
        RunFolder(path=PosixPath('pairs-dpo.run'))
    """
    return RunFolder(plan.output.absolute().with_name(f"{plan.output.name}.run"))


def open_run(plan: Plan, *, force: bool, resume: bool) -> RunFolder:
    """Make the folder of a run, or find that of an interrupted one.

    Args:
        plan: of the run.
        force: throw an interrupted run away.
        resume: go on with it.

    Raises:
        UsageError: there is nothing to resume, or there is and nobody said what to do with it.
        RecipeError: data, model or recipe are not those of the interrupted run.

    Example:
        >>> open_run(plan, force=False, resume=True)  # doctest: +SKIP
        RunFolder(path=PosixPath('pairs-dpo.run'))
    """
    folder = run_folder(plan)
    if resume:
        if not folder.begun:
            done = plan.output.is_dir() and (plan.output / "recipe.yaml").is_file()
            raise UsageError(
                f"{plan.output} is finished already: there is nothing to resume"
                if done
                else f"there is no interrupted run to resume: no {folder.path.name}",
                hint="Train anew, without --resume.",
            )
        check_same(json.loads((folder.path / IDENTITY).read_text(encoding="utf-8")), identity(plan))
        return folder
    if folder.begun and not force:
        raise UsageError(
            f"{folder.path} holds an interrupted run",
            hint="Go on with it by --resume, or start anew with --force.",
        )
    folder.remove()
    folder.path.mkdir(parents=True)
    text = json.dumps(identity(plan), indent=2)
    (folder.path / IDENTITY).write_text(text, encoding="utf-8")
    return folder


def identity(plan: Plan) -> dict[str, JsonValue]:
    """What a run rests on: the recipe, the bytes of the data, the bytes of the model.

    Example:
        >>> identity(plan)["data"]  # doctest: +SKIP
        '5f1c…'
    """
    recipe = plan.recipe.model_dump(mode="json", exclude=set(FREE) | {"data", "model"})
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


def check_same(then: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> None:
    """Raise where a run that is to go on is no longer the one that was interrupted.

    Args:
        then: the identity of the interrupted run.
        now: the identity of the run that is asked for.

    Raises:
        RecipeError: with what differs.

    Example:
        >>> check_same({"data": "a"}, {"data": "a"})
    """
    for part in ("data", "model"):
        if then.get(part) != now.get(part):
            raise RecipeError(
                f"the {part} has changed since the run was interrupted",
                hint="Train anew with --force, or bring back what was there.",
            )
    before, after = _flat(then.get("recipe")), _flat(now.get("recipe"))
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            raise RecipeError(
                f"{key} is {after.get(key)!r}, and the interrupted run has {before.get(key)!r}",
                hint="Resume with the same recipe, or train anew with --force.",
            )


def _flat(recipe: JsonValue) -> dict[str, JsonValue]:
    """The keys of a recipe, those of its parts with a dot."""
    found: dict[str, JsonValue] = {}
    for key, value in (recipe if isinstance(recipe, dict) else {}).items():
        if isinstance(value, dict):
            name = "" if key == "options" else f"{key}."
            found |= {f"{name}{inner}": entry for inner, entry in value.items()}
        else:
            found[key] = value
    return found


def _model_files(folder: Path) -> list[Path]:
    """What a model consists of; of an adapter, what its base consists of as well."""
    names = ("*.safetensors", "*.json", "*.jinja", "*.model")
    files = sorted(path for pattern in names for path in folder.glob(pattern))
    base = adapter_base(folder) if is_adapter(folder) else ""
    return [*files, *_model_files(Path(base).expanduser())] if base and is_local(base) else files


def _digest(files: list[Path]) -> str:
    """A hash of the files' names and bytes; about a second per gigabyte."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _whole(checkpoint: Path) -> bool:
    """The trainer writes its state last, so that a checkpoint with a readable one is whole."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
