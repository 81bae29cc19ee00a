"""The tiny model: random weights and a tokenizer trained on the data, made in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prefdata.io.dataset.dataset_reader import DatasetDirectory

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 1024
SAMPLE_ROWS = 2000
PAD, START, BREAK, END = "<|pad|>", "<|im_start|>", "<|im_sep|>", "<|im_end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '<|im_sep|>' + message['content'] + '<|im_end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
)
"""ChatML with a token where it has line breaks, so that no answer merges with its prompt."""


def make_tiny(folder: Path, dataset: DatasetDirectory, *, seed: int, max_length: int) -> None:
    """Write a small Llama with random weights, and a tokenizer trained on the data set's texts.

    It trains in seconds and knows nothing: it is there to try the whole path without a hub, a key
    or a GPU.

    Args:
        folder: where the model goes; created if it does not exist.
        dataset: the tokenizer is trained on the first 2,000 rows of its train split.
        seed: of the weights.
        max_length: tokens that the model must be able to hold.

    Example:
        >>> make_tiny(Path("tiny"), dataset, seed=42, max_length=1024)  # doctest: +SKIP
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_train_tokenizer(_texts(dataset)),
        eos_token=END,
        pad_token=PAD,
        chat_template=CHAT_TEMPLATE,
        model_max_length=max(max_length, 4096),
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=max(max_length, 4096),
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, BREAK, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    return tokenizer


def _texts(dataset: DatasetDirectory) -> Iterator[str]:
    """Every message of the first rows of the train split."""
    import pyarrow.parquet as pq

    texts = {"prompt", "chosen", "rejected", "completion"}
    remaining = SAMPLE_ROWS
    for file in dataset.files["train"]:
        with pq.ParquetFile(file) as parquet:
            columns = [name for name in parquet.schema_arrow.names if name in texts]
            for batch in parquet.iter_batches(batch_size=min(remaining, 500), columns=columns):
                for row in batch.to_pylist():
                    for column in columns:
                        yield from (message["content"] or "" for message in row[column])
                remaining -= batch.num_rows
                if remaining <= 0:
                    return
