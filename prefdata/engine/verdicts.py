"""The last part of a judging run: from replies in the journal to the data set directory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa

from prefdata.engine.assemble import Assembled, by_split, count
from prefdata.engine.cases import Buckets, parts
from prefdata.formats import reasons
from prefdata.formats.base import as_messages
from prefdata.formats.ids import hexed, joined_ids
from prefdata.io.dataset import SCHEMAS, number_shards, readable, write_parquet
from prefdata.io.trail import Trail
from prefdata.judge import outcome
from prefdata.judge.injection import flags, texts_of
from prefdata.judge.journal import Journal
from prefdata.judge.outcome import Outcome, Said, combined, jury, oriented
from prefdata.judge.reply import Reply, read
from prefdata.judge.request import Case, Form, Order, conversation
from prefdata.judge.runner import Ask
from prefdata.schemas import Comparison
from prefdata.transforms.account import Account
from prefdata.transforms.ledger import REJECTS, by_row, entries
from prefdata.transforms.split import SPLITS, in_test

CALLS = pa.schema(
    [
        ("comparison", pa.string()),
        ("judge", pa.string()),
        ("order", pa.string()),
        ("round", pa.int32()),
        ("winner", pa.string()),
        ("cause", pa.string()),
        ("margin", pa.float64()),
        ("model", pa.string()),
        ("fingerprint", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("reasoning_tokens", pa.int64()),
        ("reply", pa.string()),
    ]
)
"""One row per order that a judge was asked in: what came back, word for word."""

OF_CAUSE = {
    outcome.FLIP: reasons.FLIP,
    outcome.DIVIDED: reasons.DIVIDED,
    outcome.NOT_ASKED: reasons.NOT_JUDGED,
}


@dataclass
class Judge:
    """One judge as its replies are collected.

    Attributes:
        name: the model.
        form: how its requests are written.
    """

    name: str
    form: Form


@dataclass(frozen=True)
class Ruling:
    """What makes a verdict a pair.

    Attributes:
        flips: what to do where the verdict changes with the order.
        orders: the orders that each comparison is asked in, 1 or 2.
        veto: a criterion on which the winner must not be worse, or ``""``.
        drop_flagged: whether an answer that speaks to the judge may not win.
        weights: judge to the weight of its vote.
        test_size: the share of prompts in the test split.
        seed: of the split.
    """

    flips: outcome.Flips = "drop"
    orders: int = 2
    veto: str = ""
    drop_flagged: bool = True
    weights: Mapping[str, float] = field(default_factory=dict)
    test_size: float = 0.1
    seed: int = 0


@dataclass
class Counts:
    """What a judge, or all of them together, came to.

    Attributes:
        outcomes: comparisons by a, b, tie, flip, or the cause of no verdict.
        slots: verdicts of single calls by the slot that won.
        agreed: comparisons where the verdict is that of the label.
        labelled: comparisons where both verdict and label prefer one side.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    slots: Counter[str] = field(default_factory=Counter)
    agreed: int = 0
    labelled: int = 0


def orders_of(case_id: str, orders: int) -> tuple[Order, ...]:
    """The orders that a comparison is asked in; of one, chance by its id says which.

    Example:
        >>> orders_of("0f", 2), orders_of("0f", 1), orders_of("10", 1)
        (('ab', 'ba'), ('ba',), ('ab',))
    """
    if orders == 2:
        return ("ab", "ba")
    return ("ba",) if int(case_id, 16) % 2 else ("ab",)


def cases_of(part: pl.DataFrame) -> list[Case]:
    """The comparisons of a part as a judge sees them."""
    rows = part.select("id", "prompt", "response_a", "response_b", "reference").iter_rows()
    return [
        Case(i, conversation(p), conversation(a), conversation(b), reference or "")
        for i, p, a, b, reference in rows
    ]


