"""A format in YAML: what it reads, and what it says where it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.errors import PrefdataError, UnknownNameError, UsageError
from prefdata.formats.catalogue import describe
from prefdata.formats.spec.load import load_format
from tests.roundtrip import Row, converted, jsonl

BASE = "kind: pairs\nfields: {prompt: p, chosen: a, rejected: b}\n"
VOTES = "kind: comparisons\nfields: {prompt: p, response_a: x, response_b: y, winner: w}\n"
LABELS = "kind: unpaired\nfields: {prompt: p, completion: a, label: w}\n"
RATED = "kind: ratings\nfields: {prompt: p, response: 'r[]'}\n"


def yaml_file(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def message_of(folder: Path, text: str) -> tuple[str, str]:
    """The message and the hint that a file gives."""
    with pytest.raises(PrefdataError) as error:
        load_format(yaml_file(folder, text))
    return str(error.value).replace(f"{folder}/", ""), error.value.hint


WRONG = {
    "a path twice in a prompt": (
        "kind: pairs\nfields: {prompt: [p, p], chosen: a, rejected: b}\n",
        "mine.yaml: fields: prompt names 'p' twice",
        "Keep one of them.",
    ),
    "an annotator who would count twice": (
        VOTES.replace("winner: w", "winner: [w, w]"),
        "mine.yaml: fields: winner names 'w' twice",
        "Keep one of them.",
    ),
    "a list in a text with braces": (
        "kind: ratings\nfields: {prompt: 'Q: {turns[]}', response: a, score: b}\n",
        "mine.yaml: fields: prompt: 'turns[]' is a list, which a text with braces cannot hold",
        "Take one item, as in {turns[0]}",
    ),
    "both responses at one place": (
        "kind: pairs\nfields: {prompt: p, chosen: a, rejected: a}\n",
        "mine.yaml: fields: chosen and rejected stand at the same place, 'a'",
        "Each of the two responses needs a path of its own.",
    ),
    "one score for a list of responses": (
        RATED.replace("'r[]'", "'r[]', score: s"),
        "mine.yaml: fields: response is a list, but score is not",
        "Write the path of score with [], or rank the list",
    ),
    "a winner and a column for a winner": (
        VOTES.replace("winner: w", "winner: w, winner_tie: t"),
        "mine.yaml says twice what is better: by winner and by winner_tie",
        "Leave one of them out.",
    ),
    "values for columns of winners": (
        VOTES.replace("winner: w", "winner_a: w, winner_b: v") + "values: {1: a}\n",
        "mine.yaml: values: winner_a, winner_b are 1 or 0, and have no values",
        "Leave 'values' out, or use winner.",
    ),
    "a sign of one side": (
        VOTES + "values: {negative: a}\n",
        "mine.yaml: values: there is negative but no positive",
        "Say what both mean",
    ),
    "a middle without a winner": (
        VOTES.replace("winner: w", "winner_a: w, winner_b: v") + "middle: 1.5\n",
        "mine.yaml: middle: there is no winner that it could be taken off",
        "Leave 'middle' out.",
    ),
    "a middle without values": (
        VOTES + "middle: 1.5\n",
        "mine.yaml: middle: values do not say what lies below and above it",
        "Write values: {negative: a, positive: b}",
    ),
    "a middle with other values": (
        VOTES + "middle: 1.5\nvalues: {1: a, 2: b}\n",
        "mine.yaml: middle: values do not say what lies below and above it",
        "Write values: {negative: a, positive: b}",
    ),
    "a middle with a number beside the signs": (
        VOTES + "middle: 1.5\nvalues: {negative: a, positive: b, 1.5: tie}\n",
        "mine.yaml: values: 1.5 is a number, which 'middle' reads as below or above it",
        "Leave 1.5 out of the values; the middle itself is a tie.",
    ),
    "a weight below 0": (
        "kind: ratings\nfields: {response: r, score: {help: h}}\ndimensions: {help: -1}\n",
        "mine.yaml: dimensions: the weight of help is -1; expected 0 or more",
        "--weights takes a negative weight",
    ),
    "weights of which none counts": (
        "kind: ratings\nfields: {response: r, score: {help: h}}\ndimensions: {help: 0}\n",
        "mine.yaml: dimensions: no weight is above 0, so that nothing decides",
        "Write what counts, as in dimensions: {help: 1}.",
    ),
    "two dimensions that say who won": (
        VOTES.replace("winner: w", "winner: {help: h, safe: s}") + "dimensions: {help: 1, safe: 1}",
        "mine.yaml: dimensions: help and safe cannot both say who won",
        "Give one of them a weight; --weights lets several decide.",
    ),
    "a rank for each dimension": (
        "kind: ratings\nfields: {response: r, rank: {help: h}}\n",
        "mine.yaml: rank cannot have dimensions",
        "Only score, winner can.",
    ),
    "an optional field that is none": (
        BASE + "optional: [promt]\n",
        "unknown field 'promt' in mine.yaml: optional",
        "Did you mean 'prompt'?",
    ),
    "an optional response": (
        BASE + "optional: [chosen]\n",
        "mine.yaml: optional: chosen cannot be missing",
        "Without it, pairs say nothing.",
    ),
    "an optional field that is no list": (
        BASE + "optional: prompt\n",
        "mine.yaml: optional: expected a list of fields",
        "A format has",
    ),
    "a key that is nearly right": (
        "kind: pairs\nfeilds: {chosen: a, rejected: b}\n",
        "unknown key 'feilds' in mine.yaml",
        "Did you mean 'fields'?",
    ),
    "a field that is nearly right": (
        "kind: pairs\nfields: {chosen: a, rejectd: b}\n",
        "unknown field 'rejectd' in mine.yaml",
        "Did you mean 'rejected'",
    ),
    "a kind that is nearly right": (
        "kind: pair\nfields: {chosen: a, rejected: b}\n",
        "unknown kind 'pair' in mine.yaml",
        "Did you mean 'pairs'",
    ),
    "a value that stands there twice": (
        VOTES + "values: {1: a, 2: b, 1.0: b}\n",
        "mine.yaml: values: 1 stands there twice",
        "1 and 1.0, and Yes and yes, are one value: keep one of them.",
    ),
    "a value in two cases": (
        VOTES + "values: {A: a, a: b}\n",
        "mine.yaml: values: a stands there twice",
        "1 and 1.0, and Yes and yes, are one value: keep one of them.",
    ),
    "a mapping that holds itself": (
        VOTES + "values: &v\n  1: *v\n",
        "mine.yaml is nested too deeply, or holds itself",
        "Write it in a few levels, without anchors.",
    ),
    "lists in lists without end": (
        "kind: " + "[" * 3000 + "]" * 3000 + "\n",
        "mine.yaml is nested too deeply, or holds itself",
        "Write it in a few levels, without anchors.",
    ),
    "a middle without end": (
        VOTES + "middle: inf\n",
        "mine.yaml: middle: expected a number",
        "A format has",
    ),
    "a weight that is no number": (
        "kind: ratings\nfields: {response: r, score: {help: h}}\ndimensions: {help: nan}\n",
        (
            "mine.yaml: dimensions: help: expected dimensions with their weights, "
            "as in 'helpfulness: 0.7'"
        ),
        "A format has",
    ),
    "a meaning that is none": (
        VOTES + "values: {1: first}\n",
        "unknown meaning 'first' in mine.yaml: values",
        "Known: a, b, tie, both_bad, none.",
    ),
    "a label that is none": (
        LABELS + "values: {1: good}\n",
        "unknown meaning 'good' in mine.yaml: values",
        "Known: true, false, none.",
    ),
    "a role that is none": (
        BASE + "roles: {client: speaker}\n",
        "unknown role 'speaker' in mine.yaml: roles",
        "Known: user, human,",
    ),
    "an order that is none": (
        RATED + "order: best\n",
        "unknown order 'best' in mine.yaml",
        "Known: best-first, worst-first.",
    ),
    "a group that is none": (
        BASE + "group: session\n",
        "unknown group 'session' in mine.yaml",
        "Known: prompt, conversation.",
    ),
    "a weight for a dimension that is none": (
        "kind: ratings\nfields: {prompt: p, response: r, score: {help: h}}\ndimensions: {hepl: 1}",
        "unknown dimension 'hepl' in mine.yaml",
        "Did you mean 'help'?",
    ),
    "no kind": (
        "fields: {chosen: a, rejected: b}\n",
        "mine.yaml has no 'kind'",
        "A format has 'kind', 'fields' and",
    ),
    "a field left out": (
        "kind: pairs\nfields: {chosen: a}\n",
        "mine.yaml does not say where rejected stands",
        "pairs need chosen, rejected.",
    ),
    "a path with two dots": (
        "kind: pairs\nfields: {chosen: a..b, rejected: b}\n",
        "mine.yaml: 'a..b' is no path; write it as in info.post or answers[].text",
        "A path begins with a column.",
    ),
    "a path without a column": (
        "kind: pairs\nfields: {chosen: '[0]', rejected: b}\n",
        "mine.yaml: '[0]' is no path; write it as in info.post or answers[].text",
        "A path begins with a column.",
    ),
    "a path through two lists": (
        "kind: pairs\nfields: {chosen: 'a[].b[]', rejected: b}\n",
        "mine.yaml: 'a[].b[]' goes through two lists; one [] is allowed",
        "A path begins with a column.",
    ),
    "a bad path in a text with braces": (
        "kind: pairs\nfields: {prompt: 'Q: {a..b}', chosen: a, rejected: b}\n",
        "mine.yaml: 'a..b' is no path; write it as in info.post or answers[].text",
        "A path begins with a column.",
    ),
    "a bad path among those that must exist": (
        BASE + "needs: [a..b]\n",
        "mine.yaml: 'a..b' is no path; write it as in info.post or answers[].text",
        "A path begins with a column.",
    ),
    "a field without a path": (
        "kind: pairs\nfields: {prompt: [], chosen: a, rejected: b}\n",
        "mine.yaml: prompt has no path",
        "Leave it out, or name one.",
    ),
    "two paths for one response": (
        "kind: pairs\nfields: {chosen: [a, c], rejected: b}\n",
        "mine.yaml: chosen has 2 paths; it can have one",
        "Only prompt and winner can have several.",
    ),
    "a path per dimension for a response": (
        "kind: pairs\nfields: {chosen: {x: a}, rejected: b}\n",
        "mine.yaml: chosen cannot have dimensions",
        "Only score, winner can.",
    ),
    "values for pairs": (
        BASE + "values: {1: a}\n",
        "mine.yaml: pairs have no values",
        "Leave 'values' out of the file.",
    ),
    "a middle for pairs": (
        BASE + "middle: 1.5\n",
        "mine.yaml: pairs have no middle",
        "Only the winner of comparisons has.",
    ),
    "an order for pairs": (
        BASE + "order: best-first\n",
        "mine.yaml: pairs have no order",
        "Only lists of ratings have one.",
    ),
    "an order of one response": (
        "kind: ratings\nfields: {prompt: p, response: r}\norder: best-first\n",
        "mine.yaml has an order, but response is no list",
        "Write its path with [], as in output[].",
    ),
    "a rank and a score": (
        "kind: ratings\nfields: {prompt: p, response: r, score: s, rank: k}\n",
        "mine.yaml says twice what is better: by score and by rank",
        "Leave one of them out.",
    ),
    "an order and a rank": (
        "kind: ratings\nfields: {prompt: p, response: 'r[]', rank: 'k[]'}\norder: best-first\n",
        "mine.yaml says twice what is better: by rank and by order",
        "Leave one of them out.",
    ),
    "a column for one winner and none for the other": (
        "kind: comparisons\nfields: {prompt: p, response_a: x, response_b: y, winner_a: w}\n",
        "mine.yaml has winner_a but no winner_b",
        "Or use winner, with values.",
    ),
    "fields in a list": (
        "kind: pairs\nfields: [chosen, rejected]\n",
        "mine.yaml: fields: expected fields with their paths, as in 'prompt: question'",
        "A format has 'kind', 'fields' and",
    ),
    "values in a list": (
        VOTES + "values: [a, b]\n",
        "mine.yaml: values: expected values with their meanings, as in '1: a'",
        "A format has 'kind', 'fields' and",
    ),
    "a middle in words": (
        VOTES + "middle: half\n",
        "mine.yaml: middle: expected a number",
        "A format has 'kind', 'fields' and",
    ),
    "one text": (
        "pairs\n",
        "mine.yaml: expected keys with their values, as in 'kind: pairs'",
        "A format has 'kind', 'fields' and",
    ),
    "nothing": (
        "",
        "mine.yaml: expected keys with their values, as in 'kind: pairs'",
        "A format has 'kind', 'fields' and",
    ),
    "a bracket that is not closed": (
        "kind: [pairs\n",
        "mine.yaml is not valid YAML at line 2, column 1",
        "Braces and colons in a text need quotes.",
    ),
    "a key that stands twice": (
        "kind: pairs\nfields: {chosen: a, rejected: b, chosen: c}\n",
        "mine.yaml has 'chosen' twice: line 2",
        "Keep one of them.",
    ),
    "an example that is no JSON": (
        BASE + "example: {p: One, a: good, b: bad}\n",
        "mine.yaml: example: expected a row as JSON, after '>-'",
        "A format has 'kind', 'fields' and",
    ),
    "a name that is needed, and that is neither true nor false": (
        BASE + "by_name: argilla\n",
        "mine.yaml: by_name: expected true or false",
        "A format has 'kind', 'fields' and",
    ),
    "an object of a program": (
        "kind: !!python/object/apply:os.abort []\nfields: {chosen: a, rejected: b}\n",
        "mine.yaml: kind: expected text",
        "A format has 'kind', 'fields' and",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_one_message(name: str, tmp_path: Path) -> None:
    """What, where, and what to do."""
    text, message, hint = WRONG[name]
    error, remedy = message_of(tmp_path, text)
    assert error == message
    assert remedy.startswith(hint)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With what --format takes."""
    with pytest.raises(UsageError) as error:
        load_format(tmp_path / "none.yaml")
    assert str(error.value) == f"{tmp_path}/none.yaml cannot be read: No such file or directory"
    assert error.value.hint.startswith("--format takes a name of 'pref formats', or a YAML file")


