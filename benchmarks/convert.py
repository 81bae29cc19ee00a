"""Conversion against the floor and against the usual ways, side by side, in one run.

    python benchmarks/convert.py --rows 100000 --repeat 3
    python benchmarks/convert.py

Each way runs in a process of its own; the rounds alternate between the ways; the figures are
medians. Rows count pairs; of ratings there are four times as many. Data goes to --folder, and is
kept there for the next run.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from generate import WRITERS
from measure import Cost, measured

KINDS = {"pairs": (1, "jsonl"), "ratings": (4, "csv")}
"""Rows for each row asked for, and the kind of file."""

FULL = 1_000_000
STEPS = (100_000, 300_000)
LOOP_ROWS = (20_000, 40_000, 80_000)
"""Sizes that the loop over unique prompts can bear: it is quadratic."""

SIDE_BY_SIDE = ("polars-pass", "pyarrow-pass", "pref convert", "datasets-map")


class Figure(NamedTuple):
    """One line of the table."""

    way: str
    cost: Cost
    note: str = ""


def source(folder: Path, kind: str, rows: int) -> Path:
    """The data file, written first where there is none."""
    path = folder / f"{kind}-{rows}.{KINDS[kind][1]}"
    if not path.exists():
        partial = path.with_suffix(".partial")
        WRITERS[kind](partial, rows=rows)
        partial.rename(path)
    return path


def run(way: str, data: Path) -> Cost:
    """Measure one way on one file, with the file in the page cache and the output thrown away."""
    with data.open("rb") as file:
        while file.read(1 << 24):
            pass
    with tempfile.TemporaryDirectory(dir=data.parent) as scratch:
        out = Path(scratch) / "out"
        if way == "pref convert":
            command = ["-m", "prefdata", "convert", str(data), "-o", str(out), "-q"]
        else:
            methods = Path(__file__).with_name("methods.py")
            command = [str(methods), way, str(data), f"{out}.parquet"]
        return measured([sys.executable, *command])


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of the times, and the highest of the peaks."""
    return Cost(
        median(cost.seconds for cost in costs),
        median(cost.worked for cost in costs),
        max(cost.resident for cost in costs),
        max(cost.anonymous for cost in costs),
    )


def side_by_side(data: Path, ways: Sequence[str], repeat: int) -> list[Figure]:
    """Measure several ways in alternating rounds."""
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    for _ in range(repeat):
        for way in ways:
            costs[way].append(run(way, data))
            print(f"  {data.name} {way}: {costs[way][-1].seconds:.1f} s", file=sys.stderr)
    return [Figure(way, middle(costs[way])) for way in ways]


def loop(folder: Path, kind: str, rows: int) -> Figure:
    """Measure the tutorials' loop at sizes that it can bear, and extrapolate to the full size."""
    if rows <= max(LOOP_ROWS):
        return Figure("pandas-loop", run("pandas-loop", source(folder, kind, rows)))
    seconds = [run("pandas-loop", source(folder, kind, size)).seconds for size in LOOP_ROWS]
    measured_at = ", ".join(f"{t:.0f} s at {n:,}" for n, t in zip(LOOP_ROWS, seconds, strict=True))
    at_full_size = parabola(LOOP_ROWS, seconds, rows)
    return Figure("pandas-loop", Cost(at_full_size, 0, 0, 0), f"extrapolated from {measured_at}")


def parabola(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """The parabola through three points, in Newton's form, at another place."""
    first = (ys[1] - ys[0]) / (xs[1] - xs[0])
    second = ((ys[2] - ys[1]) / (xs[2] - xs[1]) - first) / (xs[2] - xs[0])
    return ys[0] + first * (x - xs[0]) + second * (x - xs[0]) * (x - xs[1])


def table(figures: Sequence[Figure], title: str) -> None:
    """Print one table in Markdown."""
    floor = min(f.cost.seconds for f in figures if f.way.endswith("-pass"))
    print(f"\n**{title}**\n")
    print("| way | seconds | times the floor | of processor time | peak GB | of it anonymous | |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for way, cost, note in figures:
        seconds = f"{cost.seconds:,.1f}" if cost.seconds < 3600 else f"{cost.seconds / 3600:,.1f} h"
        worked = f"{cost.worked:.1f}" if cost.worked else ""
        memory = [f"{size / 1e9:.2f}" if size else "" for size in (cost.resident, cost.anonymous)]
        cells = [way, seconds, f"{cost.seconds / floor:,.2f}", worked, *memory, note]
        print(f"| {' | '.join(cells)} |")


def linearity(folder: Path, kind: str, sizes: Sequence[int], repeat: int) -> None:
    """Print what `pref convert` costs at growing sizes."""
    print(f"\n**{kind}: cost by size**\n")
    print("| rows | seconds | per million rows | of processor time | peak GB | of it anonymous |")
    print("|---:|---:|---:|---:|---:|---:|")
    for rows in sizes:
        cost = side_by_side(source(folder, kind, rows), ["pref convert"], repeat)[0].cost
        memory = f"{cost.resident / 1e9:.2f} | {cost.anonymous / 1e9:.2f}"
        each = f"{1e6 * cost.seconds / rows:.1f} | {1e6 * cost.worked / rows:.1f}"
        print(f"| {rows:,} | {cost.seconds:.1f} | {each} | {memory} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compare ways of conversion, side by side.")
    parser.add_argument("--rows", type=int, default=FULL, help="pairs; ratings are four times it")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--kind", choices=KINDS, action="append", help="default: all")
    parser.add_argument("--only", choices=SIDE_BY_SIDE, action="append", help="compare only these")
    parser.add_argument("--no-linearity", action="store_true")
    default = Path(tempfile.gettempdir()) / "prefdata-benchmark"
    parser.add_argument("--folder", type=Path, default=default, help=f"default: {default}")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(options.folder).free < 10_000 * options.rows:
        parser.error(f"{options.folder} has too little space; choose another --folder")
    for kind in options.kind or KINDS:
        rows = options.rows * KINDS[kind][0]
        data = source(options.folder, kind, rows)
        figures = side_by_side(data, options.only or SIDE_BY_SIDE, options.repeat)
        if not options.only:
            figures.append(loop(options.folder, kind, rows))
        table(
            figures,
            f"{rows:,} {kind}, {data.stat().st_size / 1e9:.2f} GB {data.suffix[1:].upper()}",
        )
        if not options.no_linearity:
            sizes = [n for step in STEPS if (n := step * KINDS[kind][0]) < rows]
            linearity(options.folder, kind, [*sizes, rows], options.repeat)


if __name__ == "__main__":
    main()
