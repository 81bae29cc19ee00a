"""Where no row gives a pair."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.errors import InputError
from tests.roundtrip import make, rated


def test_no_pair_is_an_error_that_says_why(tmp_path: Path) -> None:
    """One row gives no pair; nothing is written."""
    with pytest.raises(InputError, match="the only response to its prompt"):
        make(tmp_path, [rated("alone", 5)])
    assert not (tmp_path / "out").exists()
