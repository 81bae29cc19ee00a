"""The command that says what a file is: `inspect`."""

from __future__ import annotations

import shlex

import click

from prefdata.cli.launch import typed
from prefdata.cli.options import options_from, pairing, read_options_from, reading
from prefdata.cli.output import console, show_json


@click.command()
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@reading
@pairing
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def inspect(
    sources: tuple[str, ...],
    columns: tuple[str, ...],
    winner: tuple[str, ...],
    label: tuple[str, ...],
    dimension: str,
    format_: str,
    encoding: str,
    as_json: bool,
    **how: object,
) -> None:
    """Say what a file is, why, and what would become of its rows.

    \b
      pref inspect ratings.csv
      pref inspect votes.jsonl --json

    Looks at the first rows only, and writes nothing.
    """
    from prefdata.cli.views.inspect import show_inspection
    from prefdata.conversion.inspect import inspect as run

    found = run(
        sources,
        options=options_from(how),
        read_options=read_options_from(columns, winner, label, dimension),
        format=format_,
        encoding=encoding,
    )
    if as_json:
        show_json([each.to_dict() for each in found])
        return
    for each in found:
        show_inspection(each, console(stderr=False))
    if any(each.example for each in found):
        again = shlex.join(["pref", "convert", *typed()[1:], "-o", "pairs"])
        console(stderr=False).print(f"\nNext: {again}")
