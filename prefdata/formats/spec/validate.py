"""A format in YAML against the first rows of a source: what does not fit is told before the rest.

A column that is misspelt would be blank, a path that is wrong would lead nowhere, and words without
a meaning would refuse every row: each is told at once, with the key of the file and what is there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from prefdata.errors import UnknownNameError, UsageError
from prefdata.formats.base import Match, ReadOptions
from prefdata.formats.conversation import ROLES, SPEAKER
from prefdata.formats.generic import unpaired
from prefdata.formats.generic.comparisons import meant
from prefdata.formats.numbers import number_of
from prefdata.formats.sample import Sample
from prefdata.formats.spec.match import match, opened_rows
from prefdata.formats.spec.paths import EACH, Path, get, parse
from prefdata.formats.spec.spec import GENERIC, HOT, FormatSpec, RawRow
from prefdata.formats.winner_values import NONE, written

MOST_FOUND = 5
"""How many values a message lists."""

LONGEST = 40
"""How many characters of each."""


def fit(layout: FormatSpec, sample: Sample, read_options: ReadOptions) -> Match | None:
    """Match a source with the format that the user described, or say what in it does not fit.

    Args:
        layout: what the file says.
        sample: the first rows of the source.
        read_options: what else the user said; None is returned where that would say the same again.

    Raises:
        UnknownNameError: a column, a key or a role that it names is not there.
        UsageError: what stands at a path is not what the field needs.
    """
    if any(read_options.columns.values()) or read_options.winner or read_options.label:
        return None
    _check_columns(layout, sample)
    _, rows = opened_rows(layout, sample)
    for name, paths in layout.paths.items():
        for path in () if name in layout.optional else paths:
            _check_path(path, rows, sample, f"{layout.where}: fields: {name}")
    for path in map(parse, layout.needs):
        _check_path(path, rows, sample, f"{layout.where}: needs")
    _check_roles(layout, rows, sample)
    _check_meanings(layout, rows, sample)
    found = match(layout, sample, read_options)
    if found is None:
        raise UsageError(
            f"{layout.where}: needs: no row of {sample.origin} has anything at one of "
            f"{', '.join(layout.needs)}",
            hint="Leave out what this source does not have.",
        )
    if found.dimensions and not (read_options.dimension or read_options.deciding):
        _check_decided(layout, found.dimensions)
    return found


def _check_columns(layout: FormatSpec, sample: Sample) -> None:
    """Every column that it names is there, but those that may be missing."""
    named = [(f"fields: {name}", path) for name, ps in layout.paths.items() for path in ps]
    named = [each for each in named if each[0].removeprefix("fields: ") not in layout.optional]
    named += [("needs", parse(each)) for each in layout.needs]
    for key, path in named:
        if path.column not in sample.names:
            where = f"{sample.origin} ({layout.where}: {key})"
            error = UnknownNameError("column", path.column, sample.names, where=where)
            error.hint += " A field that only some sources have is listed under 'optional'."
            if path.text in sample.names:
                error.hint = f"A column whose name holds a dot stands in quotes: '\"{path.text}\"'."
            raise error


class Lost(NamedTuple):
    """Where a path ends before its last step.

    Attributes:
        at: the path up to there.
        step: the step that cannot be taken.
        keys: what could be taken instead.
        held: what stands there.
    """

    at: str
    step: str | int
    keys: Collection[str]
    held: Sequence[object]


def _check_path(path: Path, rows: Sequence[RawRow], sample: Sample, key: str) -> None:
    """Some row has what a path leads to; a column that is empty so far may yet be filled."""
    lost = _lost(path, rows)
    if lost is None:
        return
    if lost.keys:
        where = f"{sample.origin}: {lost.at} ({key})"
        raise UnknownNameError("key", str(lost.step), lost.keys, where=where)
    raise UsageError(
        f"{key}: {path.text!r} goes into {lost.at}, which holds {_kind(lost.held)} "
        f"in {sample.origin}",
        hint="Write the path as the rows are nested: info.post, turns[0].text, answers[].text.",
    )


def _lost(path: Path, rows: Sequence[RawRow]) -> Lost | None:
    """Where a path ends too early in all rows; None where it does not, or nothing is known."""
    at, values = path.column, [row.get(path.column) for row in rows]
    for step in path.steps:
        values = [value for value in values if value is not None]
        if not values:
            return None
        below = _below(values, step)
        if below is None:
            objects = [value for value in values if isinstance(value, Mapping)]
            keys = list(dict.fromkeys(str(name) for held in objects for name in held))
            named = isinstance(step, str) and step != EACH
            return Lost(at, step, keys if named else (), values)
        at += f"[{step}]" if isinstance(step, int) else step if step == EACH else f".{step}"
        values = below
    return None


def _below(values: Sequence[object], step: str | int) -> list[object] | None:
    """What a step leads to; None where none of the values lets it be taken."""
    lists = [value for value in values if isinstance(value, list)]
    if step == EACH:
        return [item for held in lists for item in held] if lists else None
    if isinstance(step, int):
        long = [held for held in lists if step < len(held)]
        empty = bool(lists) and not any(lists)
        return [held[step] for held in long] if long or empty else None
    there = [value for value in values if isinstance(value, Mapping) and step in value]
    return [held[step] for held in there] if there else None


def _kind(values: Sequence[object]) -> str:
    """What values are, in a word or two."""
    lists = [value for value in values if isinstance(value, list)]
    if lists:
        return f"lists of at most {max(map(len, lists))}"
    if any(isinstance(value, Mapping) for value in values):
        return "objects"
    return "text" if isinstance(values[0], str) else "single values"


def _check_roles(layout: FormatSpec, rows: Sequence[RawRow], sample: Sample) -> None:
    """Who speaks in the messages is known, with the names that the file gives them or without."""
    texts = set(GENERIC[layout.kind].texts) & set(layout.paths)
    said = {
        speaker
        for name in texts
        for path in layout.paths[name]
        for row in rows
        for speaker in _speakers(get(row, path))
    }
    known = {name for name in said if layout.roles.get(name, name).lower() in ROLES}
    if said == known or set(layout.roles) & said:
        return
    where = f"{sample.origin} ({layout.where}: roles)"
    if layout.roles:
        raise UnknownNameError("role", next(iter(layout.roles)), sorted(said), where=where)
    if not known:
        names = sorted(said)
        raise UsageError(
            f"{layout.where}: roles: {', '.join(names[:MOST_FOUND])} in {sample.origin} "
            "are no known roles",
            hint=f"Say what they are, as in roles: {{{names[0]}: user, {names[-1]}: assistant}}.",
        )


def _speakers(value: object, depth: int = 3) -> Iterator[str]:
    """Who speaks in messages, in a list of messages, or in a list of such lists."""
    if isinstance(value, list) and depth:
        for item in value:
            yield from _speakers(item, depth - 1)
    elif isinstance(value, Mapping):
        yield from (str(value[key]) for key in SPEAKER if isinstance(value.get(key), str))


def _check_meanings(layout: FormatSpec, rows: Sequence[RawRow], sample: Sample) -> None:
    """Winners, labels and scores can be read in some row."""
    for name in ("winner", "label", "score", "rank"):
        for path in layout.paths.get(name, ()):
            words = _words(path, rows, layout.middle if name == "winner" else 0.0)
            if words and not _readable(layout, name, words, rows):
                raise _meaningless(layout, name, path, words, sample)
    hot = {w for name in HOT for path in layout.paths.get(name, ()) for w in _words(path, rows)}
    if hot and not hot & {"1", "true"}:
        raise UsageError(
            f"{layout.where}: fields: winner_a: no row of {sample.origin} has a 1 in it "
            f"or beside it, but {_listed(hot)}",
            hint="Columns of winners hold 1 for what won and 0 elsewhere; or use winner.",
        )


def _words(path: Path, rows: Sequence[RawRow], middle: float = 0.0) -> set[str]:
    """What stands at a path, as words; cells that say nothing are left out."""
    held = [value for row in rows for value in _each(get(row, path))]
    if middle:
        numbers = [(value, number_of(value)) for value in held]
        held = [value if number is None else number - middle for value, number in numbers]
    return {written(value) for value in held if value is not None} - NONE


def _each(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _readable(layout: FormatSpec, name: str, words: set[str], rows: Sequence[RawRow]) -> bool:
    """Whether some word says what the field needs."""
    if name in ("score", "rank"):
        return any(number_of(word) is not None for word in words)
    if name == "label":
        values = layout.values or unpaired.settle(sorted(words), {})[0]
        return bool(words & set(values))
    first = layout.paths["response_a"][0].text
    zero_based = first.endswith("0")
    if any(meant(word, layout.values, zero_based=zero_based) for word in words):
        return True
    models = [path for side in ("model_a", "model_b") for path in layout.paths.get(side, ())]
    return any(words & _words(path, rows) for path in models)


def _meaningless(
    layout: FormatSpec, name: str, path: Path, words: set[str], sample: Sample
) -> UsageError:
    """Nothing at a path can be read as what it is meant to be."""
    found = f"found {_listed(words)} at {path.text} in {sample.origin}"
    if name in ("score", "rank"):
        return UsageError(
            f"{layout.where}: fields: {name}: expected numbers, {found}",
            hint="Name the column that holds them; for words, use kind: comparisons or unpaired.",
        )
    meanings = ("a", "b", "tie") if name == "winner" else ("true", "false")
    pairs = zip(sorted(word[:LONGEST] for word in words), meanings, strict=False)
    shown = ", ".join(f"{word}: {meaning}" for word, meaning in pairs)
    what = "none of the values is there" if layout.values else "there are none"
    if layout.middle:
        return UsageError(
            f"{layout.where}: middle: expected a {name} that is a number, {found}",
            hint="Leave 'middle' out, and say what each value means.",
        )
    return UsageError(
        f"{layout.where}: values: {what}, {found}",
        hint=f"Which is which? Say it as in values: {{{shown}}}.",
    )


def _listed(words: Collection[str]) -> str:
    shown = [word if len(word) <= LONGEST else f"{word[:LONGEST]}…" for word in sorted(words)]
    return ", ".join(shown[:MOST_FOUND]) + (", …" if len(shown) > MOST_FOUND else "")


def _check_decided(layout: FormatSpec, weights: Mapping[str, float]) -> None:
    """Something says which dimension counts."""
    if any(weights.values()):
        return
    first = next(iter(weights))
    raise UsageError(
        f"{layout.where}: dimensions: nothing says which of {', '.join(weights)} counts",
        hint=f"Give it a weight, as in dimensions: {{{first}: 1}}; or choose for this run with "
        f"--dimension {first} or --weights.",
    )
