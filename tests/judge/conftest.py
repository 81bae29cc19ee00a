"""Without the extra ``judge`` these tests have nothing to run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("openai")
pytest.importorskip("aiohttp")

from tests.judge.server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that prefers the answer with the smaller hash."""
    with Server() as running:
        yield running
