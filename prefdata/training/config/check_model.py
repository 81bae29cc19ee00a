"""Checks of a model by the files in its folder, before anything heavy is loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from prefdata.errors import RecipeError, UsageError

PLAIN = "none"
"""The value of `chat_template` for no template: messages are written out as plain text."""


def is_local(model: str) -> bool:
    """Whether a model is named by a path rather than by its name on the hub.

    Example:
        >>> is_local("./model"), is_local("org/model")
        (True, False)
    """
    return (
        Path(model).expanduser().exists()
        or model.startswith((".", "/", "~"))
        or model.endswith(("/", os.sep))
        or model.count("/") > 1
    )


def check_model(model: str, max_length: int | None = None) -> None:
    """Raise where a folder is no model, or the model is too short for `max_length`.

    Of a name on the hub only the form is checked, and the cache when offline.

    Raises:
        UsageError: no such folder, or not a model.
        RecipeError: an adapter, or a `max_length` that the model cannot hold.

    Example:
        >>> check_model("org/model-on-the-hub")
    """
    if not is_local(model):
        _check_hub_name(model)
        return
    folder = Path(model).expanduser()
    if not folder.exists():
        raise UsageError(
            f"{model}: no such model",
            hint="Give a folder that holds config.json, a name on the hub, or tiny.",
        )
    if is_adapter(folder):
        _check_adapter(model, folder, max_length)
        return
    config = _read_json(folder / "config.json")
    if config is None:
        raise UsageError(
            f"{model}: not a model, there is no readable config.json in it",
            hint="Give a folder that holds config.json, a name on the hub, or tiny.",
        )
    _check_weights(model, folder)
    _check_tokenizer(model, folder, config)
    longest = config.get("max_position_embeddings")
    if isinstance(longest, int) and max_length and max_length > longest:
        raise RecipeError(
            f"max_length {max_length:,} is more than the {longest:,} tokens that {model} can hold",
            hint=f"Use --max-length {longest}.",
        )


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds a LoRA adapter rather than a whole model.

    Example:
        >>> is_adapter(Path("no/such/folder"))
        False
    """
    return (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file()


def adapter_base(folder: Path) -> str:
    """The base model that an adapter names, or an empty text.

    Example:
        >>> adapter_base(Path("no/such/folder"))
        ''
    """
    config = _read_json(folder / "adapter_config.json") or {}
    return str(config.get("base_model_name_or_path") or "")


def _check_adapter(model: str, folder: Path, max_length: int | None) -> None:
    base = adapter_base(folder)
    if not base:
        raise UsageError(
            f"{model}: a LoRA adapter that does not say what it adapts",
            hint="Set base_model_name_or_path in its adapter_config.json.",
        )
    try:
        check_model(base, max_length)
    except UsageError as error:
        raise UsageError(
            f"{model}: a LoRA adapter, and its base model is not there: {error}",
            hint="Set base_model_name_or_path in its adapter_config.json to where it is.",
        ) from None


def _read_json(path: Path) -> dict[str, JsonValue] | None:
    """A JSON object, or None where the file is missing or holds something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _check_weights(model: str, folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    if any(folder.glob("*.bin")):
        raise UsageError(
            f"{model}: its weights are pickled, and pickles run what they hold; "
            "only safetensors are read",
            hint="Save the model as safetensors, with transformers' save_pretrained.",
        )
    raise UsageError(
        f"{model}: there are no weights in it",
        hint="Give a folder that holds config.json and weights, a name on the hub, or tiny.",
    )


TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")


def _check_tokenizer(model: str, folder: Path, config: Mapping[str, JsonValue]) -> None:
    """Raise where there is no tokenizer, or one whose tokens are beyond the model's vocabulary."""
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise UsageError(
            f"{model}: there is no tokenizer in it",
            hint="Save the model's tokenizer into the same folder.",
        )
    tokenizer, size = _read_json(folder / "tokenizer.json") or {}, config.get("vocab_size")
    inner = tokenizer.get("model")
    vocabulary = inner.get("vocab") if isinstance(inner, dict) else None
    if not isinstance(vocabulary, dict) or not isinstance(size, int):
        return
    highest = max((token for token in vocabulary.values() if isinstance(token, int)), default=0)
    if highest >= size:
        raise UsageError(
            f"{model}: its tokenizer makes token {highest:,}, and the model knows {size:,} tokens",
            hint="Put the tokenizer that belongs to the model into its folder.",
        )


def _check_hub_name(model: str) -> None:
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = isinstance(try_to_load_from_cache(model, "config.json"), str)
        well_formed = "/" in model
    except HFValidationError:
        cached = well_formed = False
    if cached or (well_formed and not constants.HF_HUB_OFFLINE):
        return
    where = "in the cache, and the hub is switched off" if well_formed else "as a folder here"
    raise UsageError(
        f"{model}: no such model {where}",
        hint="Give a folder that holds config.json, a hub name like owner/name, or tiny.",
    )
