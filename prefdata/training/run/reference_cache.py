"""The reference's log-probabilities, computed once, on disk under a key of all they rest on.

The key is a hash of what the numbers depend on and of nothing else: the reference's weights and
config, the token ids of every row, where they are cut, and how they are computed. Another beta,
rate or LoRA rank finds the same numbers; another weight, template or length never does.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdata.errors import TrainingError
from prefdata.training.model import distributed
from prefdata.training.model.sharding import full_shape, full_tensor, inference_engine, zero_dtype

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import Trainer

FORMAT = 1
"""Raised when the meaning of what is stored changes."""

ARGUMENTS = ("max_length", "truncation_mode", "ld_alpha", "bf16", "fp16", "tf32", "disable_dropout")
"""The options that change a reference's log-probabilities."""

INCIDENTAL = ("_name_or_path", "pad_token_id", "transformers_version", "use_cache")
"""What a model's config says that changes none."""

COLUMNS = {
    "DPOTrainer": ("ref_chosen_logps", "ref_rejected_logps"),
    "KTOTrainer": ("ref_logps", "ref_KL_logps"),
}
"""Per trainer of TRL, the columns that hold the numbers."""


def cache_folder() -> Path:
    """Where the numbers are kept: ``PREFDATA_CACHE``, or the user's cache folder.

    Example:
        >>> cache_folder().name
        'reference'
    """
    base = os.environ.get("PREFDATA_CACHE")
    if base:
        return Path(base) / "reference"
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "prefdata" / "reference"


