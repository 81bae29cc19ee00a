"""Exports are taken by the trainers themselves, as they are meant.

Each trainer's own code loads the files and the configuration, and what it makes of every row is
held against the data set. A trainer that is not installed is skipped; each goes into an environment
of its own, as they pin versions that exclude each other: ``pip install --no-deps llamafactory`` (or
axolotl, ms-swift, openrlhf), and what its import then asks for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.exporting.conversations import CALLS, LABELLED, PAIRS
from tests.exporting.made import Turns, dataset, exported, stored, with_tools, written

Stored = Mapping[str, Any]

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""A template that trims what it is given, as Llama 3's and Gemma's do."""


def needs(module: str, name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not find_spec(module), reason=f"{name} is not installed")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return dataset(tmp_path / "pairs", PAIRS, test_size=0.2)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return dataset(tmp_path / "labels", LABELLED, test_size=0.2)


@pytest.fixture
def _quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches of the test's own, no network, no check of pinned versions."""
    for name in ("HF_HOME", "HF_DATASETS_CACHE", "MODELSCOPE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("DISABLE_VERSION_CHECK", "1")


def texts(turns: Turns) -> list[tuple[str, str]]:
    """Who says what."""
    return [(turn["role"], turn["content"]) for turn in turns]


def meant(source: Path) -> set[str]:
    """What the pairs of a data set say, each as one text."""
    rows: list[Stored] = list(stored(source).values())
    return {said(row["prompt"], row["chosen"], row["rejected"]) for row in rows}


def meant_labels(source: Path) -> set[str]:
    rows: list[Stored] = list(stored(source).values())
    return {said(row["prompt"], row["completion"], row["label"]) for row in rows}


def said(prompt: Turns, *rest: Turns | bool) -> str:
    parts = [part if isinstance(part, bool) else texts(part) for part in rest]
    return json.dumps([texts(prompt), *parts])


def splits(output: Path) -> dict[str, Path]:
    return {path.stem: path for path in (output / "data").iterdir()}


@needs("llamafactory", "LLaMA-Factory")
@pytest.mark.usefixtures("_quiet")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["pairs", "unpaired"])
def test_llama_factory_aligns_every_row(
    kind: str, tmp_path: Path, pairs: Path, labels: Path
) -> None:
    """Its own loader and converter, with our dataset_info.json; it skips rows with a warning."""
    from llamafactory.data.loader import _load_single_dataset
    from llamafactory.data.parser import get_dataset_list
    from llamafactory.hparams import DataArguments

    source = pairs if kind == "pairs" else labels
    _, output = exported(source, "llama-factory")
    recipe = yaml.safe_load((output / "train.yaml").read_text(encoding="utf-8"))
    found = set()
    for key in ("dataset", "eval_dataset"):
        (attributes,) = get_dataset_list([recipe[key]], recipe["dataset_dir"])
        rows = _load_single_dataset(
            attributes,
            SimpleNamespace(cache_dir=str(tmp_path / "cache"), hf_hub_token=None),
            DataArguments(dataset=recipe[key], dataset_dir=recipe["dataset_dir"]),
            SimpleNamespace(local_process_index=0),
        )
        found |= {_aligned(row, kind) for row in rows}
    assert found == (meant(source) if kind == "pairs" else meant_labels(source))


def _aligned(row: Stored, kind: str) -> str:
    """A row as LLaMA-Factory has aligned it, with the system prompt back in its place."""
    system = [{"role": "system", "content": row["_system"]}] if row["_system"] else []
    prompt, (first, second) = [*system, *row["_prompt"]], row["_response"]
    assert len(row["_prompt"]) % 2 == 1
    if kind == "pairs":
        return said(prompt, [first], [second])
    good = bool(first["content"])
    return said(prompt, [first if good else second], good)


