"""A filter is one entry: what it refuses is refused, and accounted for, in every kind of source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefdata.cli import main
from prefdata.conversion import read_records
from prefdata.conversion.inspect import inspect
from prefdata.errors import InputError, UsageError
from prefdata.transforms import filters
from prefdata.transforms.filters import Filter
from tests.roundtrip import Row, jsonl, judged, labelled, make, pair, rated

LONGER = Filter(
    name="longer",
    reason="the chosen response is many times longer",
    remedy="Look at the rejected response.",
    refuses=lambda pair, ratio: pair.chosen_chars > ratio * pair.rejected_chars,
    needs=("chosen_chars", "rejected_chars"),
    threshold=3,
)
WORDY = Filter(
    name="wordy",
    reason="an answer has more words than its prompt allows",
    remedy="Shorten it.",
    refuses=lambda pair, words: (
        (pair.chosen_words > words * pair.prompt_words)
        | (pair.rejected_words > words * pair.prompt_words)
    ),
    needs=("chosen_words", "rejected_words", "prompt_words"),
    threshold=2,
    answers=True,
)

LONG = "x" * 100


@pytest.fixture(autouse=True)
def _two_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    """One looks at both answers of a pair, the other at each by itself."""
    monkeypatch.setattr(filters, "FILTERS", (LONGER, WORDY))


def messages(text: str) -> list[Row]:
    return [{"role": "assistant", "content": text}]


@pytest.mark.parametrize(
    "rows",
    [
        [pair(LONG, "y"), pair("p", "q"), pair("z", LONG)],
        [judged("y", LONG, "b"), judged("p", "q", "a"), judged(LONG, "z", "b")],
        [
            {"prompt": "Q", "chosen": messages(chosen), "rejected": messages(rejected)}
            for chosen, rejected in ((LONG, "y"), ("p", "q"), ("z", LONG))
        ],
    ],
)
def test_a_filter_refuses_pairs_and_comparisons(tmp_path: Path, rows: list[Row]) -> None:
    """What it refuses is a reject with its reason and its remedy; the account holds."""
    made = make(tmp_path, rows, filters={"longer": 3})
    assert made.answers == [("p", "q"), ("z", LONG)]
    assert made.became(1) == [("rejected", LONGER.reason)]
    assert [(row["line"], row["reason"], row["remedy"]) for row in made.rejects] == [
        (1, LONGER.reason, LONGER.remedy)
    ]
    assert made.manifest["outcomes"]["rejected"] == {LONGER.reason: 1}
    assert made.manifest["options"]["filters"] == {"longer": 3}


def test_a_filter_refuses_pairs_of_ratings(tmp_path: Path) -> None:
    """Their rows are left over with its reason, as with a veto."""
    rows = [rated(LONG, 5), rated("y", 1), rated("good", 3, "R"), rated("bad", 2, "R")]
    made = make(tmp_path, rows, filters={"longer": None})
    assert made.answers == [("good", "bad")]
    assert made.became(1) == made.became(2) == [("left over", LONGER.reason)]
    assert made.became(3) == [("kept", "kept")]


def test_all_pairs_leaves_those_that_no_filter_refuses(tmp_path: Path) -> None:
    """A response may be in one pair that is refused and in another that stands."""
    rows = [rated(LONG, 5), rated("x" * 50, 3), rated("y", 1)]
    made = make(tmp_path, rows, strategy="all", filters={"longer": 3})
    assert made.answers == [(LONG, "x" * 50)]
    assert made.became(1) == [("kept", "kept")]
    assert made.became(3) == [("left over", LONGER.reason)]


def test_a_filter_of_one_answer_refuses_labelled_answers(tmp_path: Path) -> None:
    """Whatever their label says; what was merged with them or lost against them goes too."""
    wordy = "four words are many"
    rows = [
        labelled(wordy, True, "Q"),
        labelled(wordy, True, "Q"),
        labelled(wordy, False, "Q"),
        labelled("one word", True, "Q"),
        labelled(wordy, False, "R"),
        labelled(wordy, True, "A longer prompt"),
    ]
    made = make(tmp_path, rows, filters={"wordy": None})
    assert made.labels == {("Q", "one word", True), ("A longer prompt", wordy, True)}
    refused = [line for line in range(1, 7) if made.became(line) == [("rejected", WORDY.reason)]]
    assert refused == [1, 2, 3, 5]
    assert {row["remedy"] for row in made.rejects} == {WORDY.remedy}


def test_filters_look_one_after_the_other(tmp_path: Path) -> None:
    """A pair that several filters refuse has the reason of the first; a mix of sources is one."""
    wordy = "a b c d e f"
    ratings = [rated(wordy, 5, "R"), rated("a", 1, "R")]
    votes = [judged("a", wordy, "a"), judged("p", "q", "a")]
    made = make(tmp_path, ratings, votes, filters={"wordy": 2, "longer": 3})
    assert made.answers == [("p", "q")]
    assert made.became(1, "0.jsonl") == [("left over", LONGER.reason)]
    assert made.became(1, "1.jsonl") == [("rejected", WORDY.reason)]


def test_a_filter_that_compares_two_answers_is_refused_where_there_is_one(tmp_path: Path) -> None:
    """It would say nothing about any row."""
    source = jsonl(tmp_path / "in.jsonl", [labelled("x", True)])
    message = r"the filter longer looks at pairs; .*\.jsonl holds one answer a row"
    with pytest.raises(UsageError, match=message):
        inspect([source], filters={"longer": 3})
    with pytest.raises(UsageError, match=message):
        make(tmp_path, [labelled("x", True)], filters={"longer": 3})


def test_inspect_says_what_a_filter_would_refuse(tmp_path: Path) -> None:
    """The outcomes are those of the conversion, for every kind of record."""
    pairs = [pair(LONG, "y"), pair("p", "q")]
    ratings = [rated(LONG, 5), rated("y", 1), rated("good", 3, "R"), rated("bad", 2, "R")]
    labels = [labelled("a b c", True), labelled("x", False)]
    for number, (rows, name) in enumerate(
        ((pairs, "longer"), (ratings, "longer"), (labels, "wordy"))
    ):
        made = make(tmp_path / str(number), rows, filters={name: None})
        (seen,) = inspect([tmp_path / str(number) / "0.jsonl"], filters={name: None})
        assert seen.outcomes == made.manifest["outcomes"]


def test_where_a_filter_refuses_all_its_remedy_is_the_hint(tmp_path: Path) -> None:
    """As for every reason."""
    with pytest.raises(InputError, match=LONGER.reason) as error:
        make(tmp_path, [pair(LONG, "y")], filters={"longer": 3})
    assert error.value.hint.startswith(LONGER.remedy)


def test_texts_are_measured_only_for_a_filter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, no text is measured."""
    monkeypatch.delattr(read_records, "with_measures")
    assert make(tmp_path, [pair(LONG, "y")]).answers == [(LONG, "y")]


