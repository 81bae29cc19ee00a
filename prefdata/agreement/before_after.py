"""The win rate of a model over the one that it started from, from judged comparisons of both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from prefdata.errors import InputError, UsageError
from prefdata.schemas import Comparison, Message
from prefdata.stats.win_rate import WinRate, win_rate

MODELS = ("before", "after")
"""What ``model_a`` and ``model_b`` are called in the answers that ``pref eval`` writes."""


def before_after(sources: Sequence[Path]) -> WinRate:
    """Measure how often the answers after training beat those before it.

    Answers that are the same are a tie, and need no judge: name what ``pref eval`` wrote as well,
    and they count. A comparison that several sources hold is as the last one with a verdict has it.

    Args:
        sources: data set directories that ``pref judge`` or ``pref label`` wrote, or files of
            comparisons, one JSON object a line.

    Raises:
        UsageError: there is no such source.
        InputError: a source holds no comparisons of before and after, or none has a verdict.
    """
    outcomes: dict[str, tuple[Comparison, float | None]] = {}
    for source in sources:
        for number, row in enumerate(_rows(source), 1):
            comparison, outcome = _outcome(row, f"{source}, row {number}")
            responses = (comparison.response_a, comparison.response_b)
            key = json.dumps([_text(messages) for messages in (comparison.prompt, *responses)])
            if outcome is not None or key not in outcomes:
                outcomes[key] = comparison, outcome
    comparisons, results = zip(*outcomes.values(), strict=True) if outcomes else ((), ())
    if all(result is None for result in results):
        raise InputError(
            f"{', '.join(map(str, sources))}: no comparison has a verdict "
            f"({len(results):,} comparisons)",
            hint="Have them judged: pref judge generations.jsonl -o judged --model NAME.",
        )
    lengths = [(float(_length(c.response_b)), float(_length(c.response_a))) for c in comparisons]
    prompts = [json.dumps(_text(comparison.prompt)) for comparison in comparisons]
    return win_rate(results, lengths=lengths, prompts=prompts)


def _outcome(row: dict[str, object], where: str) -> tuple[Comparison, float | None]:
    """The comparison with the answer from before as the first, and how the other one did."""
    fields = {k: v for k, v in row.items() if k in Comparison.model_fields and v is not None}
    try:
        comparison = Comparison.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{where}: no comparison ({'.'.join(map(str, first['loc']))}: {first['msg']})",
            hint="Name what pref judge or pref label wrote.",
        ) from None
    models = (comparison.model_a, comparison.model_b)
    if models == MODELS[::-1]:
        comparison = comparison.swapped()
    elif models != MODELS:
        raise InputError(
            f"{where}: the models are {models[0]!r} and {models[1]!r}, expected before and after",
            hint="Judge the generations.jsonl that pref eval -o writes.",
        )
    if comparison.response_a == comparison.response_b:
        return comparison, 0.5
    return comparison, {"a": 0.0, "b": 1.0, "tie": 0.5, "none": None}[comparison.winner]


def _rows(source: Path) -> Iterator[dict[str, object]]:
    folder = source / "comparisons"
    if folder.is_dir():
        for file in sorted(folder.glob("*.parquet")):
            yield from pq.read_table(file).to_pylist()
        return
    if not source.is_file():
        raise UsageError(
            f"{source}: no comparisons there",
            hint="Name what pref judge or pref label wrote with -o.",
        )
    try:
        if source.suffix == ".parquet":
            yield from pq.read_table(source).to_pylist()
            return
        with source.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield row if isinstance(row, dict) else {}
    except (ValueError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{source}: not a file of comparisons ({str(error).splitlines()[0]})",
            hint="One JSON object a line, or Parquet.",
        ) from None


def _text(messages: Sequence[Message]) -> list[tuple[str, str | None]]:
    return [(message.role, message.content) for message in messages]


def _length(messages: Sequence[Message]) -> int:
    return sum(len(message.content or "") for message in messages)
