"""How many tokens a text has, roughly: no tokenizer is at hand for a model behind an endpoint."""

from __future__ import annotations

PER_TOKEN = 4.2
"""Characters of English prose in a token of the usual vocabularies (100,000 to 200,000 entries)."""

PER_MESSAGE = 4
"""Tokens that a chat format adds to each message."""


def tokens_of(text: str) -> int:
    """Estimate the tokens of a text.

    Letters beyond ASCII are counted by their bytes: two bytes are a token, which is near the truth
    for Chinese, and above it for European languages with accents.

    Example:
        >>> tokens_of("The quick brown fox jumps over the lazy dog."), tokens_of("你好世界")
        (11, 5)
    """
    beyond = len(text.encode("utf-8", "replace")) - len(text)
    plain = max(0, len(text) - beyond // 2)
    return round(plain / PER_TOKEN + beyond / 2) + (1 if text else 0)
