"""Reasoning, calls, tools and template arguments, from the source to the data set directory."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefdata.conversion.convert import convert
from prefdata.conversion.inspect import inspect
from prefdata.errors import UsageError
from prefdata.schemas import PreferencePair, UnpairedPreference
from tests.roundtrip import Row, converted, jsonl, make

CITY = {"city": {"type": "string"}}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": CITY}},
}
TOOLS = [TOOL]


def turn(text: str | None, role: str = "assistant", **more: object) -> dict[str, object]:
    return {"role": role, "content": text, **more}


def called(city: str, id: str = "c1") -> dict[str, object]:
    function = {"name": "weather", "arguments": json.dumps({"city": city})}
    return turn(None, tool_calls=[{"id": id, "type": "function", "function": function}])


def pair(chosen: object, rejected: object, question: str = "Warm?", **more: object) -> Row:
    return {
        "prompt": [turn(question, "user")],
        "chosen": [turn(chosen)] if isinstance(chosen, str) else chosen,
        "rejected": [turn(rejected)] if isinstance(rejected, str) else rejected,
        **more,
    }


def path_of(city: str) -> list[dict[str, object]]:
    """A trajectory: a call, its result, an answer."""
    said = turn(f"12 C in {city}", "tool", tool_call_id="c1", name="weather")
    return [called(city), said, turn(f"It is 12 C in {city}.")]


def stored(folder: Path, split: str = "train") -> list[dict[str, Any]]:
    """The rows of a split, without what is not set in messages."""
    rows = [
        r
        for p in sorted((folder / "data").glob(f"{split}-*"))
        for r in pq.read_table(p).to_pylist()
    ]
    return [{name: plain(value) for name, value in row.items()} for row in rows]


def plain(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items() if each is not None}
    return [plain(each) for each in value] if isinstance(value, list) else value


def out_of(folder: Path, rows: list[Row], **options: Any) -> list[dict[str, Any]]:
    options.setdefault("test_size", 0)
    convert(jsonl(folder / "rows.jsonl", rows), folder / "out", force=True, **options)
    return stored(folder / "out")


def test_a_trajectory_on_both_sides_is_stored_whole(tmp_path: Path) -> None:
    """Call, result and answer, and the tools that were on offer."""
    (row,) = out_of(tmp_path, [pair(path_of("Oslo"), path_of("Rome"), tools=TOOLS)])
    assert row["chosen"] == [
        {**called("Oslo"), "content": ""},
        *path_of("Oslo")[1:],
    ]
    assert row["rejected"][0]["tool_calls"] == called("Rome")["tool_calls"]
    assert json.loads(row["tools"]) == TOOLS
    assert "chat_template_kwargs" not in row


def test_stored_rows_are_the_published_records(tmp_path: Path) -> None:
    """Every file has the same Arrow schema, whatever its own rows hold."""
    odd = pair(path_of("Oslo"), "No.", tools=TOOLS, chat_template_kwargs={"enable_thinking": True})
    rows = [odd, *(pair("Yes.", f"No {n}.", f"Warm {n}?") for n in range(30))]
    out_of(tmp_path, rows, test_size=0.5)
    expected = PreferencePair.arrow_schema(extended=True, tools=True, chat_template_kwargs=True)
    for file in (tmp_path / "out" / "data").iterdir():
        table = pq.read_table(file)
        assert table.schema.remove_metadata().equals(expected)
        for row in table.to_pylist():
            PreferencePair.model_validate(row)
    assert {f.name[:4] for f in (tmp_path / "out" / "data").iterdir()} == {"trai", "test"}


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        (pair("a", "b"), set()),
        (pair("a", "b", tools=[]), set()),
        (pair("a", "b", tools="", chat_template_kwargs={}), set()),
        (pair("a", "b", tools=TOOLS), {"tools"}),
        (pair("a", "b", tools=json.dumps(TOOLS)), {"tools"}),
        (pair("a", "b", Tools=TOOLS), {"tools"}),
        (pair("a", "b", chat_template_kwargs={"x": 1}), {"chat_template_kwargs"}),
        (pair("a", "b", chat_template_kwargs='{"x": 1}'), {"chat_template_kwargs"}),
    ],
)
def test_columns_are_there_where_the_source_has_something_in_them(
    row: Row, columns: set[str], tmp_path: Path
) -> None:
    """All other data sets keep their columns, and plain messages."""
    (found,) = out_of(tmp_path, [row])
    plain_columns = set(PreferencePair.arrow_schema().names)
    assert found.keys() - plain_columns == columns
    (file,) = (tmp_path / "out" / "data").iterdir()
    assert len(pq.read_schema(file).field("prompt").type.value_type) == 2
    if "tools" in columns:
        assert json.loads(found["tools"]) == TOOLS


def ids_of(folder: Path, row: Row) -> tuple[str, str]:
    (found,) = out_of(folder, [row])
    return found["id"], found["prompt_id"]


def test_tools_and_names_change_no_id(tmp_path: Path) -> None:
    """What is told apart is what the answers say, think and call."""
    bare = ids_of(tmp_path, pair("a", "b"))
    assert bare == ("9e1c94fc7f9a3bfe8f7b9ea0d7071826", "6d15ff53d351bc4dc6649e9d28ce1d72")
    assert ids_of(tmp_path, pair("a", "b", tools=TOOLS)) == bare
    assert ids_of(tmp_path, pair([turn("a", name="ann")], "b")) == bare
    assert ids_of(tmp_path, pair([turn("a", reasoning_content="x")], "b")) != bare


def test_answers_that_differ_in_what_they_think_or_call_are_two(tmp_path: Path) -> None:
    """And the same call, with other ids and another order of its arguments, is one."""
    thinks = pair([turn("2", reasoning_content="1 + 1")], [turn("2", reasoning_content="hm")])
    half = pair([turn("2", reasoning_content="1 + 1")], "2", "One and one?")
    calls = pair([called("Oslo")], [called("Rome")], "Where?")
    same = pair([called("Oslo")], [called("Oslo", id="other")], "Same?")
    outcome = make(tmp_path, [thinks, half, calls, same])
    assert len(outcome.rows) == 3
    assert [reject[:3] for reject in outcome.refused] == [(4, "", "both responses are the same")]
    assert len(set(outcome.ids)) == 3


def test_a_call_after_thousands_of_plain_rows_is_read(tmp_path: Path) -> None:
    """The first rows do not decide what a message may hold, nor do plain rows beside it change."""
    rows = [pair(f"good {n}", f"bad {n}", f"Question {n}?") for n in range(3000)]
    late = [
        pair([called("Oslo")], "No.", "Called?"),
        pair([turn("4", reasoning_content="2 + 2")], "5", "Thought?"),
        pair([turn([{"type": "thinking", "thinking": "t"}])], "5", "Blocks?"),  # type: ignore[arg-type]
        pair([turn("4", name="ann")], "5", "Named?"),
    ]
    found = {row["prompt"][0]["content"]: row for row in out_of(tmp_path, [*rows, *late])}
    assert len(found) == 3003
    assert found["Called?"]["chosen"][0]["tool_calls"] == called("Oslo")["tool_calls"]
    assert found["Thought?"]["chosen"][0]["reasoning_content"] == "2 + 2"
    assert found["Named?"]["chosen"][0]["name"] == "ann"
    bare = make(tmp_path / "bare", rows)
    assert set(bare.ids) <= {row["id"] for row in found.values()}


@pytest.mark.parametrize("kind", ["parquet", "csv", "json", "arrow frame"])
def test_every_kind_of_file_gives_the_same(kind: str, tmp_path: Path) -> None:
    """Typed columns with nulls where other rows have keys, and cells that hold JSON."""
    rows = [
        pair(path_of("Oslo"), path_of("Rome"), tools=TOOLS),
        pair([turn("4", reasoning_content="2 + 2")], "5", "Sum?", tools=[]),
    ]
    expected = out_of(tmp_path, rows)
    source: Any = tmp_path / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), source)
    elif kind == "csv":
        with source.open("w", newline="") as file:
            lines = csv.DictWriter(file, list(rows[0]))
            lines.writeheader()
            lines.writerows({n: json.dumps(v) for n, v in row.items()} for row in rows)
    elif kind == "json":
        source.write_text(json.dumps(rows))
    else:
        source = pl.DataFrame([dict(row) for row in rows])
    convert(source, tmp_path / "other", test_size=0)
    other = stored(tmp_path / "other")
    for row in (*expected, *other):
        row.pop("source")
    assert other == expected


@pytest.mark.parametrize(
    ("tools", "detail"),
    [
        ("hammer, nail", "expected a list of tools as objects"),
        ([1], "expected a list of tools as objects"),
        (["weather"], "expected a list of tools as objects"),
        ('[{"name": "w"', "expected a list of tools as objects"),
    ],
)
def test_tools_that_cannot_be_read_refuse_the_row(
    tools: object, detail: str, tmp_path: Path
) -> None:
    """With the option that leaves the column out."""
    rows = [pair("a", "b", tools=TOOLS), pair("c", "d", "Other?", tools=tools)]
    outcome = make(tmp_path, rows)
    assert [reject[:3] for reject in outcome.refused] == [
        (2, "tools", "tools or calls cannot be read")
    ]
    assert outcome.refused[0].detail == f"{detail}; --map tools= leaves the column out"


def test_the_user_may_name_the_column_of_tools_or_leave_it_out(tmp_path: Path) -> None:
    """``--map tools=functions`` and ``--map tools=``."""
    rows = [pair("a", "b", functions=TOOLS, tools="hammer")]
    (mapped,) = out_of(tmp_path, rows, columns={"tools": "functions"})
    assert json.loads(mapped["tools"]) == TOOLS
    (without,) = out_of(tmp_path, rows, columns={"tools": ""})
    assert "tools" not in without


def test_a_described_format_says_where_tools_stand(tmp_path: Path) -> None:
    """A path like any other, in a YAML file."""
    form = tmp_path / "mine.yaml"
    form.write_text(
        "kind: pairs\nfields: {prompt: q, chosen: good, rejected: bad, tools: info.tools}\n"
    )
    rows: list[Row] = [{"q": "Q?", "good": "a", "bad": "b", "info": {"tools": TOOLS}}]
    (row,) = out_of(tmp_path, rows, format=str(form))
    assert json.loads(row["tools"]) == TOOLS


def test_ratings_with_other_tools_are_not_compared(tmp_path: Path) -> None:
    """What an answer is worth depends on what it could have called."""
    other = [{"type": "function", "function": {"name": "clock"}}]
    rows: list[Row] = [
        {"prompt": "Q?", "response": text, "score": score, "tools": tools}
        for text, score, tools in (
            ("good a", 5, TOOLS),
            ("bad a", 1, TOOLS),
            ("good b", 4, other),
            ("bad b", 2, other),
        )
    ]
    found = out_of(tmp_path, rows, strategy="all")
    assert {(r["chosen"][0]["content"], r["rejected"][0]["content"]) for r in found} == {
        ("good a", "bad a"),
        ("good b", "bad b"),
    }
    names = {json.loads(r["tools"])[0]["function"]["name"]: r for r in found}
    assert names["clock"]["chosen"][0]["content"] == "good b"


def test_ratings_and_labels_carry_them_too(tmp_path: Path) -> None:
    """Texts that travel through the store, and KTO's rows."""
    rows: list[Row] = [
        {"prompt": "Q?", "response": [called("Oslo")], "score": 5, "tools": TOOLS},
        {"prompt": "Q?", "response": [turn("No.")], "score": 1, "tools": TOOLS},
    ]
    (row,) = out_of(tmp_path, rows)
    assert row["chosen"][0]["tool_calls"] == called("Oslo")["tool_calls"]
    labels: list[Row] = [
        {"prompt": "Q?", "completion": path_of("Oslo"), "label": True, "tools": TOOLS},
        {"prompt": "Q?", "completion": "No.", "label": False, "tools": TOOLS},
    ]
    good, _ = sorted(out_of(tmp_path, labels), key=lambda row: not row["label"])
    assert [turn["role"] for turn in good["completion"]] == ["assistant", "tool", "assistant"]
    UnpairedPreference.model_validate(good)


