"""What every test and doctest has: no network but loopback, no module whose extra is missing."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import signal
import socket
import urllib.request
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Threads of two workers that wait for each other on two cores cost ten times what they compute;
# torch reads this when it is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell ignores interrupts for what it runs in the background; here they are part of the tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow machine is no failure; what fails must fail again for whoever looks into it.
settings.register_profile(
    "prefdata", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("prefdata")

TRAIN_EXTRA = ("accelerate", "datasets", "peft", "tensorboard", "torch", "transformers", "trl")

JUDGE_EXTRA = ("aiohttp", "httpx2", "openai")

collect_ignore_glob = [
    *(
        ["prefdata/training/*", "tests/training/*", "tests/exporting/test_trl.py"]
        if not all(importlib.util.find_spec(name) for name in TRAIN_EXTRA)
        else []
    ),
    *(
        ["prefdata/judging/client/client.py", "benchmarks/judge.py"]
        if not all(importlib.util.find_spec(name) for name in JUDGE_EXTRA)
        else []
    ),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what reads real files, unless PREFDATA_DATA says where they are."""
    if os.environ.get("PREFDATA_DATA"):
        return
    skip = pytest.mark.skip(reason="PREFDATA_DATA names no folder of real files")
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(skip)


@pytest.fixture
def data() -> Path:
    """The folder of real files that the variable PREFDATA_DATA names."""
    return Path(os.environ["PREFDATA_DATA"])


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves the machine, and use no proxy."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: tuple[str, int] | str) -> None:
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            raise RuntimeError(f"a test tried to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    for name in urllib.request.getproxies_environment():
        for variable in (f"{name}_proxy", f"{name}_PROXY".upper()):
            monkeypatch.delenv(variable, raising=False)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
