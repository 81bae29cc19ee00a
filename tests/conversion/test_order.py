"""Of several things that are wrong with a file, the first is told."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from prefdata.conversion import in_parallel
from prefdata.conversion.convert import convert
from prefdata.errors import InputError
from prefdata.io.readers import json as json_reader
from prefdata.io.readers import reader
from tests.roundtrip import pair

AT = 1470
"""The row with the first fault."""


@pytest.mark.parametrize("parsers", [2, 8])
def test_the_first_fault_is_told_however_many_pieces_are_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parsers: int
) -> None:
    """A byte that is not UTF-8, and a few rows behind it the end of a file that was cut off."""
    monkeypatch.setattr(in_parallel, "PARSERS", parsers)
    monkeypatch.setattr(json_reader, "RING", parsers + 3)
    monkeypatch.setattr(json_reader, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(reader, "SAMPLE_BYTES", 1000)
    rows = [pair(f"good {n}", f"bad {n}", f"prompt {n}") for n in range(1500)]
    lines = [json.dumps(row).encode() for row in rows]
    lines[AT] = lines[AT].replace(b"good", b"g\xf6od")
    source = tmp_path / "rows.jsonl.gz"
    source.write_bytes(gzip.compress(b"\n".join(lines))[:-8])
    with pytest.raises(InputError, match="is not UTF-8: byte 0xf6"):
        convert([source], tmp_path / "out")
    source.write_bytes(gzip.compress(b"\n".join(lines[:AT]))[:-8])
    with pytest.raises(InputError, match="cannot be unpacked"):
        convert([source], tmp_path / "out")
