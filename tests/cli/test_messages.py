"""What a user reads when something is wrong: one message, one hint, the right exit code."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prefdata.cli import main

RATINGS = "prompt,response,score\nWhat is 2 + 2?,4,5\nWhat is 2 + 2?,5,1\n"


SCORED = {
    "prompt": "What is 2 + 2?",
    "chosen": "4",
    "rejected": "5",
    "dimensions": [{"dimension": "safety", "chosen": 1.0, "rejected": 0.0}],
}


@pytest.fixture(autouse=True)
def _at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with ratings, an empty folder, and a folder of somebody else's."""
    monkeypatch.chdir(tmp_path)
    Path("ratings.csv").write_text(RATINGS)
    Path("some.csv").write_text("prompt,chosen,rejected\na?,b\nWhat is 2 + 2?,4,5\n")
    Path("scored.jsonl").write_text(json.dumps(SCORED) + "\n")
    Path("mine.yaml").write_text("kind: pairs\nfields: {chosen: chosen, rejected: rejected}\n")
    Path("empty").mkdir()
    Path("mine").mkdir()
    Path("mine/diary.txt").write_text("dear diary")


def run(*args: str) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as left:
        main(args)
    return int(str(left.value.code))


def tree() -> set[str]:
    """All that lies in the folder."""
    return {str(path) for path in Path().rglob("*")}


FIELDS = (
    "prompt, system, history, chosen, rejected, score_chosen, score_rejected, margin, votes, "
    "agreement, model_chosen, model_rejected, annotator, source, response_a, response_b, winner, "
    "model_a, model_b, strength, response, score, rank, model, responses, scores, ranks, ranked, "
    "models, dimension, list, completion, label, weight, tools, chat_template_kwargs"
)
WRONG: dict[str, tuple[str, str, str]] = {
    "misspelt file": (
        "rating.csv -o out",
        "no such file or folder: rating.csv",
        "Did you mean ratings.csv?",
    ),
    "no such file": (
        "nowhere/at/all.jsonl -o out",
        "no such file or folder: nowhere/at/all.jsonl",
        "Check the path.",
    ),
    "glob without files": (
        "*.parquet -o out",
        "no file matches *.parquet",
        "Quote the glob, and check the folder.",
    ),
    "folder without data": (
        "empty -o out",
        "no data file in the folder empty",
        (
            "Looked for .arrow, .csv, .feather, .ipc, .json, .jsonl, .ndjson, .parquet, .tsv, "
            "also with .gz and .zst."
        ),
    ),
    "output is a file": (
        "ratings.csv -o some.csv",
        "some.csv is a file; expected a folder to write",
        "Name another output.",
    ),
    "output is somebody else's": (
        "ratings.csv -o mine",
        "mine exists and holds something else: there is no manifest.json in it",
        "Name another output; it is not replaced, even with --force.",
    ),
    "output is somebody else's, forced": (
        "ratings.csv -o mine --force",
        "mine exists and holds something else: there is no manifest.json in it",
        "Name another output; it is not replaced, even with --force.",
    ),
    "misspelt field": (
        "ratings.csv -o out --map promt=prompt",
        "unknown field 'promt' in --map",
        f"Did you mean 'prompt'? Known: {FIELDS}.",
    ),
    "misspelt column": (
        "ratings.csv -o out --map prompt=Prompt",
        "unknown column 'Prompt' in ratings.csv",
        "Did you mean 'prompt'? Known: prompt, response, score.",
    ),
    "map without =": (
        "ratings.csv -o out --map prompt",
        "--map 'prompt' has no '='",
        "Write it as in --map prompt=question,response=answer.",
    ),
    "fields of no format": (
        "ratings.csv -o out --map chosen=response",
        (
            "no format has the fields chosen and what else it needs in ratings.csv "
            "(columns: prompt, response, score)"
        ),
        "'pref formats' lists the fields of each format.",
    ),
    "misspelt format": (
        "ratings.csv -o out --format rating-long",
        "unknown format 'rating-long'",
        (
            "Did you mean 'ratings-long' or 'ratings-lists'? "
            "'pref formats' lists all; a YAML file can describe another."
        ),
    ),
    "word of --winner": (
        "ratings.csv -o out --winner c=1",
        "unknown word 'c' in --winner",
        "Known: a, b, tie, both_bad, none.",
    ),
    "winner without =": (
        "ratings.csv -o out --winner a",
        "--winner 'a' has no '='",
        "Write it as in --winner a=1,b=2,tie=3.",
    ),
    "word of --label": (
        "ratings.csv -o out --label yes=1",
        "unknown word 'yes' in --label",
        "Known: true, false, none.",
    ),
    "dimension of pairs that carry several": (
        "scored.jsonl -o out --dimension safety",
        "scored.jsonl holds pairs with scores by dimension; --dimension chooses between ratings",
        "To let it decide which response is better, say --weights safety=1.",
    ),
    "dimension without a column": (
        "ratings.csv -o out --dimension accuracy",
        "ratings.csv has no column of dimensions",
        "Leave --dimension out, or name the column, as in --map dimension=aspect.",
    ),
    "winner without a column": (
        "ratings.csv -o out --winner a=1,b=2",
        "ratings.csv has no column of winners: it is ratings-long",
        "Leave --winner out, or name the column, as in --map winner=choice.",
    ),
    "label without a column": (
        "some.csv -o out --label true=1,false=0",
        "some.csv has no column of labels: it is pairs",
        "Leave --label out, or name the column, as in --map label=choice.",
    ),
    "one value for two sides": (
        "some.csv -o out --winner a=1,b=2,tie=1.0",
        "--winner names the value '1' twice",
        "Name it once.",
    ),
    "one value for both labels": (
        "some.csv -o out --label true=yes --label false=Yes",
        "--label names the value 'yes' twice",
        "Name it once.",
    ),
    "one field from two columns": (
        "some.csv -o out --map prompt=prompt --map prompt=chosen",
        "--map names the field 'prompt' twice",
        "Name it once.",
    ),
    "values for a described format": (
        "some.csv -o out --format mine.yaml --winner a=1,b=2",
        "the format mine says itself what its columns and values mean",
        "Leave --winner out, or --format.",
    ),
    "bytes for an encoding": (
        "ratings.csv -o out --encoding \udcff",
        "unknown encoding '\\udcff'",
        "Common ones: latin-1, cp1252, utf-16, gb18030.",
    ),
    "encoding": (
        "ratings.csv -o out --encoding klingon",
        "unknown encoding 'klingon'",
        "Common ones: latin-1, cp1252, utf-16, gb18030.",
    ),
    "limit of rejects": (
        "ratings.csv -o out --max-rejects many",
        "--max-rejects 'many' is not a number of rows or percent",
        "Write 100 or 5%.",
    ),
    "negative limit of rejects": (
        "ratings.csv -o out --max-rejects -1",
        "--max-rejects '-1' is not a number of rows or percent",
        "Write 100 or 5%.",
    ),
}


