"""Columns that change what an answer means: none of them is merely ignored where it is filled.

A context, a system prompt by any name, tools, reasoning, images, a shared first part of an answer:
a format reads such a column, or its rows are refused, or the user is asked. This is looked at once,
after the format is recognised and before any row is read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

import polars as pl

from prefdata.formats.base import Match, ReadOptions
from prefdata.formats.excerpts import row_excerpt, value_excerpt
from prefdata.formats.generic.column_names import plain
from prefdata.formats.leaves import listed
from prefdata.formats.questions import Question, ValueCount
from prefdata.formats.roles import ROLES
from prefdata.formats.sample import Sample
from prefdata.formats.text_shapes import CONTENT, SPEAKER, open_cell

LONGEST_LINE = 300
"""Characters of an option up to which a question has it as it is to be typed."""

MOST_LISTED = 5
"""Columns that a question names."""

NUMBER = r"[-+]?[\d.]+(?:e[-+]?\d+)?"
NOT_FILLED = rf'(?i)^\s*(?:""|\[\s*\]|\{{\s*\}}|null|none|nan|n/?a|true|false|{NUMBER})?\s*$'
"""A cell without text of its own: empty, a missing value, a number or a flag."""

ANSWER = r"(?:chosen|rejected|response|answer|completion|output|model|assistant)"
SIDE = r"(?:[a-h]|[12]|first|second)"
REASONING = r"(?:reasoning|thinking|thoughts?|cot|chain_of_thought|rationale)"
REASONING += r"(?:_(?:content|text|trace|steps|process))?"


@dataclass(frozen=True)
class Kind:
    """Columns of one meaning.

    Attributes:
        pattern: their names, as `plain` writes them.
        what: what such a column is, for messages.
        mapping: the field that it can be read as; it is joined with the others of ``"prompt"``.
        first: whether it stands before the prompt that it is joined with.
        refused: whether rows in which it is filled are refused.
    """

    pattern: re.Pattern[str]
    what: str
    mapping: str = ""
    first: bool = False
    refused: bool = False


KINDS: Mapping[str, Kind] = {
    "context": Kind(
        re.compile(
            r"(?:\w+_)?(?:contexts?|passages?|documents?|docs|evidences?|background|paragraphs?)"
            r"(?:_texts?|_content)?|reference_texts?|retrieved(?:_\w+)?|source_texts?|articles?"
            r"|knowledge|conversations?|messages|dialog(?:ue)?s?|chat_history|history"
            r"|previous_turns"
        ),
        "what the prompt speaks of",
        mapping="prompt",
        first=True,
    ),
    "system": Kind(
        re.compile(
            r"(?:custom_|default_)?system(?:_(?:prompts?|messages?|instructions?|msg|text|content|turn))?|sys"
            r"|sys_(?:prompt|message|msg)|developer(?:_(?:prompt|message|instructions?))?"
        ),
        "a system prompt",
        mapping="system",
    ),
    "tools": Kind(
        re.compile(
            r"(?:\w+_)?tools|functions|(?:tool|function)_(?:definitions|schemas|specs)"
            r"|(?:tools|functions)_json"
        ),
        "the tools that the answers may call",
        mapping="tools",
    ),
    "reasoning": Kind(
        re.compile(
            rf"(?:reasoning|thinking)(?:_content|_text|_trace)?|thoughts|cot|chain_of_thought"
            rf"|{ANSWER}(?:_{SIDE})?_{REASONING}|{REASONING}_(?:{ANSWER}|{SIDE})"
            rf"|{SIDE}_{REASONING}"
        ),
        "reasoning that belongs to the answers",
    ),
    "template": Kind(
        re.compile(r"chat_template_kwargs"),
        "options of the chat template",
        mapping="chat_template_kwargs",
    ),
    "media": Kind(
        re.compile(
            r"(?:\w+_)?(?:images?|img|pictures?|photos?|audios?|videos?|pixel_values)"
            r"(?:_(?:paths?|urls?|files?|base64|bytes))?"
        ),
        "an image, audio or video",
        refused=True,
    ),
    "prefix": Kind(
        re.compile(
            r"initial_(?:reason(?:ing)?_)?steps|(?:shared_|common_)?prefix|prefill"
            r"|(?:partial|shared|common)_(?:answer|response|completion)"
            r"|(?:answer|response|assistant|completion)_(?:prefix|prefill|start)"
        ),
        "a first part that the answers share",
        mapping="prompt",
    ),
}
"""The closed list, by the kind of what a column holds."""


def kind_of(name: str) -> str:
    """The kind of a column by its name, or ``""`` where it is not on the list.

    Example:
        >>> kind_of("Retrieved Passages"), kind_of("chosen_reasoning"), kind_of("context_id")
        ('context', 'reasoning', '')
    """
    spelling = plain(name)
    return next((kind for kind, each in KINDS.items() if each.pattern.fullmatch(spelling)), "")


def is_filled(value: object) -> bool:
    """Whether a cell holds text, or a list or an object with anything in it.

    Example:
        >>> [is_filled(value) for value in ("A herb.", ["a"], "", " [] ", "NaN", 3, False)]
        [True, True, False, False, False, False, False]
    """
    if isinstance(value, list | tuple):
        return any(is_filled(item) or isinstance(item, int | float) for item in value)
    if isinstance(value, Mapping):
        return any(item is not None and item != "" for item in value.values())
    if isinstance(value, str):
        return re.search(NOT_FILLED, value) is None
    return isinstance(value, bytes) and bool(value)


def filled(column: pl.Series) -> pl.Series:
    """The rows in which a column of a frame is filled, as `is_filled` says it of one value."""
    if column.null_count() == len(column):
        return pl.repeat(value=False, n=len(column), eager=True)
    if column.dtype == pl.String:
        return column.str.contains(NOT_FILLED).not_().fill_null(value=False)
    if column.dtype.is_nested():
        return pl.Series([is_filled(value) for value in column.to_list()], dtype=pl.Boolean)
    if column.dtype == pl.Binary:
        return column.is_not_null()
    return pl.repeat(value=False, n=len(column), eager=True)


def unread(names: Collection[str], match: Match) -> dict[str, str]:
    """The columns of the list that a match does not read, and their kind."""
    unread_names = [name for name in names if name not in set(match.source_columns)]
    return {name: kind for name in unread_names if (kind := kind_of(name))}


def watched(sample: Sample, match: Match) -> tuple[str, ...]:
    """The columns of the list that every row is looked at for, beside those that the match reads.

    Those in which no row of the sample is filled, and those whose rows are refused.
    """
    return tuple(
        name
        for name, kind in unread(sample.names, match).items()
        if KINDS[kind].refused or not any(map(is_filled, sample.values(name)))
    )


def refused_columns(names: Collection[str]) -> list[str]:
    """Those of some columns whose rows are refused where they are filled."""
    return [name for name in names if (kind := kind_of(name)) and KINDS[kind].refused]


def closed_list_questions(
    sample: Sample,
    match: Match,
    read_options: ReadOptions,
    *,
    mappable: bool,
    left_out: Collection[str] = (),
) -> tuple[Question, ...]:
    """Ask about each kind of column of the list that is filled and that the match does not read.

    Args:
        sample: the rows that are looked at.
        match: how the source would be read.
        read_options: the user's options; a field that ``--map`` names is settled.
        mappable: whether the format reads what ``--map`` says.
        left_out: columns that the format has, and knowingly does not read.
    """
    by_kind: dict[str, list[str]] = {}
    for name, kind in unread(sample.names, match).items():
        settled = KINDS[kind].mapping in {*read_options.columns} - {"prompt"} or name in left_out
        if not KINDS[kind].refused and not settled and _says_more(sample, name, match):
            by_kind.setdefault(kind, []).append(name)
    questions = [_question(sample, k, names, match, mappable) for k, names in by_kind.items()]
    if mappable and "system" not in read_options.columns:
        questions += [*_names_of_models(sample, match), *_other_systems(sample, match)]
    return tuple(questions)


def _says_more(sample: Sample, name: str, match: Match) -> bool:
    """Whether a column is filled with more than what the columns that are read say already."""
    rows = [row for row in sample.rows if is_filled(row.get(name))]
    return not all(_repeats(row, name, match) for row in rows)


def _repeats(row: Mapping[str, object], name: str, match: Match) -> bool:
    """Whether the messages of a cell stand in the other cells of the row too.

    All but an answer at the end, which may be one that is not compared.
    """
    read = repr([open_cell(row.get(column)) for column in match.source_columns])
    value = open_cell(row[name])
    messages = value if isinstance(value, list) else []
    turns = [turn for each in messages if isinstance(each, dict) for turn in _turns(each)]
    if not all(text for _, text in turns):
        return False
    if turns and ROLES.get(turns[-1][0].lower()) == "assistant":
        turns = turns[:-1] or turns
    return bool(turns) and all(repr(text)[1:-1] in read for _, text in turns)


def _turns(message: Mapping[str, object]) -> list[tuple[str, str]]:
    """Who says what in a message, or in an exchange of a question and an answer."""
    texts = [
        (role, message[key])
        for role, key in (("user", "input"), ("assistant", "output"))
        if message.get(key)
    ]
    if texts:
        return [(role, str(text)) for role, text in texts]
    role, text = (next((message[k] for k in ks if message.get(k)), "") for ks in (SPEAKER, CONTENT))
    return [(str(role), str(text))]


def _question(
    sample: Sample, kind: str, names: list[str], match: Match, mappable: bool
) -> Question:
    lines = [f"--ignore {quote(','.join(names))}"]
    if mappable and (mapping := _mapping(kind, names, match)):
        lines.insert(0, f"--map {quote(mapping)}")
    rows = max(_count(sample, name) for name in names)
    where = "" if sample.is_whole or set(names) & set(sample.filled) else "of the first "
    verb = "is" if len(names) == 1 else "are"
    options = [
        line if len(line) <= LONGEST_LINE else f"{line.split()[0]} with these names"
        for line in lines
    ]
    text = (
        f"{listed(names, MOST_LISTED)} {verb} filled in {rows:,} {where}rows and may be "
        f"{KINDS[kind].what}, which {match.format} does not read: say {' or '.join(options)}, "
        "which leaves it out"
    )
    return Question(text, tuple(names), _examples(sample, names), tuple(lines))


def _mapping(kind: str, names: Sequence[str], match: Match) -> str:
    """What ``--map`` says so that columns are read, or ``""``."""
    each = KINDS[kind]
    prompts = match.columns.get("prompt", ())
    if not each.mapping or any(set(name) & set("+,=") for name in (*names, *prompts)):
        return ""
    if each.mapping == "prompt" and prompts:
        parts = (*names, *prompts) if each.first else (*prompts, *names)
        return f"prompt={'+'.join(parts)}"
    return f"{each.mapping}={names[0]}" if len(names) == 1 and kind != "prefix" else ""


def _count(sample: Sample, name: str) -> int:
    return sample.filled.get(name, sum(map(is_filled, sample.values(name))))


def _examples(sample: Sample, names: Sequence[str]) -> tuple[ValueCount, ...]:
    """A filled cell of each column, and the row that it stands in."""
    examples = []
    for name in names:
        row = next(row for row in sample.rows if is_filled(row.get(name)))
        rows = _count(sample, name)
        examples.append(ValueCount(value_excerpt(row[name]), rows, row_excerpt(row, name)))
    return tuple(examples)


MESSAGES = (
    *("prompt", "history", "chosen", "rejected", "completion"),
    *("response", "response_a", "response_b"),
)


def other_system(row: Mapping[str, object], match: Match) -> bool:
    """Whether the system column of a row says otherwise than a system turn in its messages.

    Args:
        row: as a sample has it.
        match: says which columns hold the system prompt and messages.
    """
    text = row.get(match.column("system"))
    if not isinstance(text, str) or not text.strip():
        return False
    columns = [name for field in MESSAGES for name in match.columns.get(field, ())]
    turns = [_system_turn(row.get(name)) for name in columns]
    return any(turn and turn.strip() != text.strip() for turn in turns)


def _system_turn(value: object) -> str:
    """The text of a system turn that messages begin with, or ``""``."""
    value = open_cell(value)
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, Mapping):
        return ""
    role, text = (next((first[k] for k in keys if first.get(k)), "") for keys in (SPEAKER, CONTENT))
    is_system = isinstance(role, str) and ROLES.get(role.lower()) == "system"
    return text if is_system and isinstance(text, str) else ""


def _other_systems(sample: Sample, match: Match) -> list[Question]:
    """Ask which counts where the system column differs from a system turn."""
    column = match.column("system")
    rows = [row for row in sample.rows if column and other_system(row, match)]
    if not rows:
        return []
    lines = (f"--ignore {quote(column)}", f"--map {quote(f'system={column}')}")
    text = (
        f"{column} says otherwise than the system turn of the messages in {len(rows):,} of the "
        f"rows that were looked at: say {lines[0]}, so that the turn counts, or {lines[1]}, so "
        "that rows in which they differ are refused"
    )
    example = ValueCount(value_excerpt(rows[0][column]), len(rows), row_excerpt(rows[0], column))
    return [Question(text, (column,), (example,), lines)]


MOST_NAMES = 50


def _names_of_models(sample: Sample, match: Match) -> list[Question]:
    """Ask where a column is taken for system prompts, and each of its values is one word."""
    column = match.column("system")
    values = [value for value in sample.values(column) if value != ""] if column else []
    texts = {value for value in values if isinstance(value, str)}
    if not texts or len(texts) > MOST_NAMES or len(texts) < len(set(map(str, values))):
        return []
    if any(re.search(r"\s", text.strip()) or len(text) > 60 for text in texts):
        return []
    lines = (f"--map {quote(f'model={column}')}", f"--map {quote(f'system={column}')}")
    text = (
        f"{column} holds {', '.join(sorted(texts)[:4])}: are these names of models? "
        f"Say {lines[0]}, or {lines[1]} if they are system prompts, or --ignore {quote(column)}"
    )
    return [
        Question(
            text, (column,), _examples(sample, [column]), (*lines, f"--ignore {quote(column)}")
        )
    ]
