"""The command `pref`, also as `python -m prefdata`: it takes hold of Control-C before all else."""

from __future__ import annotations

import os
import signal

STDERR = 2


def main() -> None:
    """Run the command line; see `prefdata.cli.main`.

    While there is nothing to tidy up, in the first moments and in the last, an interrupt leaves at
    once and says nothing: anywhere else Python would tell where in an import it was.
    """
    _open_standard_streams()
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded:
        signal.signal(signal.SIGINT, _leave)
    from prefdata.cli import main as run

    try:
        if heeded:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    finally:
        if heeded:
            signal.signal(signal.SIGINT, _leave)


def _leave(_number: int, _frame: object) -> None:
    os._exit(130)


def _open_standard_streams() -> None:
    """Let no file of data take the number of a stream that is closed, and with it what it gets."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(number)


if __name__ == "__main__":
    main()
