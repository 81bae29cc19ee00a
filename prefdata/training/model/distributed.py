"""Several processes on one job: their ranks, what they exchange, and how they are launched."""

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

Value = TypeVar("Value")
STORE_SECONDS = 10
"""The timeout of a connection to the launcher's store."""


def world_size() -> int:
    """How many processes a launcher such as torchrun or accelerate has started for this job.

    Example:
        >>> world_size()
        1
    """
    return int(os.environ.get("WORLD_SIZE") or 1)


def rank() -> int:
    """The number of this process among them, from 0.

    Example:
        >>> rank()
        0
    """
    return int(os.environ.get("RANK") or 0) if world_size() > 1 else 0


def is_main() -> bool:
    """Whether this process is the one that prints and writes.

    Example:
        >>> is_main()
        True
    """
    return rank() == 0


def all_gather(values: Sequence[Value]) -> list[Value]:
    """The values of all processes, in the order of their ranks; the same list in each process.

    Example:
        >>> all_gather([1, 2])
        [1, 2]
    """
    if world_size() == 1:
        return list(values)
    import torch.distributed

    parts: list[list[Value]] = [[] for _ in range(world_size())]
    with _process_group():
        torch.distributed.all_gather_object(parts, list(values))
    return [value for part in parts for value in part]


def broadcast(value: Value) -> Value:
    """The value of the first process, in all of them.

    Example:
        >>> broadcast("a folder")
        'a folder'
    """
    return all_gather([value])[0]


@contextmanager
def main_process_first() -> Iterator[None]:
    """Let the main process run the block before the others do, so that they find what it caches.

    Where it fails, the others stop as well.

    Example:
        >>> with main_process_first():
        ...     "data prepared"
        'data prepared'
    """
    if not is_main():
        barrier()
    yield
    if is_main():
        barrier()


def barrier() -> None:
    """Wait until all processes have come this far.

    Example:
        >>> barrier()
    """
    if world_size() > 1:
        import torch.distributed

        with _process_group():
            torch.distributed.barrier()


@contextmanager
def _process_group() -> Iterator[None]:
    """Join the process group, with gloo where there is no GPU.

    Where another process has failed, it has reported why, and this one exits without a message.
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
    """Whether this process is the first of its job to fail, and so the one that reports why.

    The launcher's own store counts failures: it outlives the processes, and needs none of them.

    Example:
        >>> first_to_fail()
        True
    """
    if world_size() == 1:
        return True
    store = _store()
    return is_main() if store is None else bool(store.add(FAILED, 1) == 1)


def another_failed() -> bool:
    """Whether a process of the job has failed and reported why.

    Example:
        >>> another_failed()
        False
    """
    store = _store() if world_size() > 1 else None
    return store is not None and bool(store.check([FAILED]))


def _store() -> TCPStore | None:
    """The launcher's key-value store; None where it has none."""
    from torch.distributed import DistError, TCPStore

    host, timeout = os.environ.get("MASTER_ADDR", ""), timedelta(seconds=STORE_SECONDS)
    try:
        port = int(os.environ.get("MASTER_PORT", ""))
        return TCPStore(host, port, is_master=False, timeout=timeout)
    except (ValueError, DistError):
        return None


def any_process(flag: bool) -> bool:
    """Whether the flag is set in any of the processes; the same answer in all of them.

    Example:
        >>> any_process(False)
        False
    """
    if world_size() == 1:
        return flag
    import torch
    import torch.distributed
    from accelerate import PartialState

    with _process_group():
        highest = torch.tensor(int(flag), device=PartialState().device)
        torch.distributed.all_reduce(highest, torch.distributed.ReduceOp.MAX)
        return bool(highest.item())


def launch(processes: int, args: Sequence[str], *, module: str = "prefdata") -> int:
    """Run `pref`, or another module, in several processes of this machine, started by torchrun.

    Ctrl-C is passed on to the processes, which save and stop; torchrun would end them instead.

    Args:
        processes: how many.
        args: of the command, without ``--processes``.
        module: the module to run.

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
    rendezvous = ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    signals = "--signals-to-handle=SIGTERM"
    options = [*rendezvous, signals, f"--nproc-per-node={processes}", "-m", module, *args]
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
    """Send a signal to the processes that this one has started."""
    import psutil

    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            child.send_signal(number)
