"""The command `pref judge` as a user meets it: what it prints, and what it exits with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from prefdata.cli import main
from tests.judging.judged import read, rows
from tests.judging.server import Body, Said, Server, seen, verdict


@pytest.fixture(autouse=True)
def _at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with comparisons, and no key in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    Path("in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(6)))


def run(*args: str) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as left:
        main(["judge", *args])
    return int(str(left.value.code))


def knows(body: Body) -> Said:
    """Prefer what ends in "one"; model "bad" the other, model "half" by the number."""
    first = seen(body).first.endswith("one")
    number = (
        int(seen(body).prompt.split()[1].rstrip("?")) if seen(body).prompt.startswith("q") else 0
    )
    wrong = body["model"] == "bad" or (body["model"] == "half" and int(number or 0) % 2)
    return Said(verdict(body, "1" if first != bool(wrong) else "2"))


WRONG: dict[str, tuple[str, str, str]] = {
    "no key": (
        "--model gpt-4o",
        "no key for https://api.openai.com/v1: the environment variable OPENAI_API_KEY is not set",
        "Set OPENAI_API_KEY, or name another variable with --key-env, or a --key-file.",
    ),
    "variable that is not set": (
        "--model m --base-url http://127.0.0.1:9/v1 --key-env NOTHING",
        "--key-env: the environment variable NOTHING is not set",
        "Give the name of a variable that holds the key, not the key itself.",
    ),
    "a key on the command line is not repeated": (
        "--model m --base-url http://127.0.0.1:9/v1 --key-env sk-abc123",
        "--key-env: the environment variable that is named is not set",
        "Give the name of a variable that holds the key, not the key itself.",
    ),
    "a key in the URL is not repeated": (
        "--model m --base-url http://me:sk-abc@127.0.0.1:9/v1",
        "the URL of 127.0.0.1 holds more than an address",
        "A key belongs into the environment: name the variable with --key-env.",
    ),
    "no URL": (
        "--model m --base-url localhost:8000",
        "localhost is not a URL that can be asked",
        "Write it as in --base-url http://localhost:8000/v1.",
    ),
    "judge named twice": (
        "--model m --model m --base-url http://127.0.0.1:9/v1",
        "the judge m @ http://127.0.0.1:9/v1 is named twice",
        "Name each judge once.",
    ),
    "criterion without a definition": (
        "--model m --base-url http://127.0.0.1:9/v1 --criteria tone",
        "--criteria 'tone' has no definition",
        "Give it one, as in --criteria 'tone: what a good answer does', or use helpfulness,",
    ),
    "veto on what is not scored": (
        "--model m --base-url http://127.0.0.1:9/v1 --criteria clarity --veto safety",
        "--veto safety is not among the criteria: clarity",
        "Name it with --criteria too.",
    ),
    "limit without a price": (
        "--model m --base-url http://127.0.0.1:9/v1 --max-cost 1",
        "--max-cost needs the price of m, which is not known",
        "Give it with --prices FILE.",
    ),
    "weight of a judge that is not there": (
        "--model m --base-url http://127.0.0.1:9/v1 --weight n=2",
        "unknown judge 'n' in --weight",
        "Known: m.",
    ),
    "budget that is no number": (
        "--model m --base-url http://127.0.0.1:9/v1 --max-cost nan",
        "--max-cost is nan; expected a number",
        "Write it as in 10.",
    ),
    "test size that is no share": (
        "--model m --base-url http://127.0.0.1:9/v1 --test-size nan",
        "the test size is nan; expected a share from 0 to below 1",
        "--test-size 0.1 keeps one prompt in ten for the test split.",
    ),
    "judge without a name": (
        "--model= --base-url http://127.0.0.1:9/v1",
        "a judge has no name",
        "Name it, as in --model gpt-4o.",
    ),
    "no wait for what is not sent": (
        "--model m --base-url http://127.0.0.1:9/v1 --no-wait",
        "--no-wait is about batches",
        "Add --batch, or leave --no-wait out.",
    ),
    "threshold without a sample": (
        "--model m --base-url http://127.0.0.1:9/v1 --min-agreement 80%",
        "--min-agreement needs a sample",
        "Name it with --calibrate FILE.",
    ),
    "prompt without an answer": (
        "--model m --base-url http://127.0.0.1:9/v1 --prompt-file half.txt",
        "half.txt does not hold {answer_2}, {task}",
        "The judge must see the prompt and both answers; {task} says how to reply.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_is_told_in_one_message(
    case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong, and the remedy; usage, so 2; nothing is written."""
    Path("half.txt").write_text("{prompt} {answer_1}")
    before = set(Path().iterdir())
    args, message, hint = WRONG[case]
    assert run("in.jsonl", "-o", "out", *args.split()) == 2
    said = capsys.readouterr().err
    assert f"Error: {message}" in said
    assert f"Hint: {hint}" in said
    assert "sk-abc" not in said
    assert set(Path().iterdir()) == before


