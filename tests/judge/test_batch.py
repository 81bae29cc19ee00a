"""The batch service: whatever becomes of a batch, each row gets the verdict on itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from prefdata.engine.asking import Asking
from prefdata.errors import JudgeError
from prefdata.judge.batch import Limits
from prefdata.judge.runner import Pace
from tests.judge.judged import PRICES, Judged, endpoint, rows, run
from tests.judge.server import Body, Server


def batched(**limits: Any) -> Asking:
    """Ask through the batch service, looking often."""
    return Asking(pace=Pace(8), prices=PRICES, batch=Limits(poll=0.01, **limits))


def verdicts(out: Judged) -> dict[str, str]:
    """The judge's verdict by comparison."""
    return {each["id"]: each["verdicts"][-1]["winner"] for each in out.comparisons}


def live(folder: Path, n: int) -> dict[str, str]:
    """What the same rows give when they are asked one by one."""
    (folder / "live").mkdir()
    with Server() as server:
        _, out = run(folder / "live", rows(n), [endpoint(server.url)])
    return verdicts(out)


def test_a_batch_gives_what_live_calls_give_at_half_the_price(tmp_path: Path) -> None:
    """One live call finds out what the endpoint understands; the rest goes into files."""
    with Server() as server:
        report, out = run(tmp_path, rows(20), [endpoint(server.url)], asking=batched(requests=15))
    assert verdicts(out) == live(tmp_path, 20)
    assert len(server.batches) == 3
    assert server.number == 1
    spent = report.judges["judge"]["spent"]
    assert isinstance(spent, dict)
    tokens = spent["tokens"]
    full = (tokens["prompt"] * 2.0 + tokens["completion"] * 8.0) / 1_000_000
    assert 0.5 < spent["dollars"] / full < 0.53  # the live call is paid in full


def worn(server: Server) -> Mapping[str, int]:
    """How often each request was answered in a batch."""
    return {key: n for key, n in server.answered.items() if len(key) == 32}


def test_failed_missing_reordered_and_expired_entries_give_the_right_verdict_on_every_row(
    tmp_path: Path,
) -> None:
    """A third is answered, backwards; a third fails; a third is missing; the batch expires."""
    server = Server()

    def end(name: str, asked: list[Body]) -> Mapping[str, Any]:
        if name != "batch_0":
            return server.results(name, asked, [])
        third = len(asked) // 3
        return server.results(name, asked[third - 1 :: -1], asked[third : 2 * third], "expired")

    server.batch_end = end
    with server:
        report, out = run(tmp_path, rows(30), [endpoint(server.url)], asking=batched())
    assert verdicts(out) == live(tmp_path, 30)
    assert report.complete
    assert len(server.batches) == 2
    assert set(worn(server).values()) == {1}


def test_a_batch_of_errors_only_is_sent_again(tmp_path: Path) -> None:
    """Then there is no file of replies at all."""
    server = Server()
    server.batch_end = lambda name, asked: server.results(
        name, [] if name == "batch_0" else asked, asked if name == "batch_0" else []
    )
    with server:
        report, _ = run(tmp_path, rows(3), [endpoint(server.url)], asking=batched())
    assert report.complete


def test_a_cancelled_batch_without_files_is_sent_again(tmp_path: Path) -> None:
    """Nothing was answered, so nothing was paid."""
    server = Server()
    server.batch_end = lambda name, asked: (
        {"status": "cancelled"} if name == "batch_0" else server.results(name, asked, [])
    )
    with server:
        report, _ = run(tmp_path, rows(3), [endpoint(server.url)], asking=batched())
    assert report.complete


def test_a_run_that_does_not_wait_is_taken_up_later(tmp_path: Path) -> None:
    """The rows are rejected as not judged yet; the same command, later, replaces the directory."""
    server = Server()
    ready: list[str] = []
    server.batch_end = lambda name, asked: server.results(name, asked, []) if ready else {}
    with server:
        judges = [endpoint(server.url)]
        report, out = run(tmp_path, rows(4), judges, asking=batched(wait=False))
        assert report.stopped == "batches are under way at the provider"
        assert out.reasons == {"not judged yet": 4}
        ready.append("now")
        report, out = run(tmp_path, rows(4), judges, asking=batched(wait=False))
    assert report.complete
    assert len(out.comparisons) == 4
    assert len(server.batches) == 1


def test_a_batch_whose_name_was_never_noted_is_found_by_its_mark(tmp_path: Path) -> None:
    """As where the run is killed between sending a batch and noting what it is called."""
    with Server() as server:
        judges = [endpoint(server.url)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("prefdata.judge.journal.Journal.name_batch", killed)
            with pytest.raises(KilledError):
                run(tmp_path, rows(4), judges, asking=batched())
        report, _ = run(tmp_path, rows(4), judges, asking=batched())
    assert report.complete
    assert len(server.batches) == 1


class KilledError(Exception):
    """Stands for the end of the process."""


def killed(*_: object, **__: object) -> None:
    raise KilledError


def test_a_batch_that_fails_as_a_whole_says_why(tmp_path: Path) -> None:
    """It would fail again."""
    errors = {"object": "list", "data": [{"message": "the file is too large", "code": "x"}]}
    server = Server(batch_end=lambda _name, _asked: {"status": "failed", "errors": errors})
    with server, pytest.raises(JudgeError, match="the batch batch_0 failed: the file is too large"):
        run(tmp_path, rows(2), [endpoint(server.url)], asking=batched())
