"""Judging as one call: comparisons in, a data set directory with verdicts and pairs out."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar, Unpack

from prefdata.conversion.report import source_reports, write_manifest_and_card
from prefdata.io.dataset.atomic_dir import refuse_existing, replacing
from prefdata.io.readers.memory import Sources
from prefdata.io.readers.sources import open_sources
from prefdata.judging.ask import AskResult, JudgeConfig, all_requests, ask_all
from prefdata.judging.client.cost_estimate import CostEstimate, estimate
from prefdata.judging.client.endpoint import LOCAL_PREFIX, Endpoint
from prefdata.judging.client.journal import Journal
from prefdata.judging.client.local import WordScorer
from prefdata.judging.client.prices import price_of
from prefdata.judging.client.runner import likely_capabilities
from prefdata.judging.comparison_store import ComparisonStore, read_comparisons
from prefdata.judging.decide import Judge
from prefdata.judging.options import JudgeOptions, JudgePlan, judge_plan
from prefdata.judging.output import OutputWriter
from prefdata.judging.prompting.request import RequestBuilder
from prefdata.judging.report import JudgeReport, JudgeRun, judge_report
from prefdata.judging.tournament_rounds import TournamentRounds
from prefdata.report.progress import Progress

Result = TypeVar("Result")


def judge(
    sources: Sources,
    output: str | Path,
    *,
    models: str | Sequence[str] = (),
    endpoints: Sequence[Endpoint] = (),
    force: bool = False,
    progress: Progress | None = None,
    **options: Unpack[JudgeOptions],
) -> JudgeReport:
    """Ask models which response is better, and make pairs of what they say.

    Args:
        sources: one or several: paths, globs, folders, ``"-"`` for standard input, frames of
            Polars, pandas, PyArrow or datasets, lists of dictionaries or records.
        output: the directory to write; it appears when all is done, or not at all.
        models: the judges; ``NAME@URL`` for a server of its own, ``hf:PATH`` for a local model.
        endpoints: judges whose server and key are known already, beside the models.
        force: replace a data set directory that exists.
        progress: called now and then with the stage, how much of it is done, and of how much.
        options: how to judge: the options of ``pref judge``.

    Returns:
        The account of every row, what each judge said, and what it cost.

    Raises:
        UsageError: the request cannot be met as it was made.
        InputError: a source cannot be used.
        JudgeError: a judge cannot be asked; what was paid for is in the journal.
    """
    plan = judge_plan(models, endpoints, **options)
    _warn(plan)
    return run_plan(sources, output, plan, force=force, progress=progress)


async def ajudge(
    sources: Sources,
    output: str | Path,
    *,
    models: str | Sequence[str] = (),
    endpoints: Sequence[Endpoint] = (),
    force: bool = False,
    progress: Progress | None = None,
    **options: Unpack[JudgeOptions],
) -> JudgeReport:
    """As `judge`, on the running event loop; files are read and written in another thread."""
    plan = judge_plan(models, endpoints, **options)
    _warn(plan)
    with ExitStack() as stack:
        opening = _open_run(sources, output, plan, force=force, on_progress=progress or _silent)
        run = await _in_thread(lambda: stack.enter_context(opening))
        replies = await run.ask()
        return await _in_thread(lambda: run.finish(replies))


def run_plan(
    sources: Sources,
    output: str | Path,
    plan: JudgePlan,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> JudgeReport:
    """As `judge`, of a plan.

    Only asking runs on an event loop, so that an interrupt ends reading and writing at once.
    """
    on_progress = progress or _silent
    with _open_run(sources, output, plan, force=force, on_progress=on_progress) as run:
        return run.finish(_wait_for(run.ask()))


def estimate_costs(
    sources: Sources,
    output: str | Path,
    plan: JudgePlan,
    *,
    progress: Progress | None = None,
) -> list[CostEstimate]:
    """Say what `run_plan` would ask and what that would cost; asks nothing and writes nothing.

    Args:
        sources: as in `judge`.
        output: as in `judge`; what its journal has needs no call.
        plan: who is to be asked, and how.
        progress: as in `judge`.

    Returns:
        One estimate per judge.
    """
    plan.check()
    config, policy = plan.config, plan.policy
    path = journal_path(Path(output), config)
    with (
        open_sources(sources) as files,
        tempfile.TemporaryDirectory(prefix="prefdata-") as scratch,
    ):
        folder = Path(scratch) / "new"
        folder.mkdir()
        store = read_comparisons(
            files, folder, plan.comparison_options, policy.pairing, progress or _silent
        )
        with closing(Journal(path if path.exists() else Path(":memory:"))) as journal:
            builders = {each: _builder(each, config, journal) for each in plan.endpoints}
            judges = [Judge(each.model, builder) for each, builder in builders.items()]
            TournamentRounds(store, judges, policy, journal).play_all()
            return [
                estimate(
                    all_requests(store.buckets, policy),
                    builder,
                    each.address,
                    journal,
                    price_of(each.model, config.prices, local=each.is_local),
                )
                for each, builder in builders.items()
            ]


def _builder(endpoint: Endpoint, config: JudgeConfig, journal: Journal) -> RequestBuilder:
    """Writes the requests to a judge, as far as it is known what it understands."""
    capabilities = likely_capabilities(journal, endpoint.address, config.prompt)
    return RequestBuilder(config.prompt, capabilities, url=endpoint.url, model=endpoint.model)


def journal_path(output: Path, config: JudgeConfig) -> Path:
    """The file of calls of a run."""
    return Path(config.journal) if config.journal else output.with_name(output.name + ".journal")


@dataclass(frozen=True)
class _OpenRun:
    """A run whose sources are read; its files lie in a folder that is not yet in its place."""

    start: float
    folder: Path
    output: Path
    plan: JudgePlan
    scorers: dict[str, WordScorer]
    store: ComparisonStore
    hashes: list[str]
    journal: Journal
    on_progress: Progress

    async def ask(self) -> AskResult:
        """Ask all judges."""
        plan = self.plan
        return await ask_all(
            self.store,
            plan.endpoints,
            self.scorers,
            plan.config,
            plan.policy,
            self.journal,
            self.on_progress,
        )

    def finish(self, replies: AskResult) -> JudgeReport:
        """Write the data set directory."""
        plan, store, journal = self.plan, self.store, self.journal
        writer = OutputWriter(self.folder, store, replies.judges, plan.policy, journal)
        totals = writer.write(partial(self.on_progress, "writing"))
        spending = {each.model: journal.spending(each.address) for each in plan.endpoints}
        store.close()
        path = journal_path(self.output, plan.config)
        run = JudgeRun(
            self.output, path, plan.config, plan.policy, store, replies, totals, spending
        )
        sources = source_reports(
            store.sources, self.hashes, store.account, store.notes, store.splits
        )
        report = judge_report(run, sources, time.monotonic() - self.start)
        write_manifest_and_card(self.folder, report)
        return report


@contextmanager
def _open_run(
    sources: Sources, output: str | Path, plan: JudgePlan, *, force: bool, on_progress: Progress
) -> Iterator[_OpenRun]:
    """Check everything, read the sources, and open the journal; put the output in its place."""
    start, target = time.monotonic(), Path(output)
    plan.check()
    existing = refuse_existing(
        target, force=force or _is_unfinished(target), marker="manifest.json"
    )
    scorers, plan = _with_local_models(plan)
    with open_sources(sources) as files, replacing(target, existing) as folder:
        hashes = [each.sha256() for each in files]
        store = read_comparisons(
            files, folder, plan.comparison_options, plan.policy.pairing, on_progress
        )
        with closing(Journal(journal_path(target, plan.config))) as journal:
            yield _OpenRun(
                start, folder, target, plan, scorers, store, hashes, journal, on_progress
            )


def _with_local_models(plan: JudgePlan) -> tuple[dict[str, WordScorer], JudgePlan]:
    """The models that run in this process, and the plan with their fingerprints as URLs."""
    local = [each for each in plan.endpoints if each.is_local]
    if not local:
        return {}, plan
    from prefdata.training.evaluation.local_judge import LocalJudge

    scorers: dict[str, WordScorer] = {each.model: LocalJudge(each.model) for each in local}
    endpoints = [
        replace(each, url=f"{LOCAL_PREFIX}{scorers[each.model].fingerprint}")
        if each.is_local
        else each
        for each in plan.endpoints
    ]
    return scorers, replace(plan, endpoints=endpoints)


def _is_unfinished(target: Path) -> bool:
    """Whether a directory is what a run left that did not judge everything."""
    try:
        manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("complete") is False


def _wait_for(asking: Coroutine[object, object, Result]) -> Result:
    """The result of a coroutine; on a loop in another thread where one runs in this one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(asking)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asking).result()


async def _in_thread(work: Callable[[], Result]) -> Result:
    """Work in another thread; its files are not taken away from under it if this is cancelled."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _warn(plan: JudgePlan) -> None:
    """Say which keys are not sent."""
    for note in plan.notes:
        warnings.warn(note, stacklevel=3)


def _silent(_stage: str, _done: int, _total: int) -> None:
    """No progress."""
