"""A format in YAML is checked on its own, and then against the first rows of a source.

On its own: what would refuse every row, or would be ignored. Against a source: a misspelt column
would be blank, a wrong path would lead nowhere, and words without a meaning would refuse every row.
Each error names the key of the file and what is there instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from prefdata.errors import UnknownNameError, UsageError
from prefdata.formats.base import Match, ReadOptions
from prefdata.formats.generic import unpaired
from prefdata.formats.generic.winners import OFF, ON, winner_meaning
from prefdata.formats.numbers import number_of
from prefdata.formats.roles import ROLES
from prefdata.formats.sample import Sample
from prefdata.formats.spec.match import match_spec, open_cells
from prefdata.formats.spec.paths import EACH, FieldPath, parse_path, placeholders, value_at
from prefdata.formats.spec.spec import GENERIC_FORMATS, HOT, FormatSpec, RawRow
from prefdata.formats.text_shapes import SPEAKER
from prefdata.formats.value_key import value_key
from prefdata.formats.verdict_words import NONE
from prefdata.formats.winner_values import SIGNED

BOTH = {"pairs": ("chosen", "rejected"), "comparisons": ("response_a", "response_b")}
NUMERIC = "Write values: {negative: a, positive: b}: below the middle, and above it."

MOST_FOUND = 5
"""How many values a message lists."""

LONGEST = 40
"""How many characters of each."""


def check_spec(spec: FormatSpec) -> None:
    """Check that the parts of a description fit together.

    Raises:
        UsageError: it would refuse every row, or ignore something that it says.
        UnknownNameError: ``optional`` names a field that it does not have.

    Example:
        >>> fields = {"response": "answers[]", "score": "stars"}
        >>> check_spec(FormatSpec("mine", "ratings", "", fields, "", file="mine.yaml"))
        Traceback (most recent call last):
        prefdata.errors.UsageError: mine.yaml: fields: response is a list, but score is not
    """
    _check_paths(spec)
    _check_lists(spec)
    _check_winner(spec)
    _check_middle(spec)
    _check_weights(spec)
    _check_optional(spec)


def _check_paths(spec: FormatSpec) -> None:
    """No path stands twice."""
    for name, paths in spec.paths.items():
        texts = [path.text for path in paths]
        if not placeholders(str(spec.fields[name])) and len(set(texts)) < len(texts):
            twice = next(text for text in texts if texts.count(text) > 1)
            raise UsageError(
                f"{spec.where}: fields: {name} names {twice!r} twice", hint="Keep one of them."
            )
        if _is_template(spec, name) and (listed := next((p for p in paths if p.each), None)):
            raise UsageError(
                f"{spec.where}: fields: {name}: {listed.text!r} is a list, "
                "which a text with braces cannot hold",
                hint="Take one item, as in {turns[0]}, or name the path without braces.",
            )
    first, second = BOTH.get(spec.kind, ("", ""))
    if first and spec.fields[first] == spec.fields[second]:
        raise UsageError(
            f"{spec.where}: fields: {first} and {second} stand at the same place, "
            f"{spec.fields[first]!r}",
            hint="Each of the two responses needs a path of its own.",
        )


def _is_template(spec: FormatSpec, name: str) -> bool:
    location = spec.fields[name]
    return isinstance(location, str) and bool(placeholders(location))


def _check_lists(spec: FormatSpec) -> None:
    """Where responses are a list, so are their scores."""
    if spec.kind != "ratings" or spec.order or not _any_list(spec.paths["response"]):
        return
    name = next(name for name in ("score", "rank") if name in spec.fields)
    if not _any_list(spec.paths[name]):
        raise UsageError(
            f"{spec.where}: fields: response is a list, but {name} is not",
            hint=f"Write the path of {name} with [], or rank the list with 'order: best-first'.",
        )


def _any_list(paths: tuple[FieldPath, ...]) -> bool:
    return any(path.each for path in paths)


def _check_winner(spec: FormatSpec) -> None:
    """There is one way to say who won, with the values that belong to it."""
    flags = [name for name in HOT if name in spec.fields]
    if "winner" in spec.fields and flags:
        raise UsageError(
            f"{spec.where} says twice what is better: by winner and by {' and by '.join(flags)}",
            hint="Leave one of them out.",
        )
    if flags and spec.values:
        raise UsageError(
            f"{spec.where}: values: {', '.join(flags)} are 1 or 0, and have no values",
            hint="Leave 'values' out, or use winner.",
        )
    signs = SIGNED & set(spec.values)
    if len(signs) == 1:
        (other,) = SIGNED - signs
        raise UsageError(
            f"{spec.where}: values: there is {signs.pop()} but no {other}",
            hint="Say what both mean: every number is one of them, or 0.",
        )


def _check_middle(spec: FormatSpec) -> None:
    """With a middle, numbers mean below or above it, and nothing else."""
    if not spec.middle:
        return
    if "winner" not in spec.fields:
        raise UsageError(
            f"{spec.where}: middle: there is no winner that it could be taken off",
            hint="Leave 'middle' out.",
        )
    if not set(spec.values) >= SIGNED:
        raise UsageError(
            f"{spec.where}: middle: values do not say what lies below and above it", hint=NUMERIC
        )
    if odd := next((word for word in spec.values if number_of(word) is not None), ""):
        raise UsageError(
            f"{spec.where}: values: {odd} is a number, which 'middle' reads as below or above it",
            hint=f"Leave {odd} out of the values; the middle itself is a tie.",
        )


def _check_weights(spec: FormatSpec) -> None:
    """Weights are at least 0, and some dimension decides."""
    for name, weight in spec.dimensions.items():
        if weight < 0:
            raise UsageError(
                f"{spec.where}: dimensions: the weight of {name} is {weight:g}; expected 0 or more",
                hint="--weights takes a negative weight, where less of something is better.",
            )
    counting = [name for name, weight in spec.dimensions.items() if weight]
    if spec.kind == "comparisons" and len(counting) > 1:
        raise UsageError(
            f"{spec.where}: dimensions: {' and '.join(counting)} cannot both say who won",
            hint="Give one of them a weight; --weights lets several decide.",
        )
    if spec.dimensions and not counting:
        raise UsageError(
            f"{spec.where}: dimensions: no weight is above 0, so that nothing decides",
            hint=f"Write what counts, as in dimensions: {{{next(iter(spec.dimensions))}: 1}}.",
        )


def _check_optional(spec: FormatSpec) -> None:
    needed = {name for group in GENERIC_FORMATS[spec.kind].needs for name in group}
    for name in spec.optional:
        if name not in spec.fields:
            raise UnknownNameError("field", name, spec.fields, where=f"{spec.where}: optional")
        if name in needed:
            raise UsageError(
                f"{spec.where}: optional: {name} cannot be missing",
                hint=f"Without it, {spec.kind} say nothing. Leave it out of 'optional'.",
            )


def match_strictly(spec: FormatSpec, sample: Sample, read_options: ReadOptions) -> Match | None:
    """Match a source with the format that the user described; raise where it does not fit.

    Args:
        spec: the description in the user's file.
        sample: the first rows of the source.
        read_options: what else the user said.

    Returns:
        The match; None where ``--map``, ``--winner`` or ``--label`` would say the same again.

    Raises:
        UnknownNameError: a column, a key or a role that it names is not there.
        UsageError: what stands at a path is not what the field needs.
    """
    if any(read_options.columns.values()) or read_options.winner or read_options.label:
        return None
    _check_columns(spec, sample)
    _, rows = open_cells(spec, sample)
    for name, paths in spec.paths.items():
        for path in () if name in spec.optional else paths:
            _check_path(path, rows, sample, f"{spec.where}: fields: {name}")
    for path in map(parse_path, spec.needs):
        _check_path(path, rows, sample, f"{spec.where}: needs")
    _check_roles(spec, rows, sample)
    _check_meanings(spec, rows, sample)
    result = match_spec(spec, sample, read_options)
    if result is None:
        raise UsageError(
            f"{spec.where}: needs: no row of {sample.origin} has anything at one of "
            f"{', '.join(spec.needs)}",
            hint="Leave out what this source does not have.",
        )
    if result.dimensions and not (read_options.dimension or read_options.deciding):
        _check_decisive(spec, result.dimensions)
    return result


def _check_columns(spec: FormatSpec, sample: Sample) -> None:
    """Every column that it names is there, except those of optional fields."""
    references = [(f"fields: {name}", path) for name, ps in spec.paths.items() for path in ps]
    references = [
        each for each in references if each[0].removeprefix("fields: ") not in spec.optional
    ]
    references += [("needs", parse_path(each)) for each in spec.needs]
    for key, path in references:
        if path.column not in sample.names:
            where = f"{sample.origin} ({spec.where}: {key})"
            error = UnknownNameError("column", path.column, sample.names, where=where)
            error.hint += " A field that only some sources have is listed under 'optional'."
            if path.text in sample.names:
                error.hint = f"A column whose name holds a dot stands in quotes: '\"{path.text}\"'."
            raise error


class BrokenPath(NamedTuple):
    """A path that ends before its last step.

    Attributes:
        path: the path up to there.
        step: the step that cannot be taken.
        keys: the keys that are there instead.
        values: the values at that place.
    """

    path: str
    step: str | int
    keys: Collection[str]
    values: Sequence[object]


def _check_path(path: FieldPath, rows: Sequence[RawRow], sample: Sample, key: str) -> None:
    """Some row has a value at a path; a column that is empty so far may yet be filled."""
    broken = _broken_path(path, rows)
    if broken is None:
        return
    if broken.keys:
        where = f"{sample.origin}: {broken.path} ({key})"
        raise UnknownNameError("key", str(broken.step), broken.keys, where=where)
    raise UsageError(
        f"{key}: {path.text!r} goes into {broken.path}, which holds {_kind(broken.values)} "
        f"in {sample.origin}",
        hint="Write the path as the rows are nested: info.post, turns[0].text, answers[].text.",
    )


def _broken_path(path: FieldPath, rows: Sequence[RawRow]) -> BrokenPath | None:
    """Find where a path ends too early in all rows; None where it does not, or all is null."""
    place, values = path.column, [row.get(path.column) for row in rows]
    for step in path.steps:
        values = [value for value in values if value is not None]
        if not values:
            return None
        next_values = _below(values, step)
        if next_values is None:
            objects = [value for value in values if isinstance(value, Mapping)]
            keys = list(dict.fromkeys(str(key) for value in objects for key in value))
            by_key = isinstance(step, str) and step != EACH
            return BrokenPath(place, step, keys if by_key else (), values)
        place += f"[{step}]" if isinstance(step, int) else step if step == EACH else f".{step}"
        values = next_values
    return None


def _below(values: Sequence[object], step: str | int) -> list[object] | None:
    """The values that a step leads to; None where none of the values has that step."""
    lists = [value for value in values if isinstance(value, list)]
    if step == EACH:
        return [item for value in lists for item in value] if lists else None
    if isinstance(step, int):
        long_enough = [value for value in lists if step < len(value)]
        empty = bool(lists) and not any(lists)
        return [value[step] for value in long_enough] if long_enough or empty else None
    objects = [value for value in values if isinstance(value, Mapping) and step in value]
    return [value[step] for value in objects] if objects else None


def _kind(values: Sequence[object]) -> str:
    """What values are, in a word or two."""
    lists = [value for value in values if isinstance(value, list)]
    if lists:
        return f"lists of at most {max(map(len, lists))}"
    if any(isinstance(value, Mapping) for value in values):
        return "objects"
    return "text" if isinstance(values[0], str) else "single values"


def _check_roles(spec: FormatSpec, rows: Sequence[RawRow], sample: Sample) -> None:
    """The roles in the messages are usual ones, or the file says what they are."""
    texts = set(GENERIC_FORMATS[spec.kind].texts) & set(spec.paths)
    speakers = {
        speaker
        for name in texts
        for path in spec.paths[name]
        for row in rows
        for speaker in _speakers(value_at(row, path))
    }
    known_speakers = {name for name in speakers if spec.roles.get(name, name).lower() in ROLES}
    if speakers == known_speakers or set(spec.roles) & speakers:
        return
    where = f"{sample.origin} ({spec.where}: roles)"
    if spec.roles:
        raise UnknownNameError("role", next(iter(spec.roles)), sorted(speakers), where=where)
    if not known_speakers:
        names = sorted(speakers)
        raise UsageError(
            f"{spec.where}: roles: {', '.join(names[:MOST_FOUND])} in {sample.origin} "
            "are no known roles",
            hint=f"Say what they are, as in roles: {{{names[0]}: user, {names[-1]}: assistant}}.",
        )


def _speakers(value: object, depth: int = 3) -> Iterator[str]:
    """The roles in messages, in a list of messages, or in a list of such lists."""
    if isinstance(value, list) and depth:
        for item in value:
            yield from _speakers(item, depth - 1)
    elif isinstance(value, Mapping):
        yield from (str(value[key]) for key in SPEAKER if isinstance(value.get(key), str))


def _check_meanings(spec: FormatSpec, rows: Sequence[RawRow], sample: Sample) -> None:
    """Winners, labels and scores can be read in some row."""
    for name in ("winner", "label", "score", "rank"):
        for path in spec.paths.get(name, ()):
            words = _words(path, rows, spec.middle if name == "winner" else 0.0)
            if words and not _readable(spec, name, words, rows):
                raise _meaningless(spec, name, path, words, sample)
    _check_flags(spec, rows, sample)
    flags = {w for name in HOT for path in spec.paths.get(name, ()) for w in _words(path, rows)}
    if flags and not flags & {"1", "true"}:
        raise UsageError(
            f"{spec.where}: fields: winner_a: no row of {sample.origin} has a 1 in it "
            f"or beside it, but {_listed(flags)}",
            hint="Columns of winners hold 1 for what won and 0 elsewhere; or use winner.",
        )


def _check_flags(spec: FormatSpec, rows: Sequence[RawRow], sample: Sample) -> None:
    """A column that stands for one outcome holds 0 and 1, or true and false, and nothing else."""
    for name in HOT:
        for path in spec.paths.get(name, ()):
            odd = _words(path, rows) - ON - OFF
            if odd:
                values = [value for row in rows for value in _items(value_at(row, path))]
                count = sum(value is not None and value_key(value) in odd for value in values)
                raise UsageError(
                    f"{spec.where}: fields: {name}: {path.text} holds {_listed(odd)} in {count:,} "
                    f"of {len(rows):,} rows of {sample.origin}; expected 0, 1, true or false",
                    hint="Scores of both sides are kind: ratings; a word for each row is winner.",
                )


def _words(path: FieldPath, rows: Sequence[RawRow], middle: float = 0.0) -> set[str]:
    """The values at a path, as words; empty cells are left out."""
    values = [value for row in rows for value in _items(value_at(row, path))]
    if middle:
        numbers = [(value, number_of(value)) for value in values]
        values = [value if number is None else number - middle for value, number in numbers]
    return {value_key(value) for value in values if value is not None} - NONE


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _readable(spec: FormatSpec, name: str, words: set[str], rows: Sequence[RawRow]) -> bool:
    """Whether some word has a meaning for the field."""
    if name in ("score", "rank"):
        return any(number_of(word) is not None for word in words)
    if name == "label":
        values = spec.values or unpaired.resolve_labels(words, {})
        return bool(words & set(values))
    first = spec.paths["response_a"][0].text
    zero_based = first.endswith("0")
    if any(winner_meaning(word, spec.values, zero_based=zero_based) for word in words):
        return True
    models = [path for side in ("model_a", "model_b") for path in spec.paths.get(side, ())]
    return any(words & _words(path, rows) for path in models)


def _meaningless(
    spec: FormatSpec, name: str, path: FieldPath, words: set[str], sample: Sample
) -> UsageError:
    """The error for a path where no value has a meaning for the field."""
    message = f"found {_listed(words)} at {path.text} in {sample.origin}"
    if name in ("score", "rank"):
        return UsageError(
            f"{spec.where}: fields: {name}: expected numbers, {message}",
            hint="Name the column that holds them; for words, use kind: comparisons or unpaired.",
        )
    meanings = ("a", "b", "tie") if name == "winner" else ("true", "false")
    pairs = zip(sorted(word[:LONGEST] for word in words), meanings, strict=False)
    example = ", ".join(f"{word}: {meaning}" for word, meaning in pairs)
    problem = "none of the values is there" if spec.values else "there are none"
    if spec.middle:
        return UsageError(
            f"{spec.where}: middle: expected a {name} that is a number, {message}",
            hint="Leave 'middle' out, and say what each value means.",
        )
    return UsageError(
        f"{spec.where}: values: {problem}, {message}",
        hint=f"Which is which? Say it as in values: {{{example}}}.",
    )


def _listed(words: Collection[str]) -> str:
    short = [word if len(word) <= LONGEST else f"{word[:LONGEST]}…" for word in sorted(words)]
    return ", ".join(short[:MOST_FOUND]) + (", …" if len(short) > MOST_FOUND else "")


def _check_decisive(spec: FormatSpec, weights: Mapping[str, float]) -> None:
    """Something says which dimension counts."""
    if any(weights.values()):
        return
    first = next(iter(weights))
    raise UsageError(
        f"{spec.where}: dimensions: nothing says which of {', '.join(weights)} counts",
        hint=f"Give it a weight, as in dimensions: {{{first}: 1}}; or choose for this run with "
        f"--dimension {first} or --weights.",
    )
