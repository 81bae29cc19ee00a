"""Judges on a small labelled sample first: whether they may go on, and what their votes weigh."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prefdata.agreement.agree import AgreeReport, agree
from prefdata.conversion.convert import Progress
from prefdata.errors import JudgeError
from prefdata.judging.ask import JudgeConfig, LoadModel
from prefdata.judging.cases import SourceOptions
from prefdata.judging.client.endpoint import Endpoint
from prefdata.judging.decide import VerdictPolicy
from prefdata.judging.judge import ask_judges, journal_path

PEOPLE = "people"
"""What stands for annotators that the sample does not name."""


def calibrate_judges(
    sample: str | Path,
    output: str | Path,
    judges: Sequence[Endpoint],
    *,
    config: JudgeConfig | None = None,
    policy: VerdictPolicy | None = None,
    source_options: SourceOptions | None = None,
    local: LoadModel | None = None,
    progress: Progress | None = None,
) -> AgreeReport:
    """Ask judges about comparisons that people have labelled, and say how far they agree.

    The calls go into the journal of the run that follows, and count towards its costs.

    Args:
        sample: comparisons with labels.
        output: the directory of the run that follows; it is not written.
        judges: the models, and where they are asked.
        config: how they are asked.
        policy: in which orders.
        source_options: what the sample does not say itself.
        local: as in `ask_judges`.
        progress: is called now and then.

    Raises:
        JudgeError: the sample has no labels to hold judges against, or could not be judged whole.
    """
    config, policy = config or JudgeConfig(), policy or VerdictPolicy()
    config = replace(config, journal=str(journal_path(Path(output), config)))
    with tempfile.TemporaryDirectory(prefix="prefdata-") as scratch:
        folder = Path(scratch) / PEOPLE
        report = ask_judges(
            [sample],
            folder,
            judges,
            config=config,
            policy=replace(policy, drop_flagged=False, veto="", strategy="judged"),
            source_options=source_options,
            local=local,
            progress=progress,
        )
        if report.stopped:
            raise JudgeError(
                f"{sample} was not judged to the end: {report.stopped}",
                hint=f"{report.remedy[:1].upper()}{report.remedy[1:]}.",
            )
        models = {each.model for each in judges}
        people = {each.annotator for each in agree([folder]).agreement.annotators} - models
        if not people:
            raise JudgeError(
                f"{sample} has no labels to hold the judges against",
                hint="Give comparisons with a winner, or pairs.",
            )
        return agree([folder], people=sorted(people))
