"""Progress of a long run: live on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

Say = Callable[[str], None]
"""Gets a line of progress at a time."""

Progress = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)``; the total is 0 where it is not known."""

SECONDS_BETWEEN_LINES = 5.0
SECONDS_BETWEEN_STEPS = 3.0
BARS = "▁▂▃▄▅▆▇█"
WIDTH = 40

SHOWN = {
    "loss": "loss",
    "rewards/accuracies": "accuracy",
    "rewards/margins": "margin",
    "rewards/chosen": "reward chosen",
    "rewards/rejected": "reward rejected",
    "accuracy": "accuracy",
    "margin": "margin",
    "kl": "kl",
    "drift": "drift, nats",
    "eval_loss": "loss, held out",
    "eval_accuracy": "accuracy, held out",
    "samples/words": "words of an answer",
}
"""The logs of training that are shown, and what they are called."""


@contextmanager
def progress(console: Console, *, quiet: bool) -> Iterator[Progress]:
    """Show how far a run is.

    Args:
        console: where it is shown.
        quiet: show nothing.

    Yields:
        The function to call as ``progress(stage, done, total)``.
    """
    if quiet:
        yield lambda _stage, _done, _total: None
    elif console.is_terminal:
        with console.status("starting") as status:
            yield lambda stage, done, total: status.update(_line(stage, done, total))
    else:
        last = time.monotonic()

        def print_line(stage: str, done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                console.print(_line(stage, done, total), highlight=False)

        yield print_line


def _line(stage: str, done: int, total: int) -> str:
    return f"{stage}: part {done:,} of {total:,}" if total else f"{stage}: {done:,} rows"


class Display(Protocol):
    """What shows the logs of training."""

    def update(self, step: int, steps: int, logs: Mapping[str, float]) -> None:
        """Show the logs of a step."""


class LineDisplay:
    """A line every few seconds, and at least one per fifth of the run.

    Args:
        log: gets a line at a time.

    Example:
        >>> LineDisplay(print).update(1, 4, {"loss": 0.6931})
        step 1/4  loss 0.693  0 s
    """

    def __init__(self, log: Say) -> None:
        self.log = log
        self.start = self.last = time.monotonic()

    def update(self, step: int, steps: int, logs: Mapping[str, float]) -> None:
        """Write a line where one is due."""
        now, fifth = time.monotonic(), max(steps // 5, 1)
        due = step == 1 or step % fifth == 0 or now - self.last >= SECONDS_BETWEEN_STEPS
        if "loss" not in logs or not due:
            return
        self.last = now
        parts = [f"step {step}/{steps}", f"loss {logs['loss']:.3f}"]
        rewards = [key for key in ("rewards/accuracies", "rewards/margins") if key in logs]
        parts += [f"{key} {logs[key]:.3f}" for key in rewards]
        self.log("  ".join([*parts, f"{now - self.start:.0f} s"]))


class TableDisplay(AbstractContextManager["TableDisplay"]):
    """A live table of the last numbers with a sparkline each, in place.

    Args:
        console: a terminal.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.curves: dict[str, list[float]] = {}
        self.start = time.monotonic()
        self.first: tuple[int, float] | None = None
        self.tokens = 0.0
        self.live: Live | None = None

    def __enter__(self) -> Self:
        from rich.live import Live

        self.live = Live(console=self.console, auto_refresh=False)
        self.live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self.live:
            self.live.stop()

    def update(self, step: int, steps: int, logs: Mapping[str, float]) -> None:
        """Add the logs of a step, and show the table anew."""
        now = time.monotonic()
        self.first = self.first or (step - 1, now)
        self.tokens = logs.get("num_tokens", self.tokens)
        for key, name in SHOWN.items():
            if key in logs:
                self.curves.setdefault(name, []).append(logs[key])
        if self.live:
            self.live.update(self.render(step, steps, now), refresh=True)

    def render(self, step: int, steps: int, now: float) -> Group:
        """The table as it stands, and below it how far the run is."""
        from rich.console import Group
        from rich.table import Table

        table = Table()
        for column in ("", "now", "so far"):
            table.add_column(column, justify="right" if column == "now" else "left")
        for name, values in self.curves.items():
            table.add_row(name, f"{values[-1]:.3f}", sparkline(values))
        first_step, since = self.first or (0, self.start)
        spent = max(now - since, 1e-9)
        left = (steps - step) * spent / max(step - first_step, 1)
        parts = [f"step {step:,} of {steps:,}", f"{left:,.0f} s left"]
        if self.tokens:
            parts.insert(1, f"{self.tokens / max(now - self.start, 1e-9):,.0f} tokens/s")
        return Group(table, "  ".join(parts))


def sparkline(values: list[float], width: int = WIDTH) -> str:
    """The course of some values in one line of blocks, low to high.

    Args:
        values: in order.
        width: of the line, in characters; more values are thinned out evenly.

    Example:
        >>> sparkline([0.0, 1.0, 2.0, 3.0])
        '▁▃▅█'
    """
    if len(values) > width:
        values = [values[position * (len(values) - 1) // (width - 1)] for position in range(width)]
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(
        BARS[int((value - low) * scale)] if math.isfinite(value) else " " for value in values
    )
