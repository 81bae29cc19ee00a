"""`pref export`: what it prints, and what a user reads when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefdata.cli import main
from prefdata.errors import UsageError
from prefdata.exporting.export import export
from prefdata.exporting.registry import TARGETS
from tests.roundtrip import pickled

ROWS = "prompt,chosen,rejected,margin\nWhat is 2 + 2?,It is 4.,It is 5.,2\nHi,Hello there!,user,\n"
LABELS = "prompt,completion,label\nWhat is 2 + 2?,It is 4.,true\nWhat is 2 + 2?,It is 5.,false\n"


@pytest.fixture(autouse=True)
def _at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with pairs, labelled answers, and a folder of somebody else's."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(ROWS)
    Path("labels.csv").write_text(LABELS)
    Path("mine").mkdir()
    Path("mine/diary.txt").write_text("dear diary")
    for name in ("rows", "labels"):
        run("convert", f"{name}.csv", "-o", name, "--test-size", "0", "-q")


def run(*args: str) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as left:
        main(args)
    return int(str(left.value.code))


def tree() -> set[str]:
    """All that lies in the folder."""
    return {str(path) for path in Path().rglob("*")}


def test_an_export_says_what_it_wrote_what_it_did_not_and_what_comes_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All on stderr; stdout is for data."""
    assert run("export", "rows", "--to", "axolotl", "-o", "out") == 0
    said = capsys.readouterr()
    assert said.out == ""
    shown = [" ".join(line.split()) for line in said.err.splitlines() if line.strip()]
    folder = Path("out").absolute()
    assert shown == [
        "rows for axolotl: Axolotl: pairs for its chat templates or KTO, with its YAML",
        "rows became because",
        "1 written",
        "1 refused the answer may be found in the template",
        "2 read",
        shown[5],
        "not taken by axolotl, though all rows have it: votes, agreement, source",
        "not taken by axolotl, though 1 row has it: margin",
        "answers lose the white space at their ends, by which axolotl would miss them",
        "Refused rows, with reason and remedy: out/rejects.jsonl",
        "Files: data/train.jsonl, axolotl.yaml, rejects.jsonl, export.json",
        f"Next: axolotl train {folder}/axolotl.yaml --base-model MODEL",
    ]
    assert shown[5].startswith("1 pair written (train 1). ")
    assert {p.name for p in Path("out").iterdir()} == {
        *("data", "axolotl.yaml", "rejects.jsonl", "export.json")
    }


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "openai"])
def test_json_holds_the_account_of_every_target(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same as `export.json`; the sum holds, and the files are there."""
    assert run("export", "rows", "--to", target, "-o", "out", "-q", "--json") == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert said.err == ""
    others = [
        *report["merged"].values(),
        *report["left_over"].values(),
        *report["refused"].values(),
    ]
    assert report["items"] == report["written"] + sum(others)
    assert all((Path("out") / name).is_file() for name in report["files"])
    held = json.loads(Path("out/export.json").read_text())
    assert {key: held[key] for key in ("rows_read", "written", "target", "lost")} == {
        key: report[key] for key in ("rows_read", "written", "target", "lost")
    }


@pytest.mark.parametrize("target", ["trl", "kto", "sft", "csv", "axolotl"])
def test_a_dry_run_counts_the_same_and_writes_nothing(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused rows too; the last line says how to write it."""
    before = tree()
    assert run("export", "rows", "--to", target, "-o", "out", "--dry-run", "--json") == 0
    dry = capsys.readouterr()
    assert tree() == before
    assert dry.err.splitlines()[-1] == "Next: the same without --dry-run, which writes out"
    assert run("export", "rows", "--to", target, "-o", "out", "-q", "--json") == 0
    there, here = json.loads(capsys.readouterr().out), json.loads(dry.out)
    assert (here.pop("dry_run"), there.pop("dry_run")) == (True, False)
    assert {**here, "seconds": 0} == {**there, "seconds": 0}


WRONG: dict[str, tuple[str, str, str]] = {
    "misspelt target": (
        "rows --to axolotol -o out",
        "unknown target 'axolotol'",
        f"Did you mean 'axolotl'? Known: {', '.join(TARGETS)}.",
    ),
    "no data set": (
        "rows.csv --to trl -o out",
        "rows.csv: a file, expected a data set directory",
        "Make one with: pref convert SOURCE -o pairs",
    ),
    "labels for a target of pairs": (
        "labels --to nemo-rl -o out",
        "nemo-rl does not take labelled answers",
        "These do: kto, llama-factory, axolotl, ms-swift, csv.",
    ),
    "pairs taken apart for a target of pairs": (
        "rows --to trl --unpaired -o out",
        "trl does not take labelled answers",
        "Leave --unpaired out.",
    ),
    "plain text for a target of messages": (
        "rows --to openrlhf --plain -o out",
        "openrlhf takes no plain text",
        "Leave --plain out.",
    ),
    "output is somebody else's, forced": (
        "rows --to trl -o mine --force",
        "mine exists and holds something else: there is no export.json in it",
        "Name another output; it is not replaced, even with --force.",
    ),
    "output is another data set, forced": (
        "rows --to trl -o labels --force",
        "labels exists and holds something else: there is no export.json in it",
        "Name another output; it is not replaced, even with --force.",
    ),
}


@pytest.mark.parametrize(("args", "message", "hint"), WRONG.values(), ids=WRONG)
def test_wrong_usage_exits_with_2_and_says_what_would_be_right(
    args: str, message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written, and stderr holds two lines."""
    before = tree()
    assert run("export", *args.split()) == 2
    assert capsys.readouterr().err == f"Error: {message}\nHint: {hint}\n"
    assert tree() == before


def test_the_data_set_itself_is_no_place_for_an_export(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the folder nor one inside, whatever --force says."""
    for output in ("rows", "rows/more"):
        assert run("export", "rows", "--to", "trl", "-o", output, "--force") == 2
        assert capsys.readouterr().err == (
            f"Error: {Path(output).absolute()} lies in the data set directory itself\n"
            "Hint: Name another output.\n"
        )


def test_an_existing_export_is_replaced_only_by_force(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --force it stays as it is; with it nothing of the old one is left."""
    assert run("export", "rows", "--to", "llama-factory", "-o", "out", "-q") == 0
    assert run("export", "rows", "--to", "csv", "-o", "out", "-q") == 2
    assert capsys.readouterr().err == (
        "Error: out exists already\nHint: Name another output, or pass --force.\n"
    )
    assert Path("out/dataset_info.json").exists()
    assert run("export", "rows", "--to", "csv", "-o", "out", "-q", "--force") == 0
    assert {p.name for p in Path("out").iterdir()} == {"data", "export.json"}


def test_a_target_that_can_hold_no_row_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The message counts the reasons, and nothing is written."""
    Path("rows.csv").write_text("prompt,chosen,rejected\nHi,user,assistant\nHo,a,b\n")
    run("convert", "rows.csv", "-o", "short", "--test-size", "0", "-q")
    before = tree()
    assert run("export", "short", "--to", "axolotl", "-o", "out", "-q") == 1
    assert capsys.readouterr().err == (
        "Error: axolotl can hold none of the rows to train on: 2 of 'the answer may be found in "
        "the template'\nHint: Export to another target; nothing was written.\n"
    )
    assert tree() == before


def test_an_export_is_a_source_like_any_other() -> None:
    """Its folder is read without its account and its configuration."""
    assert run("export", "rows", "--to", "llama-factory", "-o", "out", "-q") == 0
    assert run("convert", "out", "-o", "again", "-q") == 0
    assert json.loads(Path("again/manifest.json").read_text())["rows_read"] == 2


def test_a_report_and_an_error_can_be_pickled() -> None:
    """As a process pool has it."""
    report = export("rows", "csv", "out")
    assert pickled(report) == report
    assert pickled(report).to_dict() == report.to_dict()
    with pytest.raises(UsageError) as caught:
        export("rows", "csv", "out")
    error = pickled(caught.value)
    assert (str(error), error.hint) == (str(caught.value), caught.value.hint)


def test_the_help_knows_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    """Each stands in the list with what it is for."""
    assert run("export", "--help") == 0
    shown = capsys.readouterr().out
    listed = shown[shown.index("are named.") : shown.index("Options:")].split("\n")
    assert [line.split()[0] for line in listed[1:] if line.strip()] == list(TARGETS)
