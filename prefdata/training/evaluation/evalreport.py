"""What an evaluation leaves: one object of figures and gate, the rows, and the answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from pydantic import JsonValue

from prefdata.io.dataset.atomic_dir import ExistingOutput, refuse_existing, replacing
from prefdata.stats.gates import Condition, ConditionResult, check_gate
from prefdata.training.evaluation.candidates import write_generations
from prefdata.training.evaluation.generate import Generated
from prefdata.training.evaluation.metrics import METRICS, write_rows
from prefdata.training.evaluation.result import Evaluation

FIGURES, ROWS, ANSWERS = "eval.json", "eval_rows.parquet", "generations.jsonl"


def prepare_output(output: Path | None, *, force: bool) -> ExistingOutput | None:
    """Raise, before any work, where the folder of an evaluation cannot be written.

    Returns:
        What stands there, for `write_evaluation`.

    Raises:
        UsageError: it exists and may not be replaced.

    Example:
        >>> prepare_output(None, force=False)
    """
    return refuse_existing(output, force=force, marker=FIGURES) if output else None


def report_on(
    found: Evaluation, conditions: Sequence[Condition] = ()
) -> tuple[dict[str, JsonValue], list[ConditionResult]]:
    """All that an evaluation has to say, as JSON values, and what came of a gate.

    Args:
        found: the evaluation.
        conditions: of the gate; none without one.

    Raises:
        UsageError: the gate asks for a figure that the evaluation does not give.

    Example:
        >>> report_on(Evaluation("m", None, 0.1, "implicit", ()))[1]
        []
    """
    checked = check_gate(conditions, found.estimates, METRICS)
    report = found.as_json()
    if found.generations:
        report["generations"] = lengths(found.generations)
    if conditions:
        report["gate"] = {
            "met": all(one.met for one in checked),
            "conditions": [one.to_dict() for one in checked],
        }
    return report, checked


def lengths(made: Sequence[Generated]) -> dict[str, JsonValue]:
    """How long the answers are, and how many end by themselves.

    Example:
        >>> lengths([Generated([], "a", None, 4, None, True, None)])["after_tokens"]
        4.0
    """
    before = [one.before_tokens for one in made if one.before_tokens is not None]
    return {
        "answers": len(made),
        "after_tokens": fmean(one.after_tokens for one in made),
        "before_tokens": fmean(before) if before else None,
        "ended": sum(one.ended for one in made),
        "unchanged": sum(one.before == one.after for one in made),
    }


def write_evaluation(
    found: Evaluation,
    report: dict[str, JsonValue],
    output: Path,
    existing: ExistingOutput | None = None,
) -> None:
    """Write eval.json, eval_rows.parquet, and generations.jsonl where there are answers.

    Args:
        found: the evaluation.
        report: of `report_on`.
        output: the folder.
        existing: what `prepare_output` found there; by default, what stands there now.

    Example:
        >>> write_evaluation(found, report, Path("evaluated"))  # doctest: +SKIP
    """
    with replacing(output, existing) as folder:
        (folder / FIGURES).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        write_rows(found.rows, folder / ROWS)
        if found.generations:
            write_generations(found.generations, folder / ANSWERS)
