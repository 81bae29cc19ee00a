"""The columns that say who won, what their values mean, and what only the user can say of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from shlex import quote
from typing import NamedTuple

from prefdata.formats.base import ReadOptions
from prefdata.formats.generic import pick
from prefdata.formats.generic.column_names import plain
from prefdata.formats.generic.winners import OFF, ON, winner_meaning
from prefdata.formats.numbers import number_of
from prefdata.formats.questions import Question
from prefdata.formats.sample import Sample
from prefdata.formats.text_shapes import parse_cell
from prefdata.formats.value_counts import listed, tally_of, value_counts
from prefdata.formats.value_key import value_key
from prefdata.formats.verdict_words import NONE, parse_winner
from prefdata.formats.winner_values import DECISIVE, PROBABILITY, resolve_winners

SETTLE = "--winner 'a=?,b=?,tie=?,none=?'"
"""The option that says what the values of a winner column mean; the meanings are the user's."""

SAY = f"say so with {SETTLE} (none= is for what carries no preference)"

_SIDE = "a|b|1|2|first|second|left|right"
_WINS = r"(?:_(?:wins|win|won|is_better|better|preferred))?"
_NOUN = "(?:(?:model|response|answer|output|completion)_?)?"
ONE_HOT = re.compile(
    rf"(?:winner|is|won|win|preferred)_?{_NOUN}(?P<side>{_SIDE}|tie)(?:_(?:wins|won|is_better))?"
)
SOFT = re.compile(
    rf"(?:p|pr|prob|probability|win_?prob|win_probability|preference_prob(?:ability)?)_?(?:of_)?"
    rf"{_NOUN}(?P<side>{_SIDE}){_WINS}"
    rf"|{_NOUN}(?P<before>{_SIDE})_(?:win_)?prob(?:ability)?"
)
"""Names of columns that hold the probability that a side, which the name says, is better."""

SOFT_NAMES = frozenset(
    {
        *("preference_probability", "preference_prob", "win_probability", "win_prob", "p_win"),
        *("soft_label", "soft_preference", "preference_score", "human_prob", "probability", "prob"),
    }
)
"""Names of columns that hold a probability without saying whose."""

SIDE_OF = {"a": "a", "1": "a", "first": "a", "left": "a", "tie": "tie"}


class WinnerColumns(NamedTuple):
    """The columns that say who won.

    Attributes:
        columns: field to columns: ``winner``, or ``winner_a`` and its like.
        side: of a probability the side that the name of its column says, or ``""``.
        question: what is wrong with their values, if anything.
        is_guess: whether only their values speak for them, not their names.
    """

    columns: pick.Columns
    side: str = ""
    question: Question | None = None
    is_guess: bool = False


def winner_columns(
    sample: Sample, read_options: ReadOptions, used: Collection[str]
) -> WinnerColumns | None:
    """The columns that say who won; None where nothing does.

    Args:
        sample: the source.
        read_options: the user's mapping, which goes before names.
        used: columns that are already in use.
    """
    if flags := _one_hot(sample, read_options):
        return flags
    if columns := pick.fields(sample, read_options, ("winner",), used):
        return WinnerColumns(columns, _side_of(columns["winner"][0]))
    if "winner" in read_options.columns:
        return None
    return _soft(sample, used) or _by_values(sample, read_options, used)


def _one_hot(sample: Sample, read_options: ReadOptions) -> WinnerColumns | None:
    """Columns of 0 and 1, one for each outcome, as in winner_model_a, winner_tie."""
    if "winner" in read_options.columns:
        return None
    columns: pick.Columns = {
        f"winner_{SIDE_OF.get(outcome['side'], 'b')}": (name,)
        for name in sample.names
        if (outcome := ONE_HOT.fullmatch(plain(name)))
    }
    if not {"winner_a", "winner_b"} <= set(columns):
        return None
    questions, fitting = [], 0
    for (name,) in columns.values():
        tally = sample.tally(name)
        fitting += sum(count for key, count in tally.items() if key in ON | OFF)
        if odd := set(tally) - ON - OFF - NONE:
            questions.append(_odd_flag(sample, name, odd))
    if not questions:
        return WinnerColumns(columns) if fitting else None
    odd_rows = sum(each.rows for question in questions for each in question.values)
    return WinnerColumns(columns, question=questions[0]) if fitting >= odd_rows else None


def _odd_flag(sample: Sample, name: str, odd: Collection[str]) -> Question:
    values = value_counts(sample, [name], odd)
    text = (
        f"{name} holds {listed(values)}: a column that stands for one outcome holds 0, 1, true or "
        "false and nothing else; correct it, or name another column with --map 'winner=?'"
    )
    return Question(text, (name,), values, ("--map 'winner=?'",))


