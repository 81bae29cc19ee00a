"""The command `pref`: Click wiring only. A command parses, makes one library call, and prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from prefdata import __version__
from prefdata.cli import (
    agreeing,
    data,
    demonstration,
    evaluating,
    exporting,
    judging,
    training,
)
from prefdata.cli.launching import failure_told, speaks, tells_failure
from prefdata.errors import Interrupted, PrefdataError

KEEP_MEMORY = "dirty_decay_ms:5000,muzzy_decay_ms:-1"
"""Polars gives memory back at once, only for a conversion to take it again a moment later."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


EXIT_CODES = (
    "Exit codes: 0 done, 1 the data or the run failed, 2 wrong usage, 3 done but a threshold was "
    "missed, 130 interrupted."
)


@click.group(context_settings=CONTEXT, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="pref")
def pref() -> None:
    """Feedback in, preference pairs out, every row accounted for.

    \b
      pref demo
      pref convert ratings.csv -o pairs
    """


for command in (
    data.convert,
    data.inspect,
    data.formats,
    data.schema,
    judging.judge,
    agreeing.agree,
    exporting.export,
    training.train,
    evaluating.evaluate,
    demonstration.show,
):
    pref.add_command(command)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code, one of `EXIT_CODES`."""
    os.environ.setdefault("_RJEM_MALLOC_CONF", KEEP_MEMORY)
    try:
        typed = list(sys.argv[1:] if args is None else args)
        code = pref.main(args=typed, prog_name="pref", standalone_mode=False, obj=typed)
    except click.ClickException as error:
        if speaks():  # all processes of a job were given the same words
            error.show()
        sys.exit(error.exit_code)
    except PrefdataError as error:
        if tells_failure():
            _tell(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (KeyboardInterrupt, click.Abort) as stopped:
        left = "Nothing was left half written; run the same command again."
        cause = stopped.__cause__  # Click turns every interrupt into its own Abort
        if speaks():
            click.echo(
                f"Interrupted. {cause if isinstance(cause, Interrupted) else left}", err=True
            )
        sys.exit(130)
    except RuntimeError:  # after Abort, which is one: the others of a job were heard of no more
        if not failure_told():
            raise
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _tell(error: PrefdataError) -> None:
    """Say what is wrong, and the remedy."""
    click.echo(f"Error: {error}", err=True)
    if error.hint:
        click.echo(f"Hint: {error.hint}", err=True)
