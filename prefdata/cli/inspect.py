"""The command that says what a file is: `inspect`."""

from __future__ import annotations

import shlex

import click

from prefdata.cli.launch import typed
from prefdata.cli.options import config_from, pairing, reading
from prefdata.cli.output import console, errors_as_json, show_json


@click.command()
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@reading
@pairing
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@errors_as_json()
def inspect(
    sources: tuple[str, ...],
    as_json: bool,
    **options: object,
) -> None:
    """Say what a file is, why, and what would become of its rows.

    \b
      pref inspect ratings.csv
      pref inspect votes.jsonl --json

    Looks at the first rows only, and writes nothing.
    """
    from prefdata.cli.views.inspect import show_inspection
    from prefdata.conversion.inspect import run_inspection

    inspections = run_inspection(sources, config_from(options))
    if as_json:
        show_json([each.to_dict() for each in inspections])
        return
    for each in inspections:
        show_inspection(each, console(stderr=False))
    if any(each.example for each in inspections):
        again = shlex.join(["pref", "convert", *typed()[1:], "-o", "pairs"])
        console(stderr=False).print(f"\nNext: {again}")
