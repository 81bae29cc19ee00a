"""Where commands print: data to stdout, everything else to stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def console(*, stderr: bool = True) -> Console:
    """A console as wide as the terminal, or 100 columns where there is none."""
    from prefdata.cli.screen import Screen

    return Screen(stderr=stderr)


def say(line: str) -> None:
    """A line of progress: to stderr, as stdout is for data."""
    click.echo(line, err=True)


def nothing(_line: str) -> None:
    """Say nothing."""


def show_table(table: Table) -> None:
    """A table, to stderr."""
    console().print(table)