@pytest.mark.parametrize(("args", "message", "hint"), WRONG.values(), ids=WRONG)
def test_wrong_usage_exits_with_2_and_says_what_would_be_right(
    args: str, message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written, nothing is on stdout, and stderr holds two lines."""
    before = tree()
    assert run("convert", *args.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"Error: {message}\nHint: {hint}\n"
    assert tree() == before


BAD: dict[str, tuple[str, str, str]] = {
    "empty": ("", "input.csv is empty", "Check the export that made it."),
    "header only": (
        "prompt,response,score\n",
        "input.csv has a header but no row that can be read",
        "The first line must name the columns; one row per line follows.",
    ),
    "unknown shape": (
        "when,what\n1,2\n",
        "input.csv is not of a known shape (columns: when, what)",
        (
            "Say which column is which, as in --map 'prompt=?,response=?,score=?', --map "
            "'prompt=?,chosen=?,rejected=?' or --map 'prompt=?,response_a=?,response_b=?,"
            "winner=?' (numbers in when, what); or where nested fields stand, in a YAML file for "
            "--format."
        ),
    ),
}


@pytest.mark.parametrize("command", ["convert", "inspect"])
@pytest.mark.parametrize(("text", "message", "hint"), BAD.values(), ids=BAD)
def test_bad_input_exits_with_1_and_leaves_nothing_behind(
    command: str, text: str, message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same words from both commands, and no working folder beside the output."""
    Path("input.csv").write_text(text)
    before = tree()
    assert run(command, "input.csv", *(["-o", "out"] if command == "convert" else [])) == 1
    assert capsys.readouterr().err == f"Error: {message}\nHint: {hint}\n"
    assert tree() == before


def test_rows_that_give_no_pair_exit_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The message counts the reasons, and nothing is written."""
    Path("input.csv").write_text("prompt,response,score\na?,b,5\na?,c,5\n")
    before = tree()
    assert run("convert", "input.csv", "-o", "out", "-q") == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("Error: none of the 2 rows of input.csv gave a pair: ")
    assert said[1].startswith("Hint: 'pref inspect' shows how the source was read")
    assert tree() == before


def test_an_existing_data_set_is_replaced_only_by_force(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without --force it stays as it is."""
    assert run("convert", "ratings.csv", "-o", "out", "-q") == 0
    before = Path("out/manifest.json").read_bytes()
    assert run("convert", "some.csv", "-o", "out", "-q") == 2
    assert capsys.readouterr().err == (
        "Error: out exists already\nHint: Name another output, or pass --force.\n"
    )
    assert Path("out/manifest.json").read_bytes() == before
    assert run("convert", "some.csv", "-o", "out", "-q", "--force") == 0
    assert Path("out/manifest.json").read_bytes() != before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Before any work is done."""
    Path("empty").chmod(0o500)
    assert run("convert", "ratings.csv", "-o", "empty/out") == 2
    assert capsys.readouterr().err == (
        f"Error: {Path('empty').absolute()} cannot be written to\n"
        "Hint: Name an output elsewhere with -o.\n"
    )


def test_an_output_below_a_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A file is no folder, whoever runs the command."""
    assert run("convert", "ratings.csv", "-o", "some.csv/out") == 2
    assert capsys.readouterr().err == (
        f"Error: {Path('some.csv').absolute()} cannot be written to\n"
        "Hint: Name an output elsewhere with -o.\n"
    )


def test_more_rejects_than_allowed_exit_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    """The data set is written all the same; a share is of the rows read."""
    args = ("convert", "some.csv", "-q")
    assert run(*args, "-o", "few", "--max-rejects", "0") == 3
    assert capsys.readouterr().err == ("1 of 2 rows were rejected; --max-rejects allows 0\n")
    assert Path("few/manifest.json").exists()
    assert run(*args, "-o", "half", "--max-rejects", "50%") == 0
    assert run(*args, "-o", "one", "--max-rejects", "1") == 0


def test_a_folder_is_read_without_the_results_that_lie_in_it() -> None:
    """Converting a folder twice does not take the first result for a source."""
    Path("in").mkdir()
    Path("ratings.csv").rename("in/ratings.csv")
    assert run("convert", "in", "-o", "in/out", "-q") == 0
    first = Path("in/out/manifest.json").read_text()
    assert run("convert", "in", "-o", "in/out", "-q", "--force") == 0
    second = Path("in/out/manifest.json").read_text()
    assert [line for line in first.splitlines() if "seconds" not in line] == [
        line for line in second.splitlines() if "seconds" not in line
    ]


NAMES = {
    ("formats", "pair"): (
        "unknown format 'pair'",
        (
            "Did you mean 'pairs' or 'unpaired'? "
            "'pref formats' lists all; a YAML file can describe another."
        ),
    ),
    ("schema", "pairs"): (
        "unknown record 'pairs'",
        (
            "Known: message, rated-responses, comparison, verdict, preference-pair, "
            "unpaired-preference."
        ),
    ),
}


@pytest.mark.parametrize(("args", "said"), NAMES.items(), ids=" ".join)
def test_an_unknown_name_is_answered_with_the_known_ones(
    args: tuple[str, ...], said: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and the nearest names first."""
    assert run(*args) == 2
    assert capsys.readouterr().err == f"Error: {said[0]}\nHint: {said[1]}\n"


def test_a_format_is_printed_as_yaml_that_format_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout, and nothing else; it reads rows under another name of the file."""
    assert run("formats", "orpo-dpo-mix", "--yaml") == 0
    Path("other.yaml").write_text(capsys.readouterr().out)
    talk = [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]
    row = {"chosen": talk, "rejected": [talk[0], {**talk[1], "content": "c"}]}
    Path("talks.jsonl").write_text(json.dumps(row) + "\n")
    assert run("convert", "talks.jsonl", "-o", "out", "-q", "--format", "other.yaml") == 0
    assert run("formats", "nectar", "--yaml") == 2
    assert capsys.readouterr().err.startswith("Error: nectar is read with a step in code")
    assert run("formats", "--yaml") == 2
    assert capsys.readouterr().err.startswith("Error: --yaml prints one format, and nothing else")


def start(*args: str, **options: object) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-m", "prefdata", *args],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_full_disk_leaves_nothing_half_written() -> None:
    """No file may grow beyond 100 kB here, which is what a full disk looks like from inside."""
    rows = "".join(f"{i}?,{os.urandom(200).hex()},no\n" for i in range(5000))
    Path("large.csv").write_text(f"prompt,chosen,rejected\n{rows}")
    before = tree()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = start("convert", "large.csv", "-o", "out", "-q", preexec_fn=limit)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    first, second = said.splitlines()
    assert first.startswith(f"Error: {Path('out').absolute()} could not be written: ")
    assert second == (
        "Hint: Nothing was changed. Free some space, or name an output elsewhere with -o."
    )
    assert tree() == before


def test_an_interrupt_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control-C says that nothing is left half written, and it is so."""
    held = Path("held").absolute()
    held.mkdir()
    monkeypatch.setenv("TMPDIR", str(held))
    before = tree()
    process = start("convert", "-", "-o", "out")
    begun = time.monotonic()
    while not any(held.iterdir()) and time.monotonic() - begun < 60:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.strip()) == (
        130,
        "Interrupted. Nothing was left half written; run the same command again.",
    )
    assert tree() == before


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
def test_a_folder_with_another_program_s_manifest_is_never_replaced(
    force: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Many programs write a manifest.json; ours says that it is ours."""
    Path("mine/manifest.json").write_text('{"name": "my web page"}')
    assert run("convert", "ratings.csv", "-o", "mine", "-q", *force) == 2
    assert "mine exists and holds something else" in capsys.readouterr().err
    assert Path("mine/diary.txt").read_text() == "dear diary"


def test_an_output_that_is_no_folder_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe or a device is not replaced by a folder, not even by force."""
    os.mkfifo("pipe")
    assert run("convert", "ratings.csv", "-o", "pipe", "--force") == 2
    assert capsys.readouterr().err == (
        "Error: pipe is no folder; expected a folder to write\nHint: Name another output.\n"
    )
    assert Path("pipe").is_fifo()


@pytest.mark.parametrize("name", ["x" * 300, "a\udcff", "a\0b"], ids=["long", "bytes", "nul"])
def test_a_name_that_no_folder_can_have_is_wrong_usage(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message, and nothing is written."""
    before = tree()
    assert run("convert", "ratings.csv", "-o", name, "-q") == 2
    assert "Hint: Name another output." in capsys.readouterr().err
    assert tree() == before


def test_an_output_that_is_a_link_stays_one() -> None:
    """What it leads to is replaced, on the disk where that lies."""
    assert run("convert", "ratings.csv", "-o", "out", "-q") == 0
    Path("link").symlink_to("out")
    before = Path("out/manifest.json").read_bytes()
    assert run("convert", "some.csv", "-o", "link", "-q", "--force") == 0
    assert Path("link").is_symlink()
    assert Path("out/manifest.json").read_bytes() != before


def test_a_score_that_is_no_number_is_shown_with_its_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What stands there is seen at the first look, and how to write it; nothing is to be run."""
    Path("input.csv").write_text("prompt,response,score\na?,b,4/5\na?,c,2/5\n")
    assert run("inspect", "input.csv") == 0
    shown = capsys.readouterr().out
    assert "score: not a number, found 4/5 (lines 2, 3)" in shown
    assert "Next:" not in shown
    assert run("inspect", "input.csv", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["outcomes"] == {"rejected": {"not a number": 2}}
    assert run("convert", "input.csv", "-o", "out", "-q") == 1
    hint = "Hint: Write the score as 4.5 is written: without a comma, a fraction or stars."
    assert capsys.readouterr().err.splitlines()[1].startswith(hint)


def test_what_to_do_next_says_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    """The options of the inspection are those of the conversion."""
    Path("in put.csv").write_text("q,b,s\na?,x,5\na?,y,1\n")
    how = ["in put.csv", "--map", "prompt=q,response=b,score=s"]
    assert run("inspect", *how) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"Next: pref convert {shlex.join(how)} -o pairs"
    assert run(*shlex.split(last.removeprefix("Next: pref ")), "-q") == 0


def test_a_message_stays_short_whatever_the_names_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Many columns with long names, all of them asked about; the remedy is still named."""
    more = {f"{'x' * 300}{n}_context": "text" for n in range(40)}
    row = {"prompt": "q", "chosen": "a", "rejected": "b", **more}
    Path("long.jsonl").write_text(json.dumps(row) + "\n")
    assert run("convert", "long.jsonl", "-o", "out") == 2
    printed = capsys.readouterr().err
    assert len(printed) < 2000
    assert "--ignore with these names, which leaves it out" in printed
