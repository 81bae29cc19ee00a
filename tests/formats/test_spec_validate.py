"""A format in YAML that does not fit its source: told at the first look, not row by row."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from prefdata.conversion.inspect import inspect
from prefdata.errors import PrefdataError
from prefdata.formats import ReadOptions
from tests.roundtrip import Row, converted, jsonl

PAIRS = "kind: pairs\nfields: {prompt: p, chosen: a, rejected: b}\n"
VOTES = "kind: comparisons\nfields: {prompt: p, response_a: x, response_b: y, winner: w}\n"
LABELS = "kind: unpaired\nfields: {prompt: p, completion: a, label: w}\n"
RATED = "kind: ratings\nfields: {prompt: p, response: r, score: s}\n"
ASPECTS = "kind: ratings\nfields: {prompt: p, response: r, score: {help: h, safe: s}}\n"

PAIR: Row = {"p": "One?", "a": "good", "b": "bad"}
VOTE: Row = {"p": "One?", "x": "good", "y": "bad", "w": 7}
LABEL: Row = {"p": "One?", "a": "good", "w": 3}
TALK: Row = {
    "p": [{"role": "client", "content": "One?"}],
    "a": [{"role": "clerk", "content": "good"}],
    "b": [{"role": "clerk", "content": "bad"}],
}
NESTED: Row = {"info": {"post": "One?", "title": "T"}, "answers": [{"text": "good"}], "b": "bad"}

WRONG: dict[str, tuple[str, Row, str, str]] = {
    "a column that is misspelt in a text with braces": (
        "kind: pairs\nfields: {prompt: '{p} {titel}', chosen: a, rejected: b}\n",
        {**PAIR, "title": "T"},
        "unknown column 'titel' in rows.jsonl (mine.yaml: fields: prompt)",
        "Did you mean 'title'? Known: p, a, b, title.",
    ),
    "a column that is misspelt among the parts of a prompt": (
        "kind: pairs\nfields: {prompt: [p, titel], chosen: a, rejected: b}\n",
        {**PAIR, "title": "T"},
        "unknown column 'titel' in rows.jsonl (mine.yaml: fields: prompt)",
        "Did you mean 'title'?",
    ),
    "a column that nothing hangs on": (
        "kind: pairs\nfields: {prompt: p, chosen: a, rejected: b, annotator: worker}\n",
        {**PAIR, "annotator": "w1"},
        "unknown column 'worker' in rows.jsonl (mine.yaml: fields: annotator)",
        "Known: p, a, b, annotator. A field that only some sources have is listed under",
    ),
    "a column of a dimension": (
        f"{ASPECTS}dimensions: {{help: 1}}\n",
        {"p": "One?", "r": "good", "h": 5},
        "unknown column 's' in rows.jsonl (mine.yaml: fields: score)",
        "Known: p, r, h.",
    ),
    "a column among those that must exist": (
        f"{PAIRS}needs: [batch]\n",
        {**PAIR, "btach": 1},
        "unknown column 'batch' in rows.jsonl (mine.yaml: needs)",
        "Did you mean 'btach'?",
    ),
    "a column whose name holds a dot": (
        "kind: pairs\nfields: {prompt: info.post, chosen: a, rejected: b}\n",
        {**PAIR, "info.post": "One?"},
        "unknown column 'info' in rows.jsonl (mine.yaml: fields: prompt)",
        "A column whose name holds a dot stands in quotes: '\"info.post\"'.",
    ),
    "a key that is in no row": (
        "kind: pairs\nfields: {prompt: info.psot, chosen: 'answers[0].text', rejected: b}\n",
        NESTED,
        "unknown key 'psot' in rows.jsonl: info (mine.yaml: fields: prompt)",
        "Did you mean 'post'? Known: post, title.",
    ),
    "a key that is in no item of a list": (
        "kind: pairs\nfields: {prompt: info.post, chosen: 'answers[0].txt', rejected: b}\n",
        NESTED,
        "unknown key 'txt' in rows.jsonl: answers[0] (mine.yaml: fields: chosen)",
        "Did you mean 'text'? Known: text.",
    ),
    "a path into text": (
        "kind: pairs\nfields: {prompt: info.post, chosen: 'answers[0].text', rejected: b.text}\n",
        NESTED,
        "mine.yaml: fields: rejected: 'b.text' goes into b, which holds text in rows.jsonl",
        "Write the path as the rows are nested",
    ),
    "an item that no list has": (
        "kind: pairs\nfields: {prompt: info.post, chosen: 'answers[3].text', rejected: b}\n",
        NESTED,
        "mine.yaml: fields: chosen: 'answers[3].text' goes into answers, which holds lists of at ",
        "Write the path as the rows are nested",
    ),
    "a list that is none": (
        "kind: ratings\nfields: {prompt: info.post, response: 'info[].text', score: 's[]'}\n",
        {**NESTED, "s": [1]},
        "mine.yaml: fields: response: 'info[].text' goes into info, which holds objects",
        "Write the path as the rows are nested",
    ),
    "a path that is empty in every row and must not be": (
        f"{PAIRS}needs: [batch]\n",
        {**PAIR, "batch": None},
        "mine.yaml: needs: no row of rows.jsonl has anything at one of batch",
        "Leave out what this source does not have.",
    ),
    "roles that no message has": (
        f"{PAIRS}roles: {{cleint: user, clerk_: assistant}}\n",
        TALK,
        "unknown role 'cleint' in rows.jsonl (mine.yaml: roles)",
        "Did you mean 'client'? Known: clerk, client.",
    ),
    "roles that are not known": (
        PAIRS,
        TALK,
        "mine.yaml: roles: clerk, client in rows.jsonl are no known roles",
        "Say what they are, as in roles: {clerk: user, client: assistant}.",
    ),
    "comparisons without values": (
        VOTES,
        VOTE,
        "mine.yaml: values: there are none, found 7 at w in rows.jsonl",
        "Which is which? Say it as in values: {7: a}.",
    ),
    "values that match no row": (
        f"{VOTES}values: {{1: a, 2: b}}\n",
        VOTE,
        "mine.yaml: values: none of the values is there, found 7 at w in rows.jsonl",
        "Which is which?",
    ),
    "a winner of signs that is a word": (
        f"{VOTES}values: {{negative: a, positive: b}}\nmiddle: 1.5\n",
        {**VOTE, "w": "left"},
        "mine.yaml: middle: expected a winner that is a number, found left at w in rows.jsonl",
        "Leave 'middle' out, and say what each value means.",
    ),
    "a response for a winner": (
        f"{VOTES}values: {{1: a, 2: b}}\n",
        {**VOTE, "w": "word " * 30},
        f"mine.yaml: values: none of the values is there, found {('word ' * 30)[:40]}… at w",
        "Which is which?",
    ),
    "labels without values": (
        LABELS,
        LABEL,
        "mine.yaml: values: there are none, found 3 at w in rows.jsonl",
        "Which is which? Say it as in values: {3: true}.",
    ),
    "labels that match no row": (
        f"{LABELS}values: {{up: true, down: false}}\n",
        LABEL,
        "mine.yaml: values: none of the values is there, found 3 at w",
        "Which is which?",
    ),
    "a score that is a word": (
        RATED,
        {"p": "One?", "r": "good", "s": "great"},
        "mine.yaml: fields: score: expected numbers, found great at s in rows.jsonl",
        "Name the column that holds them",
    ),
    "columns of winners in which nobody wins": (
        VOTES.replace("winner: w", "winner_a: w, winner_b: v"),
        {**VOTE, "v": 2},
        "mine.yaml: fields: winner_a: w holds 7 in 2 of 2 rows of rows.jsonl; expected 0, 1",
        "Scores of both sides are kind: ratings",
    ),
    "dimensions of which none is said to count": (
        ASPECTS,
        {"p": "One?", "r": "good", "h": 5, "s": 1},
        "mine.yaml: dimensions: nothing says which of help, safe counts",
        "Give it a weight, as in dimensions: {help: 1}; or choose for this run",
    ),
    "dimensions of winners of which none is said to count": (
        VOTES.replace("winner: w", "winner: {help: w, safe: w2}") + "values: {7: a, 8: b}\n",
        {**VOTE, "w2": 8},
        "mine.yaml: dimensions: nothing says which of help, safe counts",
        "Give it a weight, as in dimensions: {help: 1}",
    ),
}


def described(folder: Path, text: str, *rows: Row) -> tuple[Path, str]:
    """A source, and the format that describes it."""
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return jsonl(folder / "rows.jsonl", rows), str(folder / "mine.yaml")


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_told_at_the_first_look(name: str, tmp_path: Path) -> None:
    """What, where in the file, what is there instead, and what to do; nothing is written."""
    text, row, message, hint = WRONG[name]
    source, format = described(tmp_path, text, row, row)
    with pytest.raises(PrefdataError) as error:
        converted(source, format=format)
    assert str(error.value).replace(f"{tmp_path}/", "").startswith(message)
    assert error.value.hint.startswith(hint)
    assert error.value.exit_code == 2
    assert not (tmp_path / "out").exists()
    with pytest.raises(type(error.value)):
        inspect([source], format=format)


def test_a_field_that_a_source_may_lack_is_optional(tmp_path: Path) -> None:
    """It is read where it is there, and no error where it is not."""
    text = (
        "kind: pairs\nfields: {prompt: p, system: info.sys, chosen: a, rejected: b}\n"
        "optional: [system]\n"
    )
    with_it = described(tmp_path, text, {**PAIR, "info": {"sys": "Be brief."}})
    assert converted(with_it[0], format=with_it[1]).pairs == {("Be brief. | One?", "good", "bad")}
    for row in (PAIR, {**PAIR, "info": {"other": 1}}):
        without = described(tmp_path, text, row)
        assert converted(without[0], format=without[1]).pairs == {("One?", "good", "bad")}


def test_a_column_that_is_empty_so_far_is_no_mistake(tmp_path: Path) -> None:
    """What lies in it cannot be known yet; each row is judged by itself."""
    text = "kind: pairs\nfields: {prompt: [p, info.more], chosen: a, rejected: b}\n"
    source, format = described(tmp_path, text, {**PAIR, "info": None})
    assert converted(source, format=format).pairs == {("One?", "good", "bad")}


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_column_whose_name_holds_a_dot_stands_in_quotes(suffix: str, tmp_path: Path) -> None:
    """Alone, in a text with braces, and before a step into what it holds."""
    row = {"info.post": "One?", "info.tags": '["sums"]', "a[0]": "good", "b": "bad"}
    text = """