def test_bytes_that_are_no_text_are_no_yaml(tmp_path: Path) -> None:
    """No traceback of a decoder."""
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"kind: \xff\xfe\n")
    with pytest.raises(UsageError, match="is not valid YAML"):
        load_format(path)


def test_near_names_are_lookup_errors(tmp_path: Path) -> None:
    """So that a program can tell them apart."""
    with pytest.raises(UnknownNameError):
        load_format(yaml_file(tmp_path, WRONG["a kind that is nearly right"][0]))


def test_yes_and_no_are_words_and_true_is_true(tmp_path: Path) -> None:
    """YAML 1.1 reads yes as true, and would find no such winner in the data."""
    rows = [
        {"p": "One?", "x": "good", "y": "bad", "w": "yes"},
        {"p": "Two?", "x": "bad", "y": "good", "w": "no"},
        {"p": "Three?", "x": "same", "y": "same too", "w": "off"},
    ]
    format = yaml_file(tmp_path, VOTES + "values: {yes: a, no: b, off: tie}\n")
    outcome = converted(jsonl(tmp_path / "rows.jsonl", rows), format=str(format))
    assert outcome.pairs == {("One?", "good", "bad"), ("Two?", "good", "bad")}
    assert [each.reason for each in outcome.refused] == ["tie"]


