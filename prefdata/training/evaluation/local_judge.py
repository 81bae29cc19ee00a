"""A local model as a judge: which of two words is likelier to come next.

Nothing is generated, so even a small model gives a verdict, and with it a margin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prefdata.errors import UsageError
from prefdata.training.config.plan import require_train
from prefdata.training.model.load import load_model, load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SAMPLE = 1 << 20
"""Bytes of each end of a weight file that go into the fingerprint."""


class LocalJudge:
    """A model in this process.

    Args:
        source: a folder, or a name on the hub that is in the cache.
        words: what the model chooses between; their first tokens must differ.

    Raises:
        MissingExtraError: the extra ``train`` is not installed.
        UsageError: the model cannot be loaded, or cannot tell the words apart.
    """

    def __init__(self, source: str, words: tuple[str, str] = ("1", "2")) -> None:
        require_train("pref judge --model hf:…")
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(source)
        self.model: PreTrainedModel = load_model(source)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.tokens = [self._token(word) for word in words]
        if self.tokens[0] == self.tokens[1]:
            raise UsageError(
                f"{source}: its tokenizer gives {words[0]!r} and {words[1]!r} the same token",
                hint="Judge with another model.",
            )
        self.fingerprint = _fingerprint(Path(source), source)
        self.longest = int(getattr(self.model.config, "max_position_embeddings", 0) or 1 << 30)

    def _token(self, word: str) -> int:
        return int(self.tokenizer.encode(word, add_special_tokens=False)[-1])

    def __call__(
        self, conversations: Sequence[Sequence[Mapping[str, str]]]
    ) -> list[tuple[float, float, int] | None]:
        """Say how likely each word is to come next, as log-probabilities.

        Args:
            conversations: messages with ``role`` and ``content``, as they would be sent.

        Returns:
            Of each the log-probability of both words, and the tokens that were read; None where
            they are more than the model can hold.
        """
        import torch

        texts = [self._text(each) for each in conversations]
        lengths = [len(self.tokenizer.encode(text, add_special_tokens=False)) for text in texts]
        fits = [at for at, length in enumerate(lengths) if length <= self.longest]
        scores: list[tuple[float, float, int] | None] = [None] * len(texts)
        if not fits:
            return scores
        batch = self.tokenizer(
            [texts[at] for at in fits], padding=True, add_special_tokens=False, return_tensors="pt"
        ).to(self.model.device)
        with torch.inference_mode():
            logits = self.model(**batch, logits_to_keep=1).logits[:, -1].float()
        both = logits.log_softmax(-1)[:, self.tokens].tolist()
        for at, (first, second) in zip(fits, both, strict=True):
            scores[at] = (first, second, lengths[at])
        return scores

    def _text(self, messages: Sequence[Mapping[str, str]]) -> str:
        if not self.tokenizer.chat_template:
            text = "\n\n".join(message["content"] for message in messages)
            return f"{text}\n\nAnswer: "
        text = self.tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
        )
        return str(text)


def _fingerprint(folder: Path, source: str) -> str:
    """Tells models apart: names, sizes and the ends of all files; the name where there are none."""
    digest = hashlib.blake2b(source.encode() if not folder.is_dir() else b"", digest_size=12)
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if path.suffix in (".safetensors", ".bin", ".json", ".jinja"):
            size = path.stat().st_size
            digest.update(f"{path.name} {size}".encode())
            with path.open("rb") as file:
                digest.update(file.read(SAMPLE))
                file.seek(max(0, size - SAMPLE))
                digest.update(file.read(SAMPLE))
    return digest.hexdigest()
