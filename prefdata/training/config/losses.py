"""The losses of each method: where each starts, and which options it reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pydantic import JsonValue

Options = Mapping[str, JsonValue]
StartLoss = Callable[[Options], float | None]

DEFAULT_BETA = 0.1


@dataclass(frozen=True)
class Loss:
    """One value of ``loss_type``.

    Args:
        start: the loss of a model that still equals its reference; None where the data decide.
        reads: those options of `LOSS_OPTIONS` that change this loss; TRL ignores the others
            without a warning.
        in_batch: whether the loss compares the rows of a batch with each other, so that smaller
            batches with more accumulation are another loss.
    """

    start: StartLoss
    reads: tuple[str, ...] = ("beta",)
    in_batch: bool = False


LOSS_OPTIONS = {
    "beta",
    "label_smoothing",
    "discopop_tau",
    "f_divergence_type",
    "ld_alpha",
    "simpo_gamma",
}
"""Options that some losses read and others ignore."""


def any_loss(loss: Loss) -> Loss:
    """The loss as a subclass may have changed it: it starts anywhere, and may read every option.

    Example:
        >>> any_loss(DPO_LOSSES["sigmoid"]).start({}) is None
        True
    """
    return replace(loss, start=_always(None), reads=tuple(LOSS_OPTIONS))


def number(value: JsonValue, default: float = 0.0) -> float:
    """A JSON value as a number, or the default where it is none.

    Example:
        >>> number("0.5"), number(None, 1.0)
        (0.5, 1.0)
    """
    return float(value) if isinstance(value, int | float | str) else default


def beta_of(options: Options) -> float:
    """The scale of the implicit rewards.

    Example:
        >>> beta_of({})
        0.1
    """
    return number(options.get("beta"), DEFAULT_BETA)


def _always(value: float | None) -> StartLoss:
    return lambda _options: value


def _exo_start(options: Options) -> float | None:
    """EXO, eq. 16 of arXiv 2402.00856, at zero margin."""
    flip = number(options.get("label_smoothing"))
    if not 0 < flip < 1:
        return None
    return -math.log(2) - 0.5 * (math.log1p(-flip) + math.log(flip))


def _kto_start(options: Options) -> float | None:
    """KTO, eq. 7 of arXiv 2402.01306, at zero reward: one half where both classes weigh 1."""
    weights = [number(options.get(f"{c}_weight"), 1.0) for c in ("desirable", "undesirable")]
    return 0.5 if weights == [1.0, 1.0] else None


_LN2, _MARGIN = _always(math.log(2)), ("beta", "f_divergence_type", "ld_alpha")
_SMOOTHED, _SIDES = (*_MARGIN, "label_smoothing"), ("beta", "ld_alpha")
_UNKNOWN = _always(None)

DPO_LOSSES = {
    "sigmoid": Loss(_LN2, _MARGIN),
    "cdpo": Loss(_LN2, _SMOOTHED),
    "hinge": Loss(_always(1.0), _MARGIN),
    "ipo": Loss(lambda options: (0.5 / beta_of(options)) ** 2, _MARGIN),
    "exo_pair": Loss(_exo_start, _SMOOTHED),
    "nca_pair": Loss(_always(2 * math.log(2)), _SIDES),
    "robust": Loss(_LN2, _SMOOTHED),
    "bco_pair": Loss(_always(2 * math.log(2)), _SIDES),
    "sppo_hard": Loss(lambda options: 2 * (0.5 / beta_of(options)) ** 2, _SIDES),
    "aot": Loss(_LN2, (*_SIDES, "label_smoothing"), in_batch=True),
    "aot_unpaired": Loss(_LN2, (*_SIDES, "label_smoothing"), in_batch=True),
    "apo_zero": Loss(_always(1.0), _SIDES),
    "apo_down": Loss(_always(1.0), _SIDES),
    "discopop": Loss(_always(0.5 * math.log(2) + 0.5), (*_MARGIN, "discopop_tau")),
    "sft": Loss(_UNKNOWN, ()),
    "sigmoid_norm": Loss(_LN2, _MARGIN),
}
"""TRL's own, and ``cdpo``, which `trl_losses` writes in TRL's terms."""

KTO_LOSSES = {
    "kto": Loss(_kto_start, in_batch=True),
    "apo_zero_unpaired": Loss(_kto_start),
}

CPO_LOSSES = {
    "sigmoid": Loss(_UNKNOWN, ("beta", "label_smoothing")),
    "hinge": Loss(_UNKNOWN),
    "ipo": Loss(_UNKNOWN),
    "simpo": Loss(_UNKNOWN, ("beta", "label_smoothing", "simpo_gamma")),
    "alphapo": Loss(_UNKNOWN, ("beta", "label_smoothing", "simpo_gamma")),
}

SIMPO_LOSSES = {name: CPO_LOSSES[name] for name in ("simpo", "alphapo")}

SFT_LOSSES = {name: Loss(_UNKNOWN, ()) for name in ("nll", "dft")}


def loss_types(options: Options) -> list[str]:
    """The losses that the options name: none, one, or several that are summed.

    Example:
        >>> loss_types({"loss_type": "sigmoid"})
        ['sigmoid']
    """
    value = options.get("loss_type")
    if value is None:
        return []
    return [str(name) for name in value] if isinstance(value, list) else [str(value)]


def loss_weights(options: Options) -> list[float]:
    """The weight of each loss; 1 where the options name none.

    Example:
        >>> loss_weights({"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.5]})
        [1.0, 0.5]
    """
    value = options.get("loss_weights")
    if isinstance(value, list):
        return [number(weight) for weight in value]
    return [1.0] * max(1, len(loss_types(options)))


def trl_losses(options: Options) -> dict[str, JsonValue]:
    """The options with conservative DPO written in the losses that TRL has.

    Conservative DPO is the sigmoid loss under label smoothing e (arXiv 2305.18290, app. B; the
    note "cDPO" by its first author): (1 - e) A + e B, where A = -log sigmoid(beta margin) and
    B = -log sigmoid(-beta margin). TRL's robust loss is R = ((1 - e) A - e B) / (1 - 2e), so that
    conservative DPO is 2 (1 - e) A - (1 - 2e) R, exactly.

    Args:
        options: of a recipe whose method is DPO.

    Example:
        >>> options = trl_losses({"loss_type": "cdpo", "label_smoothing": 0.1})
        >>> options["loss_type"], options["loss_weights"]
        (['sigmoid', 'robust'], [1.8, -0.8])
    """
    names, weights = loss_types(options), loss_weights(options)
    if "cdpo" not in names:
        return dict(options)
    flip = number(options.get("label_smoothing"))
    types: list[JsonValue] = []
    scales: list[JsonValue] = []
    for name, weight in zip(names, weights, strict=True):
        if name == "cdpo":
            types += ["sigmoid", "robust"]
            scales += [2 * (1 - flip) * weight, -(1 - 2 * flip) * weight]
        else:
            types.append(name)
            scales.append(weight)
    return {**options, "loss_type": types, "loss_weights": scales}
