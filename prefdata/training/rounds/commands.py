"""The commands of a plan: judges, and what makes pairs of their verdicts."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from prefdata.errors import InputError
from prefdata.report.progress import Say


def run_command(command: str, places: Mapping[str, Path], say: Say) -> None:
    """Run a command of a plan without a shell, its words filled in.

    Args:
        command: as the plan has it; ``pref`` is the one that runs now.
        places: by the name that stands for them in braces.
        say: gets the command as it is run.

    Raises:
        InputError: it cannot be run, or it failed; with what it said.

    Example:
        >>> run_command("pref --version", {}, print)  # doctest: +SKIP
        running: pref --version
    """
    words = [
        word.format(**{name: str(path) for name, path in places.items()})
        for word in shlex.split(command)
    ]
    ours = [sys.executable, "-m", "prefdata"] if words[0] == "pref" else words[:1]
    say(f"running: {shlex.join(words)}")
    try:
        code, told = _ended([*ours, *words[1:]])
    except OSError as error:
        raise InputError(
            f"{words[0]} cannot be run ({error.strerror})",
            hint="Check the command in the plan, and that it is installed.",
        ) from None
    if code:
        lines = told.strip().splitlines() or ["it said nothing"]
        said = next((line for line in lines if line.startswith("Error: ")), lines[-1])
        raise InputError(
            f"{words[0]} ended with exit code {code}: {said}",
            hint="Put right what it says, and run the same command again.",
        )


def _ended(command: Sequence[str]) -> tuple[int, str]:
    """The exit code of a command, and what it told; an interrupt lets it save what it paid for."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:  # noqa: S603
        try:
            told = process.communicate()[1]
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.communicate()
            raise
    return process.returncode, told