kind: pairs
fields:
  prompt: '{"info.post"} {"info.tags"[0]}'
  chosen: '"a[0]"'
  rejected: b
  source: '"info.post"'
"""
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    source = tmp_path / f"rows.{suffix}"
    if suffix == "csv":
        with source.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([row.keys(), row.values()])
    else:
        jsonl(source, [{**row, "info.tags": ["sums"]}])
    outcome = converted(source, format=str(tmp_path / "mine.yaml"))
    assert outcome.pairs == {("One? sums", "good", "bad")}
    assert outcome.only["source"] == "One?"


def test_one_row_that_fits_is_enough(tmp_path: Path) -> None:
    """The others are rejected one by one, each with its reason."""
    rows = [{**VOTE, "p": f"{n}?", "w": n} for n in (1, 7, 8)]
    source, format = described(tmp_path, f"{VOTES}values: {{1: a, 2: b}}\n", *rows)
    outcome = converted(source, format=format)
    assert outcome.pairs == {("1?", "good", "bad")}
    assert [each.line for each in outcome.refused] == [2, 3]


@pytest.mark.parametrize("winner", ["a", "first", "tie", "model_x"])
def test_winners_that_speak_for_themselves_need_no_values(winner: str, tmp_path: Path) -> None:
    """Sides and ties by their usual words, and the names of the models."""
    text = VOTES.replace("winner: w", "winner: w, model_a: m, model_b: n")
    row = {**VOTE, "w": winner, "m": "model_x", "n": "model_y"}
    source, format = described(tmp_path, text, row, {**row, "p": "Two?", "w": "a"})
    assert ("Two?", "good", "bad") in converted(source, format=format).pairs


@pytest.mark.parametrize(("good", "bad"), [(1, 0), (True, False), ("yes", "no")])
def test_labels_that_speak_for_themselves_need_no_values(
    good: object, bad: object, tmp_path: Path
) -> None:
    """True and false in their usual words, and 1 and 0."""
    rows = [{**LABEL, "w": good}, {**LABEL, "a": "bad", "w": bad}]
    source, format = described(tmp_path, LABELS, *rows)
    outcome = converted(source, format=format)
    assert outcome.labels == {("One?", "good", True), ("One?", "bad", False)}


def test_a_middle_is_taken_off_every_winner(tmp_path: Path) -> None:
    """Of several annotators in columns, in a list, and on a dimension."""
    rows = [
        {**VOTE, "w": 1, "w2": 1.2, "all": [1, 1.2]},
        {**VOTE, "p": "Two?", "x": "bad", "y": "good", "w": 2, "w2": 1.9, "all": [2, 1.9]},
    ]
    signs = "values: {negative: a, positive: b}\nmiddle: 1.5\n"
    for winner in ("[w, w2]", "'all[]'", "{help: w, safe: w2}"):
        text = VOTES.replace("winner: w", f"winner: {winner}") + signs
        text += "dimensions: {help: 1}\n" if "help" in winner else ""
        source, format = described(tmp_path, text, *rows)
        outcome = converted(source, format=format)
        assert outcome.pairs == {("One?", "good", "bad"), ("Two?", "good", "bad")}
        if "help" in winner:
            assert [row["dimensions"] for row in outcome.rows] == [
                [{"dimension": name, "chosen": 1.0, "rejected": 0.0} for name in ("help", "safe")]
            ] * 2


def test_the_user_may_choose_a_dimension_that_the_file_does_not_weigh(tmp_path: Path) -> None:
    """One of them, or a rule over several."""
    rows = [
        {"p": "One?", "r": "good", "h": 5, "s": 1},
        {"p": "One?", "r": "bad", "h": 1, "s": 5},
    ]
    source, format = described(tmp_path, ASPECTS, *rows)
    chosen = converted(source, format=format, read_options=ReadOptions(dimension="help"))
    assert chosen.pairs == {("One?", "good", "bad")}
    weighed = converted(source, format=format, weights={"help": 1.0, "safe": 0.5})
    assert weighed.pairs == {("One?", "good", "bad")}


def test_cells_of_a_table_are_looked_into(tmp_path: Path) -> None:
    """A path into JSON that stands in a cell is held against what is in it."""
    (tmp_path / "mine.yaml").write_text(
        "kind: pairs\nfields: {prompt: info.psot, chosen: a, rejected: b}\n", encoding="utf-8"
    )
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["info", "a", "b"], ['{"post": "One?"}', "good", "bad"]])
    with pytest.raises(PrefdataError, match="unknown key 'psot'") as error:
        converted(tmp_path / "rows.csv", format=str(tmp_path / "mine.yaml"))
    assert error.value.hint.startswith("Did you mean 'post'?")
