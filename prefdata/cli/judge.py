"""The command that asks judges: `judge`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefdata.cli.options import limit_of, read_options_from, reading, share_of
from prefdata.cli.output import console, results_alone, say, show_json, too_many_rejected
from prefdata.errors import InputError, JudgeError, PrefdataError, UsageError
from prefdata.transforms.options import PAIRINGS

if TYPE_CHECKING:
    from prefdata.judging.ask import Asking
    from prefdata.judging.cases import Inputs
    from prefdata.judging.client.endpoint import Endpoint
    from prefdata.judging.decide import Ruling
    from prefdata.judging.prompting.request import Question
    from prefdata.judging.report import JudgeReport
    from prefdata.training.evaluation.local_judge import LocalJudge


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
@click.option(
    "--test-size",
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="Share of prompts in the test split.",
)
@click.option(
    "--split-by",
    type=click.Choice(["prompt", "conversation"]),
    help="What stays on one side of the split.  [default: as the format needs]",
)
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
    **given: Any,
) -> int:
    """Ask models which response is better, and make pairs of what they say.

    \b
      pref judge answers.jsonl -o judged --model gpt-4o --dry-run
      pref judge answers.jsonl -o judged --model qwen --base-url http://localhost:8000/v1

    Each comparison is shown in both orders, and a verdict counts where both agree. Every call is
    kept in a journal beside OUT: the same command goes on where it was, and pays for nothing twice.
    """
    from prefdata.cli.views.judge import show_judging
    from prefdata.judging.judge import ask_judges
    from prefdata.report.progress import progress

    limit, least = limit_of(max_rejects), share_of(min_agreement)
    if least is not None and not calibrate:
        raise UsageError("--min-agreement needs a sample", hint="Name it with --calibrate FILE.")
    judges, how = _asked(given, needed=not dry_run)
    if dry_run:
        _show_plan(sources, output, judges, how, as_json=as_json)
        return 0
    how["local"] = _local
    if calibrate and not _calibrated(calibrate, output, judges, how, least, quiet=quiet):
        return 3
    screen = console()
    with progress(screen, quiet=quiet) as tell:
        report = ask_judges(sources, output, judges, **how, force=force, progress=tell)
    if not quiet:
        show_judging(report, screen)
    if as_json:
        show_json(report.to_dict())
    if report.stopped:
        if quiet:
            say(f"Stopped: {report.stopped}. Next: {report.remedy}")
        return 3
    if not report.judged:
        raise _in_vain(report)
    missed = too_many_rejected(report.rows_rejected, report.rows_read, limit, max_rejects)
    return 3 if missed else 0


def _in_vain(report: JudgeReport) -> PrefdataError:
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


def _asked(given: Mapping[str, Any], *, needed: bool) -> tuple[list[Endpoint], dict[str, Any]]:
    """The judges, and how they are asked, as the options say."""
    from prefdata.judging.client.endpoint import endpoints

    if given["no_wait"] and not given["batch"]:
        raise UsageError("--no-wait is about batches", hint="Add --batch, or leave --no-wait out.")
    names = ("base_url", "azure_version", "key_env", "key_file")
    judges, notes = endpoints(given["models"], **{n: given[n] for n in names}, needed=needed)
    for note in notes:
        say(f"Note: {note}")
    inputs = _inputs(given)
    return judges, {"asking": _asking(given), "ruling": _ruling(given), "inputs": inputs}


def _asking(given: Mapping[str, Any]) -> Asking:
    """How judges are asked, and what may be spent."""
    from prefdata.judging.ask import Asking
    from prefdata.judging.client.batch import Limits
    from prefdata.judging.client.prices import table
    from prefdata.judging.client.runner import Pace

    return Asking(
        question=_question(given),
        pace=Pace(given["concurrency"], given["rpm"], given["tpm"]),
        timeout=given["timeout"],
        max_cost=given["max_cost"],
        prices=table(given["prices"]),
        batch=Limits(wait=not given["no_wait"]) if given["batch"] else None,
        journal=given["journal"],
    )


def _ruling(given: Mapping[str, Any]) -> Ruling:
    """What makes a verdict a pair."""
    from prefdata.judging.decide import Ruling

    return Ruling(
        flips=given["flips"],
        orders=2 if given["orders"] == "both" else 1,
        veto=given["veto"],
        drop_flagged=given["flagged"] == "drop",
        weights=weights_from(given["weights"], given["models"]),
        strategy=given["strategy"],
        test_size=given["test_size"],
        seed=given["seed"],
    )


def _inputs(given: Mapping[str, Any]) -> Inputs:
    """What the sources do not say themselves."""
    from prefdata.judging.cases import Inputs

    return Inputs(
        read_options_from(given["columns"], given["winner"], given["label"], given["dimension"]),
        format=given["format_"],
        encoding=given["encoding"],
        split_by=given["split_by"] or "",
        max_comparisons=given["max_comparisons"],
    )


def _question(given: Mapping[str, Any]) -> Question:
    """What stands in a request."""
    from prefdata.judging.prompting.criteria import DEFAULT, parse
    from prefdata.judging.prompting.prompt import builtin, load
    from prefdata.judging.prompting.request import Question

    return Question(
        load(given["prompt_file"]) if given["prompt_file"] else builtin(),
        parse(given["criteria"]) if given["criteria"] else DEFAULT,
        given["reasoning"],
        given["max_tokens"],
        given["logprobs"],
    )


def _show_plan(
    sources: tuple[str, ...],
    output: str,
    judges: list[Endpoint],
    how: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Print what judging would come to."""
    from prefdata.cli.views.judge import plans_to_dicts, show_plan
    from prefdata.judging.judge import plan_judges

    found = plan_judges(sources, output, judges, **how)
    if as_json:
        show_json(plans_to_dicts(found))
    else:
        show_plan(found, console(stderr=False))


def _calibrated(
    sample: str,
    output: str,
    judges: list[Endpoint],
    how: dict[str, Any],
    least: float | None,
    *,
    quiet: bool,
) -> bool:
    """Hold the judges against a labelled sample, and weigh a jury by it; whether they may go on."""
    from dataclasses import replace

    from prefdata.agreement.calibration import jury_weights
    from prefdata.cli.views.agree import show_agreement
    from prefdata.judging.calibrate import calibrate_judges
    from prefdata.report.progress import progress

    screen = console()
    with progress(screen, quiet=quiet) as tell:
        agreed = calibrate_judges(sample, output, judges, **how, progress=tell)
    if not quiet:
        show_agreement(agreed, screen)
    missed = agreed.missed(least) if least is not None else []
    for each in missed:
        say(
            f"{each.annotator} agrees with {sample} in {each.accuracy}; "
            f"--min-agreement asks for {100 * (least or 0):g}%. Nothing else was judged."
        )
    for each in agreed.unproven(least) if least is not None and not quiet else ():
        say(
            f"{each.annotator} agrees with {sample} in {each.accuracy}; so few comparisons cannot "
            f"prove the {100 * (least or 0):g}% that --min-agreement asks for."
        )
    if len(judges) > 1 and not how["ruling"].weights:
        how["ruling"] = replace(how["ruling"], weights=jury_weights(agreed.agreement))
    return not missed


def _local(source: str) -> LocalJudge:
    """Load a model that runs in this process."""
    from prefdata.training.evaluation.local_judge import LocalJudge

    return LocalJudge(source)


def weights_from(given: tuple[str, ...], models: tuple[str, ...]) -> dict[str, float]:
    """The weight of each judge's vote, as ``MODEL=N`` says."""
    from prefdata.errors import UnknownNameError

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
