"""The recipe: what to train, on what, and how, as a file or flags say it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

TINY = "tiny"
"""The model name that stands for a small model with random weights, made on the spot."""


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


def _or_defaults(model: type[BaseModel]) -> BeforeValidator:
    """``lora: true`` means its defaults, ``lora: false`` goes without."""

    def read(value: object) -> object:
        if value is True:
            return model()
        return None if value is False else value

    return BeforeValidator(read)


class Recipe(BaseModel):
    """What to train, on what, and how: one YAML file.

    The defaults follow the literature: a peak learning rate of 1e-6 for a full fine-tune and ten
    times that for LoRA, beta 0.1, a cosine schedule, warm-up over the first tenth, one epoch.

    Args:
        model: a local folder, a LoRA adapter's folder, a name on the hub, or ``tiny``.
        revision: branch, tag or commit of a model on the hub.
        dtype: of the loaded weights; by default float32, and bfloat16 for the frozen weights below
            LoRA on a GPU.
        attention: attention implementation, in the words of transformers, such as ``sdpa``.
        quantization: ``4bit`` or ``8bit`` for the frozen weights below LoRA, by bitsandbytes.
        trust_remote_code: run code that comes with the model.
        chat_template: a Jinja file that replaces the tokenizer's template; ``none`` for plain text.
        data: the data set directory that ``pref convert`` wrote.
        output: where the model goes; by default ``<data>-<method>``.
        method: a name in `METHODS`.
        trainer: a trainer class of your own by its import path, ``module:Class``: a subclass of
            the trainer that TRL has for the method. Where it is named and `method` is not, the
            method is that of its base class.
        first: a first stage of supervised fine-tuning on the chosen answers.
        reference: what the model is compared with, a folder or a name on the hub; by default the
            model that training starts from.
        reference_cache: compute the reference's log-probabilities once and keep them on disk;
            ``auto`` does so where a run passes over all rows.
        lora: LoRA settings, or None for a full fine-tune.
        learning_rate: peak learning rate; by default what suits the method, LoRA and model.
        epochs: passes over the train split.
        max_steps: stop after that many steps; overrides epochs.
        batch_size: rows per device and step.
        max_length: tokens of prompt and completion together; longer ones lose their end.
        allow_drops: how many rows may be lost to `max_length` before the run is refused.
        margin_scale: the reward model's answers are to differ by so much times the column
            ``margin``; by default the column is not used.
        smaller_on_oom: when memory runs out, halve the batch and double the accumulation.
        evaluation: how to measure while training, stop early and keep the best.
        samples: held-out prompts that ``report.html`` shows answers to, before and after.
        seed: of the weights (tiny, LoRA), the shuffling and the sampling.
        options: any option of TRL's own config for the method, under TRL's own name.

    Example:
        >>> Recipe(model="tiny", data="pairs", lora=True).lora.r
        16
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = ""
    revision: str = ""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    attention: str = ""
    quantization: Literal["4bit", "8bit"] | None = None
    trust_remote_code: bool = False
    chat_template: str = ""
    data: str = ""
    output: str = ""
    method: str = "dpo"
    trainer: str = Field("", exclude_if=lambda path: not path)
    first: Annotated[FirstStage | None, _or_defaults(FirstStage)] = None
    reference: str = ""
    reference_cache: Literal["auto"] | bool = "auto"
    lora: Annotated[LoraSettings | None, _or_defaults(LoraSettings)] = None
    learning_rate: float | None = Field(None, gt=0)
    epochs: float = Field(1.0, gt=0)
    max_steps: int | None = Field(None, ge=1)
    batch_size: int = Field(8, ge=1)
    max_length: int = Field(1024, ge=8)
    allow_drops: int = Field(0, ge=0)
    margin_scale: float | None = Field(None, gt=0)
    smaller_on_oom: bool = True
    evaluation: Annotated[EvaluationSettings | None, _or_defaults(EvaluationSettings)] = None
    samples: int = Field(3, ge=0)
    seed: int = Field(42, ge=0)
    options: dict[str, JsonValue] = {}

    @property
    def default_output(self) -> str:
        """Where the model goes if the recipe names no output.

        Example:
            >>> Recipe(data="pairs/", method="kto").default_output
            'pairs-kto'
        """
        return f"{self.data.rstrip('/')}-{self.method}"


NESTED: dict[str, type[BaseModel]] = {
    "lora": LoraSettings,
    "evaluation": EvaluationSettings,
    "first": FirstStage,
}
"""The keys of a recipe that hold keys of their own."""
