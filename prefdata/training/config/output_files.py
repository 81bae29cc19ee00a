"""The names of the files that training writes, so that --force deletes no file of the user's."""

from __future__ import annotations

import json
from pathlib import Path

WEIGHTS = ("config.json", "generation_config.json", "adapter_config.json", "*.safetensors")
CODE = (
    "*.safetensors.index.json",
    "configuration_*.py",
    "modeling_*.py",
    "tokenization_*.py",
)
TOKENIZER = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt")
VOCABULARIES = ("*.model", "*.tiktoken", "*.jinja", "additional_chat_templates/*.jinja")
MODEL_FILES = (*WEIGHTS, *CODE, *TOKENIZER, *VOCABULARIES)
"""The files that transformers and peft save for a model and its tokenizer."""

REPORT_FILES = ("README.md", "recipe.yaml", "metrics.jsonl", "report.html", "tensorboard/**")
"""The files that describe a run, beside the model."""

_STAGE = (*MODEL_FILES, *REPORT_FILES, *(f"reference/{name}" for name in MODEL_FILES))
OUTPUT_FILES = (*_STAGE, *(f"reference/{name}" for name in _STAGE))
"""All files of a run: the reference may be the model of a first stage, with its own reference."""


def sweep_output_files(state: Path, page: str) -> tuple[str, ...]:
    """The files of a sweep: its state and page, and of each run the model or the unfinished folder.

    Args:
        state: the file that names the runs.
        page: the name of the report page beside it.

    Example:
        >>> sweep_output_files(Path("no/such/sweep.json"), "sweep.html")
        ('sweep.json', 'sweep.html')
    """
    try:
        runs = list(json.loads(state.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        runs = []
    models = (f"{run}/{name}" for run in runs for name in OUTPUT_FILES)
    unfinished = (f"{run}/**" for one in runs for run in (f"{one}.run", f".{one}.*"))
    return (state.name, page, *models, *unfinished)
