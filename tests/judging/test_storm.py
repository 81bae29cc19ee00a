"""A bad server and a process that is killed: nothing is lost, and nothing is paid for twice."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from prefdata.judging.prompting.request import (
    JudgeInput,
    JudgePrompt,
    JudgeRequest,
    Order,
    RequestBuilder,
)
from tests.judging.judged import Judged, read, rows
from tests.judging.server import Server, name_of, storm

SHARES = {"429": 0.05, "500": 0.02, "reset": 0.01, "empty": 0.01, "timeout": 0.005}


def command(source: Path, output: Path, server: Server, *more: str) -> list[str]:
    """The command line, in a process of its own."""
    return [
        *(sys.executable, "-m", "prefdata", "judge", str(source), "-o", str(output), "-q", "-f"),
        *("--model", "judge", "--base-url", server.url, "--test-size", "0", *more),
    ]


def given(folder: Path, n: int) -> Path:
    """So many comparisons."""
    source = folder / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows(n)), encoding="utf-8")
    return source


def bodies(n: int, url: str) -> dict[str, str]:
    """The key of each request to the name of its body."""
    prompt = JudgePrompt()
    builder = RequestBuilder(prompt, prompt.capabilities, url=url, model="judge")
    names = {}
    both: tuple[Order, ...] = ("ab", "ba")
    for row in rows(n):
        comparison = JudgeInput("", row["prompt"], row["chosen"], row["rejected"])
        for order in both:
            chat = builder.build(JudgeRequest(comparison, order))
            names[chat.key] = name_of(chat.body)
    return names


def known(journal: Path) -> set[str]:
    """The requests that the journal has a usable reply to."""
    if not journal.exists():
        return set()
    with sqlite3.connect(journal) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'calls'").fetchone():
            return set()
        keys = {key for (key,) in database.execute("SELECT key FROM calls WHERE settled")}
    database.close()
    return keys


def essence(out: Judged) -> list[Any]:
    """What was decided, row by row."""
    verdicts = sorted(
        (each["id"], v["winner"], v["cause"]) for each in out.comparisons for v in each["verdicts"]
    )
    return [sorted(pair["id"] for pair in out.pairs), verdicts]


def survives(folder: Path, n: int, kills: int, timeout: str) -> None:
    """Judge in a storm, killed again and again; hold the laws."""
    source, out = given(folder, n), folder / "out"
    chance = random.Random(1)  # noqa: S311 - it must repeat
    with Server(latency=0.02) as calm:
        subprocess.run(command(source, folder / "calm", calm), check=True)
    with Server(latency=0.02, faults=storm(2, SHARES)) as server:
        names = bodies(n, server.url)
        settled: dict[str, int] = {}
        killed = 0
        run = command(source, out, server, "--timeout", timeout)
        while killed < kills:
            before = server.number
            process = subprocess.Popen(run)
            target = before + chance.randrange(1, max(2, 2 * n // kills))
            while server.number < target and process.poll() is None:
                time.sleep(0.01)
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            for key in known(folder / "out.journal") & set(names):
                settled.setdefault(names[key], server.answered[names[key]])
        subprocess.run(run, check=True)
        again = {name for name, times in settled.items() if server.answered[name] != times}
    assert killed == kills
    assert again == set()
    assert essence(read(out)) == essence(read(folder / "calm"))
    assert set(server.faulted) >= {"429", "500", "fine"}
    in_flight = sum(times - 1 for times in server.answered.values())
    assert in_flight <= kills * 256


def test_a_small_storm_is_survived(tmp_path: Path) -> None:
    """Killed four times, with every kind of fault."""
    survives(tmp_path, 300, 4, "2")


@pytest.mark.slow
def test_a_great_storm_is_survived(tmp_path: Path) -> None:
    """Ten thousand comparisons, both orders, killed at twenty moments."""
    survives(tmp_path, 10_000, 20, "20")


def test_two_runs_on_one_journal_share_the_work(tmp_path: Path) -> None:
    """Neither pays for what the other has asked, and both end with all verdicts."""
    source = given(tmp_path, 300)
    journal = str(tmp_path / "journal")
    with Server(latency=0.02) as server:
        both = [
            subprocess.Popen(command(source, tmp_path / name, server, "--journal", journal))
            for name in ("one", "two")
        ]
        assert [each.wait() for each in both] == [0, 0]
    named = bodies(300, server.url)
    assert {server.answered[name] for name in named.values()} == {1}
    one, two = (essence(read(tmp_path / name)) for name in ("one", "two"))
    assert one == two


def test_calls_that_may_be_paid_twice_are_told(tmp_path: Path) -> None:
    """What a killed run was busy with is asked again; an undisturbed run has none of it."""
    source, out = given(tmp_path, 40), tmp_path / "out"
    with Server(latency=0.2) as server:
        run = command(source, out, server, "--json", "--concurrency", "8")
        process = subprocess.Popen(run, stdout=subprocess.DEVNULL)
        while server.number < 12:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        server.latency = 0.0
        loud = [part for part in run if part != "-q"]
        said = [subprocess.run(loud, check=True, capture_output=True, text=True) for _ in range(2)]
    first, second = (json.loads(each.stdout)["calls"]["abandoned"] for each in said)
    assert sum(times - 1 for times in server.answered.values()) <= first <= 80
    assert second == 0
    told = "A run that was killed was busy with"
    assert [told in each.stderr for each in said] == [True, False]


def test_an_interrupt_waits_for_what_is_paid_for(tmp_path: Path) -> None:
    """Control-C ends with 130; what was under way is in the journal, and is not asked again."""
    source = given(tmp_path, 400)
    with Server(latency=0.3) as server:
        process = subprocess.Popen(
            command(source, tmp_path / "out", server), stderr=subprocess.PIPE, text=True
        )
        while server.number < 100:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
        assert process.returncode == 130
        assert "run the same command again" in said
        assert not (tmp_path / "out").exists()
        assert len(known(tmp_path / "out.journal")) == sum(server.answered.values())
        server.latency = 0.0
        subprocess.run(command(source, tmp_path / "out", server), check=True)
    assert set(server.answered.values()) == {1}


def test_the_key_is_in_nothing_that_a_run_writes(tmp_path: Path) -> None:
    """Not in the journal, the data set, the output or the logs at debug level, errors included."""
    key = "sk-5ec2e7-4b6f-9a01"
    source = given(tmp_path, 20)
    environment = {**os.environ, "JUDGE_KEY": key, "OPENAI_LOG": "debug", "PYTHONASYNCIODEBUG": "1"}
    loud = "import logging; logging.basicConfig(level=0); from prefdata.cli import main; main()"
    said = []
    with Server(key=key, faults=storm(3, {"429": 0.1, "500": 0.1, "reset": 0.1})) as server:
        for wanted in (key, "sk-another"):
            server.key = wanted
            process = subprocess.run(
                [
                    *(
                        sys.executable,
                        "-c",
                        loud,
                        "judge",
                        str(source),
                        "-o",
                        str(tmp_path / wanted[-4:]),
                    ),
                    *("--model", "judge", "--base-url", server.url, "--key-env", "JUDGE_KEY"),
                    *("--json",),
                ],
                capture_output=True,
                text=True,
                check=False,
                env=environment,
            )
            said.append(process.stdout + process.stderr)
            assert process.returncode == (0 if wanted == key else 1)
    assert "Incorrect API key provided: Bearer [key]" in said[1]
    assert "DEBUG" in said[0]
    assert key not in "".join(said)
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(found) > 5
    assert [path for path in found if key.encode() in path.read_bytes()] == []