@needs("axolotl", "axolotl")
@pytest.mark.usefixtures("_quiet")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["pairs", "unpaired"])
def test_axolotl_renders_every_row(kind: str, tmp_path: Path, pairs: Path, labels: Path) -> None:
    """Its own loader and prompt strategies, with our YAML, which its own schema takes."""
    from axolotl.prompt_strategies.dpo import load as load_dpo
    from axolotl.prompt_strategies.kto import load as load_kto
    from axolotl.utils.data.rl import _map_dataset
    from axolotl.utils.data.shared import load_dataset_with_config
    from axolotl.utils.dict import DictDefault
    from axolotl.utils.schemas.config import AxolotlInputConfig

    source = pairs if kind == "pairs" else labels
    _, output = exported(source, "axolotl")
    recipe = yaml.safe_load((output / "axolotl.yaml").read_text(encoding="utf-8"))
    more = {"base_model": "m", "micro_batch_size": 2, "gradient_accumulation_steps": 1}
    checked = AxolotlInputConfig(**recipe, **more, learning_rate=1e-6)
    assert checked.rl.value == ("dpo" if kind == "pairs" else "kto")
    tokenizer = _tokenizer(tmp_path, pairs)
    found = set()
    for key in ("datasets", "test_datasets"):
        config = DictDefault({**recipe, "datasets": recipe[key]})
        (entry,) = config.datasets
        load = load_dpo if kind == "pairs" else load_kto
        made = load(entry["type"], config, dataset_idx=0)
        transform, how = made if isinstance(made, tuple) else (made, {})
        loaded = load_dataset_with_config(entry, use_auth_token=False, streaming=False)
        rows = _map_dataset(config, loaded, transform, tokenizer, **how)
        sides = ("prompt", "chosen", "rejected") if kind == "pairs" else ("prompt", "completion")
        found |= {tuple(row[side] for side in sides) for row in rows}
    assert found == {_rendered(row) for row in stored(source).values()}


def _rendered(row: Stored) -> tuple[str, ...]:
    """A row as ChatML, trimmed where axolotl renders it with the template of the model."""
    whole = "completion" in row
    prompt = "".join(
        f"<|im_start|>{role}\n{text if whole else text.strip()}<|im_end|>\n"
        for role, text in texts(row["prompt"])
    )
    sides = [row[side] for side in ("chosen", "rejected", "completion") if side in row]
    ends = [f"{turns[0]['content']}<|im_end|>" for turns in sides]
    return (f"{prompt}<|im_start|>assistant\n", *ends)


def _tokenizer(folder: Path, source: Path) -> Any:  # noqa: ANN401 - as transformers has it
    """A small tokenizer whose template trims."""
    from transformers import AutoTokenizer

    from prefdata.io.dataset.dataset_reader import open_dataset
    from prefdata.training.model.tiny import make_tiny

    make_tiny(folder / "tiny", open_dataset(source), seed=0, max_length=64)
    tokenizer = AutoTokenizer.from_pretrained(folder / "tiny")
    tokenizer.chat_template = CHATML
    return tokenizer


@needs("swift", "ms-swift")
@pytest.mark.usefixtures("_quiet")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["pairs", "unpaired"])
def test_ms_swift_preprocesses_every_row(kind: str, pairs: Path, labels: Path) -> None:
    """Its own loader, preprocessor and template inputs, strict, with the paths of our YAML."""
    from swift.dataset import load_dataset
    from swift.template.template_inputs import TemplateInputs

    source = pairs if kind == "pairs" else labels
    _, output = exported(source, "ms-swift")
    recipe = yaml.safe_load((output / "swift.yaml").read_text(encoding="utf-8"))
    found = set()
    for key in ("dataset", "val_dataset"):
        rows, _ = load_dataset(recipe[key], load_from_cache_file=False, strict=True)
        for row in rows:
            inputs = TemplateInputs.from_dict(dict(row))
            prompt, last = _swift(inputs.chosen)
            if kind == "unpaired":
                found.add(said(prompt, [last], bool(inputs.chosen.label)))
                continue
            same, worse = _swift(inputs.rejected)
            assert same == prompt
            found.add(said(prompt, [last], [worse]))
    assert found == (meant(source) if kind == "pairs" else meant_labels(source))


