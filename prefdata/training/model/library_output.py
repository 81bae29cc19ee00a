"""The training libraries' own output, kept away from the user's screen."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LIBRARIES = (
    *("trl", "accelerate", "peft", "datasets", "transformers", "torch", "huggingface_hub"),
    "bitsandbytes",
)


@contextmanager
def suppress_output() -> Iterator[None]:
    """Suppress progress bars, warnings and info lines of the training libraries in the block.

    Example:
        >>> import warnings
        >>> with suppress_output():
        ...     warnings.warn("deprecated in 5.0", stacklevel=1)
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    import datasets
    import transformers

    no_bars = datasets.are_progress_bars_disabled()
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    verbosity = transformers.logging.get_verbosity()
    datasets.disable_progress_bars()
    transformers.logging.disable_progress_bar()
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        transformers.logging.set_verbosity(verbosity)
        if not no_bars:
            datasets.enable_progress_bars()
