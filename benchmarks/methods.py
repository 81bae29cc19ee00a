"""The ways that the benchmark compares, each run by itself: python methods.py WAY SOURCE OUT.

The pass-throughs do nothing but read the file and write Parquet with the codec and level that
prefdata uses: no program that does more can be faster with the same libraries.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from prefdata.io.dataset.dataset_writer import COMPRESSION, COMPRESSION_LEVEL

BLOCK = 4 << 20
"""Bytes that pyarrow parses at once; its default of 1 MB makes very many row groups."""


def polars_pass(source: Path, out: Path) -> None:
    """Read with Polars, write with Polars, streaming."""
    import polars as pl

    scan = pl.scan_csv if source.suffix == ".csv" else pl.scan_ndjson
    scan(source).sink_parquet(
        out, compression=COMPRESSION, compression_level=COMPRESSION_LEVEL, mkdir=True
    )


def pyarrow_pass(source: Path, out: Path) -> None:
    """Read with pyarrow, write with pyarrow, block by block."""
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet

    if source.suffix == ".csv":
        reader = pyarrow.csv.open_csv(
            source,
            read_options=pyarrow.csv.ReadOptions(block_size=BLOCK),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        )
    else:
        reader = pyarrow.json.open_json(
            source, read_options=pyarrow.json.ReadOptions(block_size=BLOCK)
        )
    with pyarrow.parquet.ParquetWriter(
        out, reader.schema, compression=COMPRESSION, compression_level=COMPRESSION_LEVEL
    ) as writer:
        for batch in reader:
            writer.write_batch(batch)


def pandas_loop(source: Path, out: Path) -> None:
    """Loop over the unique prompts, as tutorials show; quadratic in the number of prompts."""
    import pandas as pd

    rated = source.suffix == ".csv"
    data = pd.read_csv(source) if rated else pd.read_json(source, lines=True)
    rows = []
    for prompt in data["prompt"].unique():
        group = data[data["prompt"] == prompt]
        if rated:
            best, worst = group.loc[group["score"].idxmax()], group.loc[group["score"].idxmin()]
            if best["score"] > worst["score"]:
                rows.append((prompt, best["response"], worst["response"]))
        else:
            rows.append((prompt, group.iloc[0]["chosen"], group.iloc[0]["rejected"]))
    pd.DataFrame(rows, columns=["prompt", "chosen", "rejected"]).to_parquet(out)


def datasets_map(source: Path, out: Path) -> None:
    """Turn each row into messages with `datasets`; it has no grouping, so ratings stay unpaired."""
    from datasets import load_dataset

    kind = "csv" if source.suffix == ".csv" else "json"
    cache = out.with_suffix(".cache")
    data = load_dataset(kind, data_files=str(source), split="train", cache_dir=str(cache))
    columns = ["response"] if kind == "csv" else ["chosen", "rejected"]

    def as_messages(row: dict[str, str]) -> dict[str, list[dict[str, str]]]:
        answers = {name: [{"role": "assistant", "content": row[name]}] for name in columns}
        return {"prompt": [{"role": "user", "content": row["prompt"]}], **answers}

    data.map(as_messages).to_parquet(str(out))


METHODS: dict[str, Callable[[Path, Path], None]] = {
    "polars-pass": polars_pass,
    "pyarrow-pass": pyarrow_pass,
    "pandas-loop": pandas_loop,
    "datasets-map": datasets_map,
}

if __name__ == "__main__":
    METHODS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