def test_plain_and_extended_sources_make_one_data_set(tmp_path: Path) -> None:
    """Also where one has tools and the other no such column."""
    outcome = make(
        tmp_path,
        [{"prompt": f"Q {n}?", "chosen": f"a{n}", "rejected": f"b{n}"} for n in range(3)],
        [pair(path_of("Oslo"), "No.", tools=TOOLS)],
    )
    assert len(outcome.rows) == 4
    assert [row["tools"] is None for row in outcome.rows].count(False) == 1


def test_a_directory_of_this_version_and_of_the_one_before_is_read_again(tmp_path: Path) -> None:
    """The same pairs, with all that they hold; a newer one is refused by its version."""
    first = out_of(tmp_path, [pair(path_of("Oslo"), path_of("Rome"), tools=TOOLS)])
    convert(tmp_path / "out", tmp_path / "again", test_size=0)
    assert stored(tmp_path / "again") == first
    manifest = tmp_path / "out" / "manifest.json"
    values = json.loads(manifest.read_text())
    assert values["schema_version"] == 2
    manifest.write_text(json.dumps({**values, "schema_version": 1}))
    convert(tmp_path / "out", tmp_path / "again", test_size=0, force=True)
    assert stored(tmp_path / "again") == first
    manifest.write_text(json.dumps({**values, "schema_version": 3}))
    source = tmp_path / "out"
    for read in (lambda: convert(source, tmp_path / "x"), lambda: inspect(source)):
        with pytest.raises(UsageError, match="schema version 3; expected 1 to 2") as caught:
            read()
        assert caught.value.hint == "It was written by a newer prefdata: install that one."


