"""The model that training starts from, as a folder or a hub name that TRL can read again."""

from __future__ import annotations

from pathlib import Path

from prefdata.report.progress import Say
from prefdata.training.config.check_model import adapter_base, is_adapter, is_local
from prefdata.training.config.plan import Plan
from prefdata.training.config.recipe import TINY
from prefdata.training.model.load import load_error, load_tokenizer
from prefdata.training.model.sharding import unsharded_loading


def starting_model(plan: Plan, folder: Path, say: Say) -> str:
    """A folder or hub name of the whole model to start from; what has to be made goes to `folder`.

    The tiny model is made, and an adapter is merged into its base: TRL reads the reference from
    where the model came from, so that what training starts from has to be on disk as it is.

    Args:
        plan: of the run.
        folder: where a model goes that has to be made; found there, it is not made again.
        say: gets a line of progress at a time.

    Raises:
        UsageError: the model cannot be loaded.

    Example:
        >>> starting_model(plan, Path("start"), print)  # doctest: +SKIP
        'start'
    """
    model = plan.recipe.model
    if model == TINY:
        if not (folder / "config.json").is_file():
            from prefdata.training.model.tiny import make_tiny

            say("making a tiny model with random weights, and a tokenizer from the data")
            seed, longest = plan.recipe.seed, plan.recipe.max_length
            with unsharded_loading():
                make_tiny(folder, plan.dataset, seed=seed, max_length=longest)
        return str(folder)
    if not is_local(model):
        say(f"loading {model} from the cache or the hub")
        return model
    path = Path(model).expanduser()
    if not is_adapter(path):
        return str(path)
    if not (folder / "config.json").is_file():
        say(f"merging the adapter {model} into its base model")
        with unsharded_loading():
            _merge(path, folder, trust_remote_code=plan.recipe.trust_remote_code)
    return str(folder)


def _merge(adapter: Path, folder: Path, *, trust_remote_code: bool) -> None:
    from peft import PeftModel
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    base = adapter_base(adapter)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype="auto", trust_remote_code=trust_remote_code
        )
        merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (OSError, ValueError, SafetensorError) as error:
        raise load_error(str(adapter), error) from error
    has_own = (adapter / "tokenizer_config.json").is_file()
    tokenizer = load_tokenizer(
        str(adapter) if has_own else base, trust_remote_code=trust_remote_code
    )
    merged.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
