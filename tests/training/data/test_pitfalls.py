"""What goes wrong silently elsewhere is refused here, or repaired, and counted either way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from prefdata.errors import InputError, TrainingError
from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.training import Recipe, load_recipe, train
from prefdata.training.config.recipe import LoraSettings
from prefdata.training.data.dataset_views import load_view
from prefdata.training.data.preflight import Preflight, examine, refuse_losses
from prefdata.training.data.tokenize import encode
from prefdata.training.model.library_output import suppress_output
from prefdata.training.model.load import load_tokenizer
from prefdata.training.model.tiny import START
from tests.training.datasets import pair, polite_pairs, said, unpaired, write_dataset
from tests.training.saved import history

SIDES = ("chosen", "rejected")

STRIPPING = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '<|im_sep|>' "
    "+ message['content'].split('</think>')[-1] + '<|im_end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
)
CALLING = (
    "{% if tools %}{{ '<|im_start|>tools<|im_sep|>' + (tools | tojson) + '<|im_end|>' }}{% endif %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '<|im_sep|>' + message['content'] }}"
    "{% if 'tool_calls' in message %}{% for call in message['tool_calls'] %}"
    "{{ call['function']['name'] + (call['function']['arguments'] | tojson) }}"
    "{% endfor %}{% endif %}{{ '<|im_end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
)


def with_template(model: Path, work: Path, template: str) -> Path:
    """The model with another chat template."""
    shutil.copytree(model, work / "templated")
    (work / "templated" / "chat_template.jinja").write_text(template, encoding="utf-8")
    return work / "templated"


def examined(model: Path, rows: list[Any], length: int = 256) -> Preflight:
    with suppress_output():
        return examine(rows, SIDES, load_tokenizer(str(model)), length)


def refused(found: Preflight) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        refuse_losses(found, max_length=256, allow_drops=0, split="train")
    return str(caught.value), caught.value.hint


def test_kto_from_pairs_sees_both_classes_in_every_batch(pairs: Path, tmp_path: Path) -> None:
    """Unpairing alone makes blocks of one class, which KTO reads in order."""
    with suppress_output():
        rows = load_view(
            open_dataset(pairs), "train", view="unpaired", chat=True, seed=42, cache=tmp_path
        )
    labels = list(rows["label"])
    batches = [labels[at : at + 8] for at in range(0, len(labels), 8)]
    assert sum(len(set(batch)) == 2 for batch in batches) >= len(batches) - 1


def test_the_test_split_is_the_one_of_the_data(
    pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """TRL's own split has no seed, so that train and test leak; there is no way to ask for it."""
    result = train(Recipe(model=str(chat_model), data=str(pairs), output=str(tmp_path / "m")))
    assert result.rows == {"train": 120, "test": 24}


@pytest.mark.parametrize("how", ["init_lora_weights=False", "init_lora_weights=gaussian"])
def test_an_adapter_that_does_not_start_as_identity_is_found(
    how: str, pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """Random B matrices are another model than the reference; gaussian starts B at zero."""
    value: Any = False if how.endswith("False") else "gaussian"
    recipe = Recipe(
        model=str(chat_model),
        data=str(pairs),
        output=str(tmp_path / "m"),
        max_steps=1,
        lora=LoraSettings(options={"init_lora_weights": value}),
    )
    if value == "gaussian":
        assert train(recipe).steps == 1
        return
    with pytest.raises(TrainingError) as caught:
        train(recipe)
    assert "the model does not start equal to its reference" in str(caught.value)
    assert "an adapter that does not start as identity" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_guard_leaves_no_trace(pairs: Path, chat_model: Path, tmp_path: Path) -> None:
    """Neither in the first log's averages, nor in the count of tokens."""
    result = train(
        Recipe(
            model=str(chat_model),
            data=str(pairs),
            output=str(tmp_path / "m"),
            max_steps=2,
            options={"logging_steps": 1},
        )
    )
    first = next(entry for entry in history(result) if "loss" in entry)
    with suppress_output():
        tokenizer = load_tokenizer(str(chat_model))
        lengths = [
            sum(len(e.prompt) + len(ids) for ids in e.completions)
            for e in (encode(row, SIDES, tokenizer) for row in polite_pairs(120))
        ]
    assert first["num_tokens"] <= 8 * max(lengths)


def test_a_repeated_prompt_is_refused(chat_model: Path, plain_model: Path) -> None:
    """As messages, as rendered text, and as plain text."""
    asked = said("Tell me of the river.", "user")
    whole = {
        "prompt": asked,
        "chosen": [*asked, *said("Gladly!")],
        "rejected": [*asked, *said("No.")],
    }
    rendered = "<|im_start|>user<|im_sep|>Tell me of the river.<|im_end|>"
    text = pair("Tell me of the river.", f"{rendered}<|im_start|>assistant<|im_sep|>Yes.", "No.")
    found = examined(chat_model, [whole, text, *polite_pairs(3)])
    assert (found.repeats_prompt, found.lost_rows) == (2, [0, 1])
    assert refused(found) == (
        "2 of 5 rows of the train split would be lost: 2 whose completion repeats the prompt",
        (
            "Convert the source again: a completion holds the answer alone. "
            "Lose them with --allow-drops 2."
        ),
    )
    plain = {
        "prompt": "User: Hi\n\nAssistant:",
        "chosen": "User: Hi\n\nAssistant: Yes",
        "rejected": " No",
    }
    assert examined(plain_model, [plain]).repeats_prompt == 1


def test_an_answer_that_quotes_its_prompt_is_none_of_these(chat_model: Path) -> None:
    """What a person says may begin like what was asked."""
    row = pair("Tell me", "Tell me what you want to hear.", "Tell me more.")
    assert examined(chat_model, [row]).repeats_prompt == 0


def test_two_start_tokens_are_refused(chat_model: Path) -> None:
    """A tokenizer that adds one, and a text that brings one."""
    with suppress_output():
        from tokenizers.processors import TemplateProcessing

        tokenizer = load_tokenizer(str(chat_model))
        tokenizer.add_special_tokens({"bos_token": START})
        start = tokenizer.bos_token_id
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{START} $A", special_tokens=[(START, start)]
        )
        rows = [
            {"prompt": "<|im_start|>User: Hi\n\nAssistant:", "chosen": " Yes", "rejected": " No"},
            {"prompt": "User: Hi\n\nAssistant:", "chosen": " Yes", "rejected": " No"},
        ]
        found = examine(rows, SIDES, tokenizer, 256)
    assert (found.two_start_tokens, found.lost_rows) == (1, [0])
    message, hint = refused(found)
    assert message.endswith("1 that begin with two start tokens")
    assert hint.startswith("Convert the source from messages, not from text that a template")


