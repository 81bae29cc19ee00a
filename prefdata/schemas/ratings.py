"""Several responses to one prompt, each with the ratings that annotators gave it."""

from __future__ import annotations

from statistics import fmean

from pydantic import Field

from prefdata.schemas.messages import Completion, Prompt, TemplateArguments, Tools
from prefdata.schemas.preferences import Id, PreferencePair
from prefdata.schemas.record import Record
from prefdata.schemas.ties import Ties, without_preference


class Rating(Record):
    """A number that an annotator gave one response on one dimension; more is better."""

    dimension: str = "overall"
    value: float
    annotator: str | None = None


class Response(Record):
    """One answer with its model and its ratings.

    Example:
        >>> answer = Response(content="Paris.", ratings=[Rating(value=4), Rating(value=5)])
        >>> answer.score()
        4.5
    """

    content: Completion
    model: str | None = None
    ratings: list[Rating] = Field(default_factory=list)

    def score(self, dimension: str = "overall") -> float | None:
        """Give the mean of the ratings on a dimension, or ``None`` where there are none."""
        values = [rating.value for rating in self.ratings if rating.dimension == dimension]
        return fmean(values) if values else None


class RatedResponses(Record):
    """A prompt and the rated responses to it.

    Example:
        >>> rated = RatedResponses(
        ...     prompt="Capital of France?",
        ...     responses=[
        ...         Response(content="Rome.", ratings=[Rating(value=1)]),
        ...         Response(content="Paris.", ratings=[Rating(value=5)]),
        ...     ],
        ... )
        >>> rated.to_pair(ties="drop").margin
        4.0
    """

    id: Id = None
    prompt_id: Id = None
    prompt: Prompt
    responses: list[Response]
    source: str | None = None
    tools: Tools = None
    chat_template_kwargs: TemplateArguments = None

    def to_pair(self, *, ties: Ties, dimension: str = "overall") -> PreferencePair | None:
        """Make a pair of the best and the worst response; of equals, the one that comes first.

        Args:
            ties: what to do where none is better: ``"drop"`` gives ``None``, ``"error"`` stops.
            dimension: which ratings decide.

        Raises:
            InputError: no response is better than another, and ``ties`` is ``"error"``.
        """
        scores = [(response.score(dimension), response) for response in self.responses]
        scored = [(score, response) for score, response in scores if score is not None]
        if len(scored) < 2:
            reason = f"fewer than two responses are rated on {dimension!r}"
            without_preference(reason, ties=ties)
            return None
        high, best = max(scored, key=lambda pair: pair[0])
        low, worst = min(scored, key=lambda pair: pair[0])
        if high == low or best.content == worst.content:
            reason = f"all scores are {high:g}" if high == low else "best and worst are the same"
            without_preference(reason, ties=ties)
            return None
        return PreferencePair(
            prompt_id=self.prompt_id,
            prompt=self.prompt,
            chosen=best.content,
            rejected=worst.content,
            score_chosen=high,
            score_rejected=low,
            margin=high - low,
            model_chosen=best.model,
            model_rejected=worst.model,
            source=self.source,
            tools=self.tools,
            chat_template_kwargs=self.chat_template_kwargs,
        )