def collected(
    cases: Sequence[Case],
    judge: Judge,
    journal: Journal,
    orders: int,
    rounds: Sequence[int],
) -> Iterator[list[tuple[Ask, Said, Reply | None]]]:
    """What a judge said of each case, in each order and round; no reply is no verdict."""
    asked = [
        [Ask(case, order, again) for again in rounds for order in orders_of(case.id, orders)]
        for case in cases
    ]
    made = [[judge.form.key(*ask) for ask in each] for each in asked]
    keys = [key for each in made for key in each]
    replies = journal.replies(keys)
    failed = journal.failures([key for key in keys if key not in replies])
    for asks, named in zip(asked, made, strict=True):
        yield [
            _said(ask, replies.get(key), failed.get(key, outcome.NOT_ASKED), judge.form)
            for ask, key in zip(asks, named, strict=True)
        ]


def _said(
    ask: Ask, replies: Sequence[Reply] | None, failed: str, form: Form
) -> tuple[Ask, Said, Reply | None]:
    if not replies:
        return ask, Said(ask.order, "none", failed), None
    fence, mode = form.fence(*ask), form.style.mode
    readings = [read(reply, mode, form.question, ask.case, fence) for reply in replies]
    best = next((n for n, each in enumerate(readings) if each.winner), len(readings) - 1)
    reply = replies[best]
    return ask, oriented(readings[best], ask.order, reply.margin), reply


@dataclass
class Collected:
    """What a run came to.

    Attributes:
        made: the pairs that were written.
        together: what all judges came to.
        alone: what each of them came to.
        flagged: comparisons with an answer that speaks to the judge.
        pending: comparisons that were not judged to the end.
    """

    made: Assembled = field(default_factory=Assembled)
    together: Counts = field(default_factory=Counts)
    alone: dict[str, Counts] = field(default_factory=dict)
    flagged: int = 0
    pending: int = 0


class Decision(NamedTuple):
    """What became of a comparison.

    Attributes:
        winner: a, b, a tie, or none.
        reason: why it gave no pair, one of `prefdata.formats.reasons`; kept where it did.
        detail: what else is to be said of the reason.
        cause: why there is no winner.
        verdicts: one per judge.
        chosen: the mean score of the winner over criteria, orders and judges, where known.
        rejected: that of the other.
        margin: the mean log-probability, where known, for the winner.
        votes: judges that gave a verdict.
        agreement: the share of these that say the same.
    """

    winner: str
    reason: str
    detail: str = ""
    cause: str = ""
    verdicts: Sequence[Mapping[str, object]] = ()
    chosen: float | None = None
    rejected: float | None = None
    margin: float | None = None
    votes: int = 0
    agreement: float | None = None


def write(
    folder: Path,
    buckets: Buckets,
    judges: Sequence[Judge],
    ruling: Ruling,
    journal: Journal,
    *,
    trail: Trail,
    account: Account,
    progress: Callable[[int, int], None],
) -> Collected:
    """Write pairs, comparisons and calls, and settle every row.

    Args:
        folder: the data set directory that is being made.
        buckets: hold the comparisons.
        judges: who was asked.
        ruling: what makes a verdict a pair.
        journal: holds the replies.
        trail: takes the account of every row.
        account: is told what became of each row.
        progress: is told how many buckets are done, of how many.
    """
    for name in ("data", "comparisons", "calls"):
        (folder / name).mkdir()
    done = Collected(alone={judge.name: Counts() for judge in judges})
    for bucket in range(len(buckets)):
        told = []
        for number, part in enumerate(parts(buckets, bucket)):
            decisions, calls = _decided(part, judges, ruling, journal, done)
            name = f"{bucket:06d}-{number:06d}.parquet"
            _write_comparisons(part, decisions, folder / "comparisons" / f"comparisons-{name}")
            if calls:
                table = pa.Table.from_pylist(calls, schema=CALLS)
                write_parquet(pl.DataFrame(table), folder / "calls" / f"calls-{name}", CALLS)
            rows = _pairs(part, decisions, ruling)
            for split, these in by_split(rows).items():
                if these.height:
                    write_parquet(these, folder / "data" / f"{split}-{name}", SCHEMAS["pairs"])
                    done.made.example = done.made.example or readable(these)
            told.append(_told(part, decisions, rows))
            _count_rows(rows, done.made)
        _settle(buckets, bucket, told, trail, account)
        progress(bucket + 1, len(buckets))
    if not done.made.rows:
        empty = pl.DataFrame(SCHEMAS["pairs"].empty_table())
        write_parquet(empty, folder / "data" / "train-0.parquet", SCHEMAS["pairs"])
    for split in SPLITS:
        number_shards(folder / "data", split)
    for name in ("comparisons", "calls"):
        number_shards(folder / name, name)
    return done


