"""Keeping the libraries below quiet, so that what a user reads is ours."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

CHATTY = (
    *("trl", "accelerate", "peft", "datasets", "transformers", "torch", "huggingface_hub"),
    "bitsandbytes",
)


@contextmanager
def hushed() -> Iterator[None]:
    """Silence progress bars, warnings and info lines of the training libraries, for a while.

    Example:
        >>> with hushed():  # doctest: +SKIP
        ...     import trl
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    import datasets
    import transformers

    bars = datasets.are_progress_bars_disabled()
    levels = {name: logging.getLogger(name).level for name in CHATTY}
    verbosity = transformers.logging.get_verbosity()
    datasets.disable_progress_bars()
    transformers.logging.disable_progress_bar()
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        transformers.logging.set_verbosity(verbosity)
        if not bars:
            datasets.enable_progress_bars()
