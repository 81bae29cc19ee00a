"""Judges without a provider: a model in this process, and a server that is not ours."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from prefdata.cli import main
from tests.judging.judged import read, rows


class Done(NamedTuple):
    """What a command left: its exit code, and what it printed."""

    code: int
    out: str
    err: str


Judged = Callable[..., Done]


@pytest.fixture
def judged(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Judged:
    """Runs the command on five comparisons."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def run(folder: Path, model: str, *more: str) -> Done:
        source = folder / "in.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row in rows(5)), encoding="utf-8")
        args = ["judge", str(source), "-o", str(folder / "out"), "--model", model, "--json", *more]
        with pytest.raises(SystemExit) as caught:
            main(args)
        return Done(int(str(caught.value.code)), *capsys.readouterr())

    return run


def test_a_local_model_judges_without_a_server_or_a_key(
    tmp_path: Path, chat_model: Path, judged: Judged
) -> None:
    """Every call gives a verdict with a margin, and the same command again asks nothing."""
    done = judged(tmp_path, f"hf:{chat_model}")
    out = read(tmp_path / "out")
    assert done.code == int(not out.pairs), done.err  # it may prefer a place, and decide nothing
    assert len(out.calls) == 10
    assert {call["reply"] for call in out.calls} <= {"1", "2"}
    assert all(math.isfinite(call["margin"]) for call in out.calls)
    assert all(call["margin"] * (1 if call["winner"] == "a" else -1) > 0 for call in out.calls)
    assert len(out.pairs) + len(out.rejects) == 5
    assert json.loads(done.out)["calls"]["dollars"] == 0.0
    again = json.loads(judged(tmp_path, f"hf:{chat_model}", "--force").out)
    assert (again["calls"]["asked"], again["calls"]["known"]) == (0, 10)


def test_a_local_judge_says_what_the_model_says(chat_model: Path) -> None:
    """Its log-probabilities do not depend on what else is in the batch."""
    from prefdata.training.evaluation.local_judge import LocalJudge

    judge = LocalJudge(str(chat_model))
    one = [{"role": "user", "content": "Which is better, 1 or 2?"}]
    other = [{"role": "user", "content": "Which is better, 1 or 2? " * 20}]
    alone, together = judge([one])[0], judge([one, other])[0]
    assert alone is not None
    assert together is not None
    assert alone == pytest.approx(together, abs=1e-4)
    assert math.exp(alone[0]) + math.exp(alone[1]) <= 1


def test_a_request_that_is_too_long_is_none(chat_model: Path) -> None:
    """It is not cut: what is cut off may be an answer."""
    from prefdata.training.evaluation.local_judge import LocalJudge

    judge = LocalJudge(str(chat_model))
    assert judge([[{"role": "user", "content": "x " * 20_000}]]) == [None]


def test_a_folder_without_a_model_is_told(tmp_path: Path, judged: Judged) -> None:
    """One message, no traceback."""
    done = judged(tmp_path, f"hf:{tmp_path}")
    assert done.code == 2
    assert "no tokenizer can be loaded" in done.err
    assert "Traceback" not in done.err


@pytest.fixture
def serving(chat_model: Path) -> Iterator[str]:
    """The server that ships with transformers, with the tiny model."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-c", "from transformers.cli.transformers import main; main()"),
        *("serve", str(chat_model), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"),
    ]
    process = subprocess.Popen(
        command,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert process.poll() is None
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_the_server_of_transformers_is_understood(
    tmp_path: Path, chat_model: Path, serving: str, judged: Judged
) -> None:
    """A model of random weights says nothing sensible there, and that is no verdict."""
    more = ("--base-url", serving, "--max-tokens", "24", "--concurrency", "2", "--timeout", "300")
    done = judged(tmp_path, str(chat_model), *more)
    assert (done.code, "none of the comparisons has a verdict" in done.err) == (1, True)
    out = read(tmp_path / "out")
    assert len(out.calls) == 10
    assert all(call["prompt_tokens"] > 0 for call in out.calls)
    assert {call["winner"] for call in out.calls} == {"none"}
    assert len(out.rejects) == 5
    assert out.pairs == []
