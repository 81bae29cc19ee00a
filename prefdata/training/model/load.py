"""Loading models and tokenizers, with errors that name the remedy."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from prefdata.errors import UsageError
from prefdata.training.config.check_model import PLAIN

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def import_class(path: str) -> type:
    """The class at an import path, written ``module:name``.

    Example:
        >>> import_class("pathlib:Path")
        <class 'pathlib...Path'>
    """
    module, _, name = path.partition(":")
    imported: type = getattr(import_module(module), name)
    return imported


def load_tokenizer(
    source: str,
    *,
    chat_template: str = "",
    revision: str = "",
    trust_remote_code: bool = False,
) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, fit for training.

    Args:
        source: a folder or a name on the hub.
        chat_template: a Jinja file that replaces its template; ``none`` takes the template away.
        revision: branch, tag or commit on the hub.
        trust_remote_code: run code that comes with it.

    Raises:
        UsageError: there is none, or it has no end token.

    Example:
        >>> load_tokenizer("model").eos_token  # doctest: +SKIP
        '<|im_end|>'
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source, revision=revision or "main", trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{source}: no tokenizer can be loaded ({first_line(error)})",
            hint="Give a folder that holds model and tokenizer, a name on the hub, or tiny.",
        ) from error
    if tokenizer.eos_token is None:
        raise UsageError(
            f"{source}: its tokenizer has no end token, so the model could not learn to stop",
            hint="Set eos_token in its tokenizer_config.json.",
        )
    if chat_template == PLAIN:
        tokenizer.chat_template = None
    elif chat_template:
        tokenizer.chat_template = Path(chat_template).expanduser().read_text(encoding="utf-8")
    return tokenizer


def load_model(
    source: str, *, reward: bool = False, dtype: str = "float32", trust_remote_code: bool = False
) -> PreTrainedModel:
    """A model, ready to be evaluated, on a GPU where there is one.

    Args:
        source: a folder, a LoRA adapter's folder, or a name on the hub.
        reward: whether it is a reward model rather than a language model.
        dtype: of its weights.
        trust_remote_code: run code that comes with it.

    Raises:
        UsageError: it cannot be loaded.

    Example:
        >>> load_model("model").training  # doctest: +SKIP
        False
    """
    import torch
    from safetensors import SafetensorError

    adapter = (Path(source).expanduser() / "adapter_config.json").is_file()
    task = "SequenceClassification" if reward else "CausalLM"
    loader = import_class(f"{'peft:AutoPeft' if adapter else 'transformers:Auto'}ModelFor{task}")
    head = {"num_labels": 1} if adapter and reward else {}
    try:
        model = loader.from_pretrained(  # type: ignore[attr-defined]  # of libraries without types
            source, dtype=getattr(torch, dtype), trust_remote_code=trust_remote_code, **head
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise load_error(source, error) from error
    merged: PreTrainedModel = model.merge_and_unload() if adapter else model
    device = os.environ.get("LOCAL_RANK", "0")
    return merged.to(f"cuda:{device}" if torch.cuda.is_available() else "cpu").eval()


def is_reward_model(source: str) -> bool:
    """Whether a model scores answers rather than writing them.

    Args:
        source: a folder, a LoRA adapter's folder, or a name on the hub.

    Example:
        >>> is_reward_model("model")  # doctest: +SKIP
        False
    """
    from transformers import AutoConfig

    adapter = Path(source).expanduser() / "adapter_config.json"
    if adapter.is_file():
        return bool(json.loads(adapter.read_text("utf-8")).get("task_type") == "SEQ_CLS")
    try:
        config = AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise load_error(source, error) from error
    return any(name.endswith("ForSequenceClassification") for name in config.architectures or [])


def load_error(source: str, error: Exception) -> UsageError:
    """The error for a model that cannot be loaded.

    Example:
        >>> str(load_error("m", OSError("no weights")))
        'm: the model cannot be loaded (no weights)'
    """
    sources = "Give a folder that holds config.json and weights, a name on the hub, or tiny."
    trust = "If you trust the code that comes with it: --set trust_remote_code=true."
    return UsageError(
        f"{source}: the model cannot be loaded ({first_line(error)})",
        hint=trust if "custom code" in str(error) else sources,
    )


def first_line(error: Exception) -> str:
    """The first line of another library's message.

    Example:
        >>> first_line(ValueError("no weights.\\nTry again."))
        'no weights'
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
