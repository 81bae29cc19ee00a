"""The published JSON Schemas in the folder `schemas/`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefdata.schemas import RECORDS, json_schemas
from prefdata.schemas.__main__ import write

FOLDER = Path(__file__).parents[2] / "schemas"


def test_the_folder_holds_one_schema_per_record() -> None:
    """No record is missing, and none that is gone has stayed."""
    assert {path.stem for path in FOLDER.iterdir()} == set(RECORDS)


@pytest.mark.parametrize("name", RECORDS)
def test_the_published_schema_is_current(name: str) -> None:
    """If not: python -m prefdata.schemas."""
    published = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert published == json_schemas()[name]


def test_the_folder_can_be_written_anew(tmp_path: Path) -> None:
    """Writing gives the same bytes as those that are published."""
    write(tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (FOLDER / path.name).read_bytes()


def test_what_is_for_python_only_is_not_published() -> None:
    """Descriptions are sentences, without examples in Python."""
    assert ">>>" not in json.dumps(json_schemas())
