"""The targets: every `Target` of a module in `prefdata.exporting.targets`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from prefdata.errors import UnknownNameError, UsageError
from prefdata.exporting import targets
from prefdata.exporting.base import Target, View


def _targets() -> Iterator[Target]:
    for info in iter_modules(targets.__path__, f"{targets.__name__}."):
        module = vars(import_module(info.name))
        yield from (value for value in module.values() if isinstance(value, Target))


TARGETS: dict[str, Target] = {
    each.name: each for each in sorted(_targets(), key=lambda each: (each.order, each.name))
}


def find_target(name: str) -> Target:
    """The target of that name.

    Raises:
        UnknownNameError: there is none.

    Example:
        >>> find_target("nemo-rl").views
        ('pairs',)
    """
    if name not in TARGETS:
        raise UnknownNameError("target", name, TARGETS)
    return TARGETS[name]


def choose_view(target: Target, kind: str, *, unpaired: bool) -> View:
    """What a target takes of a data set.

    Args:
        target: where the data goes.
        kind: what the data set holds: ``"pairs"`` or ``"unpaired"``.
        unpaired: whether pairs are to become labelled answers.

    Raises:
        UsageError: the target cannot take it.

    Example:
        >>> choose_view(find_target("llama-factory"), "pairs", unpaired=False)
        'pairs'
    """
    view: View = "unpaired" if unpaired or kind == "unpaired" else target.views[0]
    if view in target.views:
        return view
    if "answers" in target.views and not unpaired:
        return "answers"
    others = ", ".join(name for name, each in TARGETS.items() if "unpaired" in each.views)
    raise UsageError(
        f"{target.name} does not take labelled answers",
        hint=f"These do: {others}." if kind == "unpaired" else "Leave --unpaired out.",
    )
