"""How much `pref --help` takes over a bare Python: the median of several runs of each.

    python benchmarks/startup.py --repeat 15

The runs alternate, so that what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

WAYS: dict[str, Sequence[str]] = {
    "python -c pass": ["-c", "pass"],
    "pref --version": ["-m", "prefdata", "--version"],
    "pref --help": ["-m", "prefdata", "--help"],
    "pref convert --help": ["-m", "prefdata", "convert", "--help"],
}


def milliseconds(arguments: Sequence[str]) -> float:
    """How long a fresh interpreter takes for some arguments."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return 1000 * (time.perf_counter() - start)


def main(repeat: int) -> None:
    """Print the table."""
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(repeat + 1):
        for way, arguments in WAYS.items():
            times[way].append(milliseconds(arguments))
    # The first round only warms the caches.
    medians = {way: median(runs[1:]) for way, runs in times.items()}
    bare = medians["python -c pass"]
    print("| command | median ms | over bare Python |")
    print("|---|---:|---:|")
    for way, time_ in medians.items():
        print(f"| `{way}` | {time_:.0f} | {time_ - bare:.0f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time the command line's start.")
    parser.add_argument("--repeat", type=int, default=11)
    main(parser.parse_args().repeat)
