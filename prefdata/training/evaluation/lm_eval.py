"""Standard benchmarks, by lm-evaluation-harness; a package of its own, as few need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec

from pydantic import JsonValue

from prefdata.errors import MissingExtraError, UsageError


def require_benchmarks() -> None:
    """Raise unless lm-evaluation-harness is installed.

    Raises:
        MissingExtraError: it is not there.

    Example:
        >>> require_benchmarks()  # doctest: +SKIP
    """
    if find_spec("lm_eval") is None:
        raise MissingExtraError("benchmarks", needed_for="pref eval --benchmark")


def benchmark(
    model: str,
    tasks: Sequence[str],
    *,
    limit: int | None = None,
    batch_size: int = 8,
    say: Callable[[str], None] = lambda _line: None,
) -> dict[str, JsonValue]:
    """Run tasks of lm-evaluation-harness, such as ``truthfulqa_mc2``, on a model.

    Args:
        model: a folder or a name on the hub.
        tasks: their names.
        limit: questions of each; None for all.
        batch_size: sequences per forward pass.
        say: gets a line of progress.

    Returns:
        By task, the figures as the harness names them.

    Raises:
        MissingExtraError: the extra ``benchmarks`` is not installed.
        UsageError: the harness knows no such task.

    Example:
        >>> benchmark("pairs-dpo", ["truthfulqa_mc2"], limit=50)  # doctest: +SKIP
        {'truthfulqa_mc2': {'acc,none': 0.41, 'acc_stderr,none': 0.07}}
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
    say(f"benchmarks: {', '.join(tasks)}")
    with suppress_output():
        found = lm_eval.simple_evaluate(
            model="hf",
            model_args={"pretrained": model, "dtype": "float32"},
            tasks=list(tasks),
            limit=limit,
            batch_size=batch_size,
            device="cuda" if torch.cuda.is_available() else "cpu",
            task_manager=manager,
        )
    return {
        task: {k: v for k, v in figures.items() if isinstance(v, int | float)}
        for task, figures in found["results"].items()
    }
