"""The command `export`."""

from __future__ import annotations

from pathlib import Path

import click

from prefdata.cli.output import console, show_json


def _targets(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """The targets that start as typed, for the shell."""
    from prefdata.exporting.registry import TARGETS

    return [name for name in TARGETS if name.startswith(typed)]


class ExportCommand(click.Command):
    """Lists the targets in its help; they are loaded only then."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does, and the targets below."""
        from prefdata.exporting.registry import TARGETS

        super().format_help_text(ctx, formatter)
        width = max(map(len, TARGETS)) + 2
        formatter.write_paragraph()
        with formatter.indentation():
            for name, target in TARGETS.items():
                formatter.write(f"{'':{formatter.current_indent}}{name:{width}}{target.help}\n")


@click.command(cls=ExportCommand)
@click.argument("source", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "target",
    metavar="TARGET",
    required=True,
    shell_complete=_targets,
    help="What takes the data; see below.",
)
@click.option("-o", "--output", metavar="DIR", required=True, help="Folder to write.")
@click.option("--plain", is_flag=True, help="Plain text, not messages (trl, trl-reward, kto, sft).")
@click.option(
    "--unpaired", is_flag=True, help="Pairs as labelled answers, where the target can take them."
)
@click.option("--seed", default=0, show_default=True, help="Seed of the order of labelled answers.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing export.")
@click.option("-n", "--dry-run", is_flag=True, help="Check and count, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no summary.")
def export(
    source: Path,
    target: str,
    output: str,
    plain: bool,
    unpaired: bool,
    seed: int,
    force: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a data set directory for another trainer or service.

    \b
      pref export pairs --to llama-factory -o for-llama-factory
      pref export pairs --to kto -o for-kto --dry-run

    The folder holds the data of each split, the configuration that finds it, and the account:
    rows that the target cannot hold are refused with the reason, columns that it does not take
    are named.
    """
    from prefdata.cli.views.export import show_export
    from prefdata.exporting.export import export as run
    from prefdata.report.progress import progress

    screen = console()
    with progress(screen, quiet=quiet) as on_progress:
        report = run(
            source,
            target,
            output,
            plain=plain,
            unpaired=unpaired,
            seed=seed,
            force=force,
            dry_run=dry_run,
            progress=on_progress,
        )
    if not quiet:
        show_export(report, screen)
    if as_json:
        show_json(report.to_dict())
