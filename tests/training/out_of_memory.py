"""The command line where memory runs out in one process of several, and in no other."""

from __future__ import annotations

import os
import sys

from prefdata.cli import main
from prefdata.errors import TrainingError
from prefdata.training.run.training import Trained, Training

MESSAGE = "out of memory with batches of 4 rows of 1,024 tokens"
run = Training.run


def run_out_of_memory(self: Training) -> Trained:
    """As the real one, but that the second process gets no further."""
    if os.environ.get("RANK") == "1":
        raise TrainingError(MESSAGE, hint="Try a smaller --batch-size.")
    return run(self)


if __name__ == "__main__":
    Training.run = run_out_of_memory  # type: ignore[method-assign]
    main(sys.argv[1:])
