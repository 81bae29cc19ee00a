"""What a program holds in memory as a source: written to a file that is read like any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import orjson
import pyarrow as pa
from pydantic import BaseModel

from prefdata.errors import InputError, UsageError

if TYPE_CHECKING:
    import polars as pl


@runtime_checkable
class ArrowFrame(Protocol):
    """A frame that exports itself as Arrow: of Polars, pandas, PyArrow, DuckDB and others."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the rows through Arrow's C stream interface."""


@runtime_checkable
class HubDataset(Protocol):
    """A `datasets.Dataset` or `datasets.IterableDataset`, as far as it is used here."""

    def with_format(self, type: str) -> Any:  # noqa: ANN401 - of a library that need not be here
        """Return the data set with batches of another type."""


Row: TypeAlias = Mapping[str, object] | BaseModel
Frame: TypeAlias = "ArrowFrame | HubDataset | pl.LazyFrame | Iterable[Row]"
SourceLike: TypeAlias = "str | PathLike[str] | Frame | Mapping[str, Frame]"
"""A path, glob, folder or address, or what holds rows in memory.

A mapping, such as a `datasets.DatasetDict`, is a source for each of its splits.
"""

Sources: TypeAlias = "SourceLike | Sequence[SourceLike]"
"""One source, or several. A list of dictionaries or of records is one: each is a row of it."""


def as_source_list(sources: Any) -> list[Any]:  # noqa: ANN401 - `Sources`, which overlap
    """List the sources that a caller named, of which there may be one.

    Example:
        >>> as_source_list("ratings.csv"), as_source_list(["a.csv", "b.csv"])
        (['ratings.csv'], ['a.csv', 'b.csv'])
        >>> len(as_source_list([{"prompt": "2+2?", "chosen": "4", "rejected": "5"}]))
        1
    """
    if not isinstance(sources, list | tuple) or (sources and _is_row(sources[0])):
        return [sources]
    return list(sources)


def _is_row(value: object) -> bool:
    """Whether a value is a row; a mapping of splits to frames is none."""
    if isinstance(value, Mapping):
        return not any(isinstance(each, ArrowFrame | HubDataset) for each in value.values())
    return isinstance(value, BaseModel)


def write_source(source: object, folder: Path) -> Iterator[tuple[str, Path]]:
    """Write what is in memory to files, an Arrow or JSONL file for each source.

    Args:
        source: a frame, a list of rows, or a mapping of splits to these.
        folder: where the files go.

    Yields:
        The name of the source, by its split or its type, and its file.

    Raises:
        UsageError: it is nothing that holds rows.
        InputError: there is no row, or a value that cannot be stored.
    """
    named = source if isinstance(source, Mapping) else {_type_name(source): source}
    for number, (name, frame) in enumerate(named.items()):
        if isinstance(frame, Iterable) and not isinstance(frame, ArrowFrame | HubDataset):
            path = folder / f"{number}.jsonl"
            lines = (_line(row, at, name) for at, row in enumerate(frame, 1))
            path.write_bytes(b"".join(lines))
        else:
            path = folder / f"{number}.arrow"
            _write_arrow(frame, path, name)
        if not path.stat().st_size:
            raise InputError(f"{name} has no row", hint="Check how it was made.")
        yield name, path


def _write_arrow(frame: object, path: Path, name: str) -> None:
    try:
        batches = _batches(frame)
        first = next(batches, None)
        with path.open("wb") as file:
            if first is None:
                return
            with pa.ipc.new_file(file, first.schema) as writer:
                writer.write(first)
                for batch in batches:
                    writer.write(batch)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"{name} cannot be stored: {str(error).splitlines()[0]}",
            hint="Give each column one type: texts, numbers, booleans, or lists and structs.",
        ) from error


def _batches(frame: Any) -> Iterator[pa.Table | pa.RecordBatch]:  # noqa: ANN401 - narrowed here
    if isinstance(frame, HubDataset):
        return iter(frame.with_format("arrow").iter(1 << 14))
    if _type_name(frame) == "polars.LazyFrame":
        frame = frame.collect()
    if not isinstance(frame, ArrowFrame):
        raise UsageError(
            f"a source of type {type(frame).__name__} holds no rows",
            hint="Give a path, a frame of Polars, pandas, PyArrow or datasets, or a list of "
            "dictionaries.",
        )
    if _type_name(frame) == "pandas.DataFrame":  # by itself it would make a column of its index
        frame = pa.Table.from_pandas(frame, preserve_index=False)
    return iter(pa.RecordBatchReader.from_stream(frame))


def _line(row: object, number: int, name: str) -> bytes:
    if isinstance(row, BaseModel):
        row = row.model_dump(mode="json")
    if not isinstance(row, Mapping):
        raise InputError(
            f"{name}, row {number}: expected a dictionary or a record, found {type(row).__name__}",
            hint="Give each row as a dictionary of its columns.",
        )
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    try:
        return orjson.dumps(dict(row), option=options)
    except orjson.JSONEncodeError as error:
        raise InputError(
            f"{name}, row {number} cannot be stored: {error}",
            hint="Give texts, numbers, booleans, lists and dictionaries.",
        ) from error


def _type_name(value: object) -> str:
    """The type of a value as a user names it, such as ``polars.DataFrame`` or ``list``."""
    library = type(value).__module__.split(".")[0]
    return f"{library}.{type(value).__name__}".removeprefix("builtins.")
