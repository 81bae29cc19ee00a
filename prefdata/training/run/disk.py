"""Room on the disk, checked before training rather than found missing after it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from prefdata.errors import TrainingError
from prefdata.training.model.sharding import full_shape

if TYPE_CHECKING:
    from transformers import Trainer

ADAM = 8
"""Bytes of optimiser state per trained weight: two moments in float32."""


def check_disk(trainer: Trainer, folder: Path, say: Callable[[str], None]) -> None:
    """Raise where checkpoints and model would not fit; say so where it gets tight.

    Args:
        trainer: built, with its model.
        folder: on the disk that is written to.
        say: gets a line where less than twice the room is there.

    Raises:
        TrainingError: there is too little room.

    Example:
        >>> check_disk(trainer, Path("run"), print)  # doctest: +SKIP
    """
    needed, free = bytes_needed(trainer), shutil.disk_usage(folder).free
    if needed > free:
        raise TrainingError(
            f"{folder.parent}: the run writes {needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB "
            "are free",
            hint="Free some space, name an output elsewhere with -o, or --set save_strategy=no.",
        )
    if 2 * needed > free:
        say(f"the run writes {needed / 1e9:,.1f} GB of the {free / 1e9:,.1f} GB that are free")


def bytes_needed(trainer: Trainer) -> int:
    """What the run writes at its fullest: the model, and its checkpoints with one being written.

    Example:
        >>> bytes_needed(trainer)  # doctest: +SKIP
        3000000
    """
    weights = list(trainer.model.parameters())
    whole: int = sum(full_shape(weight).numel() * weight.element_size() for weight in weights)
    trained = [weight for weight in weights if weight.requires_grad]
    moved: int = sum(full_shape(weight).numel() * weight.element_size() for weight in trained)
    checkpoint: int = moved + ADAM * sum(full_shape(weight).numel() for weight in trained)
    saves = str(getattr(trainer.args.save_strategy, "value", trainer.args.save_strategy)) != "no"
    kept: int = (trainer.args.save_total_limit or 2) + 1 if saves else 0
    return whole + kept * checkpoint
