"""Every loss is the one that its paper writes, computed from log-probabilities by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prefdata.io.dataset.dataset_reader import open_dataset
from prefdata.training import METHODS
from prefdata.training.config.losses import trl_losses
from prefdata.training.data.dataset_views import load_view
from prefdata.training.data.tokenize import encode
from prefdata.training.evaluation.logprobs import score
from prefdata.training.model.library_output import suppress_output
from prefdata.training.model.load import import_class, load_model, load_tokenizer
from prefdata.training.model.tiny import make_tiny
from tests.training import formulas
from tests.training.datasets import pair, polite_pairs, write_dataset

ROWS = [
    pair("Tell me of the river.", "Gladly! It is a long river.", "No."),
    pair("Tell me of the lamp.", "It shines.", "I will not speak of any lamp, go away now."),
    *polite_pairs(2, seed=3),
]
BETA, FLIP = 0.3, 0.2


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A policy, a reference with other weights and the same tokenizer, and the data."""
    folder = tmp_path_factory.mktemp("two")
    data = write_dataset(folder / "d", ROWS)
    with suppress_output():
        for name, seed in (("policy", 1), ("reference", 2)):
            make_tiny(folder / name, open_dataset(data), seed=seed, max_length=256)
    return folder / "policy", folder / "reference", data


@pytest.fixture(scope="module")
def pairs_by_hand(two: tuple[Path, Path, Path], tmp_path_factory: Any) -> list[formulas.Pair]:  # noqa: ANN401
    """Each pair's log-probabilities under both models, each answer scored by itself."""
    policy, reference, data = two
    with suppress_output():
        tokenizer = load_tokenizer(str(policy))
        rows = load_view(
            open_dataset(data),
            "train",
            view="pairs",
            chat=True,
            seed=0,
            cache=tmp_path_factory.mktemp("c"),
        )
        encoded = [encode(row, ("chosen", "rejected"), tokenizer) for row in rows]
        found = [
            list(score(encoded, load_model(str(model)), max_length=256, batch_size=1))
            for model in (policy, reference)
        ]
    return [
        formulas.Pair(ours[0].logp, ours[1].logp, theirs[0].logp, theirs[1].logp, *lengths)
        for ours, theirs in zip(*found, strict=True)
        for lengths in [(ours[0].tokens, ours[1].tokens)]
    ]


def trl_loss(
    method: str,
    two: tuple[Path, Path, Path],
    work: Path,
    *,
    view: str = "pairs",
    extra: tuple[str, ...] = (),
    **options: Any,
) -> float:
    """The loss that TRL computes of all rows as one batch."""
    policy, reference, data = two
    entry = METHODS[method]
    with suppress_output():
        import torch
        from transformers import AutoModelForCausalLM

        rows = load_view(open_dataset(data), "train", view=view, chat=True, seed=0, cache=work)
        if extra:
            rows = rows.add_column("margin", [0.5] * len(rows))
        models: dict[str, object] = {"model": str(policy)}
        if "experimental" in entry.trainer:
            models["model"] = AutoModelForCausalLM.from_pretrained(policy)
        if entry.reference:
            models["ref_model"] = AutoModelForCausalLM.from_pretrained(reference)
        trainer = import_class(entry.trainer)(
            args=import_class(entry.config)(
                output_dir=str(work),
                bf16=False,
                gradient_checkpointing=False,
                report_to="none",
                per_device_train_batch_size=len(rows),
                **options,
            ),
            train_dataset=rows,
            processing_class=load_tokenizer(str(policy)),
            **models,
        )
        loader = trainer.get_train_dataloader()
        batch = trainer._prepare_inputs(next(iter(loader)))  # noqa: SLF001
        trainer.model.eval()
        with torch.no_grad():
            return float(trainer.compute_loss(trainer.model, batch))


@pytest.mark.parametrize("loss", METHODS["dpo"].losses)
def test_each_loss_of_dpo_is_its_formula(
    loss: str,
    two: tuple[Path, Path, Path],
    pairs_by_hand: list[formulas.Pair],
    tmp_path: Path,
) -> None:
    """With a policy that has moved away from its reference, beta 0.3 and smoothing 0.2."""
    options: dict[str, Any] = trl_losses({"loss_type": loss, "beta": BETA, "label_smoothing": FLIP})
    if loss in formulas.PER_PAIR:
        one = formulas.PER_PAIR[loss]
        expected = sum(one(p, BETA, FLIP) for p in pairs_by_hand) / len(pairs_by_hand)
    else:
        expected = formulas.PER_BATCH[loss](pairs_by_hand, BETA, FLIP)
    assert trl_loss("dpo", two, tmp_path, **options) == pytest.approx(expected, rel=1e-4)


