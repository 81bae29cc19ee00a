"""The targets: to add one, write one file and add one line here."""

from __future__ import annotations

from prefdata.errors import UnknownNameError, UsageError
from prefdata.exporting.axolotl import AXOLOTL
from prefdata.exporting.base import Target, View
from prefdata.exporting.csv import CSV
from prefdata.exporting.llama_factory import LLAMA_FACTORY
from prefdata.exporting.ms_swift import MS_SWIFT
from prefdata.exporting.nemo_rl import NEMO_RL
from prefdata.exporting.openai import OPENAI
from prefdata.exporting.openrlhf import OPENRLHF
from prefdata.exporting.trl import KTO, REWARD, SFT, TRL

TARGETS: dict[str, Target] = {
    each.name: each
    for each in (
        TRL,
        REWARD,
        KTO,
        SFT,
        LLAMA_FACTORY,
        AXOLOTL,
        MS_SWIFT,
        NEMO_RL,
        OPENRLHF,
        OPENAI,
        CSV,
    )
}


def named(name: str) -> Target:
    """The target of that name.

    Raises:
        UnknownNameError: there is none.

    Example:
        >>> named("nemo-rl").views
        ('pairs',)
    """
    if name not in TARGETS:
        raise UnknownNameError("target", name, TARGETS)
    return TARGETS[name]


def view_of(target: Target, kind: str, *, unpaired: bool) -> View:
    """What a target takes of a data set.

    Args:
        target: where the data goes.
        kind: what the data set holds: ``"pairs"`` or ``"unpaired"``.
        unpaired: whether pairs are wanted as labelled answers.

    Raises:
        UsageError: the target cannot take it.

    Example:
        >>> view_of(named("llama-factory"), "pairs", unpaired=False)
        'pairs'
    """
    wanted: View = "unpaired" if unpaired or kind == "unpaired" else target.views[0]
    if wanted in target.views:
        return wanted
    if "answers" in target.views and not unpaired:
        return "answers"
    others = ", ".join(name for name, each in TARGETS.items() if "unpaired" in each.views)
    raise UsageError(
        f"{target.name} does not take labelled answers",
        hint=f"These do: {others}." if kind == "unpaired" else "Leave --unpaired out.",
    )
