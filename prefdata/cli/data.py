"""The commands that read feedback: `convert`, `inspect`, `formats`, `schema`."""

from __future__ import annotations

import shlex

import click

from prefdata.cli.launching import typed
from prefdata.cli.options import format_names, limit_of, options_from, pairing, reading, wishes_from
from prefdata.cli.output import console, show_json, too_many_rejected
from prefdata.cli.safe import safe


@click.command()
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@click.option("-o", "--output", metavar="OUT", required=True, help="Data set directory to write.")
@reading
@pairing
@click.option("--max-rejects", metavar="N|P%", help="Exit with 3 if more rows are rejected.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing data set directory.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no summary.")
def convert(
    sources: tuple[str, ...],
    output: str,
    columns: tuple[str, ...],
    winner: tuple[str, ...],
    label: tuple[str, ...],
    dimension: str,
    format_: str,
    encoding: str,
    max_rejects: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **how: object,
) -> int:
    """Turn feedback into a data set directory of clean pairs.

    \b
      pref convert ratings.csv -o pairs
      pref convert votes/*.jsonl -o pairs --map prompt=question --winner a=left,b=right

    SOURCE is a file, a glob, a folder, an address (hf://, s3://, gs://, https://), or - for
    standard input: JSON, JSONL, CSV, TSV, Parquet or Arrow, also as .gz or .zst. What it is, and
    which column is which, is recognised; 'pref inspect' says how.
    """
    from prefdata.engine.conversion import convert as run
    from prefdata.engine.terminal import show_conversion
    from prefdata.report.progress import progress

    limit = limit_of(max_rejects)
    screen = console()
    with progress(screen, quiet=quiet) as tell:
        report = run(
            sources,
            output,
            options=options_from(how),
            wishes=wishes_from(columns, winner, label, dimension),
            format=format_,
            encoding=encoding,
            force=force,
            progress=tell,
        )
    if not quiet:
        show_conversion(report, screen)
    if as_json:
        show_json(report.to_dict())
    missed = too_many_rejected(report.rows_rejected, report.rows_read, limit, max_rejects)
    return 3 if missed else 0


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
    from prefdata.engine.inspection import inspect as run
    from prefdata.engine.terminal import show_inspection

    found = run(
        sources,
        options=options_from(how),
        wishes=wishes_from(columns, winner, label, dimension),
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


@click.command()
@click.argument("name", required=False, shell_complete=format_names)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print as a file that --format takes.")
def formats(name: str | None, as_json: bool, as_yaml: bool) -> None:
    """List the formats that are recognised, or explain one.

    \b
      pref formats ratings-long
      pref formats arena-33k --yaml > mine.yaml

    Without a name all are listed.
    """
    from prefdata.errors import UsageError
    from prefdata.formats import FORMATS, named
    from prefdata.formats.layout_yaml import as_yaml as written
    from prefdata.report.catalogue import catalogue, described, facts

    if as_yaml and (as_json or not name):
        raise UsageError(
            "--yaml prints one format, and nothing else",
            hint="Name it, as in pref formats arena-33k --yaml; leave --json out.",
        )
    if name and as_yaml:
        click.echo(written(named(name)), nl=False)
    elif name and not as_json:
        click.echo(safe(described(named(name))))
    elif as_json:
        chosen = [named(name)] if name else list(FORMATS.values())
        show_json([facts(each) for each in chosen])
    else:
        click.echo(catalogue())


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
