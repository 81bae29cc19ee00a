"""From replies to pairs: flips, ties, juries, vetoes, margins, money."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from prefdata.errors import UsageError
from prefdata.judging.ask import JudgeConfig
from prefdata.judging.client.runner import RequestLimits
from prefdata.judging.decide import VerdictPolicy
from prefdata.judging.judge import estimate_costs
from prefdata.judging.prompting.criteria import parse_criteria
from prefdata.judging.prompting.prompt import load_template
from prefdata.judging.prompting.request import JudgePrompt
from tests.judging.judged import ALL_IN_TRAIN, PRICES, endpoint, plan, rows, run
from tests.judging.server import Body, Said, Server, seen, verdict

SURE = VerdictPolicy(pairing=ALL_IN_TRAIN)
ASKING = JudgeConfig(limits=RequestLimits(4), prices=PRICES)


def says(winner: str) -> Server:
    """A server that names one slot always."""
    return Server(brain=lambda body: Said(verdict(body, winner)))


def text_of(body: Body) -> str:
    return "\n".join(message["content"] for message in body["messages"])


def test_flips_may_count_as_ties(tmp_path: Path) -> None:
    """A tie makes no pair either, but it is a verdict."""
    with says("1") as server:
        policy = replace(SURE, flips="tie")
        report, out = run(tmp_path, rows(2), [endpoint(server.url)], policy=policy)
    assert report.verdicts == {"tie": 2}
    assert out.reasons == {"tie": 2}
    assert out.comparisons[0]["verdicts"][-1]["winner"] == "tie"


def test_a_flip_that_is_asked_again_may_be_settled(tmp_path: Path) -> None:
    """Both orders once more, in a round of its own; only flips cost that."""
    first: set[str] = set()

    def brain(body: Body) -> Said:
        shown = seen(body)
        pair = "".join(sorted((shown.first, shown.second)))
        again = len([each for each in first if each.startswith(pair)]) >= 2
        first.add(pair + shown.fence)
        flips = "question 0" in shown.prompt and not again
        right = "1" if "one" in shown.first else "2"
        return Said(verdict(body, "1" if flips else right))

    with Server(brain=brain) as server:
        policy = replace(SURE, flips="ask-again")
        report, out = run(tmp_path, rows(3), [endpoint(server.url)], policy=policy)
    assert len(out.pairs) == 3
    assert server.number == 1 + 6 + 2
    assert sorted(call["round"] for call in out.calls) == [0] * 6 + [1] * 2
    assert report.complete


def test_a_tie_in_both_orders_is_a_tie(tmp_path: Path) -> None:
    """It is no pair, and no flip."""
    with says("tie") as server:
        report, out = run(tmp_path, rows(2), [endpoint(server.url)])
    assert report.verdicts == {"tie": 2}
    assert out.reasons == {"tie": 2}


def test_one_order_is_chosen_by_the_comparison(tmp_path: Path) -> None:
    """Half the calls; which answer stands first is no constant."""
    with Server() as server:
        policy = replace(SURE, orders=1)
        _, out = run(tmp_path, rows(30), [endpoint(server.url)], policy=policy)
    assert server.number == 31
    assert {call["order"] for call in out.calls} == {"ab", "ba"}
    assert len(out.pairs) == 30


def jury(winners: dict[str, str]) -> Server:
    """Models that prefer the answer "one" or "two", or the first slot."""

    def brain(body: Body) -> Said:
        wanted, shown = winners[body["model"]], seen(body)
        if wanted == "flip":
            return Said(verdict(body, "1"))
        return Said(verdict(body, "1" if shown.first.endswith(wanted) else "2"))

    return Server(brain=brain)


@pytest.mark.parametrize(
    ("winners", "weights", "chosen", "reason"),
    [
        ({"x": "one", "y": "one", "z": "two"}, {}, "answer 0 one", ""),
        ({"x": "one", "y": "two", "z": "flip"}, {}, "", "the judges are divided"),
        ({"x": "one", "y": "flip", "z": "flip"}, {}, "answer 0 one", ""),
        ({"x": "flip", "y": "flip", "z": "flip"}, {}, "", "the verdict changes with the order"),
        ({"x": "one", "y": "one", "z": "two"}, {"z": 3.0}, "answer 0 two", ""),
    ],
)
def test_a_jury_decides_by_weight_and_breaks_no_tie_by_chance(
    tmp_path: Path, winners: dict[str, str], weights: dict[str, float], chosen: str, reason: str
) -> None:
    """A judge whose verdict flips abstains."""
    with jury(winners) as server:
        judges = [endpoint(server.url, name) for name in winners]
        policy = replace(SURE, weights=weights)
        report, out = run(tmp_path, rows(1), judges, policy=policy)
    assert out.chosen == ({"question 0?": chosen} if chosen else {})
    assert set(out.reasons) == ({reason} if reason else set())
    assert list(report.judges) == list(winners)
    assert [v["annotator"] for v in out.comparisons[0]["verdicts"][1:]] == list(winners)


def test_the_winner_must_not_lose_on_a_criterion_with_a_veto(tmp_path: Path) -> None:
    """The scores say that it is worse there."""

    def brain(body: Body) -> Said:
        right = "1" if "one" in seen(body).first else "2"
        said = verdict(body, right)
        high, low = ('"1": 8, "2": 4', '"1": 4, "2": 8')
        safety = f'"safety": {{{low if right == "1" else high}}}'
        other = f'"safety": {{{high if right == "1" else low}}}'
        return Said(said.replace(other, safety))

    with Server(brain=brain) as server:
        judges = [endpoint(server.url)]
        _, out = run(tmp_path, rows(1), judges)
        assert len(out.pairs) == 1
        policy = replace(SURE, veto="safety")
        _, out = run(tmp_path, rows(1), judges, policy=policy, force=True)
    assert out.reasons == {"the winner is worse on a criterion that must not be lost": 1}


def test_log_probabilities_become_a_margin(tmp_path: Path) -> None:
    """The mean over both orders of how much likelier one was than the other, in log-odds."""

    def brain(body: Body) -> Said:
        first = "one" in seen(body).first
        return Said(verdict(body, "1" if first else "2"), first=0.8 if first else 0.4)

    config = replace(ASKING, prompt=JudgePrompt(logprobs=True))
    with Server(brain=brain) as server:
        _, out = run(tmp_path, rows(1), [endpoint(server.url)], config=config)
    assert out.pairs[0]["margin"] == pytest.approx((1.386294 + 0.405465) / 2, abs=1e-5)
    assert out.comparisons[0]["verdicts"][-1]["strength"] == out.pairs[0]["margin"]


def test_a_server_without_log_probabilities_is_asked_without(tmp_path: Path) -> None:
    """The probe finds out; the margin is that of the scores then."""
    config = replace(ASKING, prompt=JudgePrompt(logprobs=True))
    with Server(unknown=frozenset({"logprobs"})) as server:
        report, out = run(tmp_path, rows(1), [endpoint(server.url)], config=config)
    understood = report.judges["judge"]["understands"]
    assert isinstance(understood, dict)
    assert understood["logprobs"] is False
    assert out.pairs[0]["margin"] == 4.0


def test_criteria_reasoning_and_a_prompt_of_ones_own_are_asked_for(tmp_path: Path) -> None:
    """Braces in an answer are only braces."""
    own = tmp_path / "prompt.txt"
    own.write_text(
        "Q {prompt}\n<<F answer 1>>\n{answer_1}\n<<F end>>\n<<F answer 2>>\n{answer_2}\n<<F end>>\n"
        "{criteria}\n{task}",
        encoding="utf-8",
    )
    prompt = JudgePrompt(
        load_template(own), parse_criteria("tone: it is friendly; accuracy"), reasoning=True
    )
    given = [{"prompt": "{answer_2}", "chosen": "{task} one", "rejected": "{0} {unknown}"}]
    with Server(keep=True) as server:
        report, out = run(
            tmp_path, given, [endpoint(server.url)], config=replace(ASKING, prompt=prompt)
        )
    asked = text_of(server.bodies[-1])
    assert "Q {answer_2}\n" in asked
    assert "{task} one" in asked
    assert "- tone: it is friendly" in asked
    scores = out.comparisons[0]["verdicts"][-1]["scores"]
    assert {score["dimension"] for score in scores} == {"tone", "accuracy"}
    assert (
        out.comparisons[0]["verdicts"][-1]["evidence"] == "[a first] compared\n\n[b first] compared"
    )
    assert report.complete


def test_alpaca_eval_reused_verdicts_of_an_older_prompt_and_here_editing_asks_again(
    tmp_path: Path,
) -> None:
    """The key is the whole request."""
    with Server() as server:
        judges = [endpoint(server.url)]
        run(tmp_path, rows(4), judges, config=ASKING)
        before = server.number
        run(tmp_path, rows(5), judges, config=ASKING, force=True)
        assert server.number == before + 2
        prompt = JudgePrompt(criteria=parse_criteria("accuracy"))
        run(tmp_path, rows(5), judges, config=replace(ASKING, prompt=prompt), force=True)
        assert server.number == before + 2 + 10 + 1


def test_the_limit_on_costs_is_not_passed_and_the_run_goes_on_under_a_higher_one(
    tmp_path: Path,
) -> None:
    """What is under way is reserved for at its highest price."""
    with Server(latency=0.01) as server:
        judges = [endpoint(server.url)]
        tight = replace(ASKING, prompt=JudgePrompt(max_tokens=200), max_cost=0.02)
        report, out = run(tmp_path, rows(20), judges, config=tight)
        paid = report.calls["dollars"]
        assert isinstance(paid, float)
        assert 0.01 < paid <= 0.02
        assert report.stopped == "the next call could pass --max-cost 0.02"
        assert 0 < out.reasons["not judged yet"] < 20
        report, out = run(tmp_path, rows(20), judges, config=replace(tight, max_cost=1.0))
    assert report.complete
    assert len(out.pairs) == 20
    assert set(server.answered.values()) == {1}


def test_an_unknown_price_is_unknown(tmp_path: Path) -> None:
    """Never zero; and a limit on costs cannot be held then."""
    source, output = tmp_path / "in.jsonl", tmp_path / "out"
    source.write_text('{"prompt": "p?", "chosen": "a", "rejected": "b"}\n', encoding="utf-8")
    nameless = endpoint("http://127.0.0.1:9/v1", "mine")
    (found,) = estimate_costs([source], output, plan([nameless], config=ASKING))
    assert found.dollars() is None
    assert found.calls == 2
    with pytest.raises(UsageError, match="--max-cost needs the price of mine, which is not known"):
        estimate_costs([source], output, plan([nameless], config=replace(ASKING, max_cost=1.0)))


def test_cached_and_reasoning_tokens_enter_the_cost(tmp_path: Path) -> None:
    """Cached ones at their own price; reasoning ones are part of the completion."""
    with Server(cached=0.5, reasoning=100) as server:
        report, _ = run(tmp_path, rows(3), [endpoint(server.url)], config=ASKING)
    spent = report.judges["judge"]["spent"]
    assert isinstance(spent, dict)
    tokens = spent["tokens"]
    assert tokens["reasoning"] == 700
    fresh = tokens["prompt"] - tokens["cached"]
    wanted = (2.0 * fresh + 0.5 * tokens["cached"] + 8.0 * tokens["completion"]) / 1_000_000
    assert spent["dollars"] == pytest.approx(wanted)