def _decided(
    part: pl.DataFrame,
    judges: Sequence[Judge],
    ruling: Ruling,
    journal: Journal,
    done: Collected,
) -> tuple[list[Decision], list[dict[str, object]]]:
    """What became of each comparison of a part, and the calls about it."""
    cases = cases_of(part)
    labels = [_label(said, turned=t) for said, t in part.select("said", "turned").iter_rows()]
    marks = list(zip(*(_marks(part[f"response_{side}"]) for side in "ab"), strict=True))
    outcomes: list[dict[str, Outcome]] = [{} for _ in cases]
    calls: list[dict[str, object]] = []
    rounds = (0, 1) if ruling.flips == "ask-again" else (0,)
    for judge in judges:
        counts = done.alone[judge.name]
        found = collected(cases, judge, journal, ruling.orders, rounds)
        for at, said in enumerate(found):
            outcomes[at][judge.name] = settled = outcome_of(said, ruling)
            calls += [_call(judge, ask, each, reply) for ask, each, reply in said if reply]
            _count(counts, settled.winner, settled.cause, labels[at])
            for ask, each, _ in said:
                if each.winner in ("a", "b"):
                    counts.slots["first" if each.winner == ask.order[0] else "second"] += 1
    decisions = []
    for at, by_judge in enumerate(outcomes):
        decision = _decision(by_judge, labels[at], marks[at], ruling)
        _count(done.together, decision.winner, decision.cause, labels[at])
        done.flagged += bool(marks[at][0] or marks[at][1])
        pending = {outcome.NOT_ASKED}
        done.pending += any(each.cause in pending for each in by_judge.values())
        decisions.append(decision)
    return decisions, calls


def outcome_of(said: Sequence[tuple[Ask, Said, Reply | None]], ruling: Ruling) -> Outcome:
    """What one judge says of a comparison; a flip may be a tie, or what the next round says."""
    rounds: dict[int, list[Said]] = {}
    for ask, each, _ in said:
        rounds.setdefault(ask.again, []).append(each)
    found = combined(rounds[0])
    if found.cause == outcome.FLIP and ruling.flips == "ask-again":
        again = combined(rounds[1])
        found = again if again.cause != outcome.NOT_ASKED else found
    if found.cause == outcome.FLIP and ruling.flips == "tie":
        return found._replace(winner="tie", cause="")
    return found


def _label(said: Sequence[Mapping[str, Any]], *, turned: bool) -> list[dict[str, Any]]:
    """What the rows themselves said of a comparison, in terms of its a and b."""
    other = {"a": "b", "b": "a"} if turned else {}
    return [{**each, "winner": other.get(each["winner"], each["winner"])} for each in said]


def _marks(texts: pl.Series) -> list[list[str]]:
    found: list[list[str]] = flags(texts_of(texts)).to_list()
    return found


def _count(counts: Counts, winner: str, cause: str, labels: Sequence[Mapping[str, Any]]) -> None:
    counts.outcomes[winner if winner != "none" else cause] += 1
    votes = Counter(each["winner"] for each in labels)
    if winner in ("a", "b") and votes["a"] != votes["b"]:
        counts.labelled += 1
        counts.agreed += votes[winner] > votes["b" if winner == "a" else "a"]


