"""The option --processes: how a command is started once more, in several processes."""

from __future__ import annotations

import os

import click


def without_processes() -> list[str]:
    """The command line as each of the processes gets it: the same, without --processes."""
    typed: list[str] = click.get_current_context().find_root().obj
    kept, skip = [], False
    for arg in typed:
        if skip or arg.startswith("--processes="):
            skip = False
        elif arg == "--processes":
            skip = True
        else:
            kept.append(arg)
    return kept


def speaks() -> bool:
    """Whether this process is the one, of those of a launcher, that prints."""
    return int(os.environ.get("WORLD_SIZE") or 1) == 1 or os.environ.get("RANK") == "0"
