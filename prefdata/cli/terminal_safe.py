"""Text of others on the terminal: it is printed, and does nothing."""

from __future__ import annotations

import re

UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that a terminal obeys, that reverse the order of other text, or that no file can hold:
control characters but for tab and line break, overrides of the direction of writing, and lone
surrogates. Marks that letters of many languages need are left alone."""

PICTURES = 0x2400
"""Where Unicode has pictures of the control characters, in their order."""


def safe(text: str) -> str:
    r"""Make text harmless to print, at the same width: each character that acts becomes a picture.

    Example:
        >>> safe("\x1b[31mred\x07")
        '␛[31mred␇'
        >>> safe("a\u202eb")
        'a�b'
    """
    return UNSAFE.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(PICTURES + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


def safe_json(text: str) -> str:
    r"""The same for JSON, in which every character can be written as a number and stays itself.

    Example:
        >>> safe_json('"a\u202eb"')
        '"a\\u202eb"'
    """
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