@pytest.mark.parametrize(
    ("value", "label"), [("true", True), ("1", 1), ("01", "01"), ("1:30", "1:30")]
)
def test_a_value_means_what_is_written(value: str, label: object, tmp_path: Path) -> None:
    """True, numbers, and what YAML 1.1 takes for octal numbers and times of day."""
    rows: list[Row] = [
        {"p": "One?", "a": "good", "w": label},
        {"p": "Two?", "a": "bad", "w": "no"},
    ]
    format = yaml_file(tmp_path, f"{LABELS}values: {{{value}: true, no: false}}\n")
    outcome = converted(jsonl(tmp_path / "rows.jsonl", rows), format=str(format))
    assert outcome.labels == {("One?", "good", True), ("Two?", "bad", False)}


def test_columns_may_be_called_as_yaml_calls_other_things(tmp_path: Path) -> None:
    """A column named on, another named 1, a third named null."""
    rows = [{"on": "One?", "1": "good", "null": "bad"}]
    text = "kind: pairs\nfields: {prompt: on, chosen: 1, rejected: null}\n"
    format = yaml_file(tmp_path, text)
    outcome = converted(jsonl(tmp_path / "rows.jsonl", rows), format=str(format))
    assert outcome.pairs == {("One?", "good", "bad")}


