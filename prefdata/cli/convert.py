"""The command that makes a data set of feedback: `convert`."""

from __future__ import annotations

import click

from prefdata.cli.options import config_from, limit_of, pairing, reading
from prefdata.cli.output import console, errors_as_json, show_json, too_many_rejected


@click.command()
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@click.option("-o", "--output", metavar="OUT", required=True, help="Data set directory to write.")
@reading
@pairing
@click.option("--max-rejects", metavar="N|P%", help="Exit with 3 if more rows are rejected.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing data set directory.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no summary.")
@errors_as_json()
def convert(
    sources: tuple[str, ...],
    output: str,
    max_rejects: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **options: object,
) -> int:
    """Turn feedback into a data set directory of clean pairs.

    \b
      pref convert ratings.csv -o pairs
      pref convert votes/*.jsonl -o pairs --map prompt=question --winner a=left,b=right

    SOURCE is a file, a glob, a folder, an address (hf://, s3://, gs://, https://), or - for
    standard input: JSON, JSONL, CSV, TSV, Parquet or Arrow, also as .gz or .zst. What it is, and
    which column is which, is recognised; 'pref inspect' says how.
    """
    from prefdata.cli.views.convert import show_conversion
    from prefdata.conversion.convert import run_conversion
    from prefdata.report.progress import progress

    limit = limit_of(max_rejects)
    screen = console()
    with progress(screen, quiet=quiet) as on_progress:
        report = run_conversion(
            sources, output, config_from(options), force=force, progress=on_progress
        )
    if not quiet:
        show_conversion(report, screen)
    if as_json:
        show_json(report.to_dict())
    missed = too_many_rejected(report.rows_rejected, report.rows_read, limit, max_rejects)
    return 3 if missed else 0
