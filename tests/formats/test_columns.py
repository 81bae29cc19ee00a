"""The account of columns: each column and each key once, with what became of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from prefdata.errors import InputError
from prefdata.formats import ReadOptions
from prefdata.formats.columns import ColumnAccount
from prefdata.formats.detect import recognise
from prefdata.io.readers.reader import read_sample
from prefdata.io.readers.sources import identify_source
from prefdata.records.column_use import ColumnUse
from tests.roundtrip import make, pair

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("tests/formats/samples", "examples")
    for path in (ROOT / folder).iterdir()
    if path.suffix in (".jsonl", ".csv", ".json")
)


def uses_of(path: Path) -> tuple[list[str], tuple[ColumnUse, ...]]:
    """The columns of a file, and what becomes of them."""
    sample = read_sample(identify_source(path, path.name))
    detection = recognise(sample, ReadOptions(), name=path.name)
    account = ColumnAccount(detection.format, detection.match, sample.names, {}, ())
    account.add_rows(sample.rows)
    return sample.names, account.uses()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_column_of_every_sample_is_in_the_account_once(path: Path) -> None:
    """Read, ignored or refused, and an ignored one shows a value where it has any."""
    try:
        names, uses = uses_of(path)
    except InputError:
        pytest.skip("a sample that is refused as a whole")
    counts = Counter(use.name for use in uses)
    assert [name for name in names if counts[name] != 1] == []
    assert set(counts.values()) == {1}
    assert any(use.status == "read" for use in uses)


KEYS = [
    ({"role": "assistant", "content": "good", "weight": 1}, "weight", "1"),
    ({"from": "gpt", "value": "good", "lang": "en"}, "lang", "en"),
    ({"role": "assistant", "content": "good", "meta": {"id": [1]}}, "meta", '{"id": [1]}'),
    ({"role": "assistant", "content": "good", "text": "other"}, "text", "other"),
]


@pytest.mark.parametrize(("message", "key", "example"), KEYS)
def test_a_key_of_a_message_is_in_the_account(
    tmp_path: Path, message: dict[str, object], key: str, example: str
) -> None:
    """With its path, and an example where it is ignored."""
    made = make(tmp_path, [{"prompt": "Q", "chosen": [message], "rejected": "bad"}])
    uses = {use.name: use for use in made.report.sources[0].column_uses}
    assert uses[f"chosen[].{key}"] == ColumnUse(f"chosen[].{key}", "ignored", "", example)
    assert [use.field for use in uses.values() if use.field in ("role", "content")] == [
        "role",
        "content",
    ]


def test_what_became_of_each_column_is_written_down(tmp_path: Path) -> None:
    """In the manifest and on the card, where no mark of a value means anything."""
    rows = [pair("good", "bad", lang="en|`<b>\n# x", id=7, note="n o", image="")]
    made = make(tmp_path, rows, keep=["id"], ignore=["note"])
    uses = {use["name"]: use for use in made.manifest["sources"][0]["column_uses"]}
    assert {name: use["status"] for name, use in uses.items()} == {
        **dict.fromkeys(("prompt", "chosen", "rejected"), "read"),
        "lang": "ignored",
        "id": "carried on",
        "note": "left out",
        "image": "ignored",
    }
    assert uses["id"]["field"] == "keep_id"
    card = next(tmp_path.rglob("README.md")).read_text(encoding="utf-8")
    assert "`en\\|'<b> # x`" in card


def test_very_many_keys_have_one_line(tmp_path: Path) -> None:
    """An object whose keys are data does not flood the account."""
    message = {"role": "assistant", "content": "good", **{f"k{n}": n for n in range(100)}}
    made = make(tmp_path, [{"prompt": "Q", "chosen": [message], "rejected": "bad"}])
    uses = made.report.sources[0].column_uses
    assert not any(use.name.startswith("chosen[].k") for use in uses)
    (many,) = [use for use in uses if use.name == "chosen[].*"]
    assert many.example.startswith("100 keys: k0, k1, k2")