def _soft(sample: Sample, used: Collection[str]) -> WinnerColumns | None:
    """A column that holds a probability by its name and by its values."""
    free = [name for name in sample.names if name not in used]
    soft = [name for name in free if _side_of(name) or plain(name) in SOFT_NAMES]
    soft = [name for name in soft if _shares(sample.tally(name))]
    soft.sort(key=lambda name: {"a": 0, "b": 1, "": 2}[_side_of(name)])
    return WinnerColumns({"winner": (soft[0],)}, _side_of(soft[0])) if soft else None


def _side_of(name: str) -> str:
    """The side whose probability the name of a column says, or ``""``."""
    soft = SOFT.fullmatch(plain(name))
    return SIDE_OF.get(soft["side"] or soft["before"], "b") if soft else ""


def _shares(words: Collection[str]) -> bool:
    """Whether values are numbers from 0 to 1, and not only 0 and 1."""
    numbers = [number_of(word) for word in set(words) - NONE]
    shares = [share for share in numbers if share is not None and 0 <= share <= 1]
    return len(shares) == len(numbers) and any(0 < share < 1 for share in shares)


MOST_WORDS = 20
"""Distinct values up to which a column may hold verdicts although its name does not say so."""


def _by_values(
    sample: Sample, read_options: ReadOptions, used: Collection[str]
) -> WinnerColumns | None:
    """Columns that hold nothing but verdicts, which are asked about."""
    mapped = {name for names in read_options.columns.values() for name in names}
    free = [name for name in sample.names if name not in mapped | set(used)]
    columns = [name for name in free if _all_verdicts(set(sample.tally(name)) - NONE)]
    if not columns:
        return None
    line = f"--map {quote('winner=' + '+'.join(columns))}"
    values = value_counts(sample, columns, set(tally_of(sample, columns)) - NONE)
    text = (
        f"{', '.join(columns)} hold{'s' if len(columns) == 1 else ''} {listed(values[:2])}: if "
        f"these say which response is better, say {line}; or describe the source in a YAML file"
    )
    question = Question(text, tuple(columns), values, (line,))
    return WinnerColumns({"winner": tuple(columns)}, question=question, is_guess=True)


def _all_verdicts(words: Collection[str]) -> bool:
    if not 0 < len(words) <= MOST_WORDS:
        return False
    meanings = {meaning[0] for word in words if (meaning := parse_winner(word))}
    return bool(meanings & {"a", "b"}) and all(
        (meaning := parse_winner(word)) and meaning[0] in DECISIVE for word in words
    )


class Meanings(NamedTuple):
    """What the values of winner columns mean.

    Attributes:
        values: value to meaning.
        questions: what only the user can say.
        counted: columns of which all values must be counted before it is known whether to ask.
    """

    values: Mapping[str, str] = {}
    questions: tuple[Question, ...] = ()
    counted: tuple[str, ...] = ()


def winner_meanings(
    sample: Sample,
    read_options: ReadOptions,
    columns: pick.Columns,
    sides: tuple[str, str],
    probability_of: str = "",
) -> Meanings:
    """What the values of the winner columns mean.

    Args:
        sample: the source.
        read_options: says what the user declared.
        columns: all columns of the match, ``winner`` and the models among them.
        sides: how the source names its two responses.
        probability_of: the side whose probability the column holds by its name, or ``""``.
    """
    names = columns.get("winner", ())
    if question := next(filter(None, (_nested(sample, name) for name in names)), None):
        return Meanings(questions=(question,))
    words = set(tally_of(sample, names)) - NONE
    if not read_options.winner and _shares(words):
        if probability_of:
            return Meanings({PROBABILITY: probability_of})
        return Meanings(questions=(_whose_probability(sample, names, words),))
    class_names = sample.class_names.get(names[0], ()) if names else ()
    values, unclear = resolve_winners(words, sides, read_options.winner, class_names)
    if unclear:
        return Meanings(values, (_numbers(sample, names, words, unclear),))
    answered = {"a", "b"} <= set(read_options.winner.values())
    return _words(sample, columns, values, zero_based=sides[0] == "0", answered=answered)


def _words(
    sample: Sample,
    columns: pick.Columns,
    values: Mapping[str, str],
    *,
    zero_based: bool,
    answered: bool,
) -> Meanings:
    """Ask about words without a meaning: those that repeat, or all if there is nothing else.

    One that stands alone is a reject of its row; so are all others where the user has said what
    means the first and what the second, which ``answered`` says.
    """
    names = columns.get("winner", ())
    counts = tally_of(sample, names)
    words = set(counts) - NONE - _model_names(sample, columns)
    unknown = {w for w in words if not winner_meaning(w, values, zero_based=zero_based)}
    repeated = {word for word in unknown if counts[word] > 1}
    everything = unknown == set(counts) - NONE
    if answered and not everything:
        return Meanings(values)
    asked = unknown if everything else repeated
    if asked:
        return Meanings(values, (_unknown(sample, columns, asked),))
    return Meanings(values, counted=tuple(names) if unknown else ())


