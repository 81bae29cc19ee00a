"""Judging from end to end: rows in, real requests over HTTP, a data set directory out."""

from __future__ import annotations

import asyncio
import json
import pickle
from pathlib import Path

import prefdata
from prefdata.judging.judge import ajudge
from prefdata.judging.report import JudgeReport
from tests.judging.judged import endpoint, rows, run
from tests.judging.server import Body, Said, Server, seen, verdict


def longer(body: Body) -> Said:
    """Prefer the longer answer, whichever stands first."""
    shown = seen(body)
    return Said(verdict(body, "1" if len(shown.first) > len(shown.second) else "2"))


def test_a_verdict_that_both_orders_give_is_a_pair(tmp_path: Path) -> None:
    """The longer answer wins, wherever it stood in the row and on the page."""
    given = [
        {"prompt": "p?", "chosen": "short", "rejected": "much longer"},
        {"prompt": "q?", "chosen": "much longer", "rejected": "short"},
    ]
    with Server(brain=longer) as server:
        report, out = run(tmp_path, given, [endpoint(server.url)])
    assert out.chosen == {"p?": "much longer", "q?": "much longer"}
    assert report.labels == {"compared": 2, "agreed": 1}
    assert [v["annotator"] for v in out.comparisons[0]["verdicts"]] == [None, "judge"]
    assert len(out.calls) == 4


def test_a_verdict_for_the_first_slot_is_a_flip(tmp_path: Path) -> None:
    """It says nothing of the answers, so there is no pair, and the row says why."""
    with Server(brain=lambda body: Said(verdict(body, "1"))) as server:
        report, out = run(tmp_path, rows(3), [endpoint(server.url)])
    assert out.pairs == []
    assert out.reasons == {"the verdict changes with the order": 3}
    assert report.judges["judge"]["first_slot"] == 1.0


def test_the_same_command_again_asks_nothing(tmp_path: Path, server: Server) -> None:
    """All replies are in the journal."""
    _, first = run(tmp_path, rows(5), [endpoint(server.url)])
    asked = server.number
    report, second = run(tmp_path, rows(5), [endpoint(server.url)], force=True)
    assert server.number == asked
    assert report.calls["known"] == 10
    assert first.pairs == second.pairs


def judged_rows(folder: Path, server: Server) -> JudgeReport:
    """Judge rows of a program."""
    return prefdata.judge(
        rows(3), folder / "out", models="judge", base_url=server.url, test_size=0.0, orders="one"
    )


def test_a_program_judges_its_own_rows_by_the_names_of_the_command(
    tmp_path: Path, server: Server
) -> None:
    """And gets a report that can be sent to another process."""
    report = judged_rows(tmp_path, server)
    assert (report.rows, report.complete) == (3, True)
    assert pickle.loads(pickle.dumps(report)) == report  # noqa: S301 - it is our own
    assert json.dumps(report.to_dict())


def test_a_notebook_judges_though_a_loop_runs_already(tmp_path: Path, server: Server) -> None:
    """By the plain function, or by the one that is awaited."""

    async def cell() -> tuple[int, int]:
        plain = judged_rows(tmp_path, server)
        awaited = await ajudge(
            rows(4), tmp_path / "other", models=["judge"], base_url=server.url, test_size=0.0
        )
        return plain.rows, awaited.rows

    assert asyncio.run(cell()) == (3, 4)
