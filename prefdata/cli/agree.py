"""The command that measures annotators: `agree`."""

from __future__ import annotations

from typing import Literal

import click

from prefdata.cli.options import read_options_from, reading, share_of
from prefdata.cli.output import console, errors_as_json, say, show_json
from prefdata.errors import InputError


@click.command()
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@click.option("--human", multiple=True, metavar="NAME", help="Who is a person; may hold * and ?.")
@click.option(
    "--id", "ids", default="", metavar="COLUMN,…", help="What says that two rows are on the same."
)
@click.option("--by", default="", metavar="COLUMN", help="Also by the values of this column.")
@click.option(
    "--against",
    type=click.Choice(["each", "majority"]),
    default="each",
    show_default=True,
    help="Hold annotators against each person, or against most of them.",
)
@click.option("--min-agreement", metavar="N|P%", help="Exit with 3 if an accuracy is lower.")
@reading
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No table.")
@errors_as_json()
def agree(
    sources: tuple[str, ...],
    human: tuple[str, ...],
    ids: str,
    by: str,
    against: Literal["each", "majority"],
    min_agreement: str | None,
    columns: tuple[str, ...],
    winner: tuple[str, ...],
    label: tuple[str, ...],
    dimension: str,
    ignore: tuple[str, ...],
    format_: str,
    encoding: str,
    missing: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure how far annotators agree, people or models.

    \b
      pref agree votes.jsonl judged
      pref agree people.jsonl gpt4.jsonl --id question_id,turn --human 'expert_*'

    SOURCE is a file of verdicts on two responses, or what 'pref judge' wrote.
    Sources join on the texts, whichever response stands first; or on --id, without any text.
    """
    from prefdata.agreement.agree import agree as run
    from prefdata.cli.views.agree import show_agreement

    least = share_of(min_agreement)
    report = run(
        sources,
        people=human,
        against=against,
        ids=[name.strip() for name in ids.split(",") if name.strip()],
        by=by,
        read_options=read_options_from(columns, winner, label, dimension, ignore, missing),
        format=format_,
        encoding=encoding,
    )
    if as_json:
        show_json(report.to_dict())
    if not quiet:
        show_agreement(report, console(stderr=as_json))
    if least is not None and not report.agreement.judges:
        raise InputError(
            "--min-agreement has nobody to hold: all who judged are people",
            hint="Add the verdicts of a model, or say with --human who is held against.",
        )
    missed = report.missed(least) if least is not None else []
    for each in missed:
        say(f"{each.annotator} agrees in {each.accuracy}; --min-agreement asks for {min_agreement}")
    return 3 if missed else 0
