"""What several targets say of the data, and how they weigh good and bad answers."""

from __future__ import annotations

import math

from prefdata.exporting.base import ExportedData

WIDEST = 4 / 3
"""Good answers may count in sum as much as the bad ones, up to a third more."""


def class_weights(good: int, bad: int) -> tuple[float, float]:
    """The weights of good and of bad answers in KTO, the rarer kind raised.

    The sums of the weights are to stand between 1 to 1 and 4 to 3 (KTO, section 4.2,
    https://arxiv.org/abs/2402.01306); inside that both weights are 1.

    Args:
        good: good answers in the train split.
        bad: bad ones.

    Example:
        >>> class_weights(100, 100), class_weights(50, 100)
        ((1.0, 1.0), (2.0, 1.0))
        >>> class_weights(300, 100), class_weights(5, 0)
        ((1.0, 3.0), (1.0, 1.0))
    """
    if not good or not bad or 1 <= good / bad <= WIDEST:
        return 1.0, 1.0
    if good < bad:
        return math.ceil(100 * bad / good) / 100, 1.0
    return 1.0, math.floor(100 * good / bad) / 100


def weight_notes(data: ExportedData) -> list[str]:
    """The class weights in words.

    Example:
        >>> from pathlib import Path
        >>> from prefdata.exporting.base import DatasetFacts
        >>> weight_notes(ExportedData(Path(), DatasetFacts("unpaired"), {}, {}, good=50, bad=100))
        ['50 good and 100 bad answers to train on: weights 2 and 1']
    """
    good, bad = data.good, data.bad
    if not good or not bad:
        only = "good" if good else "bad"
        return [
            f"all answers to train on are {only}: KTO learns from the difference, and needs both"
        ]
    one, other = class_weights(good, bad)
    return [f"{good:,} good and {bad:,} bad answers to train on: weights {one:g} and {other:g}"]


def thought_notes(data: ExportedData) -> list[str]:
    """Where the reasoning stands, for targets that read it in the text."""
    if count := data.features.get("reasoning", 0):
        many = "1 row has" if count == 1 else f"{count:,} rows have"
        return [f"{many} reasoning: it stands before the text, between <think> and </think>"]
    return []


def margin_notes(data: ExportedData) -> list[str]:
    """What became of the margins, where the target can use them."""
    if not data.facts.margins:
        return ["no row has a margin: the loss is the plain one"]
    if without := data.features.get("no margin", 0):
        many = "1 row has" if without == 1 else f"{without:,} rows have"
        return [f"{many} no margin: 0 is written there, which is the plain loss"]
    return []
