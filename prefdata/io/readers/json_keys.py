"""Keys of JSON rows that none of the first rows has, at a few milliseconds a block."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from prefdata.io.readers.encoding import byte_positions
from prefdata.io.readers.json_types import parse_row

QUOTE, COLON, SPACE, BACKSLASH, NEWLINE = b'": \\\n'
TAIL = 8
"""Bytes before the quote that ends a key by which it is compared."""

MOST_ROWS = 64
"""Rows of a block that are parsed to look for new keys, one for each that ends in a new way."""


class KnownKeys:
    """The keys of the first rows of a source, at any depth.

    Args:
        rows: the first rows.
        matters: whether a column of a name can change how the source is read.

    Example:
        >>> keys = KnownKeys([{"prompt": "Hi", "chosen": [{"role": "user"}]}], lambda name: False)
        >>> keys.odd_rows(b'{"prompt": "Hi", "chosen": [{"rank": 1}]}\\n')
        [{'prompt': 'Hi', 'chosen': [{'rank': 1}]}]
    """

    def __init__(
        self, rows: Iterable[Mapping[str, object]], matters: Callable[[str], bool]
    ) -> None:
        self._keys = {key for row in rows for key in _keys(row)}
        self.matters = matters
        self._wholes: set[bytes] = set()
        spellings: defaultdict[int, set[tuple[int, int]]] = defaultdict(set)
        for key in self._keys:
            for ascii_only in (True, False):
                text = json.dumps(key, ensure_ascii=ascii_only)[1:-1]
                spelling = text.encode("utf-8", "surrogatepass")
                whole = b'"' + spelling
                tail, before = whole[-TAIL:], whole[-2 * TAIL : -TAIL]
                words = int.from_bytes(tail, "little"), int.from_bytes(before, "little")
                spellings[len(whole)].add(words)
                self._wholes.add(whole)
        self._spellings = dict(spellings)

    def odd_rows(
        self, data: bytes | memoryview, breaks: np.ndarray | None = None
    ) -> list[dict[str, object]]:
        """Rows of a block of JSON lines that have keys which none of the first rows has.

        Args:
            data: the block.
            breaks: the positions of its line breaks, where they are known.
        """
        breaks = byte_positions(data, NEWLINE) if breaks is None else breaks
        below = max(2 * TAIL, int(breaks[0])) if len(breaks) else len(data)
        ends = self._unknown(data, below)
        rows = []
        for number in np.unique([0, *np.searchsorted(breaks, ends)]):
            start = breaks[number - 1] + 1 if number else 0
            stop = breaks[number] if number < len(breaks) else len(data)
            row, *_ = parse_row(bytes(data[start:stop]).decode(errors="replace"))
            if row is not None and not self._keys.issuperset(_keys(row)):
                rows.append(row)
        return rows

    def new_columns(self, row: Mapping[str, object]) -> list[str]:
        """The columns of a row that can change how the source is read, and that are new."""
        return [name for name in row if name not in self._keys and self.matters(name)]

    def _unknown(self, data: bytes | memoryview, below: int) -> np.ndarray:
        """Where keys end that end in a new way: the first of each such way below a place."""
        view = np.frombuffer(data, np.uint8)
        colons = byte_positions(data, COLON)
        ends = colons[np.searchsorted(colons, below + 2) :] - 1
        ends = ends - (view[ends] == SPACE)
        ends = ends[(view[ends] == QUOTE) & (view[ends - 1] != BACKSLASH)]
        words = _words(data)
        tails = words[ends - TAIL]
        if self._is_uniform(data, words, ends, tails, below):
            return np.empty(0, np.int64)
        new = np.ones(len(ends), bool)
        for size, spellings in self._spellings.items():
            shifted = tails >> np.uint64(max(0, TAIL - size) * 8)
            for tail, before in spellings:
                same = np.flatnonzero(shifted == np.uint64(tail))
                if size > 2 * TAIL:
                    same = same[view[np.maximum(ends[same] - size, 0)] == QUOTE]
                if size > TAIL:
                    same = same[_ends_with(words, ends[same] - TAIL, before, size - TAIL)]
                new[same] = False
        ends, tails = ends[new], tails[new]
        _, first = np.unique(tails, return_index=True)
        ends = ends[first]
        opens = np.isin(view[ends - 1], np.frombuffer(b" :,[{", np.uint8))
        first_ones: np.ndarray = np.concatenate([ends[~opens], ends[opens]])[:MOST_ROWS]
        return first_ones

    def _is_uniform(
        self,
        data: bytes | memoryview,
        words: np.ndarray,
        ends: np.ndarray,
        tails: np.ndarray,
        start: int,
    ) -> bool:
        """Whether all rows have the keys of the first one in its order, and these are known."""
        line = bytes(data[start : start + (1 << 16)]).lstrip(b"\n").partition(b"\n")[0]
        start += bytes(data[start : start + 1]) == b"\n"
        count = int(np.searchsorted(ends, start + len(line)))
        if not count or len(ends) % count:
            return False
        places = (ends[:count] - start).tolist()
        opens = [line.rfind(b'"', 0, end) for end in places]
        if not all(line[a:b] in self._wholes for a, b in zip(opens, places, strict=True)):
            return False
        sizes = np.array(places) - np.array(opens)
        shifts = (np.maximum(0, TAIL - sizes) * 8).astype(np.uint64)
        shifted = tails.reshape(-1, count) >> shifts
        if not (shifted == shifted[0]).all():
            return False
        long = np.flatnonzero(sizes > TAIL)
        shifts = (np.maximum(0, 2 * TAIL - sizes[long]) * 8).astype(np.uint64)
        before = words[ends.reshape(-1, count)[:, long] - 2 * TAIL] >> shifts
        return bool((before == before[:1]).all())


def _words(data: bytes | memoryview) -> np.ndarray:
    """The eight bytes from each place on, as a number: a view, which copies nothing."""
    return np.ndarray((max(0, len(data) - TAIL + 1),), "<u8", data, strides=(1,))


def _ends_with(words: np.ndarray, ends: np.ndarray, word: int, size: int) -> np.ndarray:
    """Whether the bytes before each place are those of a word; of a longer one the last eight."""
    shift = np.uint64(max(0, TAIL - size) * 8)
    same: np.ndarray = (words[np.maximum(ends - TAIL, 0)] >> shift) == np.uint64(word)
    return same


def _keys(value: object) -> Iterator[str]:
    """The keys of a value at any depth."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _keys(item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in value:
            yield from _keys(item)