def _swift(inputs: Any) -> tuple[Turns, dict[str, str]]:  # noqa: ANN401 - as ms-swift has it
    """The prompt with the system prompt back in its place, and the answer."""
    system = [{"role": "system", "content": inputs.system}] if inputs.system else []
    *prompt, last = inputs.messages
    return [*system, *prompt], last


@needs("swift", "ms-swift")
@pytest.mark.usefixtures("_quiet")
@pytest.mark.filterwarnings("ignore")
def test_ms_swift_takes_calls_of_tools_and_margins(tmp_path: Path) -> None:
    """A call is a turn of its own, as its agent templates want it."""
    from swift.dataset import load_dataset
    from swift.template.template_inputs import TemplateInputs

    _, output = exported(with_tools(tmp_path / "tools", CALLS), "ms-swift")
    rows, _ = load_dataset(
        [str(output / "data" / "train.jsonl")], load_from_cache_file=False, strict=True
    )
    first = TemplateInputs.from_dict(dict(rows[0]))
    assert [turn["role"] for turn in first.chosen.messages] == [
        *("user", "tool_call", "tool_call", "tool", "assistant")
    ]
    assert json.loads(first.chosen.messages[1]["content"]) == {
        "name": "weather",
        "arguments": {"city": "Rome"},
    }
    assert first.chosen.margin == 2.0


@needs("llamafactory", "LLaMA-Factory")
@pytest.mark.usefixtures("_quiet")
@pytest.mark.filterwarnings("ignore")
def test_llama_factory_takes_calls_of_tools(tmp_path: Path) -> None:
    """As its function_call turns; what it cannot hold is refused before."""
    from llamafactory.data.converter import get_dataset_converter
    from llamafactory.data.parser import get_dataset_list
    from llamafactory.hparams import DataArguments

    report, output = exported(with_tools(tmp_path / "tools", CALLS), "llama-factory")
    assert report.refused == {"an answer of several messages": 1}
    (attributes,) = get_dataset_list([f"{output.name}_train".replace(" ", "_")], str(output))
    convert = get_dataset_converter("sharegpt", attributes, DataArguments())
    (aligned,) = [convert(row) for row in written(output)]
    assert [turn["role"] for turn in aligned["_prompt"]] == ["user", "function", "observation"]
    assert json.loads(aligned["_prompt"][1]["content"])["arguments"] == {"city": "Rome"}


@needs("openrlhf", "OpenRLHF")
@pytest.mark.usefixtures("_quiet")
@pytest.mark.filterwarnings("ignore")
def test_openrlhf_renders_every_row(tmp_path: Path, pairs: Path) -> None:
    """Its own loader and reward data set's preprocessing, with the keys of our script."""
    import openrlhf
    from openrlhf.datasets.reward_dataset import preprocess_data
    from openrlhf.datasets.utils import blending_datasets

    _, output = exported(pairs, "openrlhf")
    script = (output / "dpo.sh").read_text(encoding="utf-8")
    for program in ("dpo", "rm"):
        source = (Path(openrlhf.__file__).parent / "cli" / f"train_{program}.py").read_text(
            encoding="utf-8"
        )
        options = re.findall(r"--[\w.]+\.\w+", (output / f"{program}.sh").read_text("utf-8"))
        assert len(options) > 8
        assert [option for option in options if f'"{option}"' not in source] == []
    strategy = SimpleNamespace(print=str, is_rank_0=bool, args=SimpleNamespace(use_ms=False))
    tokenizer = _tokenizer(tmp_path, pairs)
    tokenizer.chat_template = CHATML.replace(" | trim", "")
    found = set()
    for path in splits(output).values():
        assert str(path) in script
        rows = blending_datasets(str(path), None, strategy, dataset_split="train")
        for row in rows:
            prompt, chosen, rejected, margin = preprocess_data(
                row,
                prompt_key="prompt",
                apply_chat_template=tokenizer.apply_chat_template,
                is_dpo=True,
            )
            assert margin == 0
            found.add((prompt, chosen, rejected))
    render = partial(tokenizer.apply_chat_template, tokenize=False, add_generation_prompt=True)
    rows_meant: list[Stored] = list(stored(pairs).values())
    whole = {
        (
            render(row["prompt"]),
            f"{row['chosen'][0]['content']}<|im_end|>\n",
            f"{row['rejected'][0]['content']}<|im_end|>\n",
        )
        for row in rows_meant
    }
    assert found == whole


