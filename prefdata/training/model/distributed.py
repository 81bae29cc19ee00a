"""Several processes on one job: who is who, what they found together, how they are started."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from prefdata.errors import InputError

if TYPE_CHECKING:
    from torch.distributed import TCPStore

Found = TypeVar("Found")
STORE_SECONDS = 10
"""How long a launcher's store is waited for."""


def count() -> int:
    """How many processes a launcher such as torchrun or accelerate has started for this job.

    Example:
        >>> count()
        1
    """
    return int(os.environ.get("WORLD_SIZE") or 1)


def rank() -> int:
    """Which of them this one is, from 0.

    Example:
        >>> rank()
        0
    """
    return int(os.environ.get("RANK") or 0) if count() > 1 else 0


def is_main() -> bool:
    """Whether this process is the one that speaks and writes.

    Example:
        >>> is_main()
        True
    """
    return rank() == 0


def gathered(values: Sequence[Found]) -> list[Found]:
    """What all processes found, in the order of their ranks, in each of them.

    Example:
        >>> gathered([1, 2])
        [1, 2]
    """
    if count() == 1:
        return list(values)
    import torch.distributed

    parts: list[list[Found]] = [[] for _ in range(count())]
    with _together():
        torch.distributed.all_gather_object(parts, list(values))
    return [value for part in parts for value in part]


def agreed(value: Found) -> Found:
    """What the first process has, in all of them.

    Example:
        >>> agreed("a folder")
        'a folder'
    """
    return gathered([value])[0]


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process goes through the block before the others do.

    What it writes to a cache the others find there. Where it fails, they stop as well.

    Example:
        >>> with first_alone():
        ...     "data prepared"
        'data prepared'
    """
    if not is_main():
        wait()
    yield
    if is_main():
        wait()


def wait() -> None:
    """Wait until all processes are here.

    Example:
        >>> wait()
    """
    if count() > 1:
        import torch.distributed

        with _together():
            torch.distributed.barrier()


@contextmanager
def _together() -> Iterator[None]:
    """Join the other processes, with gloo where there is no GPU; end where one of them has failed.

    It has said why, and this one has nothing to add.
    """
    import torch
    from accelerate import PartialState

    try:
        PartialState(cpu=not torch.cuda.is_available())
        yield
    except RuntimeError:
        if not is_main() or another_failed():
            raise SystemExit(1) from None
        raise InputError(
            "another process of this run ended without a word",
            hint="What stands above may say why; a kill leaves no word, as where memory runs out.",
        ) from None


FAILED = "prefdata/failed"


def first_to_fail() -> bool:
    """Whether this process is the first of its job to fail, and so the one that says why.

    The launcher's own store knows: it outlives the processes, and needs none of them.

    Example:
        >>> first_to_fail()
        True
    """
    if count() == 1:
        return True
    store = _store()
    return is_main() if store is None else bool(store.add(FAILED, 1) == 1)


def another_failed() -> bool:
    """Whether a process of the job has failed, and said why.

    Example:
        >>> another_failed()
        False
    """
    store = _store() if count() > 1 else None
    return store is not None and bool(store.check([FAILED]))


def _store() -> TCPStore | None:
    """What the processes of a launcher leave word in; None where it keeps none."""
    from torch.distributed import DistError, TCPStore

    place, wait = os.environ.get("MASTER_ADDR", ""), timedelta(seconds=STORE_SECONDS)
    try:
        port = int(os.environ.get("MASTER_PORT", ""))
        return TCPStore(place, port, is_master=False, timeout=wait)
    except (ValueError, DistError):
        return None


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any of the processes; the same answer in all of them.

    Example:
        >>> any_of(False)
        False
    """
    if count() == 1:
        return flag
    import torch
    import torch.distributed
    from accelerate import PartialState

    with _together():
        told = torch.tensor(int(flag), device=PartialState().device)
        torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX)
        return bool(told.item())


def launch(processes: int, args: Sequence[str], *, module: str = "prefdata") -> int:
    """Run `pref`, or another module, in several processes on this machine, and wait for them.

    They are started by torchrun.

    Ctrl-C is passed on to the processes, which know how to stop; torchrun would end them instead.

    Args:
        processes: how many.
        args: of the command, without ``--processes``.
        module: that is run.

    Returns:
        The exit code of the first process that failed, 143 where SIGTERM ended all, or 0.

    Example:
        >>> launch(2, ["eval", "model", "--data", "pairs"])  # doctest: +SKIP
        0
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch
    from torch.distributed.run import config_from_args, parse_args

    cores = max(1, (os.cpu_count() or 1) // processes)
    os.environ.setdefault("OMP_NUM_THREADS", str(cores))
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    meet = ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    heard = "--signals-to-handle=SIGTERM"
    options = [*meet, heard, f"--nproc-per-node={processes}", "-m", module, *args]
    config, entry, entry_args = config_from_args(parse_args(options))
    before = signal.signal(signal.SIGINT, _pass_on)
    try:
        elastic_launch(config=config, entrypoint=entry)(*entry_args)
    except ChildFailedError as error:
        code = int(error.get_first_failure()[1].exitcode)
        return 128 - code if code < 0 else code
    except SignalException as error:
        return 128 + int(error.sigval)
    finally:
        signal.signal(signal.SIGINT, before)
    return 0


def _pass_on(number: int, _frame: FrameType | None) -> None:
    """Give a signal to the processes that this one has started."""
    import psutil

    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            child.send_signal(number)
