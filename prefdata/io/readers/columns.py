"""The names of a source's columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from prefdata.errors import InputError


def refuse_twice(names: Sequence[str], source: str) -> None:
    """Check that every column has a name of its own.

    Args:
        names: of the columns.
        source: what to call the file.

    Raises:
        InputError: two columns have the same name.

    Example:
        >>> refuse_twice(["prompt", "chosen", "chosen"], "pairs.parquet")
        Traceback (most recent call last):
        prefdata.errors.InputError: pairs.parquet has two columns named 'chosen'
    """
    if twice := sorted(name for name, times in Counter(names).items() if times > 1):
        shown = ", ".join(map(repr, twice))
        raise InputError(
            f"{source} has two columns named {shown}", hint="Give every column a name of its own."
        )
