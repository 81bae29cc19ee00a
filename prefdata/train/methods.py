"""The training methods: one table entry per method says all that differs between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from prefdata.errors import UnknownNameError

StartLoss = Callable[[Mapping[str, JsonValue]], float | None]


@dataclass(frozen=True)
class Method:
    """What one training method needs, none of it imported yet.

    Args:
        name: what a recipe calls it.
        summary: one line for help and docs.
        trainer: the trainer's name in ``trl``.
        config: the config's name in ``trl``.
        config_sources: the files that declare the config's fields, under site-packages.
        views: per kind of data set that it takes, the kind that the trainer reads.
        losses: per ``loss_type``, the loss of a model that still equals its reference, or None
            where there is no fixed value.
        metrics: what is shown before and after, in TRL's names.
        defaults: options that the method needs and TRL sets otherwise.
        min_batch_size: the smallest batch, in rows, that the method can learn from.
        learning_rate: peak learning rate for a full fine-tune; LoRA takes ten times as much.

    Example:
        >>> METHODS["dpo"].trainer
        'DPOTrainer'
    """

    name: str
    summary: str
    trainer: str
    config: str
    config_sources: tuple[str, ...]
    views: Mapping[str, str]
    losses: Mapping[str, StartLoss]
    metrics: tuple[str, ...]
    defaults: Mapping[str, JsonValue]
    min_batch_size: int = 1
    learning_rate: float = 1e-6

    def start_loss(self, options: Mapping[str, JsonValue]) -> float | None:
        """The loss at step 0, when the model is its own reference; None where it is not fixed.

        Args:
            options: the recipe's options: ``loss_type``, ``loss_weights``, ``beta`` and the like.

        Example:
            >>> round(METHODS["dpo"].start_loss({}), 4)
            0.6931
        """
        names = loss_types(options) or [next(iter(self.losses))]
        weights = options.get("loss_weights") or [1.0] * len(names)
        starts = [self.losses[name](options) for name in names]
        if not isinstance(weights, list) or None in starts:
            return None
        pairs = zip(starts, weights, strict=True)
        return sum(_number(start) * _number(weight) for start, weight in pairs)


def loss_types(options: Mapping[str, JsonValue]) -> list[str]:
    """The losses that the options name: none, one, or several to be summed.

    Example:
        >>> loss_types({"loss_type": "sigmoid"})
        ['sigmoid']
    """
    named = options.get("loss_type")
    if named is None:
        return []
    return [str(name) for name in named] if isinstance(named, list) else [str(named)]


def find_method(name: str) -> Method:
    """The method of that name.

    Raises:
        UnknownNameError: there is none; the hint names the near ones.

    Example:
        >>> find_method("dpo").config
        'DPOConfig'
    """
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[name]


def _number(value: JsonValue, default: float = 0.0) -> float:
    return float(value) if isinstance(value, int | float | str) else default


def _beta(options: Mapping[str, JsonValue]) -> float:
    return _number(options.get("beta"), 0.1)


def _always(value: float | None) -> StartLoss:
    return lambda _options: value


def _exo(options: Mapping[str, JsonValue]) -> float | None:
    """EXO, eq. 16 of arXiv 2402.00856, at zero margin."""
    flip = _number(options.get("label_smoothing"))
    if not 0 < flip < 1:
        return None
    return -math.log(2) - 0.5 * (math.log1p(-flip) + math.log(flip))


def _kto(options: Mapping[str, JsonValue]) -> float | None:
    """KTO, eq. 7 of arXiv 2402.01306, at zero reward: one half where both classes weigh 1."""
    weights = [_number(options.get(f"{c}_weight"), 1.0) for c in ("desirable", "undesirable")]
    return 0.5 if weights == [1.0, 1.0] else None


_SHARED_SOURCES = ("trl/trainer/base_config.py", "transformers/training_args.py")

METHODS: dict[str, Method] = {
    "dpo": Method(
        name="dpo",
        summary="direct preference optimisation, on pairs (arXiv 2305.18290)",
        trainer="DPOTrainer",
        config="DPOConfig",
        config_sources=("trl/trainer/dpo_config.py", *_SHARED_SOURCES),
        views={"pairs": "pairs"},
        losses={
            "sigmoid": _always(math.log(2)),
            "hinge": _always(1.0),
            "ipo": lambda options: (0.5 / _beta(options)) ** 2,
            "exo_pair": _exo,
            "nca_pair": _always(2 * math.log(2)),
            "robust": _always(math.log(2)),
            "bco_pair": _always(2 * math.log(2)),
            "sppo_hard": lambda options: 2 * (0.5 / _beta(options)) ** 2,
            "aot": _always(math.log(2)),
            "aot_unpaired": _always(math.log(2)),
            "apo_zero": _always(1.0),
            "apo_down": _always(1.0),
            "discopop": _always(0.5 * math.log(2) + 0.5),
            "sft": _always(None),
            "sigmoid_norm": _always(math.log(2)),
        },
        metrics=("loss", "rewards/accuracies", "rewards/margins"),
        defaults={"beta": 0.1},
    ),
    "kto": Method(
        name="kto",
        summary="Kahneman-Tversky optimisation, on answers labelled good or bad (arXiv 2402.01306)",
        trainer="KTOTrainer",
        config="KTOConfig",
        config_sources=("trl/trainer/kto_config.py", *_SHARED_SOURCES),
        views={"unpaired": "unpaired", "pairs": "unpaired"},
        losses={"kto": _kto, "apo_zero_unpaired": _kto},
        metrics=("loss", "rewards/margins"),
        defaults={"beta": 0.1},
        min_batch_size=2,
    ),
}