def test_a_file_that_does_not_fit_the_source_says_which_column_is_missing(tmp_path: Path) -> None:
    """The columns that are there stand in the hint."""
    rows = jsonl(tmp_path / "rows.jsonl", [{"p": "One?", "a": "good", "c": "bad"}])
    with pytest.raises(PrefdataError) as error:
        converted(rows, format=str(yaml_file(tmp_path, BASE)))
    assert str(error.value).startswith("unknown column 'b' in ")
    assert str(error.value).endswith("mine.yaml: fields: rejected)")
    assert "p, a, c" in error.value.hint


def test_a_value_without_a_meaning_is_refused_by_name(tmp_path: Path) -> None:
    """It is not taken for either side."""
    rows = [{"p": f"{n}?", "x": "good", "y": "bad", "w": n} for n in (1, 2, 7)]
    format = yaml_file(tmp_path, VOTES + "values: {1: a, 2: tie}\n")
    outcome = converted(jsonl(tmp_path / "rows.jsonl", rows), format=str(format))
    assert outcome.pairs == {("1?", "good", "bad")}
    assert [each[1:] for each in outcome.refused] == [
        ("", "tie", ""),
        ("w", "winner is not one of the known words", "found 7"),
    ]


def test_what_a_file_tells_of_a_source_is_shown(tmp_path: Path) -> None:
    """By `pref formats mine.yaml`, as for a format of the catalogue."""
    text = (
        "sets: [us/answers]\nlicence: our own\nnotes: Two were lost.\nties: none\nexample: >-\n"
        '  {"p": "One?", "a": "good",\n  "b": "bad"}\n'
    )
    lines = describe(load_format(yaml_file(tmp_path, BASE + text))).splitlines()
    assert "sets        us/answers" in lines
    assert "licence     our own" in lines
    assert "note        Two were lost." in lines
    assert lines[-2:] == [
        'a row       {"p": "One?", "a": "good", "b": "bad"}',
        "gives       prompt 'One?', chosen 'good', rejected 'bad'",
    ]


def test_a_file_that_is_named_needs_no_name_in_the_path(tmp_path: Path) -> None:
    """`by_name` is for the catalogue: --format says what the source is."""
    rows = jsonl(tmp_path / "rows.jsonl", [{"p": "One?", "a": "good", "b": "bad"}])
    format = yaml_file(tmp_path, BASE + "by_name: true\nsets: [us/answers]\n")
    assert converted(rows, format=str(format)).pairs == {("One?", "good", "bad")}
