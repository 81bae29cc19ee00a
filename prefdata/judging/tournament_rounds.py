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

from prefdata.judging.cases import Cases
from prefdata.judging.client.journal import Drawn, Journal
from prefdata.judging.comparisons import KEY, add, parts
from prefdata.judging.decide import Judge, Ruling, decide, settled
from prefdata.judging.rank import SETTLED, fields
from prefdata.judging.tournament import next_comparisons
from prefdata.records.ids import hexed


@dataclass
class Contest:
    """The tournaments of a run.

    Args:
        cases: what is judged; drawn comparisons are added to them.
        judges: who is asked.
        ruling: what decides a comparison.
        journal: holds the replies, and the draws of earlier runs.

    Attributes:
        undecided: what the next draw has to decide first: all ``"cases"``, then the ``"new"`` ones.
    """

    cases: Cases
    judges: Sequence[Judge]
    ruling: Ruling
    journal: Journal
    undecided: str = field(default="cases", init=False)

    @property
    def name(self) -> str:
        """Names all tournaments in which the same judges are asked in the same way."""
        said = [judge.form.stem.hex() for judge in self.judges]
        whole = " ".join([*sorted(said), str(self.ruling.orders)])
        return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()

    def take_up(self) -> None:
        """Add the comparisons that earlier runs have drawn."""
        for bucket, responses in self._drawing():
            self._add(bucket, self._drawn_before(bucket, responses))

    def draw(self) -> list[Drawn]:
        """Add the comparisons of the next round; gives them, or nothing where all is decided."""
        drawn: list[Drawn] = []
        for bucket, responses in self._drawing():
            two = self._next(bucket, responses)
            self._add(bucket, two)
            drawn += map(Drawn._make, pl.DataFrame([hexed(two[name]) for name in KEY]).rows())
        self.undecided = "new"
        return drawn

    def play_out(self) -> None:
        """Add all rounds: those that earlier runs have drawn, and others that are as many."""
        self.take_up()
        drawn = True
        while drawn:
            drawn = bool(self.draw())

    def _drawing(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """The buckets that hold tournaments, and the responses that play in them."""
        buckets = self.cases.buckets
        for bucket in range(len(buckets) if self.cases.most is not None else 0):
            responses = buckets.get("responses", bucket)
            if responses is not None and responses["drawn"].any():
                yield bucket, responses.filter("drawn")

    def _add(self, bucket: int, two: pl.DataFrame) -> None:
        self.cases.total += add(self.cases.buckets, bucket, two)

    def _drawn_before(self, bucket: int, responses: pl.DataFrame) -> pl.DataFrame:
        """The comparisons that earlier runs have drawn, no more than there may be."""
        names = responses.select(
            "prompt_id",
            "response_id",
            hexed(responses["prompt_id"]).alias("prompt"),
            hexed(responses["response_id"]).alias("response"),
        )
        rows = self.journal.drawn(self.name, names["prompt"].unique().to_list())
        two = pl.DataFrame(rows, dict.fromkeys(Drawn._fields, pl.String), orient="row")
        for side in "xy":
            one = names.rename({"response_id": f"{side}_id", "response": side})
            one = one.drop("prompt_id") if side == "y" else one
            two = two.join(one, on=["prompt", side], how="inner", maintain_order="left")
        cases = self.cases.buckets.require("cases", bucket)
        two = two.join(cases, on=KEY, how="anti", maintain_order="left")
        met = self._between(cases, responses)["prompt_id"].value_counts(name="met")
        two = two.join(met, on="prompt_id", how="left", maintain_order="left")
        place = pl.int_range(pl.len(), dtype=pl.Int64).over("prompt_id")
        allowed = place + pl.col("met").fill_null(0).cast(pl.Int64) < (self.cases.most or 0)
        return two.filter(allowed).select(KEY)

    @staticmethod
    def _between(cases: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
        """The comparisons between two of these responses."""
        for side in "xy":
            one = responses.select("prompt_id", pl.col("response_id").alias(f"{side}_id"))
            cases = cases.join(one, on=["prompt_id", f"{side}_id"], how="semi")
        return cases

    def _next(self, bucket: int, responses: pl.DataFrame) -> pl.DataFrame:
        """The comparisons of the next round, as the outcomes so far have it."""
        buckets = self.cases.buckets
        prompts = responses["prompt_id"].unique().implode()
        for part in parts(buckets, bucket, self.undecided):
            mine = part.filter(pl.col("prompt_id").is_in(prompts))
            if mine.height:
                made = decide(mine, self.judges, self.ruling, self.journal)
                buckets.put_bucket("played", bucket, settled(mine, made.decisions))
        played = buckets.get("played", bucket)
        found = fields(responses, pl.DataFrame(schema=SETTLED) if played is None else played)
        rows = [
            (group, a, b)
            for group, of in found.items()
            for a, b in next_comparisons(
                of.size, of.outcomes, most=self.cases.most, seed=self.ruling.seed
            )
        ]
        kind = dict.fromkeys(("group", "x", "y"), pl.UInt32)
        two = pl.DataFrame(rows, kind, orient="row")
        names = responses.select("group", "number", "prompt_id", "response_id")
        for side in "xy":
            one = names.rename({"number": side, "response_id": f"{side}_id"})
            one = one.drop("prompt_id") if side == "y" else one
            two = two.join(one, on=["group", side], how="left", maintain_order="left")
        return two.select(KEY)
