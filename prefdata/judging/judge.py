"""Judging as one call: comparisons in, a data set directory with verdicts and pairs out."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from prefdata.conversion.convert import Progress
from prefdata.conversion.report import source_reports, write_manifest_and_card
from prefdata.errors import UsageError
from prefdata.io.dataset.atomic_dir import refuse_existing, replacing
from prefdata.io.readers.memory import Sources
from prefdata.io.readers.sources import open_sources
from prefdata.judging.ask import JudgeConfig, LoadModel, ask, all_requests
from prefdata.judging.cases import SourceOptions, read_comparisons
from prefdata.judging.client.cost_estimate import CostEstimate, estimate
from prefdata.judging.client.endpoint import LOCAL_PREFIX, Endpoint
from prefdata.judging.client.journal import Journal
from prefdata.judging.client.local import WordScorer
from prefdata.judging.client.prices import price_of
from prefdata.judging.client.runner import likely_capabilities
from prefdata.judging.decide import Judge, VerdictPolicy
from prefdata.judging.output import OutputWriter
from prefdata.judging.prompting.request import RequestBuilder
from prefdata.judging.report import JudgeRun, JudgeReport, judge_report
from prefdata.judging.tournament_rounds import TournamentRounds
from prefdata.transforms.options import Options


def ask_judges(
    sources: Sources,
    output: str | Path,
    judges: Sequence[Endpoint],
    *,
    config: JudgeConfig | None = None,
    policy: VerdictPolicy | None = None,
    source_options: SourceOptions | None = None,
    force: bool = False,
    local: LoadModel | None = None,
    progress: Progress | None = None,
) -> JudgeReport:
    """Ask judges which response is better, and make pairs of what they say.

    Args:
        sources: one or several: paths, globs, folders, ``"-"`` for standard input, frames of
            Polars, pandas, PyArrow or datasets, lists of dictionaries or records.
        output: the directory to write; it appears when all is done, or not at all.
        judges: the models, and where they are asked.
        config: how they are asked.
        policy: what makes a verdict a pair.
        source_options: what the sources do not say themselves, such as which column is which.
        force: replace a data set directory that exists.
        local: loads a judge that runs in this process, such as
            `prefdata.training.evaluation.local_judge.LocalJudge`.
        progress: is called now and then.

    Returns:
        The account of every row, what each judge said, and what it cost.

    Raises:
        UsageError: the request cannot be met as it was made.
        InputError: a source cannot be used.
        JudgeError: a judge cannot be asked; what was paid for is in the journal.
    """
    begun, target = time.monotonic(), Path(output)
    config, policy, source_options = config or JudgeConfig(), policy or VerdictPolicy(), source_options or SourceOptions()
    _check(judges, config, policy)
    on_progress = progress or (lambda _stage, _done, _total: None)
    existing = refuse_existing(
        target, force=force or _is_unfinished(target), marker="manifest.json"
    )
    path = journal_path(target, config)
    scorers, judges = _loaded(judges, local)
    with (
        open_sources(sources) as files,
        replacing(target, existing) as folder,
    ):
        hashes = [each.sha256() for each in files]
        cases = read_comparisons(files, folder, source_options, on_progress)
        with open_journal(path) as journal:
            asked = asyncio.run(ask(cases, judges, scorers, config, policy, journal, on_progress))
            output_of = OutputWriter(folder, cases, asked.judges, policy, journal)
            made = output_of.write(partial(on_progress, "writing"))
            spent = {each.model: journal.spent(each.lane) for each in judges}
        cases.close()
        job = JudgeRun(target, path, config, policy, cases, asked, made, spent)
        read = source_reports(cases.recognised, hashes, cases.account)
        report = judge_report(job, read, time.monotonic() - begun)
        write_manifest_and_card(folder, report)
    return report


def plan_judges(
    sources: Sources,
    output: str | Path,
    judges: Sequence[Endpoint],
    *,
    config: JudgeConfig | None = None,
    policy: VerdictPolicy | None = None,
    source_options: SourceOptions | None = None,
    progress: Progress | None = None,
) -> list[CostEstimate]:
    """Say what `ask_judges` would ask and what that would cost; asks nothing and writes nothing.

    The arguments are those of `ask_judges`.

    Returns:
        One estimate per judge.
    """
    config, policy, source_options = config or JudgeConfig(), policy or VerdictPolicy(), source_options or SourceOptions()
    _check(judges, config, policy)
    path = journal_path(Path(output), config)
    on_progress = progress or (lambda _stage, _done, _total: None)
    with (
        open_sources(sources) as files,
        tempfile.TemporaryDirectory(prefix="prefdata-") as scratch,
    ):
        folder = Path(scratch) / "new"
        folder.mkdir()
        cases = read_comparisons(files, folder, source_options, on_progress)
        with open_journal(path if path.exists() else Path(":memory:")) as journal:
            forms = [_form(each, config, journal) for each in judges]
            named = [Judge(each.model, form) for each, form in zip(judges, forms, strict=True)]
            TournamentRounds(cases, named, policy, journal).play_out()
            return [
                estimate(
                    all_requests(cases.buckets, policy),
                    form,
                    each.lane,
                    journal,
                    price_of(each.model, config.prices, local=each.is_local),
                )
                for each, form in zip(judges, forms, strict=True)
            ]


def _form(judge: Endpoint, config: JudgeConfig, journal: Journal) -> RequestBuilder:
    """How requests to a judge are written, as far as it is known."""
    style = likely_capabilities(journal, judge.lane, config.question)
    return RequestBuilder(config.question, style, url=judge.url, model=judge.model)


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """A journal, closed at the end."""
    journal = Journal(path)
    try:
        yield journal
    finally:
        journal.close()


def journal_path(output: Path, config: JudgeConfig) -> Path:
    """The file of calls of a run."""
    return Path(config.journal) if config.journal else output.with_name(output.name + ".journal")


def _check(judges: Sequence[Endpoint], config: JudgeConfig, policy: VerdictPolicy) -> None:
    """Refuse what cannot be met, before anything is read."""
    if not judges:
        raise UsageError("no judge is named", hint="Name one with --model, as in --model gpt-4o.")
    if not all(each.model.strip() for each in judges):
        raise UsageError("a judge has no name", hint="Name it, as in --model gpt-4o.")
    _check_numbers(config, policy)
    names = [each.name for each in config.question.criteria]
    if policy.veto and policy.veto not in names:
        raise UsageError(
            f"--veto {policy.veto} is not among the criteria: {', '.join(names)}",
            hint="Name it with --criteria too.",
        )
    unpriced = [
        each.model
        for each in judges
        if not price_of(each.model, config.prices, local=each.is_local)
    ]
    if config.max_cost is not None and unpriced:
        raise UsageError(
            f"--max-cost needs the price of {', '.join(unpriced)}, which is not known",
            hint="Give it with --prices FILE.",
        )
    models = [each.model for each in judges]
    if len(set(models)) < len(models):
        raise UsageError(
            "two judges have the same name", hint="Verdicts are told apart by the model's name."
        )


def _check_numbers(config: JudgeConfig, policy: VerdictPolicy) -> None:
    """Limits are numbers: one that is not would never be reached."""
    limits = {
        "--max-cost": config.max_cost or 0.0,
        "--timeout": config.timeout,
        "--rpm": config.pace.rpm,
        "--tpm": config.pace.tpm,
    }
    for option, value in limits.items():
        if not value >= 0:
            raise UsageError(f"{option} is {value:g}; expected a number", hint="Write it as in 10.")
    Options(test_size=policy.test_size)


def _loaded(
    judges: Sequence[Endpoint], load: LoadModel | None
) -> tuple[dict[str, WordScorer], list[Endpoint]]:
    """The models that run in this process, and the judges with the fingerprints of these."""
    if load is None and any(each.is_local for each in judges):
        raise UsageError("a local model needs something to load it", hint="Pass local=….")
    scorers = {each.model: load(each.model) for each in judges if each.is_local and load}
    named = [
        replace(each, url=f"{LOCAL_PREFIX}{scorers[each.model].fingerprint}") if each.is_local else each
        for each in judges
    ]
    return scorers, named


def _is_unfinished(target: Path) -> bool:
    """Whether a directory is what a run left that did not judge everything."""
    try:
        manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("complete") is False
