"""The catalogue: to add a format, write one file and add one line here."""

from __future__ import annotations

from prefdata.errors import UnknownNameError
from prefdata.formats.base import Format
from prefdata.formats.comparisons import COMPARISONS
from prefdata.formats.pairs import PAIRS
from prefdata.formats.ratings import LISTS_FORMAT, LONG_FORMAT, WIDE_FORMAT
from prefdata.formats.unpaired import UNPAIRED

FORMATS: dict[str, Format] = {
    each.name: each
    for each in (PAIRS, COMPARISONS, WIDE_FORMAT, LISTS_FORMAT, LONG_FORMAT, UNPAIRED)
}


def named(name: str) -> Format:
    """The format of that name.

    Raises:
        UnknownNameError: there is none.

    Example:
        >>> named("pairs").kind
        'comparisons'
    """
    if name not in FORMATS:
        raise UnknownNameError("format", name, FORMATS)
    return FORMATS[name]
