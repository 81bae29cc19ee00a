"""The preflight: each row that training would lose or cut is counted, and losses are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.errors import InputError
from prefdata.training.data.preflight import Preflight, examine, preflight_summary, refuse_losses
from prefdata.training.model.load import load_tokenizer
from tests.training.datasets import pair

SIDES = ("chosen", "rejected")


def examined(model: Path, rows: list[dict[str, list[dict[str, str]]]], length: int) -> Preflight:
    return examine(rows, SIDES, load_tokenizer(str(model)), length)


def test_trl_dropped_long_rows_in_silence_and_here_every_fate_is_counted(chat_model: Path) -> None:
    """One row of each: whole, cut, filled by its prompt, equal once cut, identical."""
    long = "river " * 60
    rows = [
        pair("Hi", "Gladly!", "No."),
        pair("Hi", "Gladly! " + long, "No."),
        pair(long, "Gladly!", "No."),
        pair("Hi", long + "yes", long + "no"),
        pair("Hi", "Gladly!", "Gladly!"),
    ]
    found = examined(chat_model, rows, 40)
    assert (found.rows, found.cut, found.filled, found.equal, found.identical) == (5, 1, 1, 1, 1)
    assert found.lost_rows == [2, 3, 4]
    assert found.no_end_token == found.merged == 0
    assert found.counts()["lost"] == 3


def test_the_length_that_keeps_all_is_named(chat_model: Path) -> None:
    """With the length that the hint names, nothing is lost or cut."""
    rows = [pair("river " * 60, "Gladly!", "No."), pair("Hi", "Gladly!", "No.")]
    with pytest.raises(InputError) as caught:
        refuse_losses(examined(chat_model, rows, 40), max_length=40, allow_drops=0, split="train")
    length = examined(chat_model, rows, 40).longest
    assert str(caught.value) == (
        "1 of 2 rows of the train split would be lost: 1 whose prompt alone fills max_length 40"
    )
    assert (
        caught.value.hint
        == f"Keep them with --max-length {length}, or lose them with --allow-drops 1."
    )
    assert examined(chat_model, rows, length).counts() == Preflight(rows=2).counts()


def test_losses_that_are_allowed_pass() -> None:
    """Up to the number that was allowed, and not one more."""
    found = Preflight(rows=9, filled=2, longest=90, lost_rows=[3, 4])
    refuse_losses(found, max_length=64, allow_drops=2, split="train")
    with pytest.raises(InputError, match="2 of 9 rows of the test split would be lost"):
        refuse_losses(found, max_length=64, allow_drops=1, split="test")


def test_identical_answers_have_no_length_that_helps() -> None:
    """Then the only way out is to lose them."""
    with pytest.raises(InputError) as caught:
        refuse_losses(
            Preflight(rows=9, identical=1, lost_rows=[0]),
            max_length=64,
            allow_drops=0,
            split="train",
        )
    assert caught.value.hint == "Lose them with --allow-drops 1."


def test_a_split_of_which_nothing_is_left_is_refused() -> None:
    """Whatever number is allowed."""
    found = Preflight(rows=2, filled=2, longest=90, lost_rows=[0, 1])
    with pytest.raises(InputError) as caught:
        refuse_losses(found, max_length=64, allow_drops=9, split="train")
    assert str(caught.value) == (
        "no row of the train split is left to train on: 2 whose prompt alone fills max_length 64"
    )
    assert caught.value.hint == "Use --max-length 90."


def test_a_template_that_never_ends_a_turn_is_found(chat_model: Path) -> None:
    """Then the model would not learn to stop."""
    tokenizer = load_tokenizer(str(chat_model))
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    found = examine([pair("Hi", "Gladly!", "No.")], SIDES, tokenizer, 64)
    assert found.no_end_token == 1
    assert preflight_summary(found, split="train", max_length=64) == (
        "train: 1 rows, 1 have no end token, so the model will not learn to stop"
    )


def test_tokens_that_merge_across_the_boundary_are_found(plain_model: Path) -> None:
    """A prompt that runs into its answer is not the prompt that the model will see."""
    rows = [{"prompt": "Tell me of the gar", "chosen": "den", "rejected": "lic"}]
    found = examine(rows, SIDES, load_tokenizer(str(plain_model)), 64)
    assert found.merged == 1


def test_special_tokens_in_the_texts_are_counted(chat_model: Path) -> None:
    """As where a template was applied already; the tokenizer's own ones, in any text of a row."""
    tokenizer = load_tokenizer(str(chat_model))
    token = tokenizer.eos_token
    rows = [
        pair("Hi", "Gladly!", "No."),
        pair(f"Hi{token}", "Gladly!", "No."),
        pair("Hi", f"Gladly!{token}", "No."),
        pair("Hi", "Gladly!", f"No.{token}"),
        pair("Hi <b>", "Gladly!", "No |>."),
    ]
    found = examine(rows, SIDES, tokenizer, 64)
    assert found.special_tokens == 3
    assert found.lost_rows == []
    assert "3 have special tokens of the tokenizer in their texts" in preflight_summary(
        found, split="train", max_length=64
    )
