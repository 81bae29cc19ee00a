"""Judges on a small labelled sample first: whether they may go on, and what their votes weigh."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from prefdata.agreement.agree import AgreeReport, agree
from prefdata.errors import JudgeError
from prefdata.judging.judge import journal_path, run_plan
from prefdata.judging.options import JudgePlan
from prefdata.report.progress import Progress
from prefdata.transforms.options import Options

PEOPLE = "people"
"""The name of annotators that the sample does not name."""


def calibrate(
    sample: str | Path, output: str | Path, plan: JudgePlan, *, progress: Progress | None = None
) -> AgreeReport:
    """Ask judges about comparisons that people have labelled, and measure how far they agree.

    The calls go into the journal of the run that follows, and count towards its costs.

    Args:
        sample: comparisons with labels.
        output: the directory of the run that follows; it is not written.
        plan: who is asked, and how.
        progress: called now and then.

    Raises:
        JudgeError: the sample has no labels to hold judges against, or could not be judged whole.
    """
    with tempfile.TemporaryDirectory(prefix="prefdata-") as scratch:
        folder = Path(scratch) / PEOPLE
        report = run_plan([sample], folder, _for_sample(plan, Path(output)), progress=progress)
        if report.stopped:
            raise JudgeError(
                f"{sample} was not judged to the end: {report.stopped}",
                hint=f"{report.remedy[:1].upper()}{report.remedy[1:]}.",
            )
        models = {each.model for each in plan.endpoints}
        people = {each.annotator for each in agree([folder]).agreement.annotators} - models
        if not people:
            raise JudgeError(
                f"{sample} has no labels to hold the judges against",
                hint="Give comparisons with a winner, or pairs.",
            )
        return agree([folder], people=sorted(people))


def _for_sample(plan: JudgePlan, output: Path) -> JudgePlan:
    """The plan for a sample: the same questions to the same judges, and no pair left out."""
    pairing = plan.policy.pairing
    pairing = Options(
        test_size=pairing.test_size,
        seed=pairing.seed,
        split_by=pairing.split_by,
        split=pairing.split,
    )
    policy = replace(plan.policy, drop_flagged=False, veto="", strategy="judged", pairing=pairing)
    config = replace(plan.config, journal=str(journal_path(output, plan.config)))
    return replace(plan, policy=policy, config=config)
