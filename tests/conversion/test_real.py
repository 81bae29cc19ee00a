"""Real files, with what must come of them counted by plain Python, row by row."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from prefdata.formats import ReadOptions
from tests.roundtrip import Converted, converted

pytestmark = pytest.mark.shared

QLORA = ReadOptions(winner={"1": "a", "2": "b", "3": "tie"})
PANDALM = ReadOptions(
    columns={
        "prompt": ("instruction", "input"),
        "response_a": ("response1",),
        "response_b": ("response2",),
        "winner": ("annotator1", "annotator2", "annotator3"),
    },
    winner={"1": "a", "2": "b", "0": "tie"},
)
AUTO_J = ReadOptions(winner={"0": "a", "1": "b", "2": "tie"})
RANKED = ReadOptions(columns={"ranked": ("output",)})
PAIR = ("prompt", "chosen", "rejected")
LAYOUTS = Path(__file__).parents[2] / "examples" / "formats"
BOTH_WAYS = pytest.mark.parametrize("described", ["by options", "in YAML"])
"""A source that no format knows, described on the command line or in a file: the same counts."""

FILES: dict[str, ReadOptions | None] = {
    "arena-hard/arena-bench-ratings.csv": None,
    "tulu-human-eval/tulu_human_eval.csv": None,
    "hh-rlhf/harmless-base-test.jsonl.gz": None,
    "llama-factory/dpo_en_demo.json": None,
    "llama-factory/v1_dpo_demo.jsonl": None,
    "llama-factory/kto_en_demo.json": None,
    "llama-factory/oaast_rm_zh.json": RANKED,
    "open-instruct/preference_sample.jsonl": None,
    "open-assistant/en_100_message.jsonl": None,
    "open-assistant/en_100_tree.jsonl": None,
    "pandalm/testset-v1.json": PANDALM,
    "auto-j/testdata_pairwise.jsonl": AUTO_J,
    "qlora/vicuna-gpt4-pairs.jsonl.gz": QLORA,
}


def described_as(
    described: str, name: str, source: Path, output: Path, read_options: ReadOptions
) -> Converted:
    if described == "by options":
        return converted([source], output, read_options=read_options)
    return converted([source], output, format=str(LAYOUTS / f"{name}.yaml"))


def content(made: Converted) -> dict[object, tuple[object, ...]]:
    names = ("split", "score_chosen", "score_rejected", "margin", "votes", "agreement")
    return {row["id"]: tuple(row.get(name) for name in names) for row in made.rows}


def plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def lost(made: Converted) -> dict[str, int]:
    """Rows by outcome; an empty cell of a CSV is a missing field of a Parquet file."""
    return {outcome: sum(by.values()) for outcome, by in made.manifest["outcomes"].items()}


@pytest.mark.parametrize("name", FILES)
def test_every_file_converts_and_trl_takes_it(name: str, data: Path, tmp_path: Path) -> None:
    """The sums hold, the rejects are as many as the account says, and TRL keeps what rows mean."""
    made = converted([data / name], tmp_path / "out", read_options=FILES[name])
    manifest = made.manifest
    assert manifest["rows_read"] == manifest["rows_used"] + manifest["rows_rejected"]
    assert len({(e["line"], e["item"]) for e in made.ledger}) >= manifest["rows_read"]
    assert len(made.rejects) == manifest["rows_rejected"]
    pytest.importorskip("trl")
    from tests.training.accepts import assert_trl_accepts

    assert assert_trl_accepts(tmp_path / "out", limit=8) >= 8


def test_arena_hard(data: Path, tmp_path: Path) -> None:
    """4,500 ratings: for each prompt the best and the worst mean, counted here by hand."""
    source = data / "arena-hard/arena-bench-ratings.csv"
    made = converted([source], tmp_path / "out")
    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    given: dict[tuple[str, str], list[float]] = defaultdict(list)
    missing = 0
    for row in rows:
        try:
            score = float(row["score"])
        except ValueError:
            missing += 1
            continue
        if not row["response"].strip():
            continue
        given[plain(row["prompt"]), plain(row["response"])].append(score)
    means: dict[str, list[float]] = defaultdict(list)
    for (prompt, _), scores in given.items():
        means[prompt].append(mean(scores))
    expected = {p: (max(s), min(s)) for p, s in means.items() if max(s) > min(s)}
    found = {plain(str(r["prompt"])): (r["score_chosen"], r["score_rejected"]) for r in made.rows}
    assert made.format == "ratings-long"
    assert (len(rows), made.manifest["rows_read"]) == (4_500, 4_500)
    assert found == expected
    assert len(made.rows) == len(found) <= 300
    assert sum(len(scores) > 1 for scores in given.values()) >= 300
    assert made.manifest["rows_rejected"] >= missing


def test_arena_hard_is_the_same_shuffled_and_packed(data: Path, tmp_path: Path) -> None:
    """Twice, shuffled, gzipped: the same ids, scores and split."""
    source = data / "arena-hard/arena-bench-ratings.csv"
    with source.open(newline="", encoding="utf-8") as file:
        names, *rows = list(csv.reader(file))
    random.Random(0).shuffle(rows)  # noqa: S311  # not a secret
    shuffled = tmp_path / "shuffled.csv"
    with shuffled.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(source.read_bytes(), 1))
    first = content(converted([source], tmp_path / "out"))
    for other in (source, shuffled, packed):
        assert content(converted([other], tmp_path / "out")) == first


def packed_rows(source: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(source.read_bytes()).splitlines()]


STRENGTH = {
    "a-is-better": ("a", 2.0),
    "a-is-slightly-better": ("a", 1.0),
    "b-is-better": ("b", 2.0),
    "b-is-slightly-better": ("b", 1.0),
    "tie": ("tie", 0.0),
}


ERROR = "#ERROR!"
"""What a spreadsheet has for no value: missing in CSV, a text like any other in Parquet."""


def test_tulu(data: Path, tmp_path: Path) -> None:
    """The same pairs from CSV and Parquet; 376 ties, none a pair; strength kept as the margin."""
    folder = data / "tulu-human-eval"
    made = converted([folder / "tulu_human_eval.csv"], tmp_path / "csv")
    other = converted([folder / "tulu_human_eval.parquet"], tmp_path / "parquet", missing=[ERROR])
    assert content(made) == content(other)
    assert lost(made) == lost(other)
    with (folder / "tulu_human_eval.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    votes = comparisons(
        (
            row["prompt"],
            row["completion_a"],
            row["completion_b"],
            *STRENGTH[row["preference"]],
        )
        for row in rows
        if ERROR not in (row["completion_a"], row["completion_b"])
    )
    ties = [number for number, row in enumerate(rows, 1) if row["preference"] == "tie"]
    assert (len(rows), len(ties)) == (1_150, 376)
    assert found(made) == decided(votes)
    outcome = {(e["line"]): e["outcome"] for e in other.ledger}
    assert all(outcome[line] != "kept" for line in ties)
    assert made.manifest["rows_read"] == 1_150


Votes = dict[tuple[str, frozenset[str]], list[tuple[str, float]]]


def comparisons(rows: Iterable[tuple[str, str, str, str, float]]) -> Votes:
    """Votes on the same two texts: the text that won, or none, and by how much."""
    votes: Votes = defaultdict(list)
    for prompt, a, b, winner, strength in rows:
        sides = {"a": plain(a), "b": plain(b), "tie": ""}
        if sides["a"] and sides["b"] and plain(prompt) and (sides["a"] != sides["b"]):
            votes[plain(prompt), frozenset((sides["a"], sides["b"]))].append(
                (sides[winner], strength)
            )
    return votes


def decided(votes: Votes) -> dict[tuple[str, str, str], tuple[float | None, int]]:
    """The pairs that a strict majority of votes gives, with mean strength and number of votes."""
    pairs: dict[tuple[str, str, str], tuple[float | None, int]] = {}
    for (prompt, texts), given in votes.items():
        counts = Counter(won for won, _ in given).most_common()
        if not counts[0][0] or (len(counts) > 1 and counts[0][1] == counts[1][1]):
            continue
        chosen = counts[0][0]
        (rejected,) = texts - {chosen}
        signs = [0 if not won else 1 if won == chosen else -1 for won, _ in given]
        strength = mean(s * by for s, (_, by) in zip(signs, given, strict=True))
        pairs[prompt, chosen, rejected] = (strength if strength > 0 else None, len(given))
    return pairs


def found(made: Converted) -> dict[tuple[str, str, str], tuple[object, object]]:
    return {
        (plain(str(r["prompt"])), plain(str(r["chosen"])), plain(str(r["rejected"]))): (
            pytest.approx(r["margin"]),
            r["votes"],
        )
        for r in made.rows
    }


@BOTH_WAYS
def test_qlora(described: str, data: Path, tmp_path: Path) -> None:
    """Verdicts of GPT-4 in both orders: those that flip cancel out, counted here by hand."""
    source = data / "qlora/vicuna-gpt4-pairs.jsonl.gz"
    rows = packed_rows(source)
    made = described_as(described, "qlora", source, tmp_path / "out", QLORA)
    side = {1: "a", 2: "b", 3: "tie"}
    usable = [row for row in rows if row["score"] in side]
    votes = comparisons(
        (
            row["prompt"],
            row["response_1"],
            row["response_2"],
            side[row["score"]],
            0.0,
        )
        for row in usable
    )
    assert len(rows) == made.manifest["rows_read"] == 4_480
    unknown = made.manifest["outcomes"]["rejected"]["winner is not one of the known words"]
    assert unknown == len(rows) - len(usable)
    expected = {pair: votes for pair, (_, votes) in decided(votes).items()}
    assert {pair: votes for pair, (_, votes) in found(made).items()} == expected


@BOTH_WAYS
def test_pandalm(described: str, data: Path, tmp_path: Path) -> None:
    """Three annotators a row; 54 empty answers and 6 that are true or false are refused by name."""
    source = data / "pandalm/testset-v1.json"
    rows = json.loads(source.read_text("utf-8"))
    made = described_as(described, "pandalm", source, tmp_path / "out", PANDALM)
    side = {0: "tie", 1: "a", 2: "b"}
    empty = boolean = 0
    given = []
    for row in rows:
        answers = (row["response1"], row["response2"])
        if any(isinstance(a, bool) for a in answers):
            boolean += 1
        elif any(not a.strip() for a in answers):
            empty += 1
        else:
            prompt = "\n".join(t for t in (row["instruction"], row["input"]) if t.strip())
            said = [side[row[f"annotator{number}"]] for number in (1, 2, 3)]
            given += [(prompt, *answers, one, 0.0) for one in said]
    reasons = Counter(str(reject["reason"]) for reject in made.rejects)
    assert (len(rows), made.manifest["rows_read"]) == (999, 999)
    assert reasons["wrong type"] == boolean == 6
    assert reasons["text is empty"] == empty
    expected = {pair: votes for pair, (_, votes) in decided(comparisons(given)).items()}
    assert {pair: votes for pair, (_, votes) in found(made).items()} == expected
    assert max(expected.values()) >= 6


@BOTH_WAYS
def test_auto_j(described: str, data: Path, tmp_path: Path) -> None:
    """One verdict of people a row: 373 ties, an empty answer, a row with the same answer twice."""
    source = data / "auto-j/testdata_pairwise.jsonl"
    rows = [json.loads(line) for line in source.read_text("utf-8").splitlines()]
    made = described_as(described, "auto-j", source, tmp_path / "out", AUTO_J)
    expected = set()
    reasons: Counter[str] = Counter()
    for row in rows:
        first, second = plain(row["response 1"]), plain(row["response 2"])
        if not (first and second):
            reasons["text is empty"] += 1
        elif row["label"] == 2:
            reasons["tie"] += 1
        elif first == second:
            reasons["both responses are the same"] += 1
        else:
            better = (second, first) if row["label"] else (first, second)
            expected.add((plain(row["prompt"]), *better))
    assert made.manifest["rows_read"] == len(rows) == 1_392
    assert reasons["tie"] == 373
    assert Counter(str(reject["reason"]) for reject in made.rejects) == reasons
    assert {tuple(plain(str(row[n])) for n in PAIR) for row in made.rows} == expected


def test_hh_rlhf(data: Path, tmp_path: Path) -> None:
    """13 of 2,312 are refused: 4 with an empty reply, 9 with a turn inside the answer."""
    source = data / "hh-rlhf/harmless-base-test.jsonl.gz"
    rows = packed_rows(source)
    made = converted([source], tmp_path / "out")
    marker = "\n\nAssistant:"
    empty = {
        line
        for line, row in enumerate(rows, 1)
        if any(not row[side].rpartition(marker)[2].strip() for side in ("chosen", "rejected"))
    }
    differ = {
        line
        for line, row in enumerate(rows, 1)
        if row["chosen"].rpartition(marker)[0] != row["rejected"].rpartition(marker)[0]
    }
    refused = {reject["line"] for reject in made.rejects}
    assert (len(rows), len(refused), len(empty), len(differ)) == (2_312, 13, 4, 5)
    assert empty | differ <= refused
    assert Counter(str(reject["reason"]) for reject in made.rejects)["text is empty"] == 4
    for row in made.rows:
        for side in ("chosen", "rejected"):
            assert "\n\nHuman:" not in str(row[side])
            assert "\n\nAssistant:" not in str(row[side])


@BOTH_WAYS
def test_ranked_answers_with_history(described: str, data: Path, tmp_path: Path) -> None:
    """The first and the last of each list; the history stands in the prompt, turn by turn."""
    source = data / "llama-factory/oaast_rm_zh.json"
    rows = json.loads(source.read_text("utf-8"))
    made = described_as(described, "oasst-rm", source, tmp_path / "out", RANKED)
    assert made.manifest["rows_read"] == len(rows) == 775
    prompts: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        before = [text for turn in row.get("history") or [] for text in turn]
        asked = "\n".join(t for t in (row["instruction"], row["input"]) if t.strip())
        prompt = " | ".join([*before, asked])
        prompts[prompt].append((row["output"][0], row["output"][-1]))
    assert any(" | " in str(row["prompt"]) for row in made.rows)
    alone = [row for row in made.rows if len(prompts[str(row["prompt"])]) == 1]
    assert len(alone) > 400
    for row in alone:
        assert [(row["chosen"], row["rejected"])] == prompts[str(row["prompt"])]


@pytest.mark.parametrize(
    ("name", "pairs"),
    [("dpo_en_demo.json", 300), ("v1_dpo_demo.jsonl", 10)],
)
def test_llama_factory_pairs(data: Path, tmp_path: Path, name: str, pairs: int) -> None:
    """Each row is used: a pair of its own, or merged with one that says the same."""
    made = converted([data / "llama-factory" / name], tmp_path / "out")
    assert made.manifest["rows_read"] == pairs
    assert (
        sum(int(str(row["votes"])) for row in made.rows) == pairs - made.manifest["rows_rejected"]
    )


def test_labels(data: Path, tmp_path: Path) -> None:
    """300 conversations with a label, each kept with its own."""
    source = data / "llama-factory/kto_en_demo.json"
    rows = json.loads(source.read_text("utf-8"))
    made = converted([source], tmp_path / "out")
    labels = {(plain(row["messages"][-1]["content"]), bool(row["label"])) for row in rows}
    assert {(plain(str(r["completion"])), r["label"]) for r in made.rows} == labels
    assert made.manifest["rows_read"] == len(rows) == 300


def test_open_instruct(data: Path, tmp_path: Path) -> None:
    """A text prompt beside message lists: the answer is the last message, and nothing else."""
    source = data / "open-instruct/preference_sample.jsonl"
    rows = [json.loads(line) for line in source.read_text("utf-8").splitlines()]
    made = converted([source], tmp_path / "out")
    answers = {
        (plain(r["chosen"][-1]["content"]), plain(r["rejected"][-1]["content"])) for r in rows
    }
    got = {(plain(str(r["chosen"])), plain(str(r["rejected"]))) for r in made.rows}
    assert got <= answers
    assert len(made.rows) + made.manifest["rows_rejected"] >= len(answers)


def test_open_instruct_by_the_name_of_its_mixture(data: Path, tmp_path: Path) -> None:
    """100 rows: those whose answers differ are pairs, the same as without the name."""
    source = data / "open-instruct/preference_sample.jsonl"
    rows = [json.loads(line) for line in source.read_text("utf-8").splitlines()]
    named = tmp_path / "allenai--llama-3.1-tulu-3-8b-preference-mixture" / source.name
    named.parent.mkdir()
    named.write_bytes(source.read_bytes())
    made, plain_made = converted([named], tmp_path / "a"), converted([source], tmp_path / "b")
    assert made.format == "tulu-3-preference"
    assert content(made) == content(plain_made)
    texts = [
        (
            tuple(plain(m["content"]) for m in r["chosen"][:-1]),
            plain(r["chosen"][-1]["content"]),
            plain(r["rejected"][-1]["content"]),
        )
        for r in rows
    ]
    wanted = {each for each in texts if each[1] != each[2] and all(each[1:])}
    assert len(rows) == made.manifest["rows_read"] == 100
    assert {(" | ".join(prompt), good, bad) for prompt, good, bad in wanted} == {
        (plain(str(r["prompt"])), plain(str(r["chosen"])), plain(str(r["rejected"])))
        for r in made.rows
    }


def ranked_siblings(first: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Of each message with two or more usable ranked answers: the thread, the best, the worst."""
    waiting: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [(first, [])]
    while waiting:
        message, before = waiting.pop()
        thread = [*before, message]
        waiting += [(reply, thread) for reply in message["replies"]]
        if any(turn["synthetic"] or turn["deleted"] for turn in thread):
            continue
        ranked = {
            reply["rank"]: plain(reply["text"])
            for reply in message["replies"]
            if reply["role"] == "assistant"
            and reply.get("rank") is not None
            and not reply["synthetic"]
            and not reply["deleted"]
        }
        if len(ranked) > 1:
            shown = " | ".join(turn["text"] for turn in thread)
            yield plain(shown), ranked[min(ranked)], ranked[max(ranked)]