def test_thinking_that_the_template_leaves_out_is_refused(chat_model: Path, tmp_path: Path) -> None:
    """As templates of the R1 family do; the template of one's own keeps it."""
    rows = [
        pair("What is 2 + 2?", "<think>two and two</think>4", "<think>hm</think>5"),
        *polite_pairs(2),
    ]
    found = examined(with_template(chat_model, tmp_path, STRIPPING), rows)
    assert (found.loses_thinking, found.lost_rows) == (1, [0])
    message, hint = refused(found)
    assert message.endswith("1 whose thinking the chat template leaves out")
    assert hint.startswith("Set chat_template to a template that keeps thinking.")
    assert examined(chat_model, rows).loses_thinking == 0


def calls(arguments: str) -> list[dict[str, object]]:
    function = {"name": "look_up", "arguments": arguments}
    return [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "1", "type": "function", "function": function}],
        }
    ]


def with_calls(folder: Path) -> Path:
    """A data set in which some answers call a tool, as the schemas store them."""
    rows: list[dict[str, Any]] = [
        {
            "prompt": said("How deep is the river?", "user"),
            "chosen": calls('{"of": "river"}'),
            "rejected": said("I will not say."),
        },
        *polite_pairs(16),
    ]
    return write_dataset(folder, rows, polite_pairs(4, seed=1), tools=True)


def test_calls_of_tools_reach_the_template_as_objects(chat_model: Path, tmp_path: Path) -> None:
    """Arguments are not quoted twice, and messages that call nothing have no field for it."""
    data = with_calls(tmp_path / "d")
    model = with_template(chat_model, tmp_path, CALLING)
    with suppress_output():
        tokenizer = load_tokenizer(str(model))
        rows = load_view(
            open_dataset(data), "train", view="pairs", chat=True, seed=0, cache=tmp_path / "c"
        )
        assert rows[1]["chosen"][0].keys() == {"role", "content"}
        encoded = encode(rows[0], SIDES, tokenizer)
        assert tokenizer.decode(encoded.completions[0]) == 'look_up{"of": "river"}<|im_end|>'
    result = train(
        Recipe(model=str(model), data=str(data), output=str(tmp_path / "m"), max_steps=2)
    )
    assert result.rows["train"] == 17


def test_calls_that_the_template_leaves_out_are_refused(chat_model: Path, tmp_path: Path) -> None:
    """The usual template of a model without tools; plain text writes the calls out."""
    data = with_calls(tmp_path / "d")
    recipe = Recipe(model=str(chat_model), data=str(data), output=str(tmp_path / "m"), max_steps=2)
    with pytest.raises(InputError) as caught:
        train(recipe)
    assert str(caught.value) == (
        "1 of 17 rows of the train split would be lost: 1 whose tools the chat template leaves out"
    )
    with suppress_output():
        rows = load_view(
            open_dataset(data), "train", view="pairs", chat=False, seed=0, cache=tmp_path / "c"
        )
    assert rows[0]["chosen"] == ' {"name": "look_up", "arguments": {"of": "river"}}'
    assert train(recipe.model_copy(update={"chat_template": "none"})).rows["train"] == 17


