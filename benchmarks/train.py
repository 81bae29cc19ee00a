"""Training against a plain TRL script: python benchmarks/train.py [--steps 60] [--width 256].

The same model, data, seed and arguments, each in a process of its own: how long it takes from the
call to the first step, how long a step takes, by the clock and in time of the processor, and how
much memory at most. The model has random
weights and is made on the spot; with a GPU at hand it trains there, in bfloat16.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

WAYS = ("plain TRL", "plain TRL, precomputed", "pref train", "pref train, no cache")
WORDS = "the river runs past a lamp in the garden and under an old bridge"
WARM_UP = 5
"""Steps that are left out of the time of a step."""


def main() -> None:
    """Make model and data, run every way by turns, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--width", type=int, default=256, help="hidden size of the model")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.work, options.steps)))
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        prepare(work, options.width, options.layers, 8 * options.steps)
        results: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(options.repeats):
            for way in WAYS:
                results[way].append(alone(way, work, options.steps))
    show(results)


def prepare(work: Path, width: int, layers: int, rows: int) -> None:
    """A data set directory of as many pairs as are trained on, and a model of that size."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from prefdata.io.dataset.dataset_reader import open_dataset
    from prefdata.schemas import PreferencePair
    from prefdata.training.model.tiny import make_tiny

    words = WORDS.split()
    pairs = []
    for number in range(rows):
        sides = [
            " ".join(words[(number + place * stride) % len(words)] for place in range(60))
            for stride in (3, 5)
        ]
        texts = {"prompt": f"Tell me of number {number}.", "chosen": sides[0], "rejected": sides[1]}
        pairs.append(
            {"id": str(number), "prompt_id": str(number), "source": "made"}
            | {
                name: [{"role": "user" if name == "prompt" else "assistant", "content": text}]
                for name, text in texts.items()
            }
        )
    (work / "data" / "data").mkdir(parents=True)
    table = pa.Table.from_pylist(pairs, schema=PreferencePair.arrow_schema())
    for split, part in (("train", table), ("test", table.slice(0, 16))):
        pq.write_table(part, work / "data" / "data" / f"{split}-00000-of-00001.parquet")
    manifest = {"kind": "pairs", "schema_version": 1}
    (work / "data" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    make_tiny(work / "model", open_dataset(work / "data"), seed=1, max_length=256)
    tokenizer = AutoTokenizer.from_pretrained(work / "model")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=max(2, width // 64),
        num_key_value_heads=max(2, width // 64),
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(work / "model")


def alone(way: str, work: Path, steps: int) -> dict[str, float]:
    """One way in a process of its own."""
    args = [sys.executable, __file__, "--way", way, "--work", str(work), "--steps", str(steps)]
    with tempfile.TemporaryDirectory(dir=work) as cache:  # so that no run finds another's numbers
        env = os.environ | {"PREFDATA_CACHE": cache}
        done = subprocess.run(args, stdout=subprocess.PIPE, text=True, check=True, env=env)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(way: str, work: Path, steps: int) -> dict[str, float]:
    """Seconds to the first step, milliseconds per step, peak memory."""
    began = now()
    clock: list[tuple[float, float]] = []
    if way.startswith("plain"):
        plain(work, steps, clock, precomputed=way.endswith("precomputed"))
    else:
        ours(work, steps, clock, cached=not way.endswith("no cache"))
    import torch

    gaps = [
        (after[0] - before[0], after[1] - before[1]) for before, after in itertools.pairwise(clock)
    ][WARM_UP:]
    on_gpu = torch.cuda.is_available()
    peak = (
        torch.cuda.max_memory_allocated()
        if on_gpu
        else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    )
    return {
        "start": clock[0][0] - began[0],
        "start cpu": clock[0][1] - began[1],
        "step": 1000 * statistics.median(gap[0] for gap in gaps),
        "step cpu": 1000 * statistics.median(gap[1] for gap in gaps),
        "memory": peak / 1e6,
    }


def now() -> tuple[float, float]:
    """Seconds by the clock, and seconds of the processor, which other programs do not lengthen."""
    return time.monotonic(), time.process_time()


def arguments(steps: int) -> dict[str, Any]:
    """The options that both ways share."""
    return {"logging_steps": 1, "save_strategy": "no", "max_grad_norm": 1.0} | {
        "lr_scheduler_type": "cosine",
        "warmup_steps": max(1, steps // 10),
    }


def plain(work: Path, steps: int, clock: list[tuple[float, float]], *, precomputed: bool) -> None:
    """A script as TRL's documentation has it."""
    import torch
    import transformers
    import trl
    from datasets import Dataset

    class Clock(transformers.TrainerCallback):  # type: ignore[misc]  # untyped for mypy
        def on_step_end(self, *_args: object, **_kwargs: object) -> None:
            """Take the time."""
            clock.append(now())

    gpu = torch.cuda.is_available()
    file = work / "data" / "data" / "train-00000-of-00001.parquet"
    rows = Dataset.from_parquet(str(file), cache_dir=str(work / f"cache-{time.time_ns()}"))
    trainer = trl.DPOTrainer(
        model=str(work / "model"),
        args=trl.DPOConfig(
            output_dir=str(work / "plain"),
            max_steps=steps,
            learning_rate=1e-4,
            per_device_train_batch_size=8,
            max_length=256,
            seed=42,
            bf16=gpu,
            gradient_checkpointing=False,
            precompute_ref_log_probs=precomputed,
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=gpu,
            **arguments(steps),
        ),
        train_dataset=rows.select_columns(["prompt", "chosen", "rejected"]),
        processing_class=transformers.AutoTokenizer.from_pretrained(work / "model"),
        callbacks=[Clock()],
    )
    trainer.train()


def ours(work: Path, steps: int, clock: list[tuple[float, float]], *, cached: bool) -> None:
    """The same by `train`."""
    from prefdata.training import Recipe, train

    class Clock:
        def update(self, _step: int, _steps: int, logs: Mapping[str, float]) -> None:
            """Take the time of each step."""
            if "loss" in logs:
                clock.append(now())

    options = {**arguments(steps), "report_to": "none", "gradient_checkpointing": False}
    recipe = Recipe(
        model=str(work / "model"),
        data=str(work / "data"),
        output=str(work / "ours"),
        max_steps=steps,
        learning_rate=1e-4,
        max_length=256,
        reference_cache=cached,
        options=options,
    )
    train(recipe, force=True, display=Clock())


def show(results: Mapping[str, list[dict[str, float]]]) -> None:
    """The medians, and each way against the plain script that does the same."""
    table = Table(title=f"DPO, median of {len(results[WAYS[0]])} runs", title_justify="left")
    for column in (
        "way",
        "to the first step",
        "(cpu)",
        "per step",
        "(cpu)",
        "(cpu) to TRL",
        "memory",
    ):
        table.add_column(column, justify="left" if column == "way" else "right")
    like = {"pref train": WAYS[1], "pref train, no cache": WAYS[0]}
    medians = {
        way: {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        for way, runs in results.items()
    }
    for way, numbers in medians.items():
        base = medians[like.get(way, way)]
        table.add_row(
            way,
            f"{numbers['start']:.1f} s",
            f"{numbers['start cpu']:.1f} s",
            f"{numbers['step']:.1f} ms",
            f"{numbers['step cpu']:.1f} ms",
            f"{100 * (numbers['step cpu'] / base['step cpu'] - 1):+.1f} %" if way in like else "",
            f"{numbers['memory']:,.0f} MB",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
