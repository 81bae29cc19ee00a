"""The command `pref`: Click wiring only. Each command parses, makes one library call, and prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from prefdata import __version__
from prefdata.errors import PrefdataError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="pref")
def pref() -> None:
    """Feedback in, preference pairs out, every row accounted for.

    \b
      pref demo
      pref convert ratings.csv -o pairs
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Exit codes: 0 done, 1 the data or the run failed, 2 wrong usage, 3 done but a threshold was
    missed, 130 interrupted.
    """
    try:
        code = pref.main(args=args, prog_name="pref", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PrefdataError as error:
        click.echo(f"Error: {error}", err=True)
        if error.hint:
            click.echo(f"Hint: {error.hint}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted. Nothing was left half written; run the same command again.", err=True)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
