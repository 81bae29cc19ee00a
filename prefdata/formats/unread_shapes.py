"""Shapes of rows that are known, and not read: what each is, and what can be done about it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from prefdata.formats.generic.column_names import ALIASES, lookup, plain
from prefdata.formats.guess import codes, words
from prefdata.formats.leaves import Leaf, counted, is_messages, listed, shown
from prefdata.formats.sample import Sample
from prefdata.records.splits import split_of


class UnreadShape(NamedTuple):
    """A shape that is known, and not read.

    Attributes:
        what: what the source is, after its name.
        remedy: what can be done about it.
    """

    what: str
    remedy: str


Look = Callable[[Sample, Sequence[Leaf], str], UnreadShape | None]
LONGEST_KEY = 60
FEWEST_KEYS = 3
PANDAS = "pandas.read_json({}{}).to_json('rows.jsonl', orient='records', lines=True)"
PARTITION = re.compile(r"([A-Za-z_]\w*)=([^/\\]+)[/\\]")
GRID = re.compile(r"(?P<question>.+?)\s*\[(?P<item>.+)\]\s*")
STEP_MARKS = re.compile(r"ки|\bStep\s*\d+\s*:.*[+-]\s", re.DOTALL)


def unread_shape(sample: Sample, leaves: Sequence[Leaf], name: str) -> UnreadShape | None:
    """The shape that a source has, if it is one that is known and not read.

    Args:
        sample: its first rows.
        leaves: the places where values stand in them.
        name: the name of the source.

    Example:
        >>> unread_shape(Sample(["prompt"], [{"prompt": "Why?"}]), [], "in.jsonl").what
        'holds prompts only: nothing to compare yet'
    """
    return next(filter(None, (look(sample, leaves, shlex.quote(name)) for look in LOOKS)), None)


def _whole_file(sample: Sample, _leaves: Sequence[Leaf], name: str) -> UnreadShape | None:
    """One object that holds all rows."""
    if len(sample.rows) != 1:
        return None
    row = {key: value for key, value in sample.rows[0].items() if value is not None}
    for look in (_by_split, _split_orient, _rows_api, _by_prompt, _by_index, _by_column):
        if shape := look(row, name):
            return shape
    return None


def _in_python(name: str) -> str:
    """A name that is quoted for the shell, as Python writes it."""
    return repr("".join(shlex.split(name)))


def _by_split(row: Mapping[str, object], name: str) -> UnreadShape | None:
    lists = {key: value for key, value in row.items() if isinstance(value, list) and split_of(key)}
    if len(lists) < max(1, len(row) - 1) or not all(map(_are_objects, lists.values())):
        return None
    counts = ", ".join(f"{key} ({len(value):,})" for key, value in lists.items())
    key = next(iter(lists))
    return UnreadShape(
        f"is one object with a list of rows for each split: {counts}",
        f"Write each list into a file of its own, as in: jq -c '.{key}[]' {name} > {key}.jsonl",
    )


def _are_objects(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, Mapping) for value in values)


def _split_orient(row: Mapping[str, object], name: str) -> UnreadShape | None:
    if not {"columns", "data"} <= set(row) or not isinstance(row["columns"], list):
        return None
    with_pandas = PANDAS.format(_in_python(name), ", orient='split'")
    return UnreadShape(
        f"is a table as pandas writes it with orient='split' (columns: {listed(row['columns'])})",
        f"Write a row to a line: {with_pandas}",
    )


def _rows_api(row: Mapping[str, object], name: str) -> UnreadShape | None:
    rows = row.get("rows")
    inside = isinstance(rows, list) and rows and isinstance(rows[0], Mapping) and "row" in rows[0]
    if not inside:
        return None
    return UnreadShape(
        "is an answer of the data set viewer's API, with its rows inside",
        f"Take them out: jq -c '.rows[].row' {name} > rows.jsonl",
    )


def _by_index(row: Mapping[str, object], name: str) -> UnreadShape | None:
    values = list(row.values())
    if not all(isinstance(value, Mapping) and value for value in values):
        return None
    names = [set(value) for value in values if isinstance(value, Mapping)]
    if not all(each == names[0] for each in names):
        return None
    if all(key.isdigit() for key in names[0]) and not all(key.isdigit() for key in row):
        return UnreadShape(
            f"is one object with a column under each key: {listed(list(row))}",
            f"Write a row to a line: {PANDAS.format(_in_python(name), '')}",
        )
    if len(row) < FEWEST_KEYS and not all(key.isdigit() for key in row):
        return None
    return UnreadShape(
        f"is one object with a row under each key (keys: {listed(list(row), 5)}; columns: "
        f"{listed(sorted(map(str, names[0])))})",
        f"Write a row to a line: jq -c '.[]' {name} > rows.jsonl",
    )


def _by_column(row: Mapping[str, object], name: str) -> UnreadShape | None:
    values = list(row.values())
    lengths = {len(value) for value in values if isinstance(value, list)}
    plain_lists = [value for value in values if isinstance(value, list) and not _are_objects(value)]
    if len(row) < 2 or len(plain_lists) != len(row) or len(lengths) != 1 or lengths == {1}:
        return None
    return UnreadShape(
        f"is one object with a list for each column: {listed(list(row))}",
        f"Write a row to a line: {PANDAS.format(_in_python(name), '')}",
    )


def _by_prompt(row: Mapping[str, object], name: str) -> UnreadShape | None:
    texts = [key for key in row if " " in key.strip() and len(key) > LONGEST_KEY // 2]
    if len(row) < FEWEST_KEYS or len(texts) < 0.9 * len(row):
        return None
    return UnreadShape(
        f"is one object with {len(row):,} texts as keys, such as {shown(texts[0])!r}",
        "If these are prompts, write one to a line: "
        f"jq -c 'to_entries[] | {{prompt: .key, answers: .value}}' {name} > rows.jsonl",
    )


def _wrapped_rows(sample: Sample, _leaves: Sequence[Leaf], name: str) -> UnreadShape | None:
    if not {"row", "row_idx"} <= set(sample.names):
        return None
    return UnreadShape(
        "holds rows as the data set viewer's API gives them, inside of the column row",
        f"Take them out: jq -c '.row' {name} > rows.jsonl",
    )


def _metadata(sample: Sample, _leaves: Sequence[Leaf], name: str) -> UnreadShape | None:
    """A file about data."""
    last = re.split(r"[/\\]", name.strip("'"))[-1].lower()
    about = ("dataset_info.json", "dataset_infos.json", "state.json", "dataset_dict.json")
    if last not in about and not (len(sample.rows) == 1 and last in ("stats.json", "config.json")):
        return None
    return UnreadShape("is a file about data, not data", "Leave it out.")


def _folder_columns(sample: Sample, _leaves: Sequence[Leaf], name: str) -> UnreadShape | None:
    """A column that is the name of a folder."""
    pairs = dict(PARTITION.findall(name))
    missing = {key: value for key, value in pairs.items() if key not in sample.names}
    if not missing:
        return None
    key, value = next(iter(missing.items()))
    root = "".join(shlex.split(name))
    root = root[: root.index(f"{key}=")]
    return UnreadShape(
        f"has {key} in the name of its folder ({shown(key)}={shown(value)}), not in a column "
        f"(columns: {listed(sample.names)})",
        f"Write it into a column: polars.read_parquet({root + '**/*.parquet'!r}, "
        "hive_partitioning=True).write_parquet('rows.parquet')",
    )


def _grid(sample: Sample, _leaves: Sequence[Leaf], _name: str) -> UnreadShape | None:
    """A row for each person, with what was asked in the header."""
    grids = [match for name in sample.names if (match := GRID.fullmatch(name))]
    questions = {match["question"] for match in grids}
    if not grids or len(grids) < len(questions) + 1:
        return None
    return UnreadShape(
        "has a row for each person, and what they were asked in the header: "
        f"{listed([match['item'] for match in grids], 5)}",
        "Turn it into a row for each person and question, with columns prompt, response_a, "
        "response_b, winner, annotator: pandas.melt makes the rows, and the texts of the two "
        "answers must be added.",
    )


def _steps(sample: Sample, leaves: Sequence[Leaf], _name: str) -> UnreadShape | None:
    """A label for each step of an answer."""
    lists = {leaf.path: leaf for leaf in leaves if leaf.path.endswith("[]")}
    labels = next((each for path, each in lists.items() if set(words(each)) & LABELS), None)
    texts = [each for each in lists.values() if each is not labels and each.kind != "number"]
    if labels and labels.kind in ("code", "number") and texts and _alike(sample, labels, texts[0]):
        return UnreadShape(
            f"has a label for each step of an answer ({shown(labels.name)} beside "
            f"{shown(texts[0].name)}), not for whole answers",
            "That is for a process reward model, which is not trained here. To compare whole "
            "answers, give each row an answer and a score, such as its share of right steps: "
            "columns prompt, response, score.",
        )
    texts = [leaf for leaf in leaves if leaf.kind == "text" and set(words(leaf)) & LABELS]
    if texts and all(map(STEP_MARKS.search, texts[0].counts)):
        return UnreadShape(
            f"has a mark after each step inside the text of {shown(texts[0].name)}, no label of "
            "whole answers",
            "That is for a process reward model, which is not trained here. To compare whole "
            "answers, give each row an answer and a score: columns prompt, response, score.",
        )
    return None


LABELS = {"label", "labels", "ratings", "rewards", "correctness"}


def _alike(sample: Sample, one: Leaf, other: Leaf) -> bool:
    """Whether two columns hold lists of the same lengths, with several in each."""
    rows = [(row.get(one.name), row.get(other.name)) for row in sample.rows]
    lists = [(a, b) for a, b in rows if isinstance(a, list) and isinstance(b, list)]
    return bool(lists) and all(len(a) == len(b) for a, b in lists)


def _rubric(sample: Sample, leaves: Sequence[Leaf], _name: str) -> UnreadShape | None:
    """Grades by the criteria of a rubric."""
    rubric = next((n for n in sample.names if plain(n) in ("rubric", "rubrics", "criteria")), "")
    grades = [
        leaf
        for leaf in leaves
        if leaf.is_list and set(words(leaf)) & {"grade", "grades", "scores", "score", "verdicts"}
    ]
    if not rubric or not grades:
        return None
    names = list(dict.fromkeys(re.split(r"[.\[]", leaf.path)[0] for leaf in grades))
    return UnreadShape(
        f"has grades by the criteria of a rubric ({shown(rubric)}; {listed(names)}), no score of "
        "whole answers",
        "Add up the weight of the criteria that each answer meets, and write a row for each "
        "answer: columns prompt, response, score.",
    )


def _turns_with_candidates(
    _sample: Sample, leaves: Sequence[Leaf], _name: str
) -> UnreadShape | None:
    """Candidates at each turn of a conversation."""
    inner = [leaf for leaf in leaves if re.match(r"[^\[]+\[\]\.[^\[]+\[0\]", leaf.path)]
    ranks = [leaf for leaf in inner if set(words(leaf)) & {"rank", "score", "rating", "selected"}]
    turns = {leaf.path.split("[]")[0] for leaf in ranks}
    if not ranks or not {"conversation", "conversations", "messages", "turns", "dialog"} & turns:
        return None
    return UnreadShape(
        f"has several candidates, with {shown(ranks[0].name)}, at each turn of {turns.pop()}",
        "Write a row for each candidate: the turns before it as prompt (a list of messages), its "
        f"text as response, its {shown(ranks[0].name)} beside it.",
    )


def _votes_without_texts(sample: Sample, leaves: Sequence[Leaf], name: str) -> UnreadShape | None:
    """Verdicts on answers that are elsewhere."""
    winner = lookup(sample.names, "winner")
    verdicts = [leaf for leaf in codes(leaves) if leaf.path == winner]
    columns = all(leaf.is_column for leaf in leaves)
    if not verdicts or not columns or any(leaf.holds_texts for leaf in leaves):
        return None
    key = next((n for n in sample.names if plain(n) in ("id", "item", "question_id", "task")), "id")
    return UnreadShape(
        f"has votes without the texts of the answers ({shown(winner)} holds "
        f"{counted(verdicts[0].counts)})",
        "Join the prompt and both answers to it, as columns prompt, response_a, response_b. How "
        f"far the annotators agree can be measured without: pref agree {name} --id {shown(key)}",
    )


def _prompts_only(sample: Sample, leaves: Sequence[Leaf], _name: str) -> UnreadShape | None:
    """Prompts, perhaps with one answer each, and nothing that says how good it is."""
    prompt = lookup(sample.names, "prompt")
    rest = [leaf for leaf in leaves if leaf.path != prompt]
    answer = lookup([n for n in sample.names if n != prompt], "completion")
    others = [leaf for leaf in rest if leaf.name != answer and leaf.kind != "text"]
    telling = [leaf for leaf in others if leaf.is_list or leaf.kind in ("code", "number")]
    telling = [leaf for leaf in telling if set(words(leaf)) & JUDGING or (answer and _tells(leaf))]
    texts = [leaf for leaf in rest if leaf.kind in ("text", "messages") and leaf.name != answer]
    messages = [n for n in sample.names if all(map(is_messages, sample.values(n)))]
    if not prompt or telling or len(texts) > 1 or set(messages) - {prompt}:
        return None
    if any(leaf.is_list or not leaf.is_column for leaf in leaves):
        return None
    beside = f" (and an answer to each, in {shown(answer)})" if answer else ""
    return UnreadShape(
        f"holds prompts only{beside}: nothing to compare yet",
        "Have two or more answers to each prompt written, a row for each: columns prompt, "
        "response. Then rate them in a column score, or let a model compare them with pref judge.",
    )


def _tells(leaf: Leaf) -> bool:
    """Whether a column of codes may say how good an answer is."""
    return leaf.kind == "code" and len(leaf.counts) > 1 and not set(words(leaf)) & ABOUT


ABOUT = {
    "category",
    "topic",
    "domain",
    "language",
    "lang",
    "source",
    "split",
    "subset",
    "type",
    "id",
}
"""Words for what a row is about."""

JUDGING = {
    *(word for of in ("score", "rank", "winner", "label", "unclear") for word in ALIASES[of]),
    *("scores", "ranks", "labels", "votes", "value", "chosen", "rejected"),
}

LOOKS: tuple[Look, ...] = (
    _metadata,
    _whole_file,
    _wrapped_rows,
    _folder_columns,
    _grid,
    _steps,
    _rubric,
    _turns_with_candidates,
    _votes_without_texts,
    _prompts_only,
)
