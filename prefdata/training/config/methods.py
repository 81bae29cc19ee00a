"""The training methods: one table entry per method says all that differs between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import JsonValue

from prefdata.errors import UnknownNameError
from prefdata.training.config.losses import (
    CPO_LOSSES,
    DPO_LOSSES,
    KTO_LOSSES,
    SFT_LOSSES,
    SIMPO_LOSSES,
    Loss,
    loss_types,
    loss_weights,
)

Measure = Literal["implicit", "likelihood", "mean_likelihood", "reward", "loss"]
"""What is compared per row: implicit rewards against the reference, log-probabilities (summed or
per token), the reward model's own scores, or nothing but the loss."""


@dataclass(frozen=True)
class Method:
    """What one training method needs, none of it imported yet.

    Args:
        name: what a recipe calls it.
        summary: one line for help and docs.
        trainer: import path of the trainer, as ``module:name``.
        config: import path of the config, as ``module:name``.
        config_sources: the files that declare the config's fields, relative to site-packages.
        views: per kind of data set that it takes, the view that the trainer reads.
        losses: its values of ``loss_type``, the default first; empty where it has no choice.
        measure: what is compared per row, before and after.
        reference: whether it trains against a reference model.
        defaults: options that the method needs and TRL sets otherwise.
        min_batch_size: the smallest batch, in rows, that the method can learn from.
        learning_rate: peak learning rate for a full fine-tune; LoRA takes ten times as much.
        task: what peft calls the kind of model.
        drops_long: whether the trainer drops rows beyond ``max_length`` that others would cut.
        loads_model: whether the trainer loads the model itself. TRL's experimental trainers would
            place one with a device map, so they get a model that is loaded already.

    Example:
        >>> METHODS["dpo"].trainer
        'trl:DPOTrainer'
    """

    name: str
    summary: str
    trainer: str
    config: str
    config_sources: tuple[str, ...]
    views: Mapping[str, str]
    losses: Mapping[str, Loss] = field(default_factory=dict)
    measure: Measure = "implicit"
    reference: bool = False
    defaults: Mapping[str, JsonValue] = field(default_factory=dict)
    min_batch_size: int = 1
    learning_rate: float = 1e-6
    task: str = "CAUSAL_LM"
    drops_long: bool = False
    loads_model: bool = True

    @property
    def trainer_name(self) -> str:
        """The name of the trainer's class.

        Example:
            >>> METHODS["simpo"].trainer_name
            'CPOTrainer'
        """
        return self.trainer.partition(":")[2]

    @property
    def config_name(self) -> str:
        """The name of the config's class.

        Example:
            >>> METHODS["orpo"].config_name
            'ORPOConfig'
        """
        return self.config.partition(":")[2]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics shown before and after training, by TRL's names.

        Example:
            >>> METHODS["sft"].metrics
            ('loss',)
        """
        if self.measure == "loss":
            return ("loss",)
        if set(self.views.values()) == {"unpaired"}:
            return ("loss", "rewards/margins")
        return ("loss", "rewards/accuracies", "rewards/margins")

    def chosen_losses(self, options: Mapping[str, JsonValue]) -> list[Loss]:
        """The losses that the options choose, or the default one.

        Example:
            >>> len(METHODS["dpo"].chosen_losses({"loss_type": ["sigmoid", "sft"]}))
            2
        """
        names = loss_types(options) or list(self.losses)[:1]
        return [self.losses[name] for name in names]

    def start_loss(self, options: Mapping[str, JsonValue]) -> float | None:
        """The loss at step 0, when the model is its own reference; None where it is not fixed.

        Args:
            options: the recipe's options: ``loss_type``, ``loss_weights``, ``beta`` and the like.

        Example:
            >>> round(METHODS["dpo"].start_loss({}), 4)
            0.6931
        """
        if not self.reference or options.get("use_weighting"):
            return None
        starts = [loss.start(options) for loss in self.chosen_losses(options)]
        fixed = [start for start in starts if start is not None]
        if len(fixed) < len(starts):
            return None
        return sum(start * w for start, w in zip(fixed, loss_weights(options), strict=True))

    def reads(self, option: str, options: Mapping[str, JsonValue]) -> bool:
        """Whether one of the chosen losses reads an option.

        Example:
            >>> METHODS["dpo"].reads("label_smoothing", {"loss_type": "sigmoid"})
            False
        """
        return any(option in loss.reads for loss in self.chosen_losses(options))


def find_method(name: str) -> Method:
    """The method of that name.

    Raises:
        UnknownNameError: there is none; the hint names the near ones.

    Example:
        >>> find_method("dpo").config
        'trl:DPOConfig'
    """
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[name]


def _trl_paths(name: str, folder: str = "") -> dict[str, Any]:
    """The import paths of a trainer and its config, and the files that declare the config's fields.

    Args:
        name: what TRL puts before ``Trainer`` and ``Config``.
        folder: of ``trl.experimental``; empty for a stable trainer.
    """
    module = f"trl.experimental.{folder}" if folder else "trl"
    file = f"trl/experimental/{folder}" if folder else "trl/trainer"
    return {
        "trainer": f"{module}:{name}Trainer",
        "config": f"{module}:{name}Config",
        "config_sources": (
            f"{file}/{name.lower()}_config.py",
            "trl/trainer/base_config.py",
            "transformers/training_args.py",
        ),
        "loads_model": not folder,
    }


_PAIRS = {"pairs": "pairs"}

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            name="dpo",
            summary="direct preference optimisation, on pairs (arXiv 2305.18290)",
            **_trl_paths("DPO"),
            views=_PAIRS,
            losses=DPO_LOSSES,
            reference=True,
            defaults={"beta": 0.1},
        ),
        Method(
            name="kto",
            summary=(
                "Kahneman-Tversky optimisation, on answers labelled good or bad (arXiv 2402.01306)"
            ),
            **_trl_paths("KTO"),
            views={"unpaired": "unpaired", "pairs": "unpaired"},
            losses=KTO_LOSSES,
            reference=True,
            defaults={"beta": 0.1},
            min_batch_size=2,
        ),
        Method(
            name="orpo",
            summary="odds-ratio preference optimisation, without a reference (arXiv 2403.07691)",
            **_trl_paths("ORPO", "orpo"),
            views=_PAIRS,
            measure="mean_likelihood",
            defaults={"beta": 0.1},
            learning_rate=8e-6,
        ),
        Method(
            name="cpo",
            summary="contrastive preference optimisation, without a reference (arXiv 2401.08417)",
            **_trl_paths("CPO", "cpo"),
            views=_PAIRS,
            losses=CPO_LOSSES,
            measure="likelihood",
            defaults={"beta": 0.1},
        ),
        Method(
            name="simpo",
            summary="simple preference optimisation, without a reference (arXiv 2405.14734)",
            **_trl_paths("CPO", "cpo"),
            views=_PAIRS,
            losses=SIMPO_LOSSES,
            measure="mean_likelihood",
            defaults={"beta": 2.0, "simpo_gamma": 1.0, "cpo_alpha": 0.0, "loss_type": "simpo"},
        ),
        Method(
            name="reward",
            summary="a reward model that scores answers, from pairs (arXiv 2203.02155, eq. 1)",
            **_trl_paths("Reward"),
            views=_PAIRS,
            measure="reward",
            learning_rate=1e-5,
            task="SEQ_CLS",
            drops_long=True,
        ),
        Method(
            name="sft",
            summary="supervised fine-tuning on the chosen or good answers, as a first stage",
            **_trl_paths("SFT"),
            views={"pairs": "chosen", "unpaired": "chosen"},
            losses=SFT_LOSSES,
            measure="loss",
            learning_rate=2e-5,
        ),
    )
}