NEMO_RL_TAKES = {"dataset_name", "data_path", "subset", "split", "prompt_file", "processor"}
"""What NeMo-RL's `PreferenceDataset` and the part of its configuration for it know."""


@needs("datasets", "datasets")
@pytest.mark.usefixtures("_quiet")
def test_nemo_rl_reads_every_row(pairs: Path) -> None:
    """It runs out of its own repository: its steps are taken here, with the library it uses.

    By its source it looks a file up by its suffix, takes the split that is named, adds a column of
    its own, wants two completions of different rank, prefers the lower one, and puts the messages
    of the context and of the completion together.
    """
    import datasets

    _, output = exported(pairs, "nemo-rl")
    recipe = yaml.safe_load((output / "nemo-rl.yaml").read_text(encoding="utf-8"))
    assert set(recipe["data"]) == {"train", "validation"}
    found = set()
    for place in recipe["data"].values():
        assert place["dataset_name"] == "PreferenceDataset"
        assert set(place) <= NEMO_RL_TAKES
        assert Path(place["data_path"]).suffix == ".jsonl"
        rows = datasets.load_dataset("json", data_files=place["data_path"])[place["split"]]
        for row in rows.add_column("task_name", ["pairs"] * len(rows)):
            better, worse = sorted(row["completions"], key=lambda each: int(each["rank"]))
            assert better["rank"] < worse["rank"]
            whole = [row["context"] + each["completion"] for each in (better, worse)]
            assert all(set(turn) == {"role", "content"} for talk in whole for turn in talk)
            asked = len(row["context"])
            found.add(said(row["context"], *(talk[asked:] for talk in whole)))
    assert found == meant(pairs)


def test_nemo_rl_is_told_where_there_is_nothing_to_validate(tmp_path: Path) -> None:
    """Its own example has a validation set, which would stay in force."""
    report, output = exported(dataset(tmp_path / "pairs", PAIRS), "nemo-rl")
    recipe = yaml.safe_load((output / "nemo-rl.yaml").read_text(encoding="utf-8"))
    assert recipe["data"]["validation"] is None
    assert report.next_step.endswith("data.validation=null")


@needs("openai", "the client of OpenAI")
def test_the_types_of_the_openai_client_take_messages_and_job(pairs: Path) -> None:
    """Every message of an example, and the body of the job."""
    from openai.types.chat import ChatCompletionAssistantMessageParam, ChatCompletionMessageParam
    from openai.types.fine_tuning.job_create_params import JobCreateParams
    from pydantic import TypeAdapter

    _, output = exported(pairs, "openai")
    TypeAdapter(JobCreateParams).validate_json((output / "job.json").read_bytes())
    prompts = TypeAdapter(list[ChatCompletionMessageParam])
    answers = TypeAdapter(list[ChatCompletionAssistantMessageParam])
    for row in [*written(output), *written(output, "test")]:
        assert set(row) == {"input", "preferred_output", "non_preferred_output"}
        prompts.validate_python(row["input"]["messages"])  # type: ignore[index]
        for side in ("preferred_output", "non_preferred_output"):
            assert len(answers.validate_python(row[side])) == 1
