"""The command that lists and explains formats: `formats`."""

from __future__ import annotations

import click

from prefdata.cli.options import format_names
from prefdata.cli.output import show_json
from prefdata.cli.terminal_safe import safe


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
    from prefdata.formats import FORMATS, get_format
    from prefdata.formats.catalogue import catalogue, describe, facts_of
    from prefdata.formats.spec.dump import to_yaml

    if as_yaml and (as_json or not name):
        raise UsageError(
            "--yaml prints one format, and nothing else",
            hint="Name it, as in pref formats arena-33k --yaml; leave --json out.",
        )
    if name and as_yaml:
        click.echo(to_yaml(get_format(name)), nl=False)
    elif name and not as_json:
        click.echo(safe(describe(get_format(name))))
    elif as_json:
        chosen = [get_format(name)] if name else list(FORMATS.values())
        show_json([facts_of(each) for each in chosen])
    else:
        click.echo(catalogue())