def _model_names(sample: Sample, columns: pick.Columns) -> set[str]:
    return {
        value_key(value)
        for side in ("model_a", "model_b")
        if side in columns
        for value in sample.values(columns[side][0])
    }


def _whose_probability(sample: Sample, names: Sequence[str], words: Collection[str]) -> Question:
    values = value_counts(sample, names, words)
    lines = ("--winner a=probability", "--winner b=probability")
    text = (
        f"{names[0]} holds numbers from 0 to 1, such as {listed(values[:2])}: if each is the "
        f"probability that the first is better, say {lines[0]}; the second, {lines[1]}"
    )
    return Question(text, tuple(names), values, lines)


def _numbers(
    sample: Sample, names: Sequence[str], words: Collection[str], unclear: str
) -> Question:
    values = value_counts(sample, names, words)
    only = "only " if len(values) == 1 else ""
    signs = "; negative and positive stand for all numbers below and above 0"
    signed = signs if any((number_of(word) or 0) < 0 for word in words) else ""
    text = f"{_named(names)} {only}{listed(values)}: {unclear} {SAY}{signed}"
    return Question(text, tuple(names), values, (SETTLE,))


def _unknown(sample: Sample, columns: pick.Columns, words: Collection[str]) -> Question:
    names = columns["winner"]
    values = value_counts(sample, names, words)
    remedy, lines = _how_to_name_sides(sample, columns, words)
    text = f"{_named(names)} {listed(values)}: " + (remedy or f"what does it mean? {SAY}")
    return Question(text, tuple(names), values, lines or (SETTLE,))


def _named(names: Sequence[str]) -> str:
    return f"{', '.join(names)} hold{'s' if len(names) == 1 else ''}"


def _how_to_name_sides(
    sample: Sample, columns: pick.Columns, words: Collection[str]
) -> tuple[str, tuple[str, ...]]:
    """The remedy where the winner is named by other columns of its row, which may change sides."""
    winners = [(row, value_key(row.get(name))) for name in columns["winner"] for row in sample.rows]
    winners = [(row, word) for row, word in winners if word in words]
    sides = [column for side in "ab" for column in columns[f"response_{side}"]]
    if not winners:
        return "", ()
    if all(word in _words_of(row, sides) for row, word in winners):
        return "it repeats the text of an answer; write a, b or tie instead", ()
    used = {name for names in columns.values() for name in names}
    free = [name for name in sample.names if name not in used]
    for a, b in combinations(free, 2):
        if all(word in _words_of(row, (a, b)) for row, word in winners):
            line = f"--map {quote(f'model_a={a},model_b={b}')}"
            return f"{a} and {b} hold these names; say {line}", (line,)
    return "", ()


def _words_of(row: Mapping[str, object], columns: Iterable[str]) -> set[str]:
    """The values of some columns of a row, as words."""
    return {value_key(row[name]) for name in columns if row.get(name) is not None}


def holds_lists(sample: Sample, name: str) -> bool:
    """Whether the cells of a column are lists, of the verdicts of several annotators."""
    return any(isinstance(value, list) for value in sample.values(name))


def _nested(sample: Sample, name: str) -> Question | None:
    """Ask for a path where a winner column holds objects, or lists that are written as text."""
    values = sample.values(name)
    nested = [value for value in values if _open(value) is not value or isinstance(value, dict)]
    nested += [v for v in values if isinstance(v, list) and any(isinstance(i, dict) for i in v)]
    for value in nested if len(nested) * 2 > len(values) else ():
        content = _open(value)
        items = content if isinstance(content, list) else [content]
        inner = next((item for item in items if isinstance(item, dict)), None)
        if inner is None and (not isinstance(content, list) or content is value):
            continue
        each = "[]" if isinstance(content, list) else ""
        path = name + each + (f".{_verdict_key(inner)}" if inner else "")
        kind = (
            "objects" if inner and not each else "lists of " + ("objects" if inner else "verdicts")
        )
        row = replace(sample, rows=[r for r in sample.rows if r.get(name) == value][:1], counts={})
        counts = value_counts(row, [name], set(row.tally(name)))
        text = (
            f"{name} holds {kind}: describe the source in a YAML file for --format, in which the "
            f"path of the verdict is {path!r}, as in {listed(counts[:1])}"
        )
        return Question(text, (name,), counts, (f"winner: {path}",))
    return None


def _open(value: object) -> object:
    """A cell that holds a list of texts or an object as text, parsed."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    content = parse_cell(value)
    is_verdict = isinstance(content, list) and all(isinstance(item, list) for item in content)
    return value if content is None or is_verdict else content


def _verdict_key(inner: Mapping[str, object]) -> str:
    """The key of an object at which a verdict stands, as far as can be seen."""
    spoken = (key for key, v in inner.items() if isinstance(v, str | int) and parse_winner(str(v)))
    return str(next(spoken, next(iter(inner), "?")))
