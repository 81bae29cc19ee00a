"""Working on several pieces of a source at once, in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from prefdata.io.readers.chunks import PARSERS, Chunk, Offset, Piece

Result = TypeVar("Result")


def in_parallel(work: Callable[[Chunk], Result], pieces: Iterator[Piece]) -> Iterator[Result]:
    """Results in order, while several pieces are processed and the next one is read.

    Errors are raised in that order too: of several, the first.
    """
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(PARSERS) as parsers:
        waiting: deque[Future[Result]] = deque()
        offset: Future[Offset] = Future()
        offset.set_result(Offset())
        upcoming = reader.submit(next, pieces, None)
        while upcoming.exception() is None and (piece := upcoming.result()) is not None:
            upcoming = reader.submit(next, pieces, None)
            following: Future[Offset] = Future()
            waiting.append(parsers.submit(_parse_and_work, work, piece, offset, following))
            offset = following
            if len(waiting) > PARSERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        upcoming.result()  # raises what ended the reading, if not the source's end


def _parse_and_work(
    work: Callable[[Chunk], Result],
    parse: Piece,
    offset: Future[Offset],
    following: Future[Offset],
) -> Result:
    """Parse a piece, wait for its offset, pass on the offset of the next one, and work on it."""
    try:
        chunk = parse()
        start = offset.result()
        following.set_result(start.after(chunk))
    except BaseException as error:
        following.set_exception(error)
        raise
    return work(chunk.shifted(start))
