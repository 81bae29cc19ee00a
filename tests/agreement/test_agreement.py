"""Agreement by hand, and against a plain count of every pair of votes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Literal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.agreement.agreement import AnnotatorAgreement, measure_agreement
from prefdata.agreement.remarks import remarks
from prefdata.stats.intervals import Estimate, share
from tests.judging.cast import frame, verdicts

PEOPLE = ["anna", "bert"]


def of(
    name: str, made: pl.DataFrame, *, against: Literal["each", "majority"] = "each"
) -> AnnotatorAgreement:
    """The figures of one annotator."""
    found = measure_agreement(made, people=PEOPLE, against=against)
    return next(each for each in found.annotators if each.annotator == name)


def counts(share: Estimate) -> tuple[float | None, float]:
    return share.hits, share.n


def test_accuracy_leaves_ties_out_and_coverage_says_how_much_is_left() -> None:
    """Of six that anna decided, gpt decided four, and three of them as she did."""
    gpt = of("gpt", verdicts({"anna": "aabbabtt", "gpt": "aabat-at"}))
    assert counts(gpt.accuracy) == (3, 4)
    assert counts(gpt.coverage) == (4, 6)


def test_with_ties_a_tie_is_an_answer() -> None:
    """The same votes: seven answers of eight, four of them the same."""
    gpt = of("gpt", verdicts({"anna": "aabbabtt", "gpt": "aabat-at"}))
    assert counts(gpt.accuracy_with_ties) == (4, 7)
    assert counts(gpt.coverage_with_ties) == (7, 8)


def test_against_each_every_vote_counts() -> None:
    """One of two is right where the two are of two minds; the interval counts comparisons."""
    gpt = of("gpt", verdicts({"anna": "ab", "bert": "aa", "gpt": "aa"}))
    assert gpt.accuracy == share(3, 4, units=2)


def test_against_the_majority_a_split_says_nothing() -> None:
    """The second comparison is left out of accuracy and coverage."""
    made = verdicts({"anna": "ab", "bert": "aa", "gpt": "aa"})
    gpt = of("gpt", made, against="majority")
    assert gpt.accuracy == share(1, 1, units=1)
    assert counts(gpt.coverage) == (1, 1)


def test_what_an_annotator_was_not_asked_costs_no_coverage() -> None:
    """Only what was put to them does."""
    assert counts(of("gpt", verdicts({"anna": "aabb", "gpt": "a.b."})).coverage) == (2, 2)


def test_a_verdict_that_changes_with_the_order_is_none() -> None:
    """It lowers the coverage and is a flip; where one order has no verdict it is no flip."""
    gpt = of("gpt", verdicts({"anna": "aaaa", "gpt": "aaa-", "gpt~": "abta"}))
    assert counts(gpt.accuracy) == (1, 1)
    assert counts(gpt.coverage) == (1, 4)
    assert counts(gpt.flips) == (2, 3)
    assert gpt.verdicts == 8


def test_the_first_slot_is_where_it_stood_not_what_it_is_called() -> None:
    """Always what is shown first, in both orders."""
    gpt = of("gpt", verdicts({"anna": "aab", "gpt": "aaa", "gpt~": "bbb"}))
    assert counts(gpt.first_slot) == (6, 6)
    assert counts(gpt.flips) == (3, 3)


def test_longer_answers_beside_people_s_own_taste_for_them() -> None:
    """Where both chose, and one answer was longer."""
    votes = {"anna": "abba", "gpt": "aata"}
    gpt = of("gpt", verdicts(votes, longer="aabt"))
    assert counts(gpt.longer) == (2, 2)
    assert counts(gpt.longer_people) == (1, 2)


def test_the_longer_answer_is_an_annotator_too() -> None:
    """The baseline abstains where both are as long."""
    found = measure_agreement(
        verdicts({"anna": "abba", "gpt": "aata"}, longer="aabt"), people=["anna"]
    )
    assert found.longer_baseline is not None
    assert counts(found.longer_baseline.accuracy) == (2, 3)
    assert counts(found.longer_baseline.coverage) == (3, 4)


def test_without_texts_there_is_no_such_baseline() -> None:
    """Nothing is made up."""
    assert (
        measure_agreement(verdicts({"anna": "ab", "gpt": "aa"}), people=["anna"]).longer_baseline
        is None
    )


def test_the_ceiling_counts_each_two_people_once() -> None:
    """Three people: three pairs on each of two comparisons; gpt is not one of them."""
    made = verdicts({"anna": "ab", "bert": "ab", "cleo": "aa", "gpt": "bb"})
    found = measure_agreement(made, people=["anna", "bert", "cleo"])
    assert found.ceiling == share(4, 6, units=2)


def test_the_ceiling_against_the_majority_leaves_one_out() -> None:
    """Of the second comparison only cleo sees a majority, and is not in it."""
    made = verdicts({"anna": "ab", "bert": "ab", "cleo": "aa"})
    found = measure_agreement(made, people=["anna", "bert", "cleo"], against="majority")
    assert found.ceiling == share(3, 4, units=2)


def test_a_person_is_not_held_against_their_own_vote() -> None:
    """Anna agrees with bert, not with herself."""
    anna = of("anna", verdicts({"anna": "aab", "bert": "abb"}))
    assert counts(anna.accuracy) == (2, 3)


def test_kappa_by_hand() -> None:
    """Seen 4 of 6; by chance 0.5: (2/3 - 1/2) / (1/2)."""
    gpt = of("gpt", verdicts({"anna": "aaabbb", "gpt": "aabbba"}))
    assert gpt.kappa == pytest.approx(1 / 3)


def test_without_people_each_is_held_against_the_others() -> None:
    """And all of them are what is judged."""
    found = measure_agreement(verdicts({"gpt": "aab", "claude": "aaa"}))
    assert found.peers
    assert [(each.annotator, counts(each.accuracy)) for each in found.judges] == [
        ("claude", (2, 3)),
        ("gpt", (2, 3)),
    ]


def test_each_category_has_figures_of_its_own() -> None:
    """They add up to those of all."""
    made = verdicts({"anna": "aabb", "gpt": "abbb"})
    made = made.with_columns(
        pl.col("comparison")
        .replace_strict({0: "maths", 1: "maths"}, default="prose")
        .alias("category")
    )
    found = measure_agreement(made, people=["anna"])
    parts = {name: counts(each.judges[0].accuracy) for name, each in found.categories.items()}
    assert parts == {"maths": (1, 2), "prose": (2, 2)}


VOTES = st.lists(st.text("abt-.", min_size=5, max_size=5), min_size=1, max_size=12)


@given(VOTES)
def test_the_figures_are_those_of_a_plain_count(items: list[str]) -> None:
    """Every pair of a judge's and a person's vote, one by one."""
    who = ["anna", "bert", "gpt", "claude", "dora"]
    people = ["anna", "bert", "dora"]
    votes = {name: "".join(item[at] for item in items) for at, name in enumerate(who)}
    made = verdicts(votes)
    if not made.height:
        return
    found = {each.annotator: each for each in measure_agreement(made, people=people).annotators}
    for judge, each in found.items():
        pairs = [
            (mine, theirs)
            for other in people
            if other != judge
            for mine, theirs in zip(votes[judge], votes[other], strict=True)
            if mine != "." and theirs not in ".-"
        ]
        chosen = [(mine, theirs) for mine, theirs in pairs if mine in "ab" and theirs in "ab"]
        assert counts(each.accuracy) == (sum(m == t for m, t in chosen), len(chosen))
        assert each.coverage.n == sum(theirs in "ab" for _, theirs in pairs)
        answered = [(mine, theirs) for mine, theirs in pairs if mine != "-"]
        assert counts(each.accuracy_with_ties) == (sum(m == t for m, t in answered), len(answered))
        assert each.coverage_with_ties.n == len(pairs)


@given(VOTES)
def test_the_majority_is_that_of_a_plain_count(items: list[str]) -> None:
    """What more of the others say than anything else."""
    who = ["anna", "bert", "gpt", "cleo", "dora"]
    people = ["anna", "bert", "cleo", "dora"]
    votes = {name: "".join(item[at] for item in items) for at, name in enumerate(who)}
    made = verdicts(votes)
    if not made.height:
        return
    found = measure_agreement(made, people=people, against="majority")
    for each in found.annotators:
        right = decided = 0
        for item in items:
            own = item[who.index(each.annotator)]
            cast = [
                vote
                for name, vote in zip(who, item, strict=True)
                if name in people and name != each.annotator and vote in "abt"
            ]
            top = Counter(cast).most_common(2)
            alone = len(top) == 1 or (len(top) == 2 and top[0][1] > top[1][1])
            if alone and top[0][0] in "ab" and own in "ab":
                decided += 1
                right += own == top[0][0]
        assert counts(each.accuracy) == (right, decided)


@given(VOTES)
def test_neither_the_order_of_rows_nor_of_sides_matters(items: list[str]) -> None:
    """With all comparisons turned round, and read backwards, every figure is the same."""
    votes = {name: "".join(item[at] for item in items) for at, name in enumerate(["anna", "gpt"])}
    made = verdicts(votes)
    turned = made.reverse().with_columns(-pl.col("winner"), ~pl.col("swapped"))
    if made.height:
        one, other = (measure_agreement(each, people=["anna"]) for each in (made, turned))
        for here, there in zip(one.annotators, other.annotators, strict=True):
            assert here.kappa == pytest.approx(there.kappa)
            assert replace(here, kappa=None) == replace(there, kappa=None)
        assert one.alpha == pytest.approx(other.alpha)


def test_too_few_comparisons_are_said_to_be_so() -> None:
    """In words, with what can be said."""
    said = remarks(measure_agreement(verdicts({"anna": "aabb", "gpt": "aaba"}), people=["anna"]))
    assert said == [
        "gpt: too few comparisons for a claim: the accuracy may be anything from 30.1 % to 95.4 %.",
        "No comparison has verdicts of several people: how far people agree is not known.",
    ]


def test_a_judge_that_is_no_better_than_length_is_told_so() -> None:
    """However many comparisons there are."""
    votes = {"anna": "aaab" * 50, "gpt": "aaab" * 25 + "aaaa" * 25}
    made = verdicts(votes, longer="aaaa" * 50)
    assert counts(of("gpt", made).accuracy) == (175, 200)
    worse = verdicts({"anna": "aaab" * 50, "gpt": "aaba" * 50}, longer="aaaa" * 50)
    assert "gpt: not shown to be better than taking the longer answer (75.0 %)." in remarks(
        measure_agreement(worse, people=["anna"])
    )


def test_a_taste_for_a_place_is_told_where_both_orders_were_asked() -> None:
    """In one order only, the better answers may just stand there."""
    both = {"anna": "ab" * 30, "gpt": "aa" * 30, "gpt~": "bb" * 30}
    line = "gpt: prefers the answer that is shown first (60 of 60 verdicts change with the order)."
    assert line in remarks(measure_agreement(verdicts(both), people=["anna"]))
    one = {"anna": "ab" * 30, "gpt": "aa" * 30}
    assert line not in remarks(measure_agreement(verdicts(one), people=["anna"]))


def test_every_annotator_stands_once() -> None:
    """People after those who are held against them."""
    found = measure_agreement(
        frame([(0, name, 1, False, None) for name in "cab"]), people=["a", "absent"]
    )
    assert [each.annotator for each in found.annotators] == ["b", "c", "a"]
    assert found.people == ("a",)