def caching(trainer: type, folder: Path) -> type:
    """A trainer of TRL whose precomputed reference is read from, and written to, `folder`.

    Args:
        trainer: TRL's DPOTrainer or KTOTrainer.
        folder: where the numbers are kept.

    Example:
        >>> caching(trl.DPOTrainer, cache_folder()).__name__  # doctest: +SKIP
        'DPOTrainer'
    """

    def precompute(self: Any, dataset: Dataset, _name: str, batch_size: int) -> Dataset:  # noqa: ANN401  # TRL's own
        return with_reference(self, dataset, batch_size, folder, COLUMNS[trainer.__name__])

    def prepare(self: Any, inputs: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401  # as above
        prepared: dict[str, Any] = trainer._prepare_inputs(self, inputs)  # type: ignore[attr-defined]  # noqa: SLF001
        kept = {name: inputs[name] for name in COLUMNS[trainer.__name__] if name in inputs}
        return prepared | {name: numbers.to(self.args.device) for name, numbers in kept.items()}

    # Under DeepSpeed transformers rounds all that is no whole number to the type of the weights.
    ours = {"_precompute_ref_logps": precompute, "_prepare_inputs": prepare}
    return type(trainer.__name__, (trainer,), ours)


def with_reference(
    trainer: Trainer, rows: Dataset, batch_size: int, folder: Path, columns: tuple[str, ...]
) -> Dataset:
    """The rows with the reference's numbers beside them, from the cache where it has them.

    Example:
        >>> with_reference(trainer, rows, 8, cache_folder(), ("ref_chosen_logps",))
        ... # doctest: +SKIP
    """
    from datasets import Dataset, concatenate_datasets

    key = reference_key(trainer, rows)
    trainer.reference_keys = [*getattr(trainer, "reference_keys", []), key]
    found = _read(folder / f"{key}.parquet", len(rows))
    missing = distributed.any_process(found is None)  # on several machines the folders may differ
    trainer.reference_hits = getattr(trainer, "reference_hits", 0) + (not missing)
    if missing or found is None:
        found = _compute(trainer, rows, batch_size, columns)
        if trainer.accelerator.is_main_process:
            _write(folder / f"{key}.parquet", found)
    return concatenate_datasets([rows, Dataset.from_dict(found)], axis=1)


def reference_key(trainer: Trainer, rows: Dataset) -> str:
    """The key of the reference's numbers for these rows: equal only if the numbers would be.

    Args:
        trainer: with the reference, or the model that is its own reference.
        rows: tokenised, in their order.

    Example:
        >>> len(reference_key(trainer, rows))  # doctest: +SKIP
        40
    """
    model = trainer.ref_model or trainer.model
    model = trainer.accelerator.unwrap_model(model)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = {k: v for k, v in base.config.to_dict().items() if k not in INCIDENTAL}
    facts = {
        "format": FORMAT,
        "trainer": type(trainer).__name__,
        "versions": [version(name) for name in ("torch", "transformers", "trl")],
        "config": config,
        "attention": getattr(base.config, "_attn_implementation", None),
        "device": trainer.accelerator.device.type,
        **{name: getattr(trainer.args, name, None) for name in ARGUMENTS},
        "loss": getattr(trainer, "calculate_KL", None),
        "sharded": trainer.is_fsdp_enabled,  # which computes in half precision by its own rules
        **({"deepspeed": zero_dtype(trainer)} if trainer.is_deepspeed_enabled else {}),
    }
    digest = hashlib.blake2b(digest_size=20)
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    for part in (*_weights(model), *_tokens(rows)):
        digest.update(part)
    return digest.hexdigest()


def _weights(model: torch.nn.Module) -> Iterator[bytes]:
    """Name, type, shape and bytes of every weight below the adapter, in order of name."""
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    named: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if ".lora_" not in name and ".modules_to_save." not in name:
            named[name.removeprefix("base_model.model.").replace(".base_layer", "")] = tensor
    for name, tensor in sorted(named.items()):
        yield f"{name} {tensor.dtype} {tuple(full_shape(tensor))}".encode()
        yield from map(_bytes, (tensor, *_scales(tensor)))


def _scales(tensor: torch.Tensor) -> list[torch.Tensor]:
    """What quantised weights are multiplied by, which bitsandbytes keeps beside them."""
    state, rows = getattr(tensor, "quant_state", None), getattr(tensor, "SCB", None)
    found = [] if state is None else [t for _, t in sorted(state.as_dict(packed=True).items())]
    return found if rows is None else [*found, rows]


def _bytes(tensor: torch.Tensor) -> bytes:
    import torch

    flat = full_tensor(tensor).detach().reshape(-1).contiguous().cpu()
    return bytes(flat.view(torch.uint8).numpy().tobytes()) if flat.numel() else b""


def _tokens(rows: Dataset) -> Iterator[bytes]:
    """The token ids of every row, with the length of every part, in the order of the rows."""
    import pyarrow.compute as pc

    names = sorted(name for name in rows.column_names if name.endswith("_ids"))
    yield f"{names} {len(rows)}".encode()
    for batch in rows.select_columns(names).with_format("arrow").iter(batch_size=1000):
        for name in names:
            column = batch.column(name).combine_chunks()
            yield pc.list_value_length(column).to_numpy(zero_copy_only=False).tobytes()
            yield pc.list_flatten(column).to_numpy(zero_copy_only=False).tobytes()


def _compute(
    trainer: Trainer, rows: Dataset, batch_size: int, columns: tuple[str, ...]
) -> dict[str, list[float]]:
    import torch

    loader = trainer.accelerator.prepare(
        torch.utils.data.DataLoader(
            rows,
            batch_size=batch_size,
            collate_fn=trainer.data_collator,
            num_workers=trainer.args.dataloader_num_workers,
            pin_memory=trainer.args.dataloader_pin_memory,
        )
    )
    model = trainer.ref_model or trainer.model
    if trainer.ref_model is None and trainer.is_deepspeed_enabled:
        model = inference_engine(trainer)
    found: dict[str, list[float]] = {}
    for batch in loader:
        numbers = trainer.compute_ref_log_probs(model, batch)
        for name, values in zip(columns, numbers, strict=True):
            if values is not None:
                gathered = trainer.accelerator.gather_for_metrics(values)
                found.setdefault(name, []).extend(gathered.float().cpu().tolist())
    return found


def _read(file: Path, rows: int) -> dict[str, list[float]] | None:
    """What is stored, unless there is nothing, or what is there is not whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid):
        return None
    return table.to_pydict() if table.num_rows == rows else None


def _write(file: Path, columns: Mapping[str, list[float]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table({name: pa.array(v, pa.float32()) for name, v in columns.items()})
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".tmp", delete=False) as opened:
            pq.write_table(table, opened)
        Path(opened.name).replace(file)
    except OSError as error:
        raise TrainingError(
            f"{file.parent}: the reference's numbers cannot be kept ({error.strerror})",
            hint="Set PREFDATA_CACHE to a folder with room, or reference_cache: false.",
        ) from error
