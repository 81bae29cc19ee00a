"""The whole job on a small built-in example: look, convert, train, measure."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from prefdata.errors import UsageError


def demo(
    folder: Path, *, run: Callable[[Sequence[str]], object], say: Callable[[str], None]
) -> None:
    """Write the example ratings to a folder, and run the commands of the main job on them.

    Each command is printed before it runs, as a line that can be repeated.

    Args:
        folder: takes the ratings, the data set and the model; stays when all is done.
        run: runs `pref` with these arguments.
        say: gets a line at a time.

    Raises:
        UsageError: the folder holds something else.
        MissingExtraError: the extra ``train`` is not installed; the data set is there by then.
    """
    # A model of this size trains faster on one core than on several that wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    ratings = write_ratings(folder)
    for what, arguments in steps(folder, ratings):
        say(f"\n# {what}")
        say(f"$ pref {shlex.join(arguments)}")
        run(arguments)
    say(f"\nAll of it is in {folder}. Your turn: pref inspect YOUR_FILE")


def write_ratings(folder: Path) -> Path:
    """Write the example ratings, unless they are there already.

    Raises:
        UsageError: the folder holds something else.
    """
    path = folder / "ratings.csv"
    text = files("prefdata").joinpath("examples", "ratings.csv").read_bytes()
    if path.is_file() and path.read_bytes() == text:
        return path
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UsageError(
            f"{folder} exists, and holds something else than the demo",
            hint="Choose another folder with -o.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return path


def steps(folder: Path, ratings: Path) -> list[tuple[str, list[str]]]:
    """What is done, and the arguments that do it."""
    pairs, model = str(folder / "pairs"), str(folder / "model")
    train = ["train", pairs, "--model", "tiny", "--epochs", "10", "--lr", "3e-3", "-o", model]
    return [
        ("What is this file?", ["inspect", str(ratings)]),
        (
            "Ratings to pairs, with three prompts in ten held out for the test",
            ["convert", str(ratings), "-o", pairs, "--test-size", "0.3", "--force"],
        ),
        ("Train a tiny model with DPO", [*train, "--force"]),
        ("The model before training", ["eval", f"{model}/reference", "--data", pairs]),
        ("The model after training", ["eval", model, "--data", pairs]),
    ]
