"""Bytes to UTF-8: other encodings when named, and a clear error when not."""

from __future__ import annotations

import codecs
from typing import BinaryIO, cast

import numpy as np
import polars as pl
import pyarrow as pa

from prefdata.errors import InputError, UsageError
from prefdata.io.readers.sources import looks_utf16

STEP = 1 << 20
PART = 1 << 16
"""Bytes that are checked as one text; a text as long as the data would be copied first."""

CONTINUED = 0x80
"""The two highest bits of a byte that continues a character in UTF-8."""


def count_byte(data: bytes | memoryview, byte: int) -> int:
    """Count a byte, in steps that fit the cache: four times as fast as `bytes.count`.

    Example:
        >>> count_byte(b"a,b,c", ord(","))
        2
    """
    view = np.frombuffer(data, dtype=np.uint8)
    return sum(
        int(np.count_nonzero(view[at : at + STEP] == byte)) for at in range(0, len(view), STEP)
    )


def fill(stream: BinaryIO, space: memoryview) -> int:
    """Read until a space is full, or to the end; returns the number of bytes.

    Example:
        >>> import io
        >>> fill(io.BytesIO(b"abc"), memoryview(bytearray(8)))
        3
    """
    size = 0
    while size < len(space) and (
        count := stream.readinto(space[size:])  # type: ignore[attr-defined]
    ):
        size += count
    return size


def byte_positions(data: bytes | memoryview, byte: int) -> np.ndarray:
    """The positions of a byte, in steps that fit the cache.

    Example:
        >>> byte_positions(b"a,b,c", ord(",")).tolist()
        [1, 3]
    """
    view = np.frombuffer(data, dtype=np.uint8)
    steps = range(0, len(view), STEP)
    parts = [np.flatnonzero(view[at : at + STEP] == byte) + at for at in steps]
    return np.concatenate([np.empty(0, np.int64), *parts])


def decode_array(array: pa.Array | pa.ChunkedArray) -> pl.Series | None:
    """An array of bytes as text; None where a byte is not UTF-8.

    Polars checks every byte in a quarter of the time that pyarrow takes.
    """
    try:
        return cast("pl.Series", pl.from_arrow(array)).cast(pl.String)
    except pl.exceptions.PolarsError:
        return None


def is_valid_utf8(data: bytes | memoryview) -> bool:
    """Whether bytes are UTF-8 throughout, surrogates excluded.

    Example:
        >>> is_valid_utf8("café".encode()), is_valid_utf8(b"caf\\xe9")
        (True, False)
    """
    view = np.frombuffer(data, np.uint8)
    cuts = np.arange(PART, len(view), PART)
    for _ in range(3):  # a part ends where a character does
        cuts -= view[cuts] & 0xC0 == CONTINUED
    ends = np.concatenate([[0], cuts, [len(view)]]).astype(np.int64)
    parts = [None, pa.py_buffer(ends), pa.py_buffer(data)]
    texts = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(ends) - 1, parts)
    return decode_array(texts) is not None


class Decoder:
    """Turns pieces of a file into UTF-8 bytes, whole characters at a time.

    Args:
        name: the file, for messages.
        encoding: the file's encoding; empty means UTF-8, with an error at the first byte that is
            not. ``"utf-8"`` given by name lets bad bytes through, for the reader to reject their
            rows one by one.

    Raises:
        UsageError: no such encoding.

    Example:
        >>> Decoder("notes.csv", "latin-1").feed(b"caf\\xe9").decode()
        'café'
    """

    def __init__(self, name: str, encoding: str = "") -> None:
        self.name = name
        self.offset = 0
        self.first = True
        try:
            self.encoding = codecs.lookup(encoding).name if encoding else ""
            "x".encode(self.encoding or "utf-8")
        except (LookupError, ValueError):  # a name with a NUL, or that is no text
            raise UsageError(
                f"unknown encoding {encoding!r}",
                hint="Common ones: latin-1, cp1252, utf-16, gb18030.",
            ) from None
        self.decoder = codecs.getincrementaldecoder(self.encoding or "utf-8")(
            "surrogatepass" if not self.encoding.startswith(("latin", "iso", "cp")) else "strict"
        )

    def feed(self, piece: bytes) -> bytes:
        """Convert the next piece.

        Raises:
            InputError: a byte is not of the encoding; the message names it.
        """
        return self._convert(piece, final=False)

    def finish(self) -> bytes:
        """Convert the bytes at the end that were no whole character."""
        return self._convert(b"", final=True)

    def _convert(self, piece: bytes, *, final: bool) -> bytes:
        if self.first and piece:
            self.first = False
            piece = self.without_bom(piece)
        if self.encoding == "utf-8" or (
            piece.isascii() and not self.encoding and not self.decoder.getstate()[0]
        ):
            self.offset += len(piece)
            return piece
        pending = len(self.decoder.getstate()[0])
        try:
            text = self.decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            at = max(0, self.offset - pending + error.start)
            raise self.error_at(error.object[error.start], at) from error
        except UnicodeError as error:
            raise InputError(
                f"{self.name} cannot be decoded as {self.encoding}: {error}",
                hint="Pass the encoding that the file has with --encoding.",
            ) from error
        self.offset += len(piece)
        return text.encode("utf-8", "surrogatepass") if self.encoding else piece

    def check(self, piece: bytes, offset: int) -> None:
        """Check that a piece of whole characters is UTF-8, unless the user named that encoding.

        Surrogates pass: they are the fault of one row, which the reader refuses.

        Args:
            piece: the bytes.
            offset: where they begin in the file.

        Raises:
            InputError: a byte is not UTF-8; the message names it.
        """
        if self.encoding:
            return
        if not is_valid_utf8(piece):
            try:
                piece.decode("utf-8", "surrogatepass")
            except UnicodeDecodeError as error:
                raise self.error_at(piece[error.start], offset + error.start) from error

    @property
    def is_utf8(self) -> bool:
        """Whether bytes are passed on as they are."""
        return self.encoding in ("", "utf-8")

    def without_bom(self, piece: bytes) -> bytes:
        """The first bytes of a file without a byte order mark; UTF-16 is refused.

        Raises:
            InputError: it is UTF-16, and UTF-8 or no encoding was named.
        """
        if self.is_utf8 and piece[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise InputError(
                f"{self.name} is not UTF-8: byte 0x{piece[0]:02x} at offset 0 begins a UTF-16 file",
                hint="Pass --encoding utf-16.",
            )
        if self.is_utf8 and looks_utf16(piece):
            raise InputError(
                f"{self.name} looks like UTF-16 without a byte order mark",
                hint=f"Pass --encoding utf-16-{'be' if not piece[0] else 'le'}.",
            )
        return piece.removeprefix(codecs.BOM_UTF8) if self.is_utf8 else piece

    def error_at(self, byte: int, at: int) -> InputError:
        """The error for a byte that is not of the encoding, at an offset in the file."""
        if self.encoding:
            return InputError(
                f"{self.name} is not {self.encoding}: byte 0x{byte:02x} at offset {at:,}",
                hint="Pass the encoding that the file has with --encoding.",
            )
        return InputError(
            f"{self.name} is not UTF-8: byte 0x{byte:02x} at offset {at:,}",
            hint="Pass the file's encoding, such as --encoding cp1252; "
            "or --encoding utf-8 to reject just the rows with such bytes.",
        )