def test_a_list_of_losses_is_their_weighted_sum(
    two: tuple[Path, Path, Path], pairs_by_hand: list[formulas.Pair], tmp_path: Path
) -> None:
    """With conservative DPO among them."""
    options: dict[str, Any] = trl_losses(
        {
            "loss_type": ["cdpo", "sft", "apo_zero"],
            "loss_weights": [0.5, 2.0, 1.5],
            "beta": BETA,
            "label_smoothing": FLIP,
        }
    )
    count = len(pairs_by_hand)
    expected = (
        0.5 * sum(formulas.cdpo(p, BETA, FLIP) for p in pairs_by_hand) / count
        + 2.0 * formulas.sft(pairs_by_hand, BETA, FLIP)
        + 1.5 * sum(formulas.apo_zero(p, BETA, FLIP) for p in pairs_by_hand) / count
    )
    assert trl_loss("dpo", two, tmp_path, **options) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_the_reward_model_is_its_formula(
    margin: float, two: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """With and without margins, from the scores that the model gives."""
    extra = ("margin",) if margin else ()
    found = trl_loss("reward", two, tmp_path, extra=extra)
    with suppress_output():
        import torch
        from transformers import AutoModelForSequenceClassification, set_seed

        set_seed(42)
        model = AutoModelForSequenceClassification.from_pretrained(
            two[0], num_labels=1, dtype="float32"
        ).eval()
        tokenizer = load_tokenizer(str(two[0]))
        scores = []
        for row in ROWS:
            encoded = encode(row, ("chosen", "rejected"), tokenizer)
            scores.append(
                [
                    model(torch.tensor([encoded.prompt + ids])).logits.item()
                    for ids in encoded.completions
                ]
            )
    expected = sum(formulas.reward(chosen, rejected, margin) for chosen, rejected in scores) / len(
        scores
    )
    assert found == pytest.approx(expected, rel=1e-4)


def test_cpo_and_simpo_are_their_formulas(
    two: tuple[Path, Path, Path], pairs_by_hand: list[formulas.Pair], tmp_path: Path
) -> None:
    """Without the term that imitates chosen answers, which SimPO has not."""
    count = len(pairs_by_hand)
    found = trl_loss("cpo", two, tmp_path, beta=BETA, cpo_alpha=0.0, label_smoothing=FLIP)
    expected = sum(formulas.cpo(p, BETA, FLIP) for p in pairs_by_hand) / count
    assert found == pytest.approx(expected, rel=1e-4)
    options: dict[str, Any] = {
        "loss_type": "simpo",
        "beta": 2.0,
        "simpo_gamma": 1.0,
        "cpo_alpha": 0.0,
    }
    found = trl_loss("simpo", two, tmp_path, **options)
    expected = sum(formulas.simpo(p, 2.0, 1.0) for p in pairs_by_hand) / count
    assert found == pytest.approx(expected, rel=1e-4)


def test_orpo_adds_its_odds_ratio(
    two: tuple[Path, Path, Path], pairs_by_hand: list[formulas.Pair], tmp_path: Path
) -> None:
    """The rest is the likelihood of prompt and answer: what changes with beta is the odds ratio."""
    low, high = (trl_loss("orpo", two, tmp_path, beta=beta) for beta in (0.0, 0.7))
    expected = sum(formulas.odds_ratio(p) for p in pairs_by_hand) / len(pairs_by_hand)
    assert (high - low) / 0.7 == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("loss", METHODS["kto"].losses)
def test_kto_is_its_formula(
    loss: str,
    two: tuple[Path, Path, Path],
    pairs_by_hand: list[formulas.Pair],
    tmp_path: Path,
) -> None:
    """With weights for both classes, and the divergence of mismatched answers."""
    weights: dict[str, Any] = {"desirable_weight": 1.5, "undesirable_weight": 0.5}
    found = trl_loss("kto", two, tmp_path, view="unpaired", beta=BETA, loss_type=loss, **weights)
    kl = divergence(two, tmp_path) if loss == "kto" else 0.0
    one = getattr(formulas, loss)
    terms = [
        weight * one(up, kl, BETA, good=good)
        for p in pairs_by_hand
        for up, good, weight in ((p.up, True, 1.5), (p.down, False, 0.5))
    ]
    assert found == pytest.approx(sum(terms) / len(terms), rel=1e-4)


def divergence(two: tuple[Path, Path, Path], work: Path) -> float:
    """KTO's estimate by hand: every prompt with the answer of the row before it."""
    policy, reference, data = two
    with suppress_output():
        tokenizer = load_tokenizer(str(policy))
        rows = load_view(
            open_dataset(data), "train", view="unpaired", chat=True, seed=0, cache=work
        )
        encoded = [encode(row, ("completion",), tokenizer) for row in rows]
        moved = [
            type(row)(row.prompt, before.completions, merged=False)
            for row, before in zip(encoded, [encoded[-1], *encoded[:-1]], strict=True)
        ]
        ours, theirs = (
            [s[0].logp for s in score(moved, load_model(str(m)), max_length=256, batch_size=1)]
            for m in (policy, reference)
        )
    return max(0.0, sum(a - b for a, b in zip(ours, theirs, strict=True)) / len(ours))