def test_sources_have_in_common_what_filters_leave(tmp_path: Path) -> None:
    """A pair, or a label, that a filter refuses is none that two sources share."""
    rows = [pair(LONG, "y"), pair("p", "q")]
    made = make(tmp_path / "pairs", rows, rows, filters={"longer": 3})
    assert made.report.overlap[0].pairs == 1
    labels = [labelled("a b c", True), labelled("x", False)]
    made = make(tmp_path / "labels", labels, labels, filters={"wordy": 2})
    assert made.report.overlap[0].pairs == 1


def test_the_command_line_has_the_filter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an option, with or without a number, and in the help."""
    monkeypatch.chdir(tmp_path)
    jsonl(Path("in.jsonl"), [pair("xxxx", "y"), pair(LONG, "y", "R"), pair("p", "q", "S")])
    for text, rows in (("longer", 1), ("longer=50", 2)):
        with pytest.raises(SystemExit) as stop:
            main(["convert", "in.jsonl", "-o", text, "--json", "-q", "--filter", text])
        assert stop.value.code == 0
        splits = json.loads(capsys.readouterr().out)["splits"]
        assert sum(split["rows"] for split in splits.values()) == rows
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    assert "One or more of: longer, wordy." in " ".join(capsys.readouterr().out.split())


def test_without_filters_the_help_does_not_speak_of_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to choose from."""
    monkeypatch.setattr(filters, "FILTERS", ())
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    assert "--filter" not in capsys.readouterr().out
