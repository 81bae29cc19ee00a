"""The command that asks judges: `judge`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefdata.cli.options import (
    READING,
    limit_of,
    read_options_from,
    reading,
    share_of,
    verdict_pairing,
    verdict_pairing_from,
)
from prefdata.cli.output import (
    console,
    errors_as_json,
    results_alone,
    say,
    show_json,
    too_many_rejected,
)
from prefdata.errors import InputError, JudgeError, PrefdataError, UsageError
from prefdata.transforms.options import PAIRINGS

if TYPE_CHECKING:
    from prefdata.judging.options import JudgePlan
    from prefdata.judging.report import JudgeReport


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
    "--max-comparisons",
    type=click.IntRange(1),
    metavar="N",
    help="Of the responses to one prompt: a tournament, where each two would be more.",
)
@click.option(
    "--strategy",
    type=click.Choice(["judged", *PAIRINGS]),
    default="judged",
    show_default=True,
    help="Of three or more responses, pair those that were compared, or by their ranking.",
)
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
@verdict_pairing
@click.option("--seed", default=0, show_default=True, help="Seed of the split and of tournaments.")
@reading
@click.option("--max-rejects", metavar="N|P%", help="Exit with 3 if more rows are rejected.")
@click.option(
    "--calibrate",
    metavar="FILE",
    help="Judge this labelled sample first; a jury is weighed by it.",
)
@click.option(
    "--min-agreement", metavar="N|P%", help="Go no further where a judge agrees less with it."
)
@click.option("-n", "--dry-run", is_flag=True, help="Say what it would cost; ask nothing.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing data set directory.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no summary.")
@results_alone()
@errors_as_json()
def judge(
    sources: tuple[str, ...],
    output: str,
    calibrate: str | None,
    min_agreement: str | None,
    max_rejects: str | None,
    dry_run: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
    **values: Any,
) -> int:
    """Ask models which response is better, and make pairs of what they say.

    \b
      pref judge answers.jsonl -o judged --model gpt-4o --dry-run
      pref judge answers.jsonl -o judged --model qwen --base-url http://localhost:8000/v1

    Each comparison is shown in both orders, and a verdict counts where both agree. Every call is
    kept in a journal beside OUT: the same command goes on where it was, and pays for nothing twice.
    """
    from prefdata.cli.views.judge import show_judging
    from prefdata.judging.judge import run_plan
    from prefdata.report.progress import progress

    limit, min_share = limit_of(max_rejects), share_of(min_agreement)
    if min_share is not None and not calibrate:
        raise UsageError("--min-agreement needs a sample", hint="Name it with --calibrate FILE.")
    plan = plan_from(values, needs_key=not dry_run)
    if dry_run:
        _show_plan(sources, output, plan, as_json=as_json)
        return 0
    if calibrate:
        plan, agrees = _calibrate(calibrate, output, plan, min_share, quiet=quiet)
        if not agrees:
            return 3
    screen = console()
    with progress(screen, quiet=quiet) as on_progress:
        report = run_plan(sources, output, plan, force=force, progress=on_progress)
    if not quiet:
        show_judging(report, screen)
    if as_json:
        show_json(report.to_dict())
    if report.stopped:
        if quiet:
            say(f"Stopped: {report.stopped}. Next: {report.remedy}")
        return 3
    if not report.judged:
        raise _no_verdict(report)
    missed = too_many_rejected(report.rows_rejected, report.rows_read, limit, max_rejects)
    return 3 if missed else 0


def _no_verdict(report: JudgeReport) -> PrefdataError:
    """Why a run that came to its end failed all the same."""
    if not report.comparisons:
        return InputError(
            f"no row of {report.rows_read:,} gave a comparison",
            hint=f"{report.output}/rejects says of each row why.",
        )
    causes = ", ".join(f"{number:,} of {why!r}" for why, number in report.verdicts.items())
    return JudgeError(
        f"none of the comparisons has a verdict: {causes}",
        hint=f"{report.output}/calls holds every reply; another --model may do better.",
    )


def plan_from(values: Mapping[str, Any], *, needs_key: bool) -> JudgePlan:
    """The plan of a run, as the options of the command say."""
    from prefdata.judging.options import judge_plan

    other = {name: value for name, value in values.items() if name not in OWN_FORM}
    plan = judge_plan(
        **{**other, **verdict_pairing_from({name: values[name] for name in PAIRING_NAMES})},
        needs_key=needs_key,
        read_options=read_options_from(*(values[name] for name in READING)),
        format=values["format_"],
        wait=not values["no_wait"],
        veto=values["veto"],
        weights=weights_from(values["weights"], values["models"]),
    )
    for note in plan.notes:
        say(f"Note: {note}")
    return plan


PAIRING_NAMES = (
    *("conflicts", "min_margin", "test_size", "seed", "split", "split_by"),
    *("keep", "cap", "mix", "filters"),
)
"""The options that the maker of pairs takes."""

OWN_FORM = (*READING, *PAIRING_NAMES, "format_", "no_wait", "veto", "weights")
"""The options that the library has in a form of its own."""


def _show_plan(sources: tuple[str, ...], output: str, plan: JudgePlan, *, as_json: bool) -> None:
    """Print what judging would cost."""
    from prefdata.cli.views.judge import plans_to_dicts, show_plan
    from prefdata.judging.judge import estimate_costs

    estimates = estimate_costs(sources, output, plan)
    if as_json:
        show_json(plans_to_dicts(estimates))
    else:
        show_plan(estimates, console(stderr=False))


def _calibrate(
    sample: str, output: str, plan: JudgePlan, min_share: float | None, *, quiet: bool
) -> tuple[JudgePlan, bool]:
    """Hold the judges against a labelled sample.

    Returns:
        The plan, with a jury weighed by its agreement; and whether the judges may go on.
    """
    from dataclasses import replace

    from prefdata.agreement.jury_weights import jury_weights
    from prefdata.cli.views.agree import show_agreement
    from prefdata.judging.calibrate import calibrate
    from prefdata.report.progress import progress

    screen = console()
    with progress(screen, quiet=quiet) as on_progress:
        report = calibrate(sample, output, plan, progress=on_progress)
    if not quiet:
        show_agreement(report, screen)
    missed = report.missed(min_share) if min_share is not None else []
    for each in missed:
        say(
            f"{each.annotator} agrees with {sample} in {each.accuracy}; "
            f"--min-agreement asks for {100 * (min_share or 0):g}%. Nothing else was judged."
        )
    for each in report.unproven(min_share) if min_share is not None and not quiet else ():
        say(
            f"{each.annotator} agrees with {sample} in {each.accuracy}; so few comparisons cannot "
            f"prove the {100 * (min_share or 0):g}% that --min-agreement asks for."
        )
    if len(plan.endpoints) > 1 and not plan.policy.weights:
        policy = replace(plan.policy, weights=jury_weights(report.agreement))
        plan = replace(plan, policy=policy)
    return plan, not missed


def weights_from(texts: tuple[str, ...], models: tuple[str, ...]) -> dict[str, float]:
    """The weight of each judge's vote, as ``MODEL=N`` says."""
    from prefdata.errors import UnknownNameError

    weights = {}
    for each in texts:
        model, _, number = each.rpartition("=")
        if model not in models:
            raise UnknownNameError("judge", model, models, where="--weight")
        try:
            weights[model] = float(number)
        except ValueError:
            weights[model] = -1.0
        if not 0 <= weights[model] < float("inf"):
            raise UsageError(
                f"--weight {each!r} has no number of 0 or more", hint="Write --weight gpt-4o=0.8."
            )
    return weights