def test_a_key_meant_for_another_server_is_not_sent_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes there only where the user says so."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-openai-only")
    with Server() as server:
        asked = ("in.jsonl", "-o", "out", "--model", "judge", "--base-url", server.url, "-q")
        assert run(*asked) == 0
        assert f"OPENAI_API_KEY is not sent to {server.url}" in capsys.readouterr().err
        assert not [each for each in server.authorizations if "sk-for" in each]
        assert run(*asked, "-f", "--journal", "other", "--key-env", "OPENAI_API_KEY") == 0
        assert "Bearer sk-for-openai-only" in server.authorizations


def test_keys_of_several_servers_stand_in_a_file() -> None:
    """Each key goes to its own URL."""
    with Server(key="key-one") as one, Server(key="key-two") as two:
        Path("keys").write_text(f"# mine\n{one.url} key-one\n{two.url} key-two\n")
        judges = ("--model", f"x@{one.url}", "--model", f"y@{two.url}")
        assert run("in.jsonl", "-o", "out", *judges, "--key-file", "keys", "-q") == 0
        assert one.authorizations == {"Bearer key-one"}
        assert two.authorizations == {"Bearer key-two"}


def test_an_azure_resource_is_asked_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment stands in the path, the key in a header of its own."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")
    with Server(key="azure-key") as server:
        resource = server.url.removesuffix("/v1")
        asked = ("--model", "mine", "--base-url", resource, "--azure-version", "2024-10-21")
        assert run("in.jsonl", "-o", "out", *asked, "-q") == 0
    assert len(read(Path("out")).pairs) == 6


def test_a_dry_run_asks_nothing_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Calls, tokens and costs of each judge, and one request; no key is needed."""
    before = set(Path().iterdir())
    assert run("in.jsonl", "-o", "out", "--model", "gpt-4o", "--dry-run", "--json", "-q") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["calls"], found["known"]) == (12, 0)
    low, expected, high = found["dollars"]
    assert 0 < low < expected < high
    assert found["dollars_batch"][1] == pytest.approx(expected / 2)
    assert found["example"]["messages"][1]["content"].startswith("<<")
    assert set(Path().iterdir()) == before


def test_a_tournament_is_asked_for_by_its_bound(capsys: pytest.CaptureFixture[str]) -> None:
    """The summary says how many prompts were ranked, and in how many there is a cycle."""
    many = [{"prompt": f"p{n}?", "responses": [f"r{n} {k}" for k in range(8)]} for n in range(3)]
    Path("many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in many))
    with Server() as server:
        asked = ("many.jsonl", "-o", "out", "--model", "judge", "--base-url", server.url)
        bound = ("--max-comparisons", "9", "--strategy", "best-worst")
        assert run(*asked, *bound, "--dry-run", "--json") == 0
        assert json.loads(capsys.readouterr().out)[0]["calls"] == 54
        assert run(*asked, *bound) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "The responses to 3 prompts were ranked; prompts where some beat each other" in said
    assert len(read(Path("out")).pairs) == 3


def test_a_batch_that_came_to_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With what the service said of it, and how many requests it left open."""
    errors = {"object": "list", "data": [{"message": "try again", "code": "x"}]}
    server = Server()
    server.batch_end = lambda name, asked: (
        {"status": "failed", "errors": errors}
        if name == "batch_0"
        else server.results(name, asked, [])
    )
    with server:
        asked = ("in.jsonl", "-o", "out", "--model", "judge", "--base-url", server.url, "--batch")
        assert run(*asked) == 0
    said = "the batch batch_0 ended as failed: try again: 12 requests left open"
    assert said in capsys.readouterr().err.splitlines()
    assert len(read(Path("out")).comparisons) == 6


