"""Two responses to one prompt, and what annotators said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import fmean

from pydantic import Field

from prefdata.schemas.messages import Completion, Prompt, TemplateArguments, Tools
from prefdata.schemas.preferences import Id, PreferencePair
from prefdata.schemas.record import Record
from prefdata.schemas.ties import Ties, without_preference
from prefdata.schemas.verdicts import Verdict, Winner


class Comparison(Record):
    """Two responses to one prompt with the verdicts on them.

    Example:
        >>> comparison = Comparison(
        ...     prompt="Capital of France?",
        ...     response_a="Rome.",
        ...     response_b="Paris.",
        ...     verdicts=[Verdict(winner="b"), Verdict(winner="b"), Verdict(winner="tie")],
        ... )
        >>> comparison.winner
        'b'
        >>> comparison.to_pair(ties="drop").chosen[0].content
        'Paris.'
    """

    id: Id = None
    prompt_id: Id = None
    prompt: Prompt
    response_a: Completion
    response_b: Completion
    verdicts: list[Verdict] = Field(default_factory=list)
    model_a: str | None = None
    model_b: str | None = None
    source: str | None = None
    tools: Tools = None
    chat_template_kwargs: TemplateArguments = None

    @property
    def winner(self) -> Winner:
        """What more verdicts say than any other, a tie where nothing has more.

        Two responses that are the same are tied. A verdict of ``"none"`` does not count, and
        where there is no other, the winner is ``"none"``.
        """
        counts = Counter(v.winner for v in self.verdicts if v.winner != "none").most_common()
        if not counts:
            return "none"
        alone = len(counts) == 1 or counts[0][1] > counts[1][1]
        return counts[0][0] if alone and self.response_a != self.response_b else "tie"

    def swapped(self) -> Comparison:
        """Give the same comparison with the responses in the other order; twice changes nothing."""
        return self.model_copy(
            update={
                "response_a": self.response_b,
                "response_b": self.response_a,
                "model_a": self.model_b,
                "model_b": self.model_a,
                "verdicts": [verdict.swapped() for verdict in self.verdicts],
            }
        )

    def to_pair(self, *, ties: Ties) -> PreferencePair | None:
        """Make a pair of the comparison, if one response is better.

        Args:
            ties: what to do where neither is: ``"drop"`` gives ``None``, ``"error"`` stops.

        Raises:
            InputError: neither response is better, and ``ties`` is ``"error"``.
        """
        if self.winner == "b":
            return self.swapped().to_pair(ties=ties)
        if self.winner != "a":
            without_preference(self._undecided(), ties=ties)
            return None
        cast = [verdict for verdict in self.verdicts if verdict.winner != "none"]
        chosen = _mean(verdict.score_of("a") for verdict in cast)
        rejected = _mean(verdict.score_of("b") for verdict in cast)
        margin = None if chosen is None or rejected is None else chosen - rejected
        return PreferencePair(
            prompt_id=self.prompt_id,
            prompt=self.prompt,
            chosen=self.response_a,
            rejected=self.response_b,
            score_chosen=chosen,
            score_rejected=rejected,
            margin=_mean(v.signed_strength for v in cast) if margin is None else margin,
            votes=len(cast),
            agreement=fmean(verdict.winner == "a" for verdict in cast),
            model_chosen=self.model_a,
            model_rejected=self.model_b,
            source=self.source,
            tools=self.tools,
            chat_template_kwargs=self.chat_template_kwargs,
        )

    def _undecided(self) -> str:
        if self.winner == "none":
            return "there is no verdict"
        same = self.response_a == self.response_b
        return "both responses are the same" if same else "the verdicts are tied"


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if present else None
