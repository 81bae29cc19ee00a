"""The command `pref`, also as `python -m prefdata`: it handles Control-C before all else."""

from __future__ import annotations

import os
import signal

STDERR = 2


def main() -> None:
    """Run the command line; see `prefdata.cli.main`.

    While there is nothing to clean up, in the first moments and in the last, an interrupt exits at
    once and prints nothing: Python would print where in an import it was.
    """
    _open_standard_streams()
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        signal.signal(signal.SIGINT, _exit)
    from prefdata.cli import main as run

    try:
        if is_default:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    finally:
        if is_default:
            signal.signal(signal.SIGINT, _exit)


def _exit(_number: int, _frame: object) -> None:
    os._exit(130)


def _open_standard_streams() -> None:
    """Let no data file take the number of a standard stream that is closed, and its output."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(number)


if __name__ == "__main__":
    main()
