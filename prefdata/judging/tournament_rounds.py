"""Tournaments: rounds of comparisons among the responses to prompts that have too many of them.

All prompts play at once: what one round asks about goes out together, and what the judges say of it
decides the next. Each draw is noted in the journal before anything is asked, so that a run that was
killed, or that finds more responses to a prompt, goes on with what was paid for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from prefdata.judging.client.journal import DrawnPair, Journal
from prefdata.judging.comparison_store import ComparisonStore
from prefdata.judging.comparisons import KEY, add_comparisons, parts
from prefdata.judging.decide import Judge, VerdictPolicy, decide, decided_frame
from prefdata.judging.rank import DECIDED, response_groups
from prefdata.judging.tournament import next_comparisons
from prefdata.records.ids import hexed


@dataclass
class TournamentRounds:
    """The tournaments of a run.

    Args:
        store: what is judged; drawn comparisons are added to them.
        judges: who is asked.
        policy: what decides a comparison.
        journal: holds the replies, and the draws of earlier runs.

    Attributes:
        undecided: which comparisons the next draw has to decide first: ``"all"`` of them, then the
            ``"new"`` ones.
    """

    store: ComparisonStore
    judges: Sequence[Judge]
    policy: VerdictPolicy
    journal: Journal
    undecided: str = field(default="all", init=False)

    @property
    def name(self) -> str:
        """Names all tournaments in which the same judges are asked in the same way."""
        stems = [judge.builder.stem.hex() for judge in self.judges]
        text = " ".join([*sorted(stems), str(self.policy.orders)])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def resume(self) -> None:
        """Add the comparisons that earlier runs have drawn."""
        for bucket, responses in self._buckets_in_tournament():
            self._add(bucket, self._pairs_of_earlier_runs(bucket, responses))

    def next_round(self) -> list[DrawnPair]:
        """Add the comparisons of the next round, and return them; none where all is decided."""
        pairs: list[DrawnPair] = []
        for bucket, responses in self._buckets_in_tournament():
            frame = self._next_pairs(bucket, responses)
            self._add(bucket, frame)
            pairs += map(DrawnPair._make, pl.DataFrame([hexed(frame[name]) for name in KEY]).rows())
        self.undecided = "new"
        return pairs

    def play_all(self) -> None:
        """Add all rounds: those that earlier runs have drawn, and others that are as many."""
        self.resume()
        more = True
        while more:
            more = bool(self.next_round())

    def _buckets_in_tournament(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """The buckets that hold tournaments, and the responses that play in them."""
        buckets = self.store.buckets
        for bucket in range(len(buckets) if self.store.max_comparisons is not None else 0):
            responses = buckets.get("responses", bucket)
            if responses is not None and responses["in_tournament"].any():
                yield bucket, responses.filter("in_tournament")

    def _add(self, bucket: int, pairs: pl.DataFrame) -> None:
        self.store.total += add_comparisons(self.store.buckets, bucket, pairs)

    def _pairs_of_earlier_runs(self, bucket: int, responses: pl.DataFrame) -> pl.DataFrame:
        """The comparisons that earlier runs have drawn, no more than there may be."""
        names = responses.select(
            "prompt_id",
            "response_id",
            hexed(responses["prompt_id"]).alias("prompt"),
            hexed(responses["response_id"]).alias("response"),
        )
        rows = self.journal.drawn_pairs(self.name, names["prompt"].unique().to_list())
        pairs = pl.DataFrame(rows, dict.fromkeys(DrawnPair._fields, pl.String), orient="row")
        for side in "xy":
            side_names = names.rename({"response_id": f"{side}_id", "response": side})
            side_names = side_names.drop("prompt_id") if side == "y" else side_names
            pairs = pairs.join(side_names, on=["prompt", side], how="inner", maintain_order="left")
        compared = self.store.buckets.require("all", bucket)
        pairs = pairs.join(compared, on=KEY, how="anti", maintain_order="left")
        between = self._comparisons_between(compared, responses)
        counts = between["prompt_id"].value_counts(name="compared")
        pairs = pairs.join(counts, on="prompt_id", how="left", maintain_order="left")
        place = pl.int_range(pl.len(), dtype=pl.Int64).over("prompt_id")
        before = pl.col("compared").fill_null(0).cast(pl.Int64)
        most = self.store.max_comparisons or 0
        return pairs.filter(place + before < most).select(KEY)

    @staticmethod
    def _comparisons_between(compared: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
        """The comparisons between two of these responses."""
        for side in "xy":
            one = responses.select("prompt_id", pl.col("response_id").alias(f"{side}_id"))
            compared = compared.join(one, on=["prompt_id", f"{side}_id"], how="semi")
        return compared

    def _next_pairs(self, bucket: int, responses: pl.DataFrame) -> pl.DataFrame:
        """The comparisons of the next round, as the outcomes so far have it."""
        buckets = self.store.buckets
        prompts = responses["prompt_id"].unique().implode()
        for part in parts(buckets, bucket, self.undecided):
            compared = part.filter(pl.col("prompt_id").is_in(prompts))
            if compared.height:
                decisions = decide(compared, self.judges, self.policy, self.journal).decisions
                buckets.put_bucket("decided", bucket, decided_frame(compared, decisions))
        decided = buckets.get("decided", bucket)
        groups = response_groups(
            responses, pl.DataFrame(schema=DECIDED) if decided is None else decided
        )
        most, seed = self.store.max_comparisons, self.policy.pairing.seed
        rows = [
            (prompt, a, b)
            for prompt, group in groups.items()
            for a, b in next_comparisons(group.size, group.results, most=most, seed=seed)
        ]
        kind = dict.fromkeys(("group", "x", "y"), pl.UInt32)
        pairs = pl.DataFrame(rows, kind, orient="row")
        names = responses.select("group", "number", "prompt_id", "response_id")
        for side in "xy":
            side_names = names.rename({"number": side, "response_id": f"{side}_id"})
            side_names = side_names.drop("prompt_id") if side == "y" else side_names
            pairs = pairs.join(side_names, on=["group", side], how="left", maintain_order="left")
        return pairs.select(KEY)
