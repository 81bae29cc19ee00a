"""What trainers learn from: the preference pair (DPO, reward) and the unpaired preference (KTO)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from prefdata.schemas.messages import (
    Completion,
    Prompt,
    TemplateArguments,
    Tools,
    template_to_trl,
    to_trl,
)
from prefdata.schemas.record import Record, Stored
from prefdata.schemas.scores import DimensionScoresList

Id = Annotated[str | None, Stored(always=True)]
"""A hash of the content, made by the pipeline."""


class PreferencePair(Record):
    """A prompt, a better response and a worse one.

    Raises:
        pydantic.ValidationError: a rule of prompts or responses is broken, or both are the same.

    Example:
        >>> pair = PreferencePair(prompt="2+2?", chosen="4", rejected="5", margin=3)
        >>> pair.prompt[0].role, pair.prompt[0].content
        ('user', '2+2?')
    """

    id: Id = None
    prompt_id: Id = None
    prompt: Prompt
    chosen: Completion
    rejected: Completion
    score_chosen: float | None = None
    """On the scale of the source; more is better."""
    score_rejected: float | None = None
    margin: float | None = None
    """Chosen score minus rejected score, or the strength of the preference."""
    votes: int | None = Field(default=None, ge=1)
    """How many annotators the pair rests on."""
    agreement: float | None = Field(default=None, ge=0, le=1)
    """The share of them that prefer the chosen response."""
    model_chosen: str | None = None
    model_rejected: str | None = None
    source: str | None = None
    tools: Tools = None
    chat_template_kwargs: TemplateArguments = None
    dimensions: Annotated[DimensionScoresList, Stored(only_with="dimensions")] = None

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.chosen == self.rejected:
            raise ValueError("chosen and rejected are the same")
        return self

    def to_trl(self) -> dict[str, object]:
        """Give the pair as TRL's trainers take it: conversational, with an explicit prompt.

        Example:
            >>> sorted(PreferencePair(prompt="2+2?", chosen="4", rejected="5").to_trl())
            ['chosen', 'prompt', 'rejected']
        """
        return {
            "prompt": to_trl(self.prompt),
            "chosen": to_trl(self.chosen),
            "rejected": to_trl(self.rejected),
            **template_to_trl(self.tools, self.chat_template_kwargs),
        }


class UnpairedPreference(Record):
    """A prompt, a response, and whether it is a good one.

    Example:
        >>> UnpairedPreference(prompt="2+2?", completion="5", label=False).to_trl()["label"]
        False
    """

    id: Id = None
    prompt_id: Id = None
    prompt: Prompt
    completion: Completion
    label: bool
    weight: float | None = Field(default=None, ge=0)
    source: str | None = None
    tools: Tools = None
    chat_template_kwargs: TemplateArguments = None

    def to_trl(self) -> dict[str, object]:
        """Give the row as TRL's KTO trainer takes it."""
        return {
            "prompt": to_trl(self.prompt),
            "completion": to_trl(self.completion),
            "label": self.label,
            **template_to_trl(self.tools, self.chat_template_kwargs),
        }
