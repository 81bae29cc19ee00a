"""What training writes into folders, by name, so that --force deletes no file that a user added."""

from __future__ import annotations

import json
from pathlib import Path

WEIGHTS = ("config.json", "generation_config.json", "adapter_config.json", "*.safetensors")
PARTS = ("*.safetensors.index.json", "configuration_*.py", "modeling_*.py", "tokenization_*.py")
TOKENIZER = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt")
MODELS = ("*.model", "*.tiktoken", "*.jinja", "additional_chat_templates/*.jinja")
MODEL_FILES = (*WEIGHTS, *PARTS, *TOKENIZER, *MODELS)
"""What transformers and peft save of a model and its tokenizer."""

REPORT_FILES = ("README.md", "recipe.yaml", "metrics.jsonl", "report.html", "tensorboard/**")
"""What a run says of itself beside the model."""

_STAGE = (*MODEL_FILES, *REPORT_FILES, *(f"reference/{name}" for name in MODEL_FILES))
OUTPUT_FILES = (*_STAGE, *(f"reference/{name}" for name in _STAGE))
"""All of it: the reference may be the model of a first stage, with a reference of its own."""


def sweep_output_files(state: Path, page: str) -> tuple[str, ...]:
    """What a sweep wrote: its state and page, and of every run a model, or what it needs to go on.

    Args:
        state: the file that names the runs.
        page: the name of the page beside it.

    Example:
        >>> sweep_output_files(Path("no/such/sweep.json"), "sweep.html")
        ('sweep.json', 'sweep.html')
    """
    try:
        runs = list(json.loads(state.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        runs = []
    models = (f"{run}/{name}" for run in runs for name in OUTPUT_FILES)
    under_way = (f"{run}/**" for one in runs for run in (f"{one}.run", f".{one}.*"))
    return (state.name, page, *models, *under_way)
