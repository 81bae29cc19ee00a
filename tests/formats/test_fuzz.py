"""Rows that lost their meaning, in every format: ten thousand, each damaged in one place."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prefdata.errors import QuestionError
from prefdata.formats import Format, ReadOptions
from prefdata.formats.sample import SAMPLE_ROWS
from tests.formats.test_catalogue import READ, file_of
from tests.roundtrip import Converted, converted

ROWS = 10_000
HOSTILE = ("\x00", "\ud83d", "\u202e", "\ufeff", "é" * 3, "💥" * 20_000, "\r\n", '"}{', "{0}")

Place = tuple[str | int, ...]


def places(value: object, place: Place = ()) -> Iterator[Place]:
    """Every place in a nested value, the value itself not among them."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield (*place, key)
        yield from places(item, (*place, key))


def damaged(row: dict[str, object], chance: random.Random) -> object:
    """A row with one thing wrong: gone, of another type, nested wrongly, or hostile text."""
    row = copy.deepcopy(row)
    place = chance.choice(list(places(row)))
    holder: object = row
    for key in place[:-1]:
        holder = holder[key]  # type: ignore[index]
    was = holder[place[-1]]  # type: ignore[index]
    if chance.random() < 0.2:
        del holder[place[-1]]  # type: ignore[attr-defined]
    elif chance.random() < 0.03:
        return chance.choice([None, [], [row], "row", 5, True])
    else:
        holder[place[-1]] = chance.choice(wrong(was))  # type: ignore[index]
    return row


def wrong(was: object) -> list[object]:
    """What may stand where something else was; hostile text keeps the words of the text."""
    deep: object = was
    for _ in range(60):
        deep = [deep]
    kinds = [None, "", [], {}, [was], {"value_of": was}, [[]], deep, "N/A", " \n\t "]
    if isinstance(was, str):
        hostile = [
            "\x00",
            "\ud83d",
            "\u202e",
            "\ufeff",
            "é" * 3,
            "💥" * 20_000,
            "\r\n",
            '"}{',
            "{0}",
        ]
        return [*kinds, *(was + text for text in hostile), 7, False]
    return [*kinds, "five", "\ud83d", float("nan")]


def settled(path: Path) -> Converted:
    """What comes of a source, where damaged values that repeat carry no preference."""
    try:
        return converted(path, split="anew")
    except QuestionError as error:
        questions: Iterable[Any] = error.questions
        words = [value["value"] for each in questions for value in each["values"]]
        named = dict.fromkeys(words, "none"), dict.fromkeys(words, None)
        label = "looks like unpaired" in str(error)
        options = ReadOptions(label=named[1]) if label else ReadOptions(winner=named[0])
        return converted(path, read_options=options, split="anew")


@pytest.mark.parametrize("format", READ, ids=lambda each: each.name)
def test_a_damaged_row_is_accounted_for_and_inverts_nothing(format: Format, tmp_path: Path) -> None:
    """No traceback, the sum holds, and no answer that says bad is ever better than another."""
    if file_of(format).suffix != ".jsonl":
        pytest.skip("the sample is no JSON; its rows are damaged in tests/io")
    chance = random.Random(format.name)  # noqa: S311 - it damages rows
    rows = [json.loads(line) for line in file_of(format).read_text("utf-8").splitlines()]
    bad = [damaged(chance.choice(rows), chance) for _ in range(ROWS // len(READ) + 1)]
    folder = tmp_path / next(iter(format.facts.sets), "sample").replace("/", "--")
    folder.mkdir()
    path = folder / file_of(format).name
    sound = rows * (SAMPLE_ROWS // len(rows) + 1)
    path.write_text("".join(json.dumps(row) + "\n" for row in [*sound, *bad]), "utf-8")
    outcome = settled(path)
    assert outcome.manifest["rows_read"] == len(sound) + len(bad)
    assert outcome.format == format.name
    for prompt, better, worse in outcome.labels if format.kind == "unpaired" else outcome.pairs:
        assert prompt.strip()
        assert "bad" not in better if worse is not False else "good" not in better
        assert "good" not in str(worse)
