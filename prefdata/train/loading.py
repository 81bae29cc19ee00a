"""Loading models and tokenizers, with errors that name the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefdata.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_tokenizer(source: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, fit for training.

    Args:
        source: a folder or a name on the hub.

    Raises:
        UsageError: there is none, or it has no end token.

    Example:
        >>> load_tokenizer("model").eos_token  # doctest: +SKIP
        '<|im_end|>'
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{source}: no tokenizer can be loaded ({first_line(error)})",
            hint="Give a folder that holds model and tokenizer, a name on the hub, or tiny.",
        ) from error
    if tokenizer.eos_token is None:
        raise UsageError(
            f"{source}: its tokenizer has no end token, so the model could not learn to stop",
            hint="Set eos_token in its tokenizer_config.json.",
        )
    return tokenizer


def load_model(source: str) -> PreTrainedModel:
    """A causal language model, ready to be evaluated, on a GPU where there is one.

    Args:
        source: a folder or a name on the hub.

    Raises:
        UsageError: it cannot be loaded.

    Example:
        >>> load_model("model").training  # doctest: +SKIP
        False
    """
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = AutoModelForCausalLM.from_pretrained(source, dtype="auto")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{source}: the model cannot be loaded ({first_line(error)})",
            hint="Give a folder that holds config.json and weights, or a name on the hub.",
        ) from error
    return model.to(device).eval()


def first_line(error: Exception) -> str:
    """The first line of what another library said.

    Example:
        >>> first_line(ValueError("no weights.\\nTry again."))
        'no weights'
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
