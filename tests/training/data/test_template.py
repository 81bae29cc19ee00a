"""What rows pass to the chat template reaches the tokens that TRL makes, or the user is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from prefdata.conversion.convert import convert
from prefdata.errors import InputError
from prefdata.exporting.export import export
from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.training.data.dataset_views import COMPLETIONS, load_view
from prefdata.training.data.preflight import examine, preflight_summary, refuse_losses
from prefdata.training.data.tokenize import encode
from prefdata.training.model.library_output import suppress_output
from prefdata.training.model.load import load_tokenizer
from prefdata.training.model.tiny import make_tiny
from tests.conversion.test_extensions import TOOLS, called, pair, path_of, turn
from tests.roundtrip import Row, jsonl
from tests.training.accepts import prepare_with_trl

TEMPLATE = (
    "{% if tools %}<|im_start|>tools<|im_sep|>{{ tools | tojson }}<|im_end|>{% endif %}"
    "{% if enable_thinking is defined and not enable_thinking %}NO THINKING {% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}<|im_sep|>"
    "{% if message.reasoning_content %}<think>{{ message.reasoning_content }}</think>{% endif %}"
    "{% if message.role == 'tool' %}{{ message.name }} {{ message.tool_call_id }}: {% endif %}"
    "{{ message['content'] }}"
    "{% for call in message.tool_calls or [] %}"
    "{{ call['function']['name'] }}({{ call['function']['arguments'] | tojson }})"
    "{% endfor %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant<|im_sep|>{% endif %}"
)
"""Renders all that TRL passes to a template."""

PLAIN = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}<|im_sep|>"
    "{{ message['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant<|im_sep|>{% endif %}"
)
"""Renders roles and texts only."""

START = "<|im_start|>tools<|im_sep|>" + json.dumps(TOOLS) + "<|im_end|>"
ASKED = "<|im_start|>user<|im_sep|>Warm?<|im_end|><|im_start|>assistant<|im_sep|>"
OSLO = (
    'weather({"city": "Oslo"})<|im_end|>'
    "<|im_start|>tool<|im_sep|>weather c1: 12 C in Oslo<|im_end|>"
    "<|im_start|>assistant<|im_sep|>It is 12 C in Oslo.<|im_end|>"
)
THOUGHT = turn("Yes.", reasoning_content="It is summer.")
ROWS: list[Row] = [
    pair(path_of("Oslo"), path_of("Rome"), tools=TOOLS),
    pair([THOUGHT], [turn("No.")], chat_template_kwargs={"enable_thinking": False}),
    pair("A hot day.", "A cold day."),
]


def made(folder: Path, rows: list[Row], template: str = TEMPLATE) -> tuple[Path, Any]:
    """A data set directory, and the tokenizer of a tiny model with a template."""
    folder.mkdir(exist_ok=True)
    convert(jsonl(folder / "rows.jsonl", rows), folder / "data", test_size=0)
    with suppress_output():
        make_tiny(folder / "tiny", open_dataset(folder / "data"), seed=0, max_length=1024)
        (folder / "tiny" / "chat_template.jinja").write_text(template, encoding="utf-8")
        return folder / "data", load_tokenizer(str(folder / "tiny"))


def prepared(folder: Path, rows: list[Row], method: str, view: str) -> list[dict[str, str]]:
    """The rows as TRL prepares them for a method, decoded."""
    data, tokenizer = made(folder, rows)
    with suppress_output():
        found = load_view(
            open_dataset(data), "train", view=view, chat=True, seed=0, cache=folder / "c"
        )
        ids = prepare_with_trl(found, tokenizer, folder, view=view, method=method)
    return [decoded(row, tokenizer) for row in ids]


def decoded(row: dict[str, Any], tokenizer: Any) -> dict[str, str]:  # noqa: ANN401
    return {n: tokenizer.decode(ids) for n, ids in row.items() if n.endswith("_ids")}


def test_dpo_rows_show_calls_results_thoughts_tools_and_arguments(tmp_path: Path) -> None:
    """On both sides, in the tokens that TRL's own preparation makes."""
    by_chosen = {r["chosen_ids"]: r for r in prepared(tmp_path, ROWS, "dpo", "pairs")}
    assert set(by_chosen) == {
        OSLO,
        "<think>It is summer.</think>Yes.<|im_end|>",
        "A hot day.<|im_end|>",
    }
    trajectory = by_chosen[OSLO]
    assert trajectory["prompt_ids"] == START + ASKED
    assert trajectory["rejected_ids"] == OSLO.replace("Oslo", "Rome")
    thought = by_chosen["<think>It is summer.</think>Yes.<|im_end|>"]
    assert thought["prompt_ids"] == "NO THINKING " + ASKED
    assert by_chosen["A hot day.<|im_end|>"]["prompt_ids"] == ASKED


def test_kto_and_sft_rows_show_them_too(tmp_path: Path) -> None:
    """Pairs seen as labelled answers, and the chosen ones to imitate."""
    kto = prepared(tmp_path / "kto", ROWS, "kto", "unpaired")
    answers = {(row["prompt_ids"], row["completion_ids"]) for row in kto}
    assert (START + ASKED, OSLO) in answers
    assert (START + ASKED, OSLO.replace("Oslo", "Rome")) in answers
    assert ("NO THINKING " + ASKED, "<think>It is summer.</think>Yes.<|im_end|>") in answers
    sft = prepared(tmp_path / "sft", ROWS, "sft", "chosen")
    assert {row["input_ids"] for row in sft} == {
        START + ASKED + OSLO,
        "NO THINKING " + ASKED + "<think>It is summer.</think>Yes.<|im_end|>",
        ASKED + "A hot day.<|im_end|>",
    }


