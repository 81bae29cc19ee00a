"""What a training run left, read with nothing but transformers."""

from __future__ import annotations

import json
from pathlib import Path

from prefdata.training import TrainingResult
from prefdata.training.model.library_output import suppress_output


def generate(folder: str | Path) -> str:
    """What a saved model says, loaded with nothing but transformers."""
    with suppress_output():
        from transformers import AutoModelForCausalLM, AutoTokenizer

        model = AutoModelForCausalLM.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        prompt = tokenizer("Tell me of the river", return_tensors="pt")
        ids = model.generate(**prompt, max_new_tokens=4, do_sample=False)
    return str(tokenizer.decode(ids[0]))


def history(result: TrainingResult) -> list[dict[str, float]]:
    lines = (Path(result.output) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
