"""Runs of `judge` on the test server, and what they gave, as plain values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from prefdata.judging.ask import Asking
from prefdata.judging.client.endpoint import Endpoint, Key
from prefdata.judging.client.prices import Price
from prefdata.judging.client.runner import Pace
from prefdata.judging.decide import Ruling
from prefdata.judging.judge import ask_judges
from prefdata.judging.report import JudgeReport

pytest.importorskip("openai", reason="the extra judge is not installed")
pytest.importorskip("aiohttp", reason="the extra judge is not installed")

Row = Mapping[str, Any]
PRICES = {"judge": Price(2.0, 8.0, 0.5), "other": Price(1.0, 4.0, 0.25)}


class Judged(NamedTuple):
    """What lies in a directory that `judge` wrote."""

    manifest: dict[str, Any]
    pairs: list[Row]
    comparisons: list[Row]
    calls: list[Row]
    rejects: list[Row]

    @property
    def chosen(self) -> dict[str, str]:
        """The chosen answer by the prompt, last turns only."""
        return {p["prompt"][-1]["content"]: p["chosen"][-1]["content"] for p in self.pairs}

    @property
    def reasons(self) -> Counter[str]:
        """Rejects by their reason, with the detail where there is one."""
        return Counter(
            f"{r['reason']}: {r['detail']}" if r["detail"] else r["reason"] for r in self.rejects
        )


def read(output: Path) -> Judged:
    """Read a directory, and hold its account."""
    manifest = json.loads((output / "manifest.json").read_text("utf-8"))
    tables = {
        name: [
            row
            for path in sorted((output / name).iterdir())
            for row in pq.read_table(path).to_pylist()
        ]
        for name in ("data", "comparisons", "calls", "rejects")
    }
    assert manifest["rows_read"] == manifest["rows_used"] + manifest["rows_rejected"]
    assert len(tables["rejects"]) == manifest["rows_rejected"]
    assert len(tables["comparisons"]) == manifest["comparisons"]
    assert sum(split["rows"] for split in manifest["splits"].values()) == len(tables["data"])
    return Judged(manifest, *tables.values())


def endpoint(url: str, model: str = "judge", key: str = "sk-test-5ec4e7") -> Endpoint:
    """A judge at the test server."""
    return Endpoint(model, url, Key(key))


def run(
    folder: Path,
    rows: Iterable[Row],
    judges: Sequence[Endpoint],
    *,
    asking: Asking | None = None,
    ruling: Ruling | None = None,
    **more: Any,
) -> tuple[JudgeReport, Judged]:
    """Judge rows, and read what was written."""
    source = folder / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    asking = asking or Asking(prices=PRICES, pace=Pace(concurrency=8))
    ruling = ruling or Ruling(test_size=0.0)
    report = ask_judges([source], folder / "out", judges, asking=asking, ruling=ruling, **more)
    return report, read(folder / "out")


def rows(n: int) -> list[dict[str, str]]:
    """Comparisons, each different from all others."""
    return [
        {"prompt": f"question {i}?", "chosen": f"answer {i} one", "rejected": f"answer {i} two"}
        for i in range(n)
    ]
