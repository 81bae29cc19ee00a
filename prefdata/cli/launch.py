"""A command in several processes: how --processes starts it, and which of them speaks."""

from __future__ import annotations

import os
from functools import cache

import click


def typed() -> list[str]:
    """The arguments that the user typed."""
    return list(click.get_current_context().find_root().obj)


def without_processes() -> list[str]:
    """The command line as each of the processes gets it: the same, without --processes."""
    args, skip = [], False
    for arg in typed():
        if skip or arg.startswith("--processes="):
            skip = False
        elif arg == "--processes":
            skip = True
        else:
            args.append(arg)
    return args


def alone() -> bool:
    """Whether no launcher has started other processes beside this one."""
    return int(os.environ.get("WORLD_SIZE") or 1) == 1


def speaks() -> bool:
    """Whether this process is the one, of those of a launcher, that prints."""
    return alone() or os.environ.get("RANK") == "0"


def tells_failure() -> bool:
    """Whether this process, which has failed, is the one that says why: the first that fails."""
    return alone() or _fails_first()


@cache
def _fails_first() -> bool:
    from prefdata.training.model.distributed import first_to_fail

    return first_to_fail()


def failure_told() -> bool:
    """Whether another process has failed and said why, so that this one only follows it."""
    if alone():
        return False
    from prefdata.training.model.distributed import another_failed

    return another_failed()
