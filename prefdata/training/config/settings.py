"""The nested parts of a recipe: LoRA, evaluation while training, and a first stage."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class LoraSettings(BaseModel):
    """LoRA, in the words of ``peft.LoraConfig``.

    Args:
        r: rank of the update.
        alpha: its scale; the update is multiplied by alpha / r.
        dropout: rate of dropout on its input.
        target_modules: names of the layers, or ``all-linear``.
        merge: merge the adapter into the weights when saving; otherwise the adapter alone is saved.
        options: any other field of ``peft.LoraConfig``, such as ``use_dora``.

    Example:
        >>> LoraSettings().r
        16
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    r: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: str | list[str] = "all-linear"
    merge: bool = True
    options: dict[str, JsonValue] = {}


class EvaluationSettings(BaseModel):
    """How a run is measured while it trains; before and after it is measured anyway.

    Args:
        every: steps between two evaluations; below 1, a share of all steps.
        best: keep the model that is best by ``loss`` or by our own per-example ``accuracy``,
            rather than the last one.
        patience: stop after so many evaluations that were no better than the best.

    Example:
        >>> EvaluationSettings(every=0.1, best="loss", patience=3).patience
        3
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: float = Field(0.1, gt=0)
    best: Literal["loss", "accuracy"] | None = None
    patience: int | None = Field(None, ge=1)


class FirstStage(BaseModel):
    """A first stage before the method itself: supervised fine-tuning on the chosen answers.

    Its result is what the second stage starts from and is compared with.

    Args:
        learning_rate: peak learning rate; by default that of method sft.
        epochs: passes over the train split.
        max_steps: stop after that many steps; overrides epochs.
        batch_size: rows per device and step; by default the recipe's.
        options: any option of TRL's SFTConfig.

    Example:
        >>> FirstStage(epochs=2).epochs
        2.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    learning_rate: float | None = Field(None, gt=0)
    epochs: float = Field(1.0, gt=0)
    max_steps: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    options: dict[str, JsonValue] = {}
