"""The command that asks judges: `judge`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefdata.cli.options import limit_of, reading, wishes_from
from prefdata.cli.output import console

if TYPE_CHECKING:
    from prefdata.train.judging import LocalJudge


@click.command()
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@click.option("-o", "--output", metavar="OUT", required=True, help="Data set directory to write.")
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="NAME[@URL]|hf:PATH",
    help="The judge; repeat it for a jury.",
)
@click.option("--base-url", default="", metavar="URL", help="Server of models without one.")
@click.option(
    "--azure-version", default="", metavar="DATE", help="The server is an Azure resource."
)
@click.option("--key-env", multiple=True, metavar="[URL=]NAME", help="Variable that holds the key.")
@click.option("--key-file", type=click.Path(path_type=Path), help="File of keys: URL KEY a line.")
@click.option("--criteria", default="", metavar="NAMES", help="What to judge by; name: definition.")
@click.option("--prompt-file", type=click.Path(path_type=Path), help="Another prompt.")
@click.option("--reasoning", is_flag=True, help="Have the judge compare in words first.")
@click.option("--logprobs", is_flag=True, help="Margins from log-probabilities, where given.")
@click.option(
    "--orders",
    type=click.Choice(["both", "one"]),
    default="both",
    show_default=True,
    help="Show each comparison in both orders, or in one that a hash chooses.",
)
@click.option(
    "--flips",
    type=click.Choice(["tie", "drop", "ask-again"]),
    default="drop",
    show_default=True,
    help="Where the verdict changes with the order.",
)
@click.option("--veto", default="", metavar="CRITERION", help="Drop winners that are worse on it.")
@click.option(
    "--flagged",
    type=click.Choice(["drop", "keep"]),
    default="drop",
    show_default=True,
    help="Winners that speak to the judge.",
)
@click.option("--weight", "weights", multiple=True, metavar="MODEL=N", help="Weight of a vote.")
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=2048,
    show_default=True,
    help="Tokens of a reply, hidden reasoning included.",
)
@click.option("--max-cost", type=click.FloatRange(0), metavar="DOLLARS", help="Stop before it.")
@click.option("--prices", type=click.Path(path_type=Path), help="Prices of more models, as JSON.")
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="The most requests under way, each judge.",
)
@click.option("--rpm", type=click.FloatRange(0), default=0, help="Requests per minute.")
@click.option("--tpm", type=click.FloatRange(0), default=0, help="Tokens per minute.")
@click.option("--batch", is_flag=True, help="Ask through the provider's batch service.")
@click.option("--no-wait", is_flag=True, help="Send batches and end; run again to collect.")
@click.option(
    "--timeout",
    type=click.FloatRange(1),
    default=120,
    show_default=True,
    help="Seconds that a reply may take.",
)
@click.option("--journal", default="", metavar="FILE", help="Calls.  [default: OUT.journal]")
@click.option(
    "--test-size",
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="Share of prompts in the test split.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the split.")
@reading
@click.option("--max-rejects", metavar="N|P%", help="Exit with 3 if more rows are rejected.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what it would cost; ask nothing.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing data set directory.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no summary.")
def judge(
    sources: tuple[str, ...],
    output: str,
    models: tuple[str, ...],
    base_url: str,
    azure_version: str,
    key_env: tuple[str, ...],
    key_file: Path | None,
    criteria: str,
    prompt_file: Path | None,
    reasoning: bool,
    logprobs: bool,
    orders: str,
    flips: str,
    veto: str,
    flagged: str,
    weights: tuple[str, ...],
    max_tokens: int,
    max_cost: float | None,
    prices: Path | None,
    concurrency: int,
    rpm: float,
    tpm: float,
    batch: bool,
    no_wait: bool,
    timeout: float,
    journal: str,
    test_size: float,
    seed: int,
    columns: tuple[str, ...],
    winner: tuple[str, ...],
    label: tuple[str, ...],
    dimension: str,
    format_: str,
    encoding: str,
    max_rejects: str | None,
    dry_run: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Ask models which response is better, and make pairs of what they say.

    \b
      pref judge answers.jsonl -o judged --model gpt-4o --dry-run
      pref judge answers.jsonl -o judged --model qwen --base-url http://localhost:8000/v1

    Each comparison is shown in both orders, and a verdict counts where both agree. Every call is
    kept in a journal beside OUT: the same command goes on where it was, and pays for nothing twice.
    """
    from prefdata.engine.asking import Asking
    from prefdata.engine.cases import Inputs
    from prefdata.engine.judging import ask_judges, plan_judges
    from prefdata.engine.terminal import planned, show_judging, show_plan
    from prefdata.engine.verdicts import Ruling
    from prefdata.judge.batch import Limits
    from prefdata.judge.criteria import DEFAULT, parse
    from prefdata.judge.endpoint import endpoints
    from prefdata.judge.prices import table
    from prefdata.judge.prompt import builtin, load
    from prefdata.judge.request import Question
    from prefdata.judge.runner import Pace
    from prefdata.report.progress import progress

    limit = limit_of(max_rejects)
    judges, notes = endpoints(
        models,
        base_url=base_url,
        azure_version=azure_version,
        key_env=key_env,
        key_file=key_file,
        needed=not dry_run,
    )
    for note in notes:
        click.echo(f"Note: {note}", err=True)
    question = Question(
        load(prompt_file) if prompt_file else builtin(),
        parse(criteria) if criteria else DEFAULT,
        reasoning,
        max_tokens,
        logprobs,
    )
    limits = Limits(wait=not no_wait) if batch else None
    asking = Asking(
        question, Pace(concurrency, rpm, tpm), timeout, max_cost, table(prices), limits, journal
    )
    ruling = Ruling(
        flips=flips,  # type: ignore[arg-type]
        orders=2 if orders == "both" else 1,
        veto=veto,
        drop_flagged=flagged == "drop",
        weights=weights_from(weights, models),
        test_size=test_size,
        seed=seed,
    )
    how: dict[str, Any] = {
        "asking": asking,
        "ruling": ruling,
        "inputs": Inputs(wishes_from(columns, winner, label, dimension), format_, encoding),
    }
    screen = console()
    with progress(screen, quiet=quiet) as tell:
        if dry_run:
            found = plan_judges(sources, output, judges, **how, progress=tell)
        else:
            local = _local if any(each.is_local for each in judges) else None
            report = ask_judges(
                sources, output, judges, **how, force=force, local=local, progress=tell
            )
    if dry_run:
        if as_json:
            click.echo(json.dumps(planned(found), indent=2, ensure_ascii=False))
        else:
            show_plan(found, console(stderr=False))
        return 0
    if not quiet:
        show_judging(report, screen)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    if report.stopped:
        return 3
    if limit is not None and report.rows_rejected > limit(report.rows_read):
        click.echo(
            f"{report.rows_rejected:,} of {report.rows_read:,} rows were rejected; "
            f"--max-rejects allows {max_rejects}",
            err=True,
        )
        return 3
    return 0


def _local(source: str) -> LocalJudge:
    """Load a model that runs in this process."""
    from prefdata.train.judging import LocalJudge

    return LocalJudge(source)


def weights_from(given: tuple[str, ...], models: tuple[str, ...]) -> dict[str, float]:
    """The weight of each judge's vote, as ``MODEL=N`` says."""
    from prefdata.errors import UnknownNameError, UsageError

    found = {}
    for each in given:
        model, _, number = each.rpartition("=")
        if model not in models:
            raise UnknownNameError("judge", model, models, where="--weight")
        try:
            found[model] = float(number)
        except ValueError:
            found[model] = -1.0
        if not 0 <= found[model] < float("inf"):
            raise UsageError(
                f"--weight {each!r} has no number of 0 or more", hint="Write --weight gpt-4o=0.8."
            )
    return found
