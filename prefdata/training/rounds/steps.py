"""The steps of a round: each is a command of its own, whose result is the JSON that it prints.

A step that is killed, as where memory runs out, ends alone, and the rounds go on from there.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import yaml

from prefdata.errors import InputError, Interrupted, error_from_dict
from prefdata.report.progress import Log
from prefdata.stats.intervals import Estimate
from prefdata.training.config.recipe import Recipe
from prefdata.training.data.prompts import Prompting

GENERATE = "prefdata.training.rounds.generate"
"""The program that has a model answer prompts."""


@dataclass(frozen=True)
class Steps:
    """Runs the steps of a round.

    Args:
        processes: how many each step takes.
        log: gets a line of progress at a time; None for no progress.
        live: leave stderr to the commands, which show more on a terminal than lines.

    Example:
        >>> Steps().processes
        1
    """

    processes: int = 1
    log: Log | None = None
    live: bool = False

    def train(self, recipe: Recipe, *, resume: bool) -> None:
        """Train as a recipe says, by `pref train`.

        Args:
            recipe: with model, data and output.
            resume: go on with an interrupted run.

        Raises:
            TrainingError: the run diverged.
            InputError: the command ended without a result or an error.
            PrefdataError: as `prefdata.training.train` does.
            Interrupted: the user stopped it, and it can be resumed.
        """
        with TemporaryDirectory(prefix="prefdata-") as folder:
            path = Path(folder) / "recipe.yaml"
            path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")), encoding="utf-8")
            arguments = ["train", str(path), "--json", *(["--resume"] if resume else [])]
            self._run("train", "prefdata", arguments)

    def evaluate(
        self,
        model: str,
        data: Sequence[str],
        reference: str | None,
        *,
        prompting: Prompting | None,
        output: Path | None,
    ) -> dict[str, Estimate]:
        """Measure a model by `pref eval`.

        Args:
            model: its folder.
            data: data set directories.
            reference: what it is compared with; by default what it started from.
            prompting: the prompts that it and its reference answer once; None for none.
            output: the folder that gets rows and answers, in the place of what is there.

        Returns:
            The figures by name.

        Raises:
            PrefdataError: as `prefdata.training.evaluate` does.
        """
        arguments = ["eval", model, "--json", *(word for path in data for word in ("-d", path))]
        if reference is not None:
            arguments += ["--reference", reference]
        if prompting is not None:
            arguments += ["--generate", "1", "--max-new-tokens", str(prompting.max_new_tokens)]
            arguments += ["--most-prompts", str(prompting.most)] if prompting.most else []
            arguments += ["--prompts", str(prompting.source)] if prompting.source else []
        if output is not None:
            arguments += ["-o", str(output), "-f"]
        report = self._run("evaluate", "prefdata", arguments)
        return {
            name: Estimate.from_dict(value)
            for name, value in report.items()
            if isinstance(value, dict) and value.keys() == {"value", "interval", "n"}
        }

    def generate(self, model: str, prompting: Prompting, candidates: Path) -> None:
        """Have a model answer prompts, and write its answers as candidates to be judged.

        Args:
            model: its folder, or a name on the hub.
            prompting: the prompts, and how they are answered.
            candidates: the file that gets the answers; it appears whole, or not at all.

        Raises:
            PrefdataError: as `prefdata.training.evaluation.generate.answer_prompts` does.
        """
        arguments = [model, str(prompting.source), "-o", str(candidates)]
        arguments += ["--answers", str(prompting.answers)]
        arguments += ["--max-new-tokens", str(prompting.max_new_tokens)]
        arguments += ["--temperature", str(prompting.temperature)]
        self._run("answer", GENERATE, arguments)

    def _run(self, step: str, module: str, arguments: Sequence[str]) -> Any:  # noqa: ANN401  # JSON
        """Run a step, and give its result; its summary behind the result is left out."""
        command = [sys.executable, "-m", module, *arguments]
        command += ["--processes", str(self.processes)] if self.processes > 1 else []
        command += ["-q"] if self.log is None else []
        result: list[str] = []
        unseen: list[str] = []
        log = self.log or unseen.append

        def on_line(line: str) -> None:
            if not result and line != "{":
                log(line)
            elif result[-1:] != ["}"]:
                result.append(line)

        stderr = None if self.live else subprocess.STDOUT
        ended = run_program(command, on_line, stdout=subprocess.PIPE, stderr=stderr)
        reply: dict[str, Any] = json.loads("\n".join(result)) if result[-1:] == ["}"] else {}
        error = error_from_dict(reply["error"]) if "error" in reply else None
        if isinstance(error, Interrupted) or ended.signals:
            raise _stopped(ended.signals, error)
        if error is not None:
            raise error
        if ended.code:
            sys.stderr.writelines(f"{line}\n" for line in unseen)  # a traceback, as of a defect
            where = f" in {self.processes} processes" if self.processes > 1 else ""
            raise InputError(  # says nothing of the run itself: it may be tried again
                f"{step}{where} ended with exit code {ended.code}",
                hint="What they wrote above may say why; 137 is a kill, as where memory runs out.",
            )
        return reply


def run_command(command: str, places: Mapping[str, Path], log: Log) -> None:
    """Run a command of a plan without a shell: a judge, or what makes pairs of its verdicts.

    Args:
        command: as the plan has it; ``pref`` is the one that runs now.
        places: the paths, by the names that stand for them in braces.
        log: gets the command as it is run.

    Raises:
        InputError: it cannot be run, or it failed; with the error that it printed.

    Example:
        >>> run_command("pref --version", {}, print)
        running: pref --version
    """
    words = [
        word.format(**{name: str(path) for name, path in places.items()})
        for word in shlex.split(command)
    ]
    program = [sys.executable, "-m", "prefdata"] if words[0] == "pref" else words[:1]
    log(f"running: {shlex.join(words)}")
    lines: list[str] = []
    try:
        ended = run_program(
            [*program, *words[1:]],
            lines.append,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise InputError(
            f"{words[0]} cannot be run ({error.strerror})",
            hint="Check the command in the plan, and that it is installed.",
        ) from None
    if ended.signals:
        raise _stopped(ended.signals)
    if ended.code:
        last = next(filter(str.strip, reversed(lines)), "it said nothing")
        message = next((line for line in lines if line.startswith("Error: ")), last)
        raise InputError(
            f"{words[0]} ended with exit code {ended.code}: {message}",
            hint="Put right what it says, and run the same command again.",
        )


@dataclass
class Ended:
    """How a program ended.

    Args:
        code: its exit code; 128 and more for a signal, as a shell has it.
        signals: that this process got, and passed on.
    """

    code: int
    signals: Sequence[int]


def run_program(
    command: Sequence[str], on_line: Callable[[str], None], *, stdout: int, stderr: int | None
) -> Ended:
    """Run a program to its end, and read what it prints.

    It is in a session of its own, so that Ctrl-C reaches it once, from here: it saves what it has.

    Args:
        command: the program and its arguments.
        on_line: gets each line of the stream that is a pipe.
        stdout: as `subprocess.Popen` takes it.
        stderr: as `subprocess.Popen` takes it.

    Raises:
        OSError: it cannot be started.
    """
    relay = _SignalRelay()
    with (
        relay.listening(),
        subprocess.Popen(  # noqa: S603  # of a plan that the user wrote, without a shell
            command,
            stdout=stdout,
            stderr=stderr,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
    ):
        relay.start(process)
        try:
            for line in process.stdout or process.stderr or ():
                on_line(line.rstrip("\n"))
        except BaseException:
            process.terminate()
            raise
    code = process.returncode
    return Ended(128 - code if code < 0 else code, relay.received)


@dataclass
class _SignalRelay:
    """Passes the signals that stop this process on to a program that knows how to stop.

    Args:
        received: the signals, in order.
        process: the program, once it runs.
    """

    received: list[int] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    def start(self, process: subprocess.Popen[str]) -> None:
        """Pass on what has come, and what comes from now on."""
        self.process = process
        for number in self.received:
            process.send_signal(number)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals, but for those that are ignored; Python has them in one thread only."""
        handlers = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    handlers[number] = signal.signal(number, self._pass_on)
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self.received.append(number)
        if self.process is not None:
            self.process.send_signal(number)


def _stopped(signals: Sequence[int], error: BaseException | None = None) -> BaseException:
    """What a signal to a step raises here: what it would have raised without the step."""
    if isinstance(error, Interrupted):
        return error
    return KeyboardInterrupt() if signal.SIGINT in signals else SystemExit(128 + signals[-1])
