"""The account of columns: what becomes of each column, and of each key of what is read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from prefdata.formats.base import Format, Match
from prefdata.formats.cell_messages import cell_messages
from prefdata.formats.closed_list import is_filled, kind_of, refused_columns
from prefdata.formats.excerpts import value_excerpt
from prefdata.formats.generic.column_names import ALIASES, INSIDE, SIDED, plain
from prefdata.formats.generic.pairs import DIMENSIONS
from prefdata.formats.generic.winner_columns import ONE_HOT
from prefdata.formats.message import (
    CALL_KEYS,
    EXTENDED_BLOCKS,
    EXTENSION_KEYS,
    MEDIA_KEYS,
    REASONING_KEYS,
)
from prefdata.formats.registry import FORMATS
from prefdata.formats.spec.as_format import SpecFormat
from prefdata.formats.spec.paths import EACH, parse_path
from prefdata.formats.spec.spec import GENERIC_FORMATS
from prefdata.formats.text_shapes import CONTENT, SPEAKER, open_cell
from prefdata.records.column_use import ColumnUse, Status

Steps = tuple[str | int, ...]
Targets = list[tuple[Steps, str]]
"""Where fields stand below a value: the steps that lead to each."""

TEXTS = {
    *("prompt", "system", "history", "chosen", "rejected", "completion"),
    *("response", "responses", "ranked", "response_a", "response_b"),
}
"""Fields that hold messages: of their objects only some keys are read."""

EXTENSIONS = {
    **{key: key for key in EXTENSION_KEYS},
    **dict.fromkeys(REASONING_KEYS, "reasoning_content"),
    **dict.fromkeys(CALL_KEYS, "tool_calls"),
}
"""Keys of a message beside who speaks and what, and the fields that they become."""

MOST_KEYS = 20
"""Keys that are ignored in objects of one place, up to which each has a line of its own."""


class ColumnAccount:
    """What becomes of the columns of one source, added up from rows.

    Args:
        format: the format of the source.
        match: how it is read.
        names: its columns.
        keep: kept column to the column of the source.
        ignore: the columns that the user leaves out.

    Example:
        >>> from prefdata.formats import ReadOptions, Sample, detect
        >>> row = {"prompt": "Hi", "chosen": "Hello", "rejected": "No", "lang": "en"}
        >>> detection = detect(Sample(list(row), [row]), ReadOptions(), name="pairs.jsonl")
        >>> account = ColumnAccount(detection.format, detection.match, list(row), {}, ())
        >>> account.add_rows([row])
        >>> [(each.name, each.status, each.example) for each in account.uses()][-2:]
        [('rejected', 'read', ''), ('lang', 'ignored', 'en')]
    """

    def __init__(
        self,
        format: Format,
        match: Match,
        names: Sequence[str],
        keep: Mapping[str, str],
        ignore: Collection[str],
    ) -> None:
        self._format, self._match = format, match
        self._kept = {column: name for name, column in keep.items() if column}
        self._ignore = set(ignore)
        self._fields: dict[str, list[str]] = {}
        for field, columns in match.columns.items():
            for column in columns:
                self._fields.setdefault(column, []).append(field)
        self._examples = dict.fromkeys(names, "")
        self._keys: dict[str, dict[str, ColumnUse]] = {}
        self._targets = {column: self._targets_of(column) for column in self._fields}

    def _targets_of(self, column: str) -> Targets:
        """Where the fields of a column stand; none where its objects are read as a whole."""
        if not isinstance(self._format, SpecFormat):
            return [((), field) for field in self._fields[column] if field in TEXTS]
        spec = self._format.spec
        if spec.is_prepared:
            return []
        texts = GENERIC_FORMATS[spec.kind].texts
        paths = [(path, field) for field, each in spec.paths.items() for path in each]
        others = [(parse_path(text), "") for text in (*spec.needs, *self._match.template.values())]
        return [
            (path.steps, field if field in texts else "")
            for path, field in (*paths, *others)
            if path.column == column
        ]

    def add_rows(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Look at rows, as a sample has them."""
        for row in rows:
            for name, value in row.items():
                if value is None:
                    continue
                if targets := self._targets.get(name):
                    self._walk(self._opened(name, value), targets, name)
                elif not self._examples.get(name):
                    self._examples[name] = value_excerpt(value)

    def _opened(self, name: str, value: object) -> object:
        shape = self._match.shapes.get(name)
        if name in self._match.json_cells or shape == "cell":
            return open_cell(value)
        messages = cell_messages(value)[0] if shape == "text" and isinstance(value, str) else None
        return value if messages is None else messages

    def _walk(self, value: object, targets: Targets, place: str) -> None:
        """Note the keys of the objects in a value."""
        messages = next((field for steps, field in targets if not steps), None)
        if messages is not None:
            self._walk_messages(value, place) if messages else None
        elif isinstance(value, list):
            inner = [(steps[1:], f) for steps, f in targets if steps[0] in (EACH, *range(99))]
            for item in value if inner else []:
                self._walk(item, inner, f"{place}[]")
        elif isinstance(value, Mapping):
            for key, item in value.items():
                inner = [(steps[1:], f) for steps, f in targets if steps[0] == key]
                self._note(place, key, "read" if inner else "ignored", "", item)
                if inner:
                    self._walk(item, inner, f"{place}.{key}")

    def _walk_messages(self, value: object, place: str) -> None:
        if isinstance(value, list):
            for item in value:
                self._walk_messages(item, f"{place}[]")
        elif isinstance(value, Mapping):
            speaker, content = (
                next((key for key in keys if value.get(key) is not None), keys[0])
                for keys in (SPEAKER, CONTENT)
            )
            fields = {**EXTENSIONS, speaker: "role", content: "content"}
            for key, item in value.items():
                status: Status = "read" if key in fields else "ignored"
                status = "refused" if key in MEDIA_KEYS and item else status
                self._note(place, key, status, fields.get(key, ""), item)
            self._walk_blocks(value.get(content), f"{place}.{content}")

    def _walk_blocks(self, value: object, place: str) -> None:
        for block in value if isinstance(value, list) else []:
            for key, item in block.items() if isinstance(block, Mapping) else ():
                is_read = key in ("type", "text", "value", "content")
                is_read |= block.get("type") in EXTENDED_BLOCKS
                self._note(f"{place}[]", key, "read" if is_read else "ignored", "", item)

    def _note(self, place: str, key: str, status: Status, field: str, value: object) -> None:
        keys = self._keys.setdefault(place, {})
        there = keys.get(key)
        settled = there and (there.status == "read" or (there.example and status == "ignored"))
        if settled or (there and there.status == "refused"):
            return
        is_unread = status != "read" and value is not None
        example = value_excerpt(value) if is_unread else ""
        keys[key] = ColumnUse(f"{place}.{key}", status, field, example)

    def uses(self, split_column: str = "") -> tuple[ColumnUse, ...]:
        """What becomes of each column and key, the columns in their order.

        Args:
            split_column: the column that says which split each row is in, if one does.
        """
        keys = [use for place in self._keys for use in self._keys_of(place)]
        uses = []
        for name in self._examples:
            is_split = bool(name) and name == split_column and name not in self._fields
            uses.append(ColumnUse(name, "read", "split") if is_split else self._use(name))
            uses += [use for use in keys if _is_below(use.name, name)]
        return tuple(uses)

    def _use(self, name: str) -> ColumnUse:
        if name in self._fields:
            prepared = isinstance(self._format, SpecFormat) and self._format.spec.is_prepared
            fields = self._match.format if prepared else ", ".join(self._fields[name])
            return ColumnUse(name, "read", fields)
        if name in self._kept:
            return ColumnUse(name, "carried on", self._kept[name])
        if name in self._ignore:
            return ColumnUse(name, "left out", "", self._examples[name])
        if refused_columns([name]) and is_filled(self._examples[name]):
            return ColumnUse(name, "refused", "", self._examples[name])
        return ColumnUse(name, "ignored", "", self._examples[name])

    def _keys_of(self, place: str) -> list[ColumnUse]:
        """The keys of the objects in one place; very many that are ignored have one line."""
        uses = list(self._keys[place].values())
        ignored = [use for use in uses if use.status == "ignored"]
        if len(ignored) <= MOST_KEYS:
            return uses
        listed = ", ".join(use.name.removeprefix(f"{place}.") for use in ignored[:3])
        example = value_excerpt(f"{len(ignored)} keys: {listed}, …")
        other = ColumnUse(f"{place}.*", "ignored", "", example)
        return [*(use for use in uses if use.status != "ignored"), other]


def _is_below(path: str, column: str) -> bool:
    return path.startswith((f"{column}.", f"{column}["))


def may_be_read(name: str) -> bool:
    """Whether a column of this name can change how a source is read.

    Example:
        >>> may_be_read("system"), may_be_read("response_c"), may_be_read("lang")
        (True, True, False)
    """
    spelling = plain(name)
    if kind_of(name) or spelling in (*_usual_names(), DIMENSIONS) or ONE_HOT.fullmatch(spelling):
        return True
    matches = [pattern.fullmatch(spelling) for pattern in (SIDED, INSIDE)]
    if any(match and match["stem"] in _usual_names() for match in matches):
        return True
    return any(name in each.facts.needs for each in FORMATS.values())


def _usual_names() -> set[str]:
    """The usual column names of all fields, and those of lists of them."""
    names = {alias for aliases in ALIASES.values() for alias in aliases}
    return names | {f"{name}s" for name in names} | {"summary"}
