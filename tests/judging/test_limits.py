"""Requests and tokens per minute: what the server takes, and how little of it is refused.

No clock is asked: what counts is what the server saw.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.judging.ask import JudgeConfig
from prefdata.judging.client.runner import RequestLimits
from prefdata.judging.report import JudgeReport
from tests.judging.judged import PRICES, endpoint, rows, run
from tests.judging.server import Limit, Server

COMPARISONS = 60


def judged(folder: Path, server: Server, **pace: float) -> JudgeReport:
    """Judge so many comparisons; all of them come to an end, and none is paid twice."""
    config = JudgeConfig(limits=RequestLimits(concurrency=64, **pace), prices=PRICES)  # type: ignore[arg-type]
    with server:
        report, _ = run(folder, rows(COMPARISONS), [endpoint(server.url)], config=config)
    assert report.complete
    assert set(server.answered.values()) == {1}
    assert server.statuses["200"] == 1 + 2 * COMPARISONS
    return report


def limited(requests: float, tokens: float, *, told: bool = True) -> Server:
    """A server with limits per minute, of which a fortieth may come at once."""
    limits = {"requests": Limit(requests, requests / 40), "tokens": Limit(tokens, tokens / 40)}
    return Server(limits={k: v for k, v in limits.items() if v.per_minute}, told=told)


@pytest.mark.parametrize(("requests", "tokens"), [(2400.0, 0.0), (0.0, 900_000.0)])
def test_a_server_that_says_its_limits_seldom_has_to_refuse(
    tmp_path: Path, requests: float, tokens: float
) -> None:
    """Its headers say what is left, so the next request waits until there is enough."""
    server = limited(requests, tokens)
    report = judged(tmp_path, server)
    assert server.statuses["429"] <= COMPARISONS // 10
    assert report.calls["pushed_back"] == server.statuses["429"]


def test_limits_of_the_user_are_kept_from_the_first_request_on(tmp_path: Path) -> None:
    """A server that takes as much and says nothing of it never has to refuse."""
    server = Server(limits={"requests": Limit(3000), "tokens": Limit(1_200_000)}, told=False)
    report = judged(tmp_path, server, rpm=3000, tpm=1_200_000)
    assert server.statuses["429"] == 0
    assert report.calls["pushed_back"] == 0


def test_a_server_that_refuses_without_a_word_is_pressed_less_and_less(tmp_path: Path) -> None:
    """No header, no Retry-After: the number under way is halved, and the rest backs off."""
    server = limited(2400.0, 0.0, told=False)
    report = judged(tmp_path, server)
    assert 0 < server.statuses["429"] <= 2 * COMPARISONS
    assert report.calls["pushed_back"] == server.statuses["429"]