def test_why_a_run_stopped_is_said_even_where_nothing_else_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With -q too: 3, and the reason."""
    Path("prices.json").write_text('{"models": {"mine": {"input": 1.0, "output": 2.0}}}')
    with Server() as server:
        asked = ("in.jsonl", "-o", "out", "--model", "mine", "--base-url", server.url, "-q")
        assert run(*asked, "--prices", "prices.json", "--max-cost", "0.001") == 3
    said = "Stopped: the next call could pass --max-cost 0.001. Next: raise it, and what was paid"
    assert capsys.readouterr().err.splitlines()[-1] == f"{said} for is not paid again"


def test_prices_of_ones_own_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    """The table is a file."""
    Path("prices.json").write_text('{"models": {"mine": {"input": 1.0, "output": 2.0}}}')
    with Server() as server:
        asked = ("--model", "mine", "--base-url", server.url, "--prices", "prices.json", "--json")
        assert run("in.jsonl", "-o", "out", *asked, "-q") == 0
    spent = json.loads(capsys.readouterr().out)["judges"]["mine"]["spent"]
    tokens: Mapping[str, int] = spent["tokens"]
    assert spent["dollars"] == pytest.approx((tokens["prompt"] + 2 * tokens["completion"]) / 1e6)


def test_a_summary_says_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """To stderr; the last line says what to do next."""
    with Server(brain=knows) as server:
        assert run("in.jsonl", "-o", "out", "--model", "good", "--base-url", server.url) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "6 (100.0%)" in said.err
    assert "13 calls in this run" in said.err
    assert "Verdict and label agree on 100.0% of the 6 comparisons" in said.err
    assert said.err.splitlines()[-1] == "Next: pref train out --model tiny"


def test_where_no_comparison_has_a_verdict_the_run_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """1, with the causes; the replies, which were paid for, are there to look at."""
    with Server(brain=lambda _body: Said("I cannot say.")) as server:
        assert run("in.jsonl", "-o", "out", "--model", "bad", "--base-url", server.url) == 1
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "Error: none of the comparisons has a verdict: 6 of 'the last line holds no verdict'",
        "Hint: out/calls holds every reply; another --model may do better.",
    ]
    assert len(read(Path("out")).calls) == 12


def test_where_no_row_is_a_comparison_the_run_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """1, as convert has it, and where the reasons stand."""
    Path("in.jsonl").write_text('{"prompt": "1+1?", "chosen": "2", "rejected": "2"}\n')
    with Server() as server:
        assert run("in.jsonl", "-o", "out", "--model", "any", "--base-url", server.url) == 1
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "Error: no row of 1 gave a comparison",
        "Hint: out/rejects says of each row why.",
    ]


def test_where_no_pair_came_of_it_nothing_is_to_be_trained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each comparison is there to look at."""
    with Server(brain=lambda body: Said(verdict(body, "tie"))) as server:
        assert run("in.jsonl", "-o", "out", "--model", "good", "--base-url", server.url) == 0
    assert "No pair can be made" in (said := capsys.readouterr().err)
    assert said.splitlines()[-1] == "Next: see what was said of each in out/comparisons"
    assert Path("out/comparisons").is_dir()


def test_a_judge_that_people_do_not_agree_with_is_not_asked_any_further(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The sample is judged first; below the threshold the run ends with 3."""
    Path("sample.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows(30)[10:]), encoding="utf-8"
    )
    with Server(brain=knows) as server:
        asked = ("in.jsonl", "-o", "out", "--base-url", server.url, "--calibrate", "sample.jsonl")
        assert run(*asked, "--model", "half", "--min-agreement", "80%") == 3
        assert "half agrees with sample.jsonl in 50.0 % (10 of 20" in capsys.readouterr().err
        assert not Path("out").exists()
        assert server.number == 1 + 40
        assert run(*asked, "--model", "good", "--min-agreement", "80%") == 0
        assert "cannot prove" not in capsys.readouterr().err
        assert run(*asked, "--model", "good", "--min-agreement", "90%", "-f") == 0
        said = "good agrees with sample.jsonl in 100.0 % (20 of 20; 83.9 to 100.0 %); so few"
        assert said in capsys.readouterr().err
    assert len(read(Path("out")).pairs) == 6


def test_a_jury_is_weighed_by_what_it_got_right(capsys: pytest.CaptureFixture[str]) -> None:
    """Two judges that are no better than chance do not outvote one that knows."""
    Path("sample.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows(30)[10:]), encoding="utf-8"
    )
    with Server(brain=knows) as server:
        models = ("--model", "good", "--model", "half", "--model", "bad")
        asked = ("in.jsonl", "-o", "out", "--base-url", server.url, *models, "--json", "-q")
        assert run(*asked, "--calibrate", "sample.jsonl") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["labels"] == {"compared": 6, "agreed": 6}
    assert report["options"]["weights"]["bad"] == 0.0
