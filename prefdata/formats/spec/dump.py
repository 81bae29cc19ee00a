"""A format of the catalogue as the YAML that ``--format`` takes: to read, and to change."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import yaml

from prefdata.errors import UsageError
from prefdata.formats.base import Format
from prefdata.formats.spec.as_format import SpecFormat
from prefdata.formats.spec.match import required
from prefdata.formats.spec.spec import GENERIC, FormatSpec

WIDTH = 100


def as_yaml(format: Format) -> str:
    """Write a format as YAML.

    Raises:
        UsageError: YAML cannot say what the format does; the message says what that is.

    Example:
        >>> from prefdata.formats import named
        >>> print(as_yaml(named("hh-rlhf")).splitlines()[1])
        fields: {chosen: chosen, rejected: rejected}
    """
    if format.facts.refusal:
        raise UsageError(
            f"{format.name} is recognised to be refused, and has no YAML", hint=format.facts.refusal
        )
    if not isinstance(format, SpecFormat):
        raise UsageError(
            f"{format.name} goes by what columns are called, and needs no YAML",
            hint="--map says what columns of other names are; a file like those in "
            "examples/formats says where nested fields stand.",
        )
    layout = format.layout
    if step := layout.prepare or layout.gather:
        said = (inspect.getdoc(step) or step.__name__).splitlines()[0]
        raise UsageError(
            f"{format.name} is read with a step in code, which no YAML can say: {said}",
            hint="It is recognised without a file. --yaml prints formats that only say where "
            "fields stand and what values mean.",
        )
    return yaml.safe_dump(
        {name: value for name, value in _keys(layout).items() if value},
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=WIDTH,
    )


def _keys(layout: FormatSpec) -> dict[str, object]:
    """What a file says of the layout; what is empty, or as it is without being said, is left out.

    A field whose column a source may lack is optional, as nothing else says so of it.
    """
    needed = {name for group in GENERIC[layout.kind].needs for name in group}
    there = set(required(layout))
    optional = [
        name
        for name, paths in layout.paths.items()
        if name not in needed and not {path.column for path in paths} <= there
    ]
    return {
        "kind": layout.kind,
        "fields": {name: _plain(given) for name, given in layout.fields.items()},
        "values": dict(layout.values),
        "middle": layout.middle,
        "order": layout.order,
        "dimensions": dict(layout.dimensions),
        "roles": dict(layout.roles),
        "needs": list(layout.needs),
        "optional": list(layout.optional) or optional,
        "lists": list(layout.lists),
        "group": "" if layout.group == "prompt" else layout.group,
        "summary": layout.summary,
        "polarity": layout.polarity,
        "ties": layout.ties,
        "absent": layout.absent,
        "licence": layout.licence,
        "notes": layout.notes,
    }


def _plain(given: str | tuple[str, ...] | Mapping[str, str]) -> object:
    if isinstance(given, str):
        return given
    return dict(given) if isinstance(given, Mapping) else list(given)