def test_reward_rows_show_them_too(tmp_path: Path) -> None:
    """Whole conversations."""
    found = prepared(tmp_path, ROWS, "reward", "pairs")
    assert (START + ASKED + OSLO) in {row["chosen_ids"] for row in found}
    assert ("NO THINKING " + ASKED + "No.<|im_end|>") in {row["rejected_ids"] for row in found}


@pytest.mark.parametrize("target", ["trl", "kto"])
def test_trl_reads_its_export_with_nothing_else(target: str, tmp_path: Path) -> None:
    """`load_dataset` gives objects, and TRL makes the same tokens of them."""
    data, tokenizer = made(tmp_path, ROWS)
    export(data, target, tmp_path / "export")
    view = "pairs" if target == "trl" else "unpaired"
    with suppress_output():
        rows = load_dataset(
            "parquet",
            data_files=str(tmp_path / "export" / "data" / "train.parquet"),
            split="train",
            cache_dir=str(tmp_path / "c"),
        )
        ids = prepare_with_trl(rows, tokenizer, tmp_path, view=view)
    found = [decoded(row, tokenizer) for row in ids]
    answers = {row.get("chosen_ids", row.get("completion_ids")): row for row in found}
    assert answers[OSLO]["prompt_ids"] == START + ASKED
    assert "<think>It is summer.</think>Yes.<|im_end|>" in answers


def test_what_we_count_with_is_what_trl_trains_on(tmp_path: Path) -> None:
    """Our own tokens, of which losses and lengths are counted, are TRL's."""
    data, tokenizer = made(tmp_path, ROWS)
    with suppress_output():
        rows = load_view(
            open_dataset(data), "train", view="pairs", chat=True, seed=0, cache=tmp_path / "c"
        )
        theirs = prepare_with_trl(rows, tokenizer, tmp_path, view="pairs")
    ours = [encode(row, COMPLETIONS["pairs"], tokenizer) for row in rows]
    assert [each.prompt for each in ours] == [row["prompt_ids"] for row in theirs]
    assert [each.completions for each in ours] == [
        [row["chosen_ids"], row["rejected_ids"]] for row in theirs
    ]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (pair(path_of("Oslo"), path_of("Rome")), "whose tools the chat template leaves out"),
        (pair("a", "b", tools=TOOLS), "whose tools the chat template leaves out"),
        (pair([called("Oslo")], [called("Rome")]), "whose tools the chat template leaves out"),
        (pair([THOUGHT], "No."), "whose thinking the chat template leaves out"),
        (
            pair([THOUGHT], [{**THOUGHT, "reasoning_content": "hm"}]),
            "whose thinking the chat template leaves out",
        ),
    ],
)
def test_the_preflight_says_what_a_template_drops(row: Row, what: str, tmp_path: Path) -> None:
    """With the number of rows, and not as answers that are the same."""
    data, tokenizer = made(tmp_path, [row, pair("x", "y", "Other?")], PLAIN)
    with suppress_output():
        rows = load_view(
            open_dataset(data), "train", view="pairs", chat=True, seed=0, cache=tmp_path / "c"
        )
    preflight = examine(rows, COMPLETIONS["pairs"], tokenizer, 1024)
    with pytest.raises(InputError, match=f"1 of 2 rows .* would be lost: 1 {what}"):
        refuse_losses(preflight, max_length=1024, allow_drops=0, split="train")


def test_the_preflight_counts_arguments_that_no_template_reads(tmp_path: Path) -> None:
    """They lose nothing, but have no effect."""
    data, tokenizer = made(tmp_path, ROWS[1:], PLAIN)
    with suppress_output():
        rows = load_view(
            open_dataset(data), "train", view="pairs", chat=True, seed=0, cache=tmp_path / "c"
        )
    preflight = examine(rows, COMPLETIONS["pairs"], tokenizer, 1024)
    summary = preflight_summary(preflight, split="train", max_length=1024)
    assert "1 have arguments that the chat template does not read" in summary


def test_without_a_template_thoughts_and_calls_are_written_out(tmp_path: Path) -> None:
    """Nothing is lost in plain text; tools on offer have no place there, and are counted."""
    data, tokenizer = made(tmp_path, ROWS)
    tokenizer.chat_template = None
    with suppress_output():
        rows = load_view(
            open_dataset(data), "train", view="pairs", chat=False, seed=0, cache=tmp_path / "c"
        )
    chosen = {row["chosen"] for row in rows}
    assert " <think>\nIt is summer.\n</think>\n\nYes." in chosen
    assert any(
        text.startswith(' {"name": "weather", "arguments": {"city": "Oslo"}}') for text in chosen
    )
    assert examine(rows, COMPLETIONS["pairs"], tokenizer, 4096).loses_tools == 1
    assert pq.read_schema(next((data / "data").iterdir())).names[-2:] == [
        "tools",
        "chat_template_kwargs",
    ]
