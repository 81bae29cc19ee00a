"""Standard benchmarks, by lm-evaluation-harness; a package of its own, as few need it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from pydantic import JsonValue

from prefdata.errors import MissingExtraError, UsageError
from prefdata.report.progress import Log, silent


def require_benchmarks() -> None:
    """Raise unless lm-evaluation-harness is installed.

    Raises:
        MissingExtraError: it is not installed.
    """
    if find_spec("lm_eval") is None:
        raise MissingExtraError("benchmarks", needed_for="pref eval --benchmark")


def benchmark(
    model: str,
    tasks: Sequence[str],
    *,
    limit: int | None = None,
    batch_size: int = 8,
    log: Log = silent,
) -> dict[str, JsonValue]:
    """Run tasks of lm-evaluation-harness, such as ``truthfulqa_mc2``, on a model.

    Args:
        model: a folder or a name on the hub.
        tasks: their names.
        limit: questions of each; None for all.
        batch_size: sequences per forward pass.
        log: called with a line of progress.

    Returns:
        By task, the metrics as the harness names them.

    Raises:
        MissingExtraError: the extra ``benchmarks`` is not installed.
        UsageError: the harness has no such task.
    """
    require_benchmarks()
    import lm_eval
    import torch
    from lm_eval.tasks import TaskManager

    from prefdata.training.model.library_output import suppress_output

    manager = TaskManager()
    unknown = [task for task in tasks if not manager.match_tasks([task])]
    if unknown:
        raise UsageError(
            f"lm-eval knows no task {unknown[0]!r}", hint="List them with: lm-eval ls tasks."
        )
    log(f"benchmarks: {', '.join(tasks)}")
    with suppress_output():
        results = lm_eval.simple_evaluate(
            model="hf",
            model_args={"pretrained": model, "dtype": "float32"},
            tasks=list(tasks),
            limit=limit,
            batch_size=batch_size,
            device="cuda" if torch.cuda.is_available() else "cpu",
            task_manager=manager,
        )
    return {
        task: {k: v for k, v in metrics.items() if isinstance(v, int | float)}
        for task, metrics in results["results"].items()
    }
