"""The splits that sources have already: by a column, or by the names of files and folders."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import PurePath
from typing import TYPE_CHECKING

import polars as pl

from prefdata.errors import QuestionError, UsageError
from prefdata.formats import Sample
from prefdata.formats.excerpts import shortened
from prefdata.formats.questions import Question, ValueCount
from prefdata.records.splits import SPLITS, SUBSET, split_of
from prefdata.transforms.options import Options
from prefdata.transforms.split import SPLIT

if TYPE_CHECKING:
    from prefdata.conversion.detected_source import DetectedSource

COLUMNS = ("split", "_split", "data_split", "datasplit")
"""Columns that say a split where any of their values names one."""

WORDS_ONLY = ("fold", "partition", "subset")
"""Columns that may hold something else: they say a split where all of their values name one."""

SHARD = re.compile(r"-\d{5}-of-\d{5}(-[0-9a-f]+)?$")
SUFFIXES = re.compile(r"(\.[a-z]{2,8})?(\.(gz|zst))?$")

MOST_VALUES = 5

SplitCounts = Counter[str]
"""Rows by the text of a column that says their split, ``""`` where there is none."""


@dataclass(frozen=True)
class KeptSplits:
    """Whether rows keep the splits of the sources, and what is to be said of it.

    Attributes:
        keeps: whether they do; else they are split anew.
        defaults: the split of rows that say none, by source.
        unread: the numbers of the sources whose column turned out to say no split.
        why: one line on the split; empty where no source says one.
    """

    keeps: bool = False
    defaults: tuple[str, ...] = ()
    unread: tuple[int, ...] = ()
    why: str = ""

    def of_records(self, records: pl.DataFrame) -> pl.DataFrame:
        """Records with the split that each has, by what its row or its source says."""
        numbers = dict(enumerate(self.defaults))
        default = pl.col("source").replace_strict(numbers, default="train", return_dtype=SPLIT)
        if "split" not in records.columns:
            return records.with_columns(default.alias("split"))
        said = pl.when(~pl.col("source").is_in(self.unread)).then("split")
        return records.with_columns(pl.coalesce(said, default).alias("split"))


def split_column(sample: Sample, used: Collection[str]) -> str:
    """The column of a source that may say which split a row is in; ``""`` where there is none.

    Args:
        sample: its first rows.
        used: the columns that are read as something else.

    Example:
        >>> split_column(Sample(["q", "split"], [{"q": "?", "split": "train"}]), ["q"])
        'split'
    """
    candidates = [
        name
        for kind in (*COLUMNS, *WORDS_ONLY)
        for name in sample.names
        if name.strip().lower() == kind and name not in used
        if all(isinstance(value, str) for value in sample.values(name))
    ]
    naming = [name for name in candidates if any(map(split_of, _texts(sample, name)))]
    return next(iter([*naming, *candidates]), "")


def _texts(sample: Sample, name: str) -> list[str]:
    return [str(value) for value in sample.values(name)]


def name_splits(names: Sequence[str]) -> list[str]:
    """The split that the name of each source says: of its file, or of a folder that it lies in.

    Folders that all sources lie in say nothing.

    Example:
        >>> name_splits(["test/train.jsonl", "test/qa-test-00000-of-00001.parquet", "test/a.csv"])
        ['train', 'test', '']
        >>> name_splits(["in/train/a.jsonl", "in/split=test/a.jsonl"])
        ['train', 'test']
    """
    paths = [PurePath(name).parts for name in names]
    folders = zip(*(path[:-1] for path in paths), strict=False)
    shared = sum(1 for _ in takewhile(lambda names: len(set(names)) == 1, folders))
    return [_split_in(path[shared:]) for path in paths]


def _split_in(parts: Sequence[str]) -> str:
    stem = SHARD.sub("", SUFFIXES.sub("", parts[-1].lower(), count=1)) if parts else ""
    words = re.findall("[a-z]+", SUBSET.sub("", stem))
    folders = [part.removeprefix("split=") for part in reversed(parts[:-1])]
    return next(filter(None, map(split_of, [*words[-1:], *words[:1], *folders])), "")


def row_splits(column: pl.Series, *, encoded: bool) -> pl.Series:
    """The split that each row says; null where it says none.

    Args:
        column: the column that says it.
        encoded: whether it was read as the JSON text of each value.
    """
    texts = {value: _text(value, encoded=encoded) for value in column.unique().drop_nulls()}
    splits = {value: split for value, text in texts.items() if (split := split_of(text))}
    return column.replace_strict(splits, default=None, return_dtype=SPLIT).alias("split")


def count_splits(column: pl.Series, *, encoded: bool) -> SplitCounts:
    """The texts of a column that says the split of each row, as `row_splits` takes it."""
    counts: SplitCounts = Counter()
    for value, count in column.value_counts().iter_rows():
        counts[_text(value, encoded=encoded)] += count
    return counts


def _text(value: object, *, encoded: bool) -> str:
    if value is None:
        return ""
    inner = json.loads(str(value)) if encoded else value
    return inner if isinstance(inner, str) else str(value)


@dataclass(frozen=True)
class _Said:
    """What one source says: rows by split, and the rows that say none, by their text."""

    splits: Mapping[str, int]
    others: Mapping[str, int]
    origin: str
    default: str = "train"


def _said(each: DetectedSource, counts: SplitCounts, rows: int) -> _Said:
    column, splits = each.split_column, Counter[str]()
    for text, count in counts.items():
        splits[split_of(text)] += count
    others = {text: count for text, count in counts.items() if not split_of(text)}
    strict = column.strip().lower() in WORDS_ONLY and any(others)
    if column and set(splits) - {""} and not strict:
        del splits[""]
        return _Said(splits, others, f"the column {column}")
    if each.split_name:
        name = "the file names"
        return _Said({each.split_name: rows}, {}, name, each.split_name)
    return _Said({}, others if any(others) else {"": rows}, "")


def keep_splits(
    options: Options,
    sources: Sequence[DetectedSource],
    counts: Sequence[SplitCounts],
    rows: Mapping[int, int],
) -> KeptSplits:
    """Decide whether rows keep the splits that the sources say they are in.

    They do where all rows say one, some of them train and others not; the user can choose.

    Args:
        options: what the user chose.
        sources: the sources.
        counts: what the rows of each say.
        rows: how many rows each has.

    Raises:
        QuestionError: some rows say a split and others do not, and the user did not choose.
        UsageError: splits are to be kept, and there are none, or none to train on.
    """
    if options.split == "anew":
        return KeptSplits()
    said = [_said(each, counts[n], rows[n]) for n, each in enumerate(sources)]
    total = Counter[str]()
    for each in said:
        total.update(each.splits)
    silent = sum(sum(each.others.values()) for each in said)
    says_nothing = any(each.others and not each.splits for each in said)
    trains = "train" in total or says_nothing or (options.split == "keep" and silent > 0)
    if options.split == "keep":
        _refuse_none(total, trains, ", ".join(each.source.name for each in sources[:3]))
    elif not total:
        return KeptSplits(why=_not_known(sources, said))
    origins = " and ".join(dict.fromkeys(each.origin for each in said if each.origin))
    origin = f"{origins} ({_in_words(total)} rows)"
    why = ""
    unknown = any(text for each in said if each.splits for text in each.others)
    if options.test_size is not None:
        why = f"split anew, as --test-size asks, and not by {origin}"
    elif options.split != "keep" and not trains:
        why = f"split anew: by {origin} there is nothing to train on"
    elif options.split != "keep" and set(total) == {"train"} and not unknown:
        why = f"split anew: by {origin} nothing is held out"
    if why:
        return KeptSplits(why=why)
    if not options.split and silent:
        raise _question(sources, said, total)
    unread = [n for n, each in enumerate(said) if not each.origin.startswith("the column")]
    defaults = tuple(each.default for each in said)
    others = f"; {_rows(silent)} without one in train" if silent else ""
    return KeptSplits(True, defaults, tuple(unread), f"split by {origin}{others}")


def _not_known(sources: Sequence[DetectedSource], said: Sequence[_Said]) -> str:
    """One line on columns whose name says that they hold splits, and whose words do not."""
    columns = {
        f"the column {each.split_column} ({_listed(words.others)})"
        for each, words in zip(sources, said, strict=True)
        if each.split_column.strip().lower() in COLUMNS and any(words.others)
    }
    return f"split anew: {' and '.join(sorted(columns))} names no split" if columns else ""


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _listed(others: Mapping[str, int]) -> str:
    """The most frequent words that name no split."""
    words = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    listed = [f"{shortened(word, 40) or 'nothing'} {rows:,}" for word, rows in words[:MOST_VALUES]]
    return ", ".join([*listed, *(["…"] if len(words) > MOST_VALUES else [])])


def splits_in_words(each: DetectedSource, counts: SplitCounts, rows: int) -> str:
    """The splits that rows of a source say they are in, and by what; ``""`` where none does.

    Args:
        each: the source.
        counts: what its rows say.
        rows: how many they are.
    """
    said = _said(each, counts, rows)
    return f"{said.origin} ({_in_words(said.splits)} rows)" if said.splits else ""


def _in_words(splits: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {splits[name]:,}" for name in SPLITS if splits.get(name))


def _refuse_none(total: Mapping[str, int], trains: bool, names: str) -> None:
    if not total:
        raise UsageError(
            f"--split keep: {names} does not say which split a row is in",
            hint="Leave it out, or say it in a column split, or by names such as train.jsonl and "
            "test.jsonl.",
        )
    if not trains:
        raise UsageError(
            f"--split keep leaves nothing to train on in {names} ({_in_words(total)} rows)",
            hint="Add the file of the train split, or leave --split out to split anew.",
        )


def _question(
    sources: Sequence[DetectedSource], said: Sequence[_Said], total: Mapping[str, int]
) -> QuestionError:
    """Ask what becomes of rows that say no split, where others do."""
    questions = []
    for source, each in zip(sources, said, strict=True):
        silent = sum(each.others.values())
        if not silent:
            continue
        values = sorted(each.others.items(), key=lambda item: (-item[1], item[0]))[:MOST_VALUES]
        question = Question(
            f"{_rows(silent)} of {source.source.name} without a split ({_listed(each.others)}): "
            "--split keep puts them into train, --split anew splits all rows anew",
            (source.split_column,) if source.split_column else (),
            tuple(ValueCount(text, count) for text, count in values),
            ("--split keep", "--split anew"),
        )
        questions.append({"source": source.source.name, **asdict(question)})
    return QuestionError(
        f"some rows say which split they are in ({_in_words(total)}), others do not",
        hint="; ".join(str(each["text"]) for each in questions[:MOST_VALUES]),
        questions=questions,
    )
