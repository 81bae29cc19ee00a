"""What the trainer reads: messages, plain text, labelled answers; and that TRL takes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.records.plain_text import completion_text, prompt_text
from prefdata.training.data.dataset_views import load_view
from prefdata.training.data.tokenize import encode
from prefdata.training.model.library_output import suppress_output
from prefdata.training.model.load import load_tokenizer
from tests.training.accepts import assert_trl_accepts, prepare_with_trl
from tests.training.datasets import pair, polite_pairs, said, write_dataset

CHAT = [
    *said("Be brief.", "system"),
    *said("Name a colour.", "user"),
    *said("Blue."),
    *said("Another.", "user"),
]


def test_a_conversation_becomes_plain_text() -> None:
    """Each turn with its speaker, ending where the assistant is about to speak."""
    assert prompt_text(CHAT) == (
        "System: Be brief.\n\nUser: Name a colour.\n\nAssistant: Blue.\n\n"
        "User: Another.\n\nAssistant:"
    )


def test_an_answer_of_several_turns_becomes_plain_text() -> None:
    """The first turn follows the prompt at once, the rest have their speakers."""
    turns = [*said("Red."), *said("Why?", "user"), *said("It is warm.")]
    assert completion_text(turns) == " Red.\n\nUser: Why?\n\nAssistant: It is warm."


def test_labelled_answers_are_mixed(labelled: Path, tmp_path: Path) -> None:
    """In the file all the good ones come first; in the view no 20 rows in a row are one class."""
    with suppress_output():
        rows = load_view(
            open_dataset(labelled), "train", view="unpaired", chat=True, seed=42, cache=tmp_path
        )
    labels = list(rows["label"])
    assert sum(labels) == 60
    assert all(len(set(labels[at : at + 20])) == 2 for at in range(100))


def test_pairs_can_be_viewed_as_labelled_answers(pairs: Path, tmp_path: Path) -> None:
    """Twice the rows, half of them good, and mixed."""
    with suppress_output():
        rows = load_view(
            open_dataset(pairs), "train", view="unpaired", chat=False, seed=42, cache=tmp_path
        )
    labels = list(rows["label"])
    assert (len(labels), sum(labels)) == (240, 120)
    assert all(len(set(labels[at : at + 20])) == 2 for at in range(220))
    good = next(row for row in rows if row["label"])
    assert good["completion"].startswith(" Gladly!")


@pytest.mark.parametrize("chat", [True, False])
def test_trl_takes_pairs_as_they_are_meant(tmp_path: Path, chat: bool) -> None:
    """TRL's own preparation keeps the prompt whole and once, and both answers apart."""
    odd = [
        {"prompt": CHAT, "chosen": said("Red."), "rejected": said("Redder.")},
        pair("Say it twice: hello", "hello hello", "Say it twice: hello"),
        pair(" spaces around \n", " and here ", "\n\n"),
        pair("Grüße, 世界! 🎉", "Grüß Gott", "世界"),
        pair("User: who?\n\nAssistant: me", "Assistant: you", "User: them"),
    ]
    data = write_dataset(tmp_path / "d", [*odd, *polite_pairs(20)], polite_pairs(4, seed=1))
    assert assert_trl_accepts(data, chat=chat) == 29


def test_trl_takes_labelled_answers_as_they_are_meant(labelled: Path) -> None:
    """The same for what KTO trains on."""
    assert assert_trl_accepts(labelled, limit=10) >= 20


def test_the_proof_fails_on_a_prompt_that_is_repeated(tmp_path: Path) -> None:
    """A completion that holds the whole conversation is what the proof is there to find."""
    again = "<|im_start|>user<|im_sep|>Hi<|im_end|><|im_start|>assistant<|im_sep|>"
    data = write_dataset(tmp_path / "d", [pair("Hi", f"{again}Hello", "Go away")])
    with pytest.raises(AssertionError, match="the prompt is there more than once"):
        assert_trl_accepts(data)


@pytest.mark.parametrize("chat", [True, False])
def test_rows_are_encoded_as_trl_does_it(
    pairs: Path, chat_model: Path, plain_model: Path, tmp_path: Path, chat: bool
) -> None:
    """The preflight and the evaluation see the very tokens that TRL trains on."""
    model = chat_model if chat else plain_model
    (tmp_path / "tiny").symlink_to(model)
    with suppress_output():
        tokenizer = load_tokenizer(str(model))
        assert bool(tokenizer.chat_template) == chat
        rows = load_view(
            open_dataset(pairs), "test", view="pairs", chat=chat, seed=0, cache=tmp_path
        )
        prepared = prepare_with_trl(rows, tokenizer, tmp_path, view="pairs")
    for row, ids in zip(rows, prepared, strict=True):
        encoded = encode(row, ("chosen", "rejected"), tokenizer)
        assert encoded.prompt == ids["prompt_ids"]
        assert encoded.completions == [ids["chosen_ids"], ids["rejected_ids"]]
        assert not encoded.merged


def test_axolotl_searched_for_the_answer_in_rendered_text(chat_model: Path) -> None:
    """An answer that stands in its prompt too, or in the template's own signs, is whole."""
    row = pair("Say > or assistant.", ">", "assistant")
    with suppress_output():
        tokenizer = load_tokenizer(str(chat_model))
        encoded = encode(row, ("chosen", "rejected"), tokenizer)
        texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in encoded.completions]
    assert [text.strip() for text in texts] == [">", "assistant"]
