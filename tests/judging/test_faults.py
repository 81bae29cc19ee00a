"""Everything that a server can do wrong, one kind at a time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from prefdata.errors import JudgeError
from prefdata.judging.ask import JudgeConfig
from prefdata.judging.client.protocol import retry_after
from prefdata.judging.client.rate_limit import RateLimiter
from prefdata.judging.client.runner import RequestLimits
from tests.judging.judged import PRICES, endpoint, rows, run
from tests.judging.server import GARBAGE, Body, Server


def config(**pace: int) -> JudgeConfig:
    """Few at once, a short time-out."""
    return JudgeConfig(
        limits=RequestLimits(**{"concurrency": 4, **pace}), timeout=1.0, prices=PRICES
    )


@pytest.mark.parametrize(
    "fault",
    [
        *("429", "429-seconds", "429-date", "429-bare", "500", "502", "503", "504", "529"),
        *("reset", "timeout", "html"),
    ],
)
def test_alpaca_eval_kept_failed_calls_and_here_they_are_asked_again(
    tmp_path: Path, fault: str
) -> None:
    """Each comparison has its verdict in the end, and each request was answered once."""

    def faults(number: int, _body: Body) -> str | None:
        return fault if number in (2, 4) else None

    with Server(faults=faults) as server:
        report, out = run(tmp_path, rows(3), [endpoint(server.url)], config=config())
    assert len(out.pairs) + len(out.rejects) == 3
    assert report.complete
    assert set(server.answered.values()) == {1}
    assert server.faulted[fault] == 2


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_reply_that_cannot_be_used_is_no_verdict(tmp_path: Path, garbage: str) -> None:
    """Its text is kept, its cause is told, and it is never a label."""
    with Server(faults=lambda number, _body: garbage if number > 1 else None) as server:
        report, out = run(tmp_path, rows(2), [endpoint(server.url)], config=config())
    assert out.pairs == []
    assert {reject["reason"] for reject in out.rejects} == {"no verdict"}
    assert {call["winner"] for call in out.calls} == {"none"}
    assert {call["reply"] for call in out.calls} == {
        GARBAGE[garbage].refusal or GARBAGE[garbage].text
    }
    tries = 1 if garbage in ("length", "refused", "filtered") else 3
    assert server.number == 1 + 4 * tries
    assert report.complete


@pytest.mark.parametrize(
    ("fault", "said", "hint"),
    [
        ("401", "answered 401", "The key is not accepted"),
        ("403", "answered 403", "The key may not use this model"),
        ("404", "answered 404", "Check --model judge and --base-url"),
        ("400", "answered 400", "Check --model and the prompt file"),
    ],
)
def test_what_does_not_pass_stops_the_run_at_once(
    tmp_path: Path, fault: str, said: str, hint: str
) -> None:
    """It says which setting is wrong, and writes no directory."""
    with (
        Server(faults=lambda _number, _body: fault) as server,
        pytest.raises(JudgeError, match=said) as error,
    ):
        run(tmp_path, rows(50), [endpoint(server.url)], config=config())
    assert hint in error.value.hint
    assert server.number < 12
    assert not (tmp_path / "out").exists()


def test_a_key_that_fails_half_way_keeps_what_was_paid_for(tmp_path: Path) -> None:
    """The next run asks only for the rest."""
    with Server(faults=lambda number, _body: "401" if number > 9 else None) as server:
        judges = [endpoint(server.url)]
        with pytest.raises(JudgeError, match="answered 401"):
            run(tmp_path, rows(10), judges, config=config())
        server.faults = lambda _number, _body: None
        report, _ = run(tmp_path, rows(10), judges, config=config())
    assert report.calls["known"] == 8
    assert set(server.answered.values()) == {1}


def test_a_request_that_the_server_refuses_costs_its_row_only(tmp_path: Path) -> None:
    """As with a text that is too long for the model."""

    def faults(number: int, body: Body) -> str | None:
        return "400" if number > 1 and "question 1?" in str(body) else None

    with Server(faults=faults) as server:
        report, out = run(tmp_path, rows(5), [endpoint(server.url)], config=config())
    assert [reject["reason"] for reject in out.rejects] == ["no verdict"]
    assert "answered 400" in out.rejects[0]["detail"]
    assert report.calls["failed"] == 2


def test_a_long_wait_is_waited_for() -> None:
    """Ten minutes, where the SDK would give up after two; the limiter halves what is under way."""
    limiter = RateLimiter(64)
    wait = retry_after({"retry-after": "600"})
    limiter.on_rate_limited(wait, 0)
    assert wait == 600
    assert limiter.paused >= time.monotonic() + 590
    assert limiter.concurrency == 8


@pytest.mark.parametrize(("places", "early"), [(1, 0), (3, 0), (4, 1), (16, 4)])
def test_few_replies_wait_for_the_disk_beside_requests_under_way(places: int, early: int) -> None:
    """What a kill may make one pay for twice is a fourth more than what is under way, at most."""

    async def let_in(unsaved: int) -> int:
        limiter = RateLimiter(places)
        with contextlib.ExitStack() as disk:
            for _ in range(unsaved):
                disk.enter_context(limiter.saving())
            coming = [asyncio.create_task(limiter.acquire(1)) for _ in range(places)]
            await asyncio.wait(coming, timeout=0.05)
            under_way = limiter.under_way
        await asyncio.gather(*coming)
        assert limiter.under_way == places
        return under_way

    assert asyncio.run(let_in(early)) == places
    assert asyncio.run(let_in(early + 1)) == places - 1


def test_a_server_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    """Nothing listens on the port: eight patient tries, which take a minute, are not made."""
    with pytest.raises(JudgeError, match="no connection to http") as error:
        run(tmp_path, rows(1), [endpoint("http://127.0.0.1:9/v1")], config=config(retries=8))
    said = "Check that the server runs, and --base-url http://127.0.0.1:9/v1."
    assert error.value.hint.startswith(said)


def test_what_speaks_no_http_is_tried_three_times(tmp_path: Path) -> None:
    """It takes the connection, and closes it: as a port that speaks TLS does."""
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    calls.append(connection.recv(1))
                    connection.close()

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        with pytest.raises(JudgeError, match="cannot be asked") as error:
            run(tmp_path, rows(1), [endpoint(url)], config=config(retries=8))
        listening.shutdown(socket.SHUT_RDWR)
    assert "Check that the server runs" in error.value.hint
    assert len(calls) == 3


def test_a_server_that_has_answered_is_waited_for(tmp_path: Path) -> None:
    """Five dropped connections in a row are no wrong address."""

    def faults(number: int, _body: Body) -> str | None:
        return "reset" if 2 <= number <= 6 else None

    with Server(faults=faults) as server:
        pace = config(concurrency=1, retries=8)
        report, _ = run(tmp_path, rows(1), [endpoint(server.url)], config=pace)
    assert report.complete
    assert report.calls["retried"] == 5


@pytest.mark.parametrize(
    ("unknown", "mode"),
    [
        (frozenset(), "schema"),
        (frozenset({"json_schema"}), "json"),
        (frozenset({"json_schema", "json_object"}), "line"),
        (frozenset({"temperature"}), "schema"),
        (frozenset({"max_completion_tokens"}), "schema"),
        (frozenset({"temperature", "json_schema", "max_completion_tokens"}), "json"),
    ],
)
def test_what_the_server_does_not_know_is_left_out(
    tmp_path: Path, unknown: frozenset[str], mode: str
) -> None:
    """Found out once, recorded, and not asked again in the next run."""
    with Server(unknown=unknown) as server:
        judges = [endpoint(server.url)]
        report, out = run(tmp_path, rows(4), judges, config=config())
        understood = report.judges["judge"]["understands"]
        assert isinstance(understood, dict)
        assert understood["mode"] == mode
        assert len(out.pairs) == 4
        before = server.number
        run(tmp_path, rows(4), judges, config=config(), force=True)
        assert server.number == before
