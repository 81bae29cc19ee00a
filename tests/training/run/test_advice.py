"""What the curves are said to mean, and what the reader sees while they grow."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from prefdata.errors import TrainingError
from prefdata.report.progress import LineDisplay, TableDisplay, sparkline
from prefdata.training.run.diagnostics import Adviser


def told(*logs: dict[str, float]) -> list[str]:
    adviser = Adviser(1e-6)
    return [line for entry in logs for line in adviser.read(entry)]


def log(chosen: float = 0.0, rejected: float = 0.0, loss: float = 0.5) -> dict[str, float]:
    return {
        "loss": loss,
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/margins": chosen - rejected,
    }


def test_chosen_that_fall_with_rejected_are_explained() -> None:
    """Once, and only when both fall; a chosen reward that rises is no news."""
    assert told(log(), log(2.0, -3.0)) == []
    assert told(log(), log(-0.5, -3.0)) == []
    assert told(log(), log(-2.0, -5.0), log(-3.0, -9.0)) == [
        (
            "chosen answers become less likely (their reward fell by 2.00), and rejected ones "
            "still less (by 5.00): the margin grows while both fall. Common with DPO; if "
            "generations get worse, add the loss sft, as in train/rpo.yaml, or raise beta"
        )
    ]


def test_rewards_without_a_reference_are_seen_from_where_they_start() -> None:
    """The log-probabilities of ORPO, CPO and SimPO are far below zero from the first step."""
    assert told(log(-12.0, -11.0), log(-11.5, -12.0)) == []


def test_margins_without_end_are_explained() -> None:
    """They say no longer how good a model is."""
    assert told(log(), log(12.0, -12.0)) == [
        (
            "the margin is 24.0 and grows without end once pairs are told apart; it no longer says "
            "how good the model is: watch the evaluation, and stop early"
        )
    ]


def test_a_model_far_from_its_reference_is_told() -> None:
    """By the divergence that KTO estimates."""
    assert told({"loss": 0.5, "kl": 80.0}) == [
        "the model is 80 nats from its reference: a higher beta keeps it closer"
    ]


def test_answers_of_the_data_that_drifted_far_are_told() -> None:
    """Where the divergence itself is not known, as in DPO."""
    assert told({"loss": 0.5, "drift": 140.0}) == []
    assert told({"loss": 0.5, "drift": 160.0}) == [
        (
            "the log-probabilities of the data's answers are 160 nats from the reference's: a "
            "higher beta keeps them closer; pref eval measures the KL itself"
        )
    ]


def test_a_loss_that_does_not_move_is_told() -> None:
    """After a while, with the two usual reasons."""
    assert told(*[log(loss=0.6931)] * 5) == []
    assert told(*[log(loss=0.6931)] * 7) == [
        (
            "the loss is where it started (0.6931): the rate may be too low, or the answers of a "
            "pair too much alike"
        )
    ]


def test_a_run_that_is_lost_is_stopped() -> None:
    """A loss or gradient that is no number, at once; one that explodes, when it stays up."""
    with pytest.raises(TrainingError, match="the loss is not a number any more") as caught:
        told(log(loss=float("nan")))
    assert caught.value.hint == (
        "Use a lower rate than --lr 1e-06, a higher beta, or a smaller max_grad_norm; a longer "
        "warm-up helps as well."
    )
    with pytest.raises(TrainingError, match="the gradient is not a number any more"):
        told({"loss": 0.5, "grad_norm": float("inf")})
    with pytest.raises(TrainingError, match=r"diverged: the loss is 9 and was 0\.5"):
        told(log(loss=0.5), *[log(loss=9.0)] * 3)
    assert told(log(loss=0.5), log(loss=9.0), log(loss=0.4), *[log(loss=9.0)] * 2) == []


def test_what_is_no_training_log_is_left_alone() -> None:
    """Evaluations and the summary have no loss of a step."""
    assert told({"eval_loss": float("nan")}) == []


def test_lines_come_at_fifths_of_the_run() -> None:
    """The first step, and every fifth part."""
    said: list[str] = []
    lines = LineDisplay(said.append)
    for step in range(1, 11):
        lines.update(step, 10, log())
    lines.update(10, 10, {"eval_loss": 0.4})
    assert [line.split("  ")[0] for line in said] == [
        *("step 1/10", "step 2/10", "step 4/10", "step 6/10", "step 8/10", "step 10/10")
    ]


def test_the_table_shows_the_last_number_and_its_course() -> None:
    """On a terminal, in place; with tokens per second and the time left."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, highlight=False, width=80)
    with TableDisplay(console) as table:
        for step in range(1, 5):
            table.update(step, 8, {**log(step, -step, 1 / step), "num_tokens": 100.0 * step})
        table.update(4, 8, {"eval_loss": 0.25})
    shown = written.getvalue()
    assert "reward chosen" in shown
    assert "4.000" in shown
    assert "▁▃▅█" in shown
    assert "step 4 of 8" in shown
    assert "tokens/s" in shown
    assert "s left" in shown
    assert "loss, held out" in shown


def test_a_sparkline_is_as_wide_as_it_may_be() -> None:
    """Many values are thinned out, equal ones lie flat, and what is no number is a gap."""
    assert sparkline([]) == ""
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert sparkline([0.0, float("nan"), 1.0]) == "▁ █"
    assert len(sparkline([float(n) for n in range(1000)], width=40)) == 40
