"""Pairs and labelled answers of short rows, made by the functions alone: no file, no detection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Unpack

import polars as pl

from prefdata.conversion.convert_options import ConvertOptions, convert_config
from prefdata.io.store.record_store import IDS, SCHEMAS
from prefdata.records.frames import Kind, conform
from prefdata.records.ids import content_ids, scoped
from prefdata.transforms.dimensions import WinLossCounts, win_loss_counts
from prefdata.transforms.make_pairs import PairResult, make_pairs
from prefdata.transforms.make_unpaired import make_unpaired
from prefdata.transforms.pair_texts import with_texts
from prefdata.transforms.row_outcomes import best_by_row
from tests.roundtrip import Row

RATING = {"prompt", "response", "score", "annotator", "model", "dimension"}
MORE = ("refusal", "margin")
"""What comparisons may have besides the columns of their kind."""


class Paired(NamedTuple):
    """What records give.

    Attributes:
        rows: the data, with their texts.
        outcomes: one entry per record and pair, with the name of its source.
        by_row: rows by outcome and reason.
        dimensions: in how many pairs the chosen response is better, by dimension.
    """

    rows: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    by_row: dict[str, dict[str, int]]
    dimensions: dict[str, WinLossCounts]

    @property
    def answers(self) -> list[tuple[str, str]]:
        """Chosen and rejected of each pair, sorted."""
        return sorted((row["chosen"], row["rejected"]) for row in self.rows)

    @property
    def only(self) -> dict[str, Any]:
        """The one row that there is."""
        (row,) = self.rows
        return row

    def became(self, line: int, source: str = "0.jsonl") -> list[tuple[str, str]]:
        """Outcome and reason of a line, each once."""
        entries = [e for e in self.outcomes if (e["line"], e["source"]) == (line, source)]
        return list(dict.fromkeys((e["outcome"], e["reason"]) for e in entries))


def paired(*sources: Sequence[Row], **how: Unpack[ConvertOptions]) -> Paired:
    """Pair rows as `tests.roundtrip` writes them; without a test split, if not asked for."""
    how.setdefault("test_size", 0.0)
    options = convert_config(how).options
    frames = records(*sources)
    if frames["unpaired"].height:
        result = make_unpaired(frames["unpaired"], options)
        texts = frames["unpaired"].select(
            "prompt", of_source="source", of_row="row", completion="response"
        )
        rows = result.rows.join(texts, on=["of_source", "of_row"])
    else:
        ratings, comparisons = frames["ratings"], frames["comparisons"]
        result = make_pairs(ratings, comparisons, options)
        rows = with_texts(result.rows, ratings, comparisons)
    rows = rows.with_columns(pl.col("split").cast(pl.String))
    return Paired(rows.to_dicts(), _named(result), _counts(result), _standings(rows))


def records(*sources: Sequence[Row]) -> dict[Kind, pl.DataFrame]:
    """Rows of sources as the records that a conversion would store of them."""
    rows: dict[Kind, list[Row]] = {"ratings": [], "comparisons": [], "unpaired": []}
    for number, source in enumerate(sources):
        for index, row in enumerate(source):
            kind, record = _record(row)
            place = {"source": number, "row": index, "line": index + 1, "item": 0}
            rows[kind].append({"origin": f"{number}.jsonl", **record, **place})
    return {kind: _frame(kind, rows[kind]) for kind in rows}


def _record(row: Row) -> tuple[Kind, dict[str, object]]:
    if "completion" in row:
        return "unpaired", {**row, "response": row["completion"]}
    if "chosen" in row:
        sides = {"a": row["chosen"], "b": row["rejected"], "winner": 1}
        scores = {"score_a": row.get("score_chosen"), "score_b": row.get("score_rejected")}
        strength = {"strength": row.get("margin"), "margin": None}
        return "comparisons", {**row, **sides, **scores, **strength, "dimensions": _sides(row)}
    if "response_a" in row:
        sides = {"a": row["response_a"], "b": row["response_b"]}
        return "comparisons", {**row, **sides, **_verdict(row["winner"])}
    scores = {name: score for name, score in row.items() if name not in RATING}
    if "dimension" in row:
        scores = {str(row["dimension"]): row["score"]}
    score = row.get("score", next(iter(scores.values()), None))
    listed = [{"dimension": n, "score": value} for n, value in scores.items() if value is not None]
    return "ratings", {**row, "score": score, "dimensions": listed or None}


def _verdict(winner: object) -> dict[str, object]:
    """A word, or a number that is negative where a is better by so much."""
    if isinstance(winner, str):
        return {"winner": {"a": 1, "b": -1, "tie": 0}[winner]}
    number = float(str(winner))
    return {"winner": (number < 0) - (number > 0), "strength": abs(number)}


def _sides(row: Row) -> object:
    """Scores by dimension, of the chosen response as that of a."""
    listed: Any = row.get("dimensions") or []
    return [
        {"dimension": each["dimension"], "a": each["chosen"], "b": each["rejected"]}
        for each in listed
    ] or None


def _frame(kind: Kind, rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    if not rows:
        return pl.DataFrame(schema=SCHEMAS[kind])
    names = dict.fromkeys(name for row in rows for name in row)
    wide = pl.DataFrame({name: [row.get(name) for row in rows] for name in names}, strict=False)
    frame = conform(wide, kind).with_columns(wide["source"].cast(pl.UInt16))
    frame = content_ids(frame, IDS[kind])
    if kind == "ratings":
        frame = scoped(frame, ranked=False)
    return frame.select(*SCHEMAS[kind], *(wide[name] for name in MORE if name in wide.columns))


def _named(result: PairResult) -> list[dict[str, Any]]:
    named = pl.format("{}.jsonl", "source").alias("source")
    return result.outcomes.with_columns(named, pl.col("outcome").cast(pl.String)).to_dicts()


def _counts(result: PairResult) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    rows = best_by_row(result.outcomes).group_by("outcome", "reason").len()
    for outcome, reason, count in rows.sort("outcome", "reason").iter_rows():
        counts.setdefault(outcome, {})[reason] = count
    return counts


def _standings(rows: pl.DataFrame) -> dict[str, WinLossCounts]:
    return win_loss_counts(rows) if "dimensions" in rows.columns else {}
