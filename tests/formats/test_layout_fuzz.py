"""Formats in YAML with something wrong in them: each is one message, and none is a traceback."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml

from prefdata.errors import PrefdataError
from prefdata.formats import Format, ReadOptions, Sample
from prefdata.formats.spec.dump import to_yaml
from prefdata.formats.spec.load import load_format
from tests.formats.test_catalogue import file_of
from tests.formats.test_fuzz import places
from tests.formats.test_layout_yaml import PLAIN

TRIES = 20
"""Damaged files of each format."""

KEYS = ("typo", "prompt", "score", "winner", "values", "needs", "roles", "middle", "optional")
WRONG: tuple[object, ...] = (
    *("", "x", "a.b", "a[]", "a[0]", "{a}", "{a} {b[]}", '"a.b"', "{", "a..b", "[0]", "a[][]"),
    *("1", "-1", "nan", "1e400", "true", "é" * 50, "a" * 5000),
    *([], ["x", "y"], ["x", "x"], [["x"]], {}, {"k": "v"}, {"k": ["v"]}, {"": ""}),
    *({"negative": "a"}, {"1": "a", "2": "b"}),
)


def damaged(text: str, chance: random.Random) -> str:
    """A format with one thing gone, one too many, or one that is something else."""
    whole = yaml.safe_load(text)
    *above, last = chance.choice(list(places(whole)))
    holder = whole
    for key in above:
        holder = holder[key]
    way = chance.random()
    if way < 0.2:
        del holder[last]
    elif way < 0.4 and isinstance(holder, dict):
        holder[chance.choice(KEYS)] = chance.choice(WRONG)
    else:
        holder[last] = chance.choice(WRONG)
    return str(yaml.safe_dump(whole, allow_unicode=True))


@pytest.mark.parametrize("format", PLAIN, ids=lambda each: each.name)
def test_a_damaged_format_fits_or_is_wrong_usage(format: Format, tmp_path: Path) -> None:
    """With a remedy, whatever is wrong with it."""
    chance = random.Random(format.name)  # noqa: S311 - it damages files
    lines = file_of(format).read_text("utf-8").splitlines()
    rows = [row for line in lines if isinstance(row := json.loads(line), dict)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    path, found = tmp_path / "mine.yaml", list[tuple[int, bool]]()
    for _ in range(TRIES):
        path.write_text(damaged(to_yaml(format), chance), encoding="utf-8")
        try:
            load_format(path).match(Sample(names, rows, origin="rows.jsonl"), ReadOptions())
        except PrefdataError as error:
            found.append((error.exit_code, bool(error.hint)))
    assert set(found) == {(2, True)}