def test_open_assistant(data: Path, tmp_path: Path) -> None:
    """Trees, and the same messages nested and flat: the best and the worst of each thread."""
    folder = data / "open-assistant"
    lines = (folder / "en_100_tree.jsonl").read_text("utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    expected = sorted(pair for row in rows for pair in ranked_siblings(row["prompt"]))
    flat = tmp_path / "flat.jsonl"
    with flat.open("w", encoding="utf-8") as file:
        for row in rows:
            waiting = [row["prompt"]]
            while waiting:
                message = waiting.pop()
                waiting += message["replies"]
                given = {"parent_id": None, "rank": None, **message, "replies": None}
                given |= {name: row[name] for name in ("message_tree_id", "tree_state")}
                file.write(json.dumps(given) + "\n")
    made = [
        converted([source], tmp_path / source.stem)
        for source in (folder / "en_100_tree.jsonl", folder / "en_100_message.jsonl", flat)
    ]
    formats = [each.format for each in made]
    assert formats == ["oasst-trees", "oasst-nested", "oasst-messages"]
    assert [each.manifest["rows_read"] for each in made] == [100, 100, 1_167]
    assert content(made[0]) == content(made[1]) == content(made[2])
    names = ("prompt", "chosen", "rejected")
    got = [tuple(plain(str(row[name])) for name in names) for row in made[0].rows]
    assert sorted(got) == expected
    assert len(expected) == 207
    left = made[2].manifest["outcomes"]["left over"]
    assert left["a turn of the user"] == 480
    assert made[2].manifest["outcomes"]["rejected"] == {"marked as unfit by its source": 17} | {
        "field is missing": 6
    }
