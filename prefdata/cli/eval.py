"""The command that measures: `eval`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from prefdata.cli.launch import without_processes
from prefdata.cli.output import nothing, results_alone, say, show_json, show_table

if TYPE_CHECKING:
    from prefdata.stats.gates import ConditionResult
    from prefdata.training import Estimate, Evaluation, Prompting


@click.command("eval")
@click.argument("model")
@click.option(
    "-d",
    "--data",
    metavar="OUT",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Data set directory to measure on; repeat it for several.",
)
@click.option("--reference", metavar="PATH|NAME", help="What the model started from.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    metavar="N",
    default=8,
    show_default=True,
    help="Answers per forward pass; changes no figure.",
)
@click.option("--max-length", type=click.IntRange(8), help="Tokens.  [default: as it was trained]")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    default="float32",
    show_default=True,
    help="Of the weights while they are measured.",
)
@click.option(
    "--prompts",
    metavar="FILE|OUT",
    type=click.Path(path_type=Path),
    help="Answer these prompts.  [default with --generate: the held-out ones]",
)
@click.option("--generate", "answers", type=click.IntRange(1), metavar="N", help="Answers each.")
@click.option("--most-prompts", type=click.IntRange(1), metavar="N", help="Answer so many.")
@click.option(
    "--max-new-tokens",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="Of an answer.",
)
@click.option(
    "--temperature", type=click.FloatRange(0), help="Of the answers.  [default: 0; 1 for several]"
)
@click.option("--seed", default=0, show_default=True, help="Of the sampling.")
@click.option(
    "--judged",
    multiple=True,
    metavar="OUT",
    type=click.Path(path_type=Path),
    help="The answers, as 'pref judge' or 'pref label' judged them: gives win_rate.",
)
@click.option("--gate", metavar="CONDITIONS", help="Exit with 3 unless the figures meet them.")
@click.option("--benchmark", "benchmarks", multiple=True, metavar="TASK", help="Of lm-eval.")
@click.option("--benchmark-limit", type=click.IntRange(1), metavar="N", help="Questions of each.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Devices of this machine to measure on.",
)
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="Keep rows and answers."
)
@click.option("-f", "--force", is_flag=True, help="Replace an existing output.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no table.")
@results_alone()
def evaluate(
    model: str,
    data: tuple[Path, ...],
    reference: str | None,
    batch_size: int,
    max_length: int | None,
    dtype: Literal["float32", "bfloat16", "float16"],
    prompts: Path | None,
    answers: int | None,
    most_prompts: int | None,
    max_new_tokens: int,
    temperature: float | None,
    seed: int,
    judged: tuple[Path, ...],
    gate: str | None,
    benchmarks: tuple[str, ...],
    benchmark_limit: int | None,
    processes: int,
    output: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure a model on the held-out pairs of data set directories.

    \b
      pref eval pairs-dpo --data pairs
      pref eval pairs-dpo --data pairs --gate "accuracy>=0.65 and kl<=20"

    \b
    accuracy         how often the chosen answer is the likelier one
    reward_accuracy  how often it has the higher implicit reward, against the reference
    reward_margin    by how much, on average
    kl               how far the model has moved, in nats per answer
    length_accuracy  what always taking the longer answer would reach
    win_rate         how often judges prefer the model's answers to those of the reference

    A gate may use every figure, and .low and .high for the ends of its interval.
    """
    from prefdata.stats.gates import parse_gate
    from prefdata.training import evaluate as measure
    from prefdata.training.evaluation.evalreport import prepare_output, report_on, write_evaluation
    from prefdata.training.evaluation.lm_eval import benchmark, require_benchmarks
    from prefdata.training.evaluation.metrics import METRICS
    from prefdata.training.model.distributed import is_main, launch

    conditions = parse_gate(gate, METRICS) if gate else []
    if benchmarks:
        require_benchmarks()
    existing = prepare_output(output, force=force)
    rate = win_rate(judged) if judged else None
    if processes > 1:
        return launch(processes, without_processes())
    told = nothing if quiet or not is_main() else say
    found = measure(
        model,
        data=data,
        reference=reference,
        batch_size=batch_size,
        max_length=max_length,
        dtype=dtype,
        prompting=_prompting(prompts, answers, most_prompts, max_new_tokens, temperature, seed),
        say=told,
    )
    found = found if rate is None else found.with_win_rate(rate)
    if not is_main():
        return 0
    report, checked = report_on(found, conditions)
    if benchmarks:
        report["benchmarks"] = benchmark(model, benchmarks, limit=benchmark_limit, say=told)
    if output is not None:
        write_evaluation(found, report, output, existing)
    if as_json:
        show_json(report)
    return _shown(found, checked, output, quiet=quiet)


def _prompting(
    prompts: Path | None,
    answers: int | None,
    most: int | None,
    max_new_tokens: int,
    temperature: float | None,
    seed: int,
) -> Prompting | None:
    """How prompts are answered, where that is asked for; several answers are sampled."""
    from prefdata.training import Prompting

    if prompts is None and answers is None:
        return None
    default = 1.0 if (answers or 1) > 1 else 0.0
    warmth = default if temperature is None else temperature
    return Prompting(prompts, answers or 1, most, max_new_tokens, warmth, seed)


def _shown(
    found: Evaluation, checked: Sequence[ConditionResult], output: Path | None, *, quiet: bool
) -> int:
    """Say what was found, and give the exit code."""
    if not quiet:
        show_table(found.table())
        if sliced := found.slice_table():
            show_table(sliced)
    code = _passed(checked, quiet=quiet)
    if not quiet:
        say(_next_step(output, answered=bool(found.generations)))
    return code


def _passed(checked: Sequence[ConditionResult], *, quiet: bool) -> int:
    """Say what came of the gate, the misses even when quiet, and give the exit code."""
    for one in checked:
        if not one.met or not quiet:
            say(f"gate: {one}")
    return 0 if all(one.met for one in checked) else 3


def _next_step(output: Path | None, *, answered: bool) -> str:
    if output is None:
        return "next: keep rows and answers with -o, or hold the figures to a --gate"
    if not answered:
        return f"next: look at {output / 'eval_rows.parquet'}, one row per pair"
    answers = output / "generations.jsonl"
    return f"next: pref judge {answers} -o judged --model NAME, then pref eval … --judged judged"


def win_rate(judged: Sequence[Path]) -> Estimate:
    """How often judges prefer the model's answers; a prompt with several counts once."""
    from prefdata.agreement.before_after import before_after
    from prefdata.training import Estimate

    rate = before_after(judged).rate
    return Estimate(rate.value, rate.low, rate.high, rate.n)
