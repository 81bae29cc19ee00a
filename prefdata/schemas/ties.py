"""What to do with feedback that prefers neither side: said by the caller, never assumed."""

from __future__ import annotations

from typing import Literal

from prefdata.errors import InputError

Ties = Literal["drop", "error"]
"""``"drop"`` gives no pair, ``"error"`` stops."""


def without_preference(reason: str, *, ties: Ties) -> None:
    """Stop, unless the caller said to give no pair.

    Args:
        reason: why there is no preference.
        ties: what to do.

    Raises:
        InputError: ``ties`` is ``"error"``.

    Example:
        >>> without_preference("all scores are 3", ties="drop")
    """
    if ties == "error":
        raise InputError(f"no pair can be made: {reason}", hint="Leave it out with ties='drop'.")
