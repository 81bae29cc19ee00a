"""The command that prints the schemas of records: `schema`."""

from __future__ import annotations

import click

from prefdata.cli.output import show_json


@click.command()
@click.argument("name", required=False)
def schema(name: str | None) -> None:
    """Print the JSON Schema of a record, or list the records.

    \b
      pref schema
      pref schema preference-pair
    """
    from prefdata.errors import UnknownNameError
    from prefdata.schemas import RECORDS

    if name and name not in RECORDS:
        raise UnknownNameError("record", name, RECORDS)
    if name:
        show_json(RECORDS[name].json_schema())
    else:
        click.echo("\n".join(RECORDS))
