"""A format of the catalogue as the YAML that ``--format`` takes: to read, and to change."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import yaml

from prefdata.errors import UsageError
from prefdata.formats.base import Format
from prefdata.formats.spec.as_format import SpecFormat
from prefdata.formats.spec.match import required_columns
from prefdata.formats.spec.spec import GENERIC_FORMATS, FormatSpec

WIDTH = 100


def to_yaml(format: Format) -> str:
    """Write a format as YAML.

    Raises:
        UsageError: YAML cannot say what the format does; the message says what that is.

    Example:
        >>> from prefdata.formats import get_format
        >>> print(to_yaml(get_format("hh-rlhf")).splitlines()[1])
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
    spec = format.spec
    if step := spec.prepare or spec.prepare_all:
        summary = (inspect.getdoc(step) or step.__name__).splitlines()[0]
        raise UsageError(
            f"{format.name} is read with a step in code, which no YAML can say: {summary}",
            hint="It is recognised without a file. --yaml prints formats that only say where "
            "fields stand and what values mean.",
        )
    return yaml.safe_dump(
        {name: value for name, value in _keys(spec).items() if value},
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=WIDTH,
    )


def _keys(spec: FormatSpec) -> dict[str, object]:
    """The keys of a file that describes the source; empty ones, and defaults, are left out.

    A field whose column a source may lack is optional, as nothing else says so of it.
    """
    needed_fields = {name for group in GENERIC_FORMATS[spec.kind].needs for name in group}
    needed_columns = set(required_columns(spec))
    optional = [
        name
        for name, paths in spec.paths.items()
        if name not in needed_fields and not {path.column for path in paths} <= needed_columns
    ]
    return {
        "kind": spec.kind,
        "fields": {
            **{name: _plain(location) for name, location in spec.fields.items()},
            **spec.template,
        },
        "values": dict(spec.values),
        "middle": spec.middle,
        "order": spec.order,
        "dimensions": dict(spec.dimensions),
        "roles": dict(spec.roles),
        "needs": list(spec.needs),
        "optional": list(spec.optional) or optional,
        "lists": list(spec.lists),
        "group": "" if spec.group == "prompt" else spec.group,
        "summary": spec.summary,
        "polarity": spec.polarity,
        "ties": spec.ties,
        "absent": spec.absent,
        "licence": spec.licence,
        "notes": spec.notes,
    }


def _plain(location: str | tuple[str, ...] | Mapping[str, str]) -> object:
    if isinstance(location, str):
        return location
    return dict(location) if isinstance(location, Mapping) else list(location)
