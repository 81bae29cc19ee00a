"""The first look at a plan of rounds: all that can be checked before its first round is run."""

from __future__ import annotations

from pathlib import Path

from prefdata.errors import RecipeError
from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.stats.gates import parse_gate
from prefdata.training.config.plan import require_train, resolve
from prefdata.training.data.prompts import check_prompts
from prefdata.training.evaluation.metrics import METRICS, REWARD_MODEL_METRICS
from prefdata.training.rounds.plan import RoundsPlan, load_rounds


def check_rounds(source: Path) -> RoundsPlan:
    """Read a plan, and check all that can be before its first round is run.

    Args:
        source: the plan.

    Raises:
        RecipeError: the plan cannot be run.
        UsageError: a path is not what it should be.
        MissingExtraError: the extra ``train`` is not installed.

    Example:
        >>> check_rounds(Path("plan.yaml")).output  # doctest: +SKIP
        '/data/rounds'
    """
    require_train("pref train")
    plan = load_rounds(source)
    for one in plan.rounds:
        here = f"{source.name}: round {one.name}"
        for data in one.evaluate:
            open_dataset(Path(data))
        if one.data:
            unused = Path(plan.output) / f".{one.name}"
            recipe = plan.recipe_of(one, data=one.data, model=plan.model, output=unused, where=here)
            resolve(recipe, check_output=False)
        else:
            recipe = plan.recipe_of(one, data="", model=plan.model, output=Path(), where=here)
            check_prompts(Path(one.prompts))
        compare = plan.compare_of(one)
        if recipe.method == "reward":
            _check_figures(plan.gate_of(one), here)
        if compare and compare.prompts:
            check_prompts(Path(compare.prompts))
    return plan


def _check_figures(gate: str, where: str) -> None:
    """Raise where a gate asks of a reward model what only a model that answers has."""
    for condition in parse_gate(gate, METRICS):
        figure = condition.name.rpartition("/")[2]
        if figure not in REWARD_MODEL_METRICS:
            raise RecipeError(
                f"{where}: its gate asks for {figure}, which a reward model does not have",
                hint=f"Hold it to {', '.join(REWARD_MODEL_METRICS)}, or train with another method.",
            )