def test_the_example_of_the_card_shows_calls(tmp_path: Path) -> None:
    """And what was thought."""
    thought = turn("No.", reasoning_content="It is cold.")
    out_of(tmp_path, [pair(path_of("Oslo"), [thought])])
    card = (tmp_path / "out" / "README.md").read_text()
    assert '> assistant calls weather: {"city": "Oslo"}' in card
    assert "> assistant reasoning: It is cold." in card
    assert converted(tmp_path / "rows.jsonl").only["id"]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_messages_in_one_cell_of_a_column_of_texts_keep_what_they_hold(
    kind: str, tmp_path: Path
) -> None:
    """Reasoning and calls stand in the one row whose cell is JSON messages."""
    cell = json.dumps([turn("12 C", reasoning_content="Look it up."), *path_of("Oslo")])
    rows: list[Row] = [
        {"prompt": "Warm?", "chosen": cell, "rejected": "no"},
        *({"prompt": f"q{n}", "chosen": "yes", "rejected": "no"} for n in range(40)),
    ]
    source = tmp_path / f"rows.{kind}"
    if kind == "csv":
        with source.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        jsonl(source, rows)
    convert([source], tmp_path / "out", test_size=0)
    by_prompt = {row["prompt"][0]["content"]: row for row in stored(tmp_path / "out")}
    assert len(by_prompt) == 41
    assert by_prompt["Warm?"]["chosen"] == [
        turn("12 C", reasoning_content="Look it up."),
        {**called("Oslo"), "content": ""},
        *path_of("Oslo")[1:],
    ]
    assert by_prompt["q0"]["chosen"] == [turn("yes")]


def test_a_system_turn_in_a_column_of_its_own_keeps_its_name(tmp_path: Path) -> None:
    """A message in the system column may hold what the prompt does not."""
    system = turn("Be brief.", "system", name="host")
    row = {"prompt": "Warm?", "system": system, "chosen": "yes", "rejected": "no"}
    (record,) = out_of(tmp_path, [row])
    assert record["prompt"] == [system, turn("Warm?", "user")]