def _decision(
    by_judge: Mapping[str, Outcome],
    labels: Sequence[Mapping[str, Any]],
    marks: tuple[list[str], list[str]],
    ruling: Ruling,
) -> Decision:
    winner, cause = jury(by_judge, ruling.weights)
    verdicts = [_labelled(each) for each in labels]
    verdicts += [_verdict(name, each) for name, each in by_judge.items()]
    if winner in ("none", "tie"):
        reason = reasons.TIE if winner == "tie" else OF_CAUSE.get(cause, reasons.NO_WINNER)
        return Decision(winner, reason, _detail(reason, cause), cause, verdicts)
    cast = [each for each in by_judge.values() if each.winner != "none"]
    side = 0 if winner == "a" else 1
    means = [_overall(each) for each in cast]
    both = [mean for mean in means if mean is not None]
    margins = [each.margin for each in cast if each.margin is not None]
    decision = Decision(
        winner,
        reasons.KEPT,
        "",
        "",
        verdicts,
        fmean(mean[side] for mean in both) if both else None,
        fmean(mean[1 - side] for mean in both) if both else None,
        fmean(margins) * (1 - 2 * side) if margins else None,
        len(cast),
        sum(each.winner == winner for each in cast) / len(cast),
    )
    if ruling.veto and _loses(cast, ruling.veto, side):
        return decision._replace(winner="none", reason=reasons.VETO, cause=reasons.VETO)
    if ruling.drop_flagged and marks[side]:
        said = ", ".join(marks[side])
        why = reasons.INJECTION
        return decision._replace(winner="none", reason=why, detail=said, cause=why)
    return decision


def _detail(reason: str, cause: str) -> str:
    """The cause, where it says more than the reason."""
    return cause if reason == reasons.NO_WINNER else ""


def _loses(cast: Sequence[Outcome], criterion: str, side: int) -> bool:
    """Whether the winner scores lower than the other on a criterion, over all judges."""
    scores = [each.scores[criterion] for each in cast if criterion in each.scores]
    return sum(s[side] - s[1 - side] for s in scores) < 0


def _overall(said: Outcome) -> tuple[float, float] | None:
    if not said.scores:
        return None
    a, b = zip(*said.scores.values(), strict=True)
    return fmean(a), fmean(b)


def _labelled(label: Mapping[str, Any]) -> dict[str, object]:
    """A verdict that came with the source."""
    empty = dict.fromkeys(("annotator_kind", "scores", "cause", "evidence"))
    return {
        **empty,
        **label,
        "strength": None if label["strength"] is None else abs(label["strength"]),
    }


def _verdict(judge: str, said: Outcome) -> dict[str, object]:
    scores = [{"dimension": name, "a": a, "b": b} for name, (a, b) in said.scores.items()]
    return {
        "winner": said.winner,
        "annotator": judge,
        "annotator_kind": "model",
        "strength": None if said.margin is None else abs(said.margin),
        "scores": scores or None,
        "cause": said.cause or None,
        "evidence": said.reasoning or None,
    }


def _call(judge: Judge, ask: Ask, said: Said, reply: Reply) -> dict[str, object]:
    return {
        "comparison": ask.case.id,
        "judge": judge.name,
        "order": ask.order,
        "round": ask.again,
        "winner": said.winner,
        "cause": said.cause or None,
        "margin": said.margin,
        "model": reply.model,
        "fingerprint": reply.fingerprint,
        "prompt_tokens": reply.usage.prompt,
        "completion_tokens": reply.usage.completion,
        "cached_tokens": reply.usage.cached,
        "reasoning_tokens": reply.usage.reasoning,
        "reply": reply.refusal or reply.text,
    }


def _write_comparisons(part: pl.DataFrame, decisions: Sequence[Decision], path: Path) -> None:
    schema = Comparison.arrow_schema()
    kind = pl.Schema(pl.DataFrame(schema.empty_table()).schema)["verdicts"]
    verdicts = pl.Series("verdicts", [list(each.verdicts) for each in decisions], kind)
    frame = part.with_columns(verdicts, hexed(part["prompt_id"]), pl.col("origin").alias("source"))
    frame = frame.with_columns(
        as_messages(frame[name]) for name in ("prompt", "response_a", "response_b")
    )
    write_parquet(frame, path, schema)


