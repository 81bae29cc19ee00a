"""The command line where memory runs out in one process of several, and in no other."""

from __future__ import annotations

import os
import sys
from unittest.mock import patch

from prefdata.cli import main
from prefdata.errors import TrainingError
from prefdata.training.run.context import RunContext
from prefdata.training.run.fit import FitResult, fit

MESSAGE = "out of memory with batches of 4 rows of 1,024 tokens"


def fit_out_of_memory(run: RunContext) -> FitResult:
    """As the real one, but that the second process gets no further."""
    if os.environ.get("RANK") == "1":
        raise TrainingError(MESSAGE, hint="Try a smaller --batch-size.")
    return fit(run)


if __name__ == "__main__":
    with patch("prefdata.training.run.run.fit", fit_out_of_memory):
        main(sys.argv[1:])
