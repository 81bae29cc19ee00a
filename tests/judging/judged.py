"""Runs of `judge` on the test server, and what they gave, as plain values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from prefdata.judging.ask import JudgeConfig
from prefdata.judging.client.endpoint import ApiKey, Endpoint
from prefdata.judging.client.prices import Price
from prefdata.judging.client.runner import RequestLimits
from prefdata.judging.comparison_store import ComparisonOptions
from prefdata.judging.decide import VerdictPolicy
from prefdata.judging.judge import run_plan
from prefdata.judging.options import JudgePlan
from prefdata.judging.report import JudgeReport
from prefdata.report.progress import Progress
from prefdata.transforms.options import Options

pytest.importorskip("openai", reason="the extra judge is not installed")
pytest.importorskip("aiohttp", reason="the extra judge is not installed")

Row = Mapping[str, Any]
ALL_IN_TRAIN = Options(test_size=0.0)
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
    return Endpoint(model, url, ApiKey(key))


def plan(
    judges: Sequence[Endpoint],
    *,
    config: JudgeConfig | None = None,
    policy: VerdictPolicy | None = None,
    comparison_options: ComparisonOptions | None = None,
) -> JudgePlan:
    """A plan that asks few requests at once, and puts all pairs into the train split."""
    return JudgePlan(
        judges,
        config or JudgeConfig(prices=PRICES, limits=RequestLimits(concurrency=8)),
        policy or VerdictPolicy(pairing=ALL_IN_TRAIN),
        comparison_options or ComparisonOptions(),
    )


def run(
    folder: Path,
    rows: Iterable[Row],
    judges: Sequence[Endpoint],
    *,
    force: bool = False,
    progress: Progress | None = None,
    **how: Any,
) -> tuple[JudgeReport, Judged]:
    """Judge rows, and read what was written; takes what `plan` takes."""
    source = folder / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report = run_plan([source], folder / "out", plan(judges, **how), force=force, progress=progress)
    return report, read(folder / "out")


def rows(n: int) -> list[dict[str, str]]:
    """Comparisons, each different from all others."""
    return [
        {"prompt": f"question {i}?", "chosen": f"answer {i} one", "rejected": f"answer {i} two"}
        for i in range(n)
    ]