def _pairs(part: pl.DataFrame, decisions: Sequence[Decision], ruling: Ruling) -> pl.DataFrame:
    """The pairs of a part, with their texts."""
    kept = [each.reason == reasons.KEPT for each in decisions]
    frame = part.filter(pl.Series(kept, dtype=pl.Boolean))
    won = [each for each, keep in zip(decisions, kept, strict=True) if keep]
    a_won = pl.Series("a_won", [each.winner == "a" for each in won], pl.Boolean)
    frame = frame.with_columns(a_won, *_figures(won))
    either = {"chosen": ("a", "b"), "rejected": ("b", "a")}
    for name, (yes, no) in either.items():
        for made, column in ((name, "response_"), (f"model_{name}", "model_"), (f"{name}_id", "")):
            ends = ("_id", "_id") if not column else ("", "")
            frame = frame.with_columns(
                pl.when("a_won")
                .then(f"{column}{yes}{ends[0]}")
                .otherwise(f"{column}{no}{ends[1]}")
                .alias(made)
            )
    frame = joined_ids(frame.drop("id"), ["prompt_id", "chosen_id", "rejected_id"], "id")
    frame = frame.with_columns(
        hexed(frame["id"]), hexed(frame["prompt_id"]), pl.col("origin").alias("source")
    )
    return frame.with_columns(
        in_test(frame["prompt_id"], ruling.test_size, ruling.seed).alias("test")
    )


def _figures(won: Sequence[Decision]) -> list[pl.Series]:
    """Scores only where they do not contradict the verdict; a margin of log-odds goes before."""
    right = [
        each.chosen is not None and each.rejected is not None and each.chosen >= each.rejected
        for each in won
    ]
    chosen = [each.chosen if ok else None for each, ok in zip(won, right, strict=True)]
    rejected = [each.rejected if ok else None for each, ok in zip(won, right, strict=True)]
    margins = [
        each.margin
        if each.margin is not None
        else c - r
        if c is not None and r is not None
        else None
        for each, c, r in zip(won, chosen, rejected, strict=True)
    ]
    return [
        pl.Series("score_chosen", chosen, pl.Float64),
        pl.Series("score_rejected", rejected, pl.Float64),
        pl.Series("margin", margins, pl.Float64),
        pl.Series("votes", [each.votes for each in won], pl.Int64),
        pl.Series("agreement", [each.agreement for each in won], pl.Float64),
    ]


def _count_rows(rows: pl.DataFrame, made: Assembled) -> None:
    count(rows, made)


def _told(part: pl.DataFrame, decisions: Sequence[Decision], rows: pl.DataFrame) -> pl.DataFrame:
    """What became of each comparison: the reason, the detail, and the id of its pair."""
    texts = part.select(pl.struct("prompt", a="response_a", b="response_b").struct.json_encode())
    told = part.select("case").with_columns(
        pl.Series("reason", [each.reason for each in decisions], pl.String),
        pl.Series("detail", [each.detail for each in decisions], pl.String),
        texts.to_series().alias("raw"),
    )
    told = told.with_columns(pl.when(pl.col("reason") != reasons.KEPT).then("raw").alias("raw"))
    ids = rows.select("case", pl.col("id").alias("pair"))
    return told.join(ids, on="case", how="left", maintain_order="left")


def _settle(
    buckets: Buckets, bucket: int, told: Sequence[pl.DataFrame], trail: Trail, account: Account
) -> None:
    """Say of each row of a bucket what became of it."""
    links = buckets.get("links", bucket)
    if links is None:
        return
    rows = links.join(pl.concat(told), on="case", how="left", maintain_order="left")
    later = pl.col("case").is_duplicated() & ~pl.col("case").is_first_distinct() & ~pl.col("rated")
    again = later & (pl.col("reason") == reasons.KEPT)
    rows = rows.with_columns(
        pl.when(again)
        .then(pl.lit(reasons.DUPLICATE))
        .otherwise(pl.coalesce("reason", pl.lit(reasons.ALONE)))
        .alias("reason")
    )
    ledger = pl.concat(
        [
            entries(rows.filter(pl.col("rated")), rated=True),
            entries(rows.filter(~pl.col("rated")), rated=False),
        ]
    )
    best = by_row(ledger)
    lost = best.filter(pl.col("outcome") == "rejected").select("source", "row", "line", "reason")
    said = rows.unique(["source", "row"], keep="first").select("source", "row", "detail", "raw")
    lost = lost.join(said, on=["source", "row"], how="left", maintain_order="left")
    refused = lost.with_columns(pl.lit("").alias("field"))
    trail.add(ledger, refused.select(REJECTS.names()).cast(REJECTS))
    account.settle(best)
