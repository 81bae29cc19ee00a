"""The command `demo`."""

from __future__ import annotations

from pathlib import Path

import click

from prefdata.cli.output import say


@click.command("demo")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default="pref-demo",
    show_default=True,
    help="Folder for the ratings, the data set and the model.",
)
@click.pass_context
def show(context: click.Context, output: Path) -> None:
    """Do the whole job on a small built-in example, in a minute.

    \b
      pref demo
      pref demo -o try

    Looks at ratings, converts them, trains a tiny model on the pairs and measures it on held-out
    ones. Each command is printed before it runs, so that you can repeat it.
    """
    from prefdata.demo import demo

    pref = context.find_root().command
    demo(output, run=lambda args: pref.main(args=args, standalone_mode=False), say=say)
