"""The batch service: whatever becomes of a batch, each row gets the verdict on itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from prefdata.errors import JudgeError
from prefdata.judging.ask import JudgeConfig
from prefdata.judging.client.batch import BatchOptions
from prefdata.judging.client.runner import RequestLimits
from tests.judging.judged import PRICES, Judged, endpoint, rows, run
from tests.judging.server import Body, Server


def batched(**limits: Any) -> JudgeConfig:
    """Ask through the batch service, looking often."""
    return JudgeConfig(
        limits=RequestLimits(8), prices=PRICES, batch=BatchOptions(poll=0.01, **limits)
    )


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
        config = batched(max_requests=15)
        report, out = run(tmp_path, rows(20), [endpoint(server.url)], config=config)
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


def test_distilabel_shifted_verdicts_behind_a_failed_missing_or_reordered_entry(
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
        report, out = run(tmp_path, rows(30), [endpoint(server.url)], config=batched())
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
        report, _ = run(tmp_path, rows(3), [endpoint(server.url)], config=batched())
    assert report.complete


def test_a_cancelled_batch_without_files_is_sent_again(tmp_path: Path) -> None:
    """Nothing was answered, so nothing was paid."""
    server = Server()
    server.batch_end = lambda name, asked: (
        {"status": "cancelled"} if name == "batch_0" else server.results(name, asked, [])
    )
    with server:
        report, _ = run(tmp_path, rows(3), [endpoint(server.url)], config=batched())
    assert report.complete


def test_a_run_that_does_not_wait_is_taken_up_later(tmp_path: Path) -> None:
    """The rows are rejected as not judged yet; the same command, later, replaces the directory."""
    server = Server()
    ready: list[str] = []
    server.batch_end = lambda name, asked: server.results(name, asked, []) if ready else {}
    with server:
        judges = [endpoint(server.url)]
        report, out = run(tmp_path, rows(4), judges, config=batched(wait=False))
        assert report.stopped == "batches are under way at the provider"
        assert out.reasons == {"not judged yet": 4}
        ready.append("now")
        report, out = run(tmp_path, rows(4), judges, config=batched(wait=False))
    assert report.complete
    assert len(out.comparisons) == 4
    assert len(server.batches) == 1


def test_a_batch_whose_name_was_never_noted_is_found_by_its_mark(tmp_path: Path) -> None:
    """As where the run is killed between sending a batch and noting what it is called."""
    with Server() as server:
        judges = [endpoint(server.url)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("prefdata.judging.client.journal.Journal.name_batch", killed)
            with pytest.raises(KilledError):
                run(tmp_path, rows(4), judges, config=batched())
        report, _ = run(tmp_path, rows(4), judges, config=batched())
    assert report.complete
    assert len(server.batches) == 1


class KilledError(Exception):
    """Stands for the end of the process."""


def killed(*_: object, **__: object) -> None:
    raise KilledError


def failing(when: Callable[[str, list[Body]], str], server: Server) -> None:
    """Let batches fail as a whole, with the message that a function of name and requests gives."""

    def end(name: str, asked: list[Body]) -> Mapping[str, Any]:
        if message := when(name, asked):
            return {"status": "failed", "errors": {"data": [{"message": message, "code": "x"}]}}
        return server.results(name, asked, [])

    server.batch_end = end


def test_a_batch_that_fails_as_a_whole_is_told_and_sent_again(tmp_path: Path) -> None:
    """Nothing of it was answered, so nothing is paid twice."""
    server = Server()
    failing(lambda name, _asked: "try again" if name == "batch_0" else "", server)
    with server:
        report, out = run(tmp_path, rows(4), [endpoint(server.url)], config=batched())
    assert verdicts(out) == live(tmp_path, 4)
    assert report.complete
    assert report.calls["set_back"] == {"the batch batch_0 ended as failed: try again": 8}
    assert report.calls["failed"] == 0
    assert set(worn(server).values()) == {1}


def test_a_file_that_is_too_large_is_sent_in_halves(tmp_path: Path) -> None:
    """As where a service takes only so many tokens at a time."""
    server = Server()
    failing(lambda _name, asked: "too many tokens" if len(asked) > 3 else "", server)
    with server:
        report, out = run(tmp_path, rows(4), [endpoint(server.url)], config=batched())
    assert verdicts(out) == live(tmp_path, 4)
    assert report.complete
    assert len(server.batches) == 1 + 2 + 4
    assert set(worn(server).values()) == {1}


def test_batches_that_fail_again_and_again_end_the_run_with_their_cause(tmp_path: Path) -> None:
    """Every row is rejected with the cause; the same command, later, asks again."""
    server = Server()
    over: list[str] = []
    failing(lambda _name, _asked: "" if over else "no such limit", server)
    with server:
        judges = [endpoint(server.url)]
        report, out = run(tmp_path, rows(2), judges, config=batched())
        assert report.stopped.startswith("3 times in a row the batch ")
        assert report.stopped.endswith(" ended as failed: no such limit")
        assert report.remedy == "mend what the provider found wrong, or ask without --batch"
        assert not report.complete
        assert {reject["reason"] for reject in out.rejects} == {"no verdict"}
        assert all(reject["detail"].endswith("no such limit") for reject in out.rejects)
        over.append("now")
        report, out = run(tmp_path, rows(2), judges, config=batched())
    assert report.complete
    assert len(out.comparisons) == 2
    assert set(worn(server).values()) == {1}


def test_a_batch_that_failed_while_nobody_waited_is_sent_again_by_the_next_run(
    tmp_path: Path,
) -> None:
    """And what is under way again is not judged yet, whatever became of it before."""
    server = Server()
    ready: list[str] = []

    def end(name: str, asked: list[Body]) -> Mapping[str, Any]:
        if name == "batch_0":
            return {"status": "expired"} if ready else {}
        return server.results(name, asked, []) if len(ready) > 1 else {}

    server.batch_end = end
    with server:
        judges = [endpoint(server.url)]
        run(tmp_path, rows(2), judges, config=batched(wait=False))
        ready.append("the first has expired")
        report, out = run(tmp_path, rows(2), judges, config=batched(wait=False))
        assert report.stopped == "batches are under way at the provider"
        assert report.remedy == "run the same command again"
        why = "the batch batch_0 ended as expired, and left requests open"
        assert report.calls["set_back"] == {why: 4}
        assert out.reasons == {"not judged yet": 2}
        ready.append("the second is done")
        report, out = run(tmp_path, rows(2), judges, config=batched(wait=False))
    assert report.complete
    assert set(worn(server).values()) == {1}


def test_a_batch_that_the_service_does_not_know_is_not_sent_again(tmp_path: Path) -> None:
    """With another key, say, it would be paid twice; so the run stops, and says what to check."""
    server = Server()
    server.batch_end = lambda _name, _asked: {}
    with server:
        judges = [endpoint(server.url)]
        run(tmp_path, rows(2), judges, config=batched(wait=False))
        server.batches.clear()
        with pytest.raises(JudgeError, match="no batch batch_0") as error:
            run(tmp_path, rows(2), judges, config=batched(wait=False))
        assert "Check that the key and --base-url are those" in error.value.hint
        assert not server.batches