def test_a_template_of_ones_own_replaces_the_tokenizers(
    pairs: Path, chat_model: Path, tmp_path: Path
) -> None:
    """And is saved with the model, so that generation uses it."""
    template = tmp_path / "mine.jinja"
    template.write_text(CALLING, encoding="utf-8")
    recipe = Recipe(
        model=str(chat_model),
        data=str(pairs),
        output=str(tmp_path / "m"),
        max_steps=1,
        chat_template=str(template),
    )
    train(recipe)
    assert (tmp_path / "m" / "chat_template.jinja").read_text(encoding="utf-8") == CALLING


def test_the_reward_trainer_drops_no_row_in_silence(tmp_path: Path) -> None:
    """It drops what others cut, in evaluation too; here that is counted, and refused."""
    long = pair("Tell me of the river.", "Gladly! " + "river " * 100, "No.")
    data = write_dataset(tmp_path / "d", [long, *polite_pairs(20)], [long, *polite_pairs(4)])
    recipe = Recipe(
        model="tiny",
        data=str(data),
        output=str(tmp_path / "m"),
        method="reward",
        max_length=64,
        max_steps=2,
    )
    with pytest.raises(InputError, match="1 longer than max_length 64") as caught:
        train(recipe)
    assert caught.value.hint.startswith("Keep them with --max-length ")
    result = train(recipe.model_copy(update={"allow_drops": 1}))
    assert (result.rows, result.lost) == ({"train": 20, "test": 4}, {"train": 1, "test": 1})


def test_an_uneven_batch_does_not_bend_the_accuracy(chat_model: Path, tmp_path: Path) -> None:
    """21 rows in batches of 8: our accuracy is over rows, TRL's over batches."""
    held_out = polite_pairs(21, seed=1)
    data = write_dataset(tmp_path / "d", polite_pairs(40), held_out)
    found = []
    for size in (8, 21):
        recipe = Recipe(
            model=str(chat_model),
            data=str(data),
            output=str(tmp_path / f"m{size}"),
            method="cpo",
            max_steps=1,
            options={"per_device_eval_batch_size": size},
        )
        found.append(train(recipe).before["rewards/accuracies"])
    assert found[0] == found[1]
    assert (found[0] * 21) == pytest.approx(round(found[0] * 21))


def test_kto_says_when_its_classes_weigh_unlike(tmp_path: Path) -> None:
    """And how to mend it; auto does."""
    rows = [row for row in unpaired(polite_pairs(60)) if row["label"]]
    rows += [row for row in unpaired(polite_pairs(20, seed=2)) if not row["label"]]
    data = write_dataset(tmp_path / "d", rows, unpaired(polite_pairs(8, seed=1)), kind="unpaired")
    told: list[str] = []
    recipe = Recipe(
        model="tiny", data=str(data), output=str(tmp_path / "m"), method="kto", max_steps=1
    )
    train(recipe, say=told.append)
    assert "train: 80 rows, 60 answers labelled good and 20 bad" in told
    assert (
        "note: good and bad answers weigh 3.00 to 1, and KTO wants 1 to 1.33; "
        "--set undesirable_weight=auto does it"
    ) in told
    mended = load_recipe(
        flags={**recipe.model_dump(exclude_none=True), "output": str(tmp_path / "n")},
        settings=["undesirable_weight=auto"],
    )
    told.clear()
    result = train(mended, say=told.append)
    assert not [line for line in told if line.startswith("note: good and bad")]
    saved = load_recipe(Path(result.output) / "recipe.yaml")
    assert saved.options["undesirable_weight"] == 3.0


def test_a_saved_adapter_is_alone(pairs: Path, chat_model: Path, tmp_path: Path) -> None:
    """No second adapter named ref; it can be trained on, and its reference is itself."""
    recipe = Recipe(
        model=str(chat_model),
        data=str(pairs),
        output=str(tmp_path / "a"),
        max_steps=3,
        learning_rate=1e-3,
        lora=LoraSettings(merge=False),
    )
    train(recipe)
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert "adapter_model.safetensors" in names
    assert not names & {"ref", "model.safetensors", "config.json"}
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(chat_model)

    onwards = recipe.model_copy(
        update={"model": str(tmp_path / "a"), "output": str(tmp_path / "b"), "lora": None}
    )
    result = train(onwards)
    assert result.before["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert (tmp_path / "b" / "reference" / "config.json").is_file()


def test_an_adapter_over_a_tiny_model_names_what_is_kept(pairs: Path, tmp_path: Path) -> None:
    """Its base was made by the run, and lies in the output when the run is over."""
    recipe = Recipe(
        model="tiny",
        data=str(pairs),
        output=str(tmp_path / "a"),
        max_steps=1,
        lora=LoraSettings(merge=False),
    )
    train(recipe)
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(tmp_path / "a" / "reference")
    assert train(
        recipe.model_copy(update={"model": str(tmp_path / "a"), "output": str(tmp_path / "b")})
    )


def test_only_safetensors_are_written(pairs: Path, chat_model: Path, tmp_path: Path) -> None:
    """Weights are never pickled."""
    train(Recipe(model=str(chat_model), data=str(pairs), output=str(tmp_path / "m"), max_steps=1))
    suffixes = {path.suffix for path in (tmp_path / "m").rglob("*") if path.is_file()}
    assert not suffixes & {".bin", ".pt", ".pth", ".pkl"}
