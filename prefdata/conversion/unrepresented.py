"""Rows that a source's sample does not stand for: the source is looked at whole, and read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from prefdata.conversion.detected_source import DetectedSource, scalar_columns
from prefdata.conversion.survey import survey
from prefdata.errors import PrefdataError
from prefdata.formats import Sample

MOST_ATTEMPTS = 20
Result = TypeVar("Result")


class UnrepresentedRowError(Exception):
    """A source is other than its sample shows.

    Args:
        number: the number of the source.
        detected: the source, as it was to be read.
        rows: rows that hold something that no row of the sample has.
        repeats_prompt: whether nearly all its rows repeat the prompt, where that is what is other.
    """

    def __init__(
        self,
        number: int,
        detected: DetectedSource,
        rows: Sequence[dict[str, object]] = (),
        *,
        repeats_prompt: bool | None = None,
    ) -> None:
        super().__init__(number)
        self.number, self.detected, self.rows = number, detected, rows
        self.repeats_prompt = repeats_prompt


def until_represented(
    samples: Sequence[Sample], encoding: str, attempt: Callable[[Sequence[Sample]], Result]
) -> Result:
    """Read sources until their samples stand for all of their rows.

    Args:
        samples: the first rows of each source.
        encoding: their encoding, if it is named.
        attempt: detects the formats by the samples, and reads the sources; leaves nothing behind
            where it raises.

    Returns:
        What the last attempt returned.
    """
    samples = list(samples)
    for _ in range(MOST_ATTEMPTS):
        try:
            return attempt(samples)
        except UnrepresentedRowError as error:
            name = error.detected.source.name
            samples[error.number] = _extended(error, encoding)
    raise PrefdataError(
        f"the format of {name} is not settled after {MOST_ATTEMPTS} readings",
        hint="This is a defect of prefdata: please report it. --format settles it.",
    )


def _extended(error: UnrepresentedRowError, encoding: str) -> Sample:
    """The sample of a source, with what its later rows have and the sample does not."""
    detected = error.detected
    if error.repeats_prompt is not None:
        return replace(detected.sample, repeats_prompt=error.repeats_prompt)
    match, sample = detected.detection.match, detected.sample.with_rows(error.rows, {})
    return survey(detected.source, sample, match, scalar_columns(match), encoding)
