"""The command `pref`: Click wiring only. A command parses, makes one library call, and prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from prefdata._version import __version__
from prefdata.cli import agree, convert, demo, export, formats, inspect, judge, schema, train
from prefdata.cli import eval as evaluation
from prefdata.cli.exit_codes import Commands, discard_unread, exit_code_of
from prefdata.cli.output import accept_every_character

KEEP_MEMORY = "dirty_decay_ms:5000,muzzy_decay_ms:-1"
"""Polars returns memory at once, only for a conversion to take it again a moment later."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


EXIT_CODES = (
    "Exit codes: 0 done, 1 the data or the run failed, 2 wrong usage, 3 done but a threshold was "
    "missed, 130 interrupted, 141 nobody reads the output."
)


@click.group(cls=Commands, context_settings=CONTEXT, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="pref")
def pref() -> None:
    """Feedback in, preference pairs out, every row accounted for.

    \b
      pref demo
      pref convert ratings.csv -o pairs
    """


for command in (
    convert.convert,
    inspect.inspect,
    formats.formats,
    schema.schema,
    judge.judge,
    agree.agree,
    export.export,
    train.train,
    evaluation.evaluate,
    demo.show,
):
    pref.add_command(command)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code, one of `EXIT_CODES`."""
    os.environ.setdefault("_RJEM_MALLOC_CONF", KEEP_MEMORY)
    accept_every_character()
    typed = list(sys.argv[1:] if args is None else args)
    code = exit_code_of(
        lambda: pref.main(args=typed, prog_name="pref", standalone_mode=False), typed
    )
    discard_unread()
    sys.exit(code)
