"""What the tests of judges share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.judging.server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that prefers the answer with the smaller hash."""
    with Server() as running:
        yield running
