"""The options of `prefdata.judge`, and the plan that follows: who is asked, how, and for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from prefdata.errors import UsageError
from prefdata.formats import ReadOptions
from prefdata.judging.ask import JudgeConfig
from prefdata.judging.client.batch import BatchOptions
from prefdata.judging.client.endpoint import Endpoint, judge_endpoints
from prefdata.judging.client.prices import price_of, price_table
from prefdata.judging.client.runner import RequestLimits
from prefdata.judging.comparison_store import ComparisonOptions
from prefdata.judging.decide import Flips, VerdictPolicy
from prefdata.judging.prompting.criteria import DEFAULT, parse_criteria
from prefdata.judging.prompting.prompt import builtin_template, load_template
from prefdata.judging.prompting.request import JudgePrompt
from prefdata.judging.rank import Strategy
from prefdata.transforms.options import Conflicts, Options, SplitBy, SplitChoice


class JudgeOptions(TypedDict, total=False):
    """How to judge: the options of ``pref judge``, by their names there.

    Attributes:
        base_url: the server of models that name none.
        azure_version: the API version, where the server is an Azure resource.
        key_env: environment variables that hold keys: ``NAME``, or ``URL=NAME``.
        key_file: a file of keys, ``URL KEY`` a line.
        needs_key: whether a server that is known to ask for a key must have one.
        criteria: what to judge by: names, or ``name: definition``.
        prompt_file: a prompt instead of the built-in one.
        reasoning: whether the judge compares in words first.
        logprobs: whether margins come from log-probabilities, where servers give them.
        orders: whether each comparison is shown in both orders, or in one that a hash chooses.
        flips: what to do where the verdict changes with the order.
        veto: a criterion on which a winner must not be worse.
        flagged: what to do with winners that speak to the judge.
        weights: model to the weight of its vote.
        max_comparisons: the most comparisons among the responses to one prompt.
        strategy: of three or more responses, pair those that were compared, or by their ranking.
        max_tokens: tokens of a reply, hidden reasoning included.
        max_cost: dollars that all calls of the journal together may cost.
        prices: a file with the prices of more models.
        concurrency: the most requests under way, for each judge.
        rpm: requests per minute.
        tpm: tokens per minute.
        batch: whether to ask through the provider's batch service.
        wait: whether to wait for batches to end.
        timeout: seconds that a reply may take.
        journal: the file of calls; beside the output, if not named.
        read_options: what the sources do not say themselves, such as which column is which.
        format: the format of all sources, where detection is not wanted.
        encoding: the encoding of text sources, if not UTF-8.
        conflicts: what to do where judges contradict each other: their majority, no pair, or a pair
            in each direction.
        min_margin: the least margin that makes a pair.
        test_size: the share of prompts in the test split of a new split; asks for a new one.
        seed: of the split, and of tournaments.
        split: whether rows ``keep`` the splits of the sources, or are split ``anew``.
        split_by: what stays on one side of the split.
        keep: columns of the sources that every pair gets.
        caps: source to the most pairs that it gives.
        mix: source to its share of the pairs.
        filters: the filters that refuse pairs, each with its threshold; None for its own.
    """

    base_url: str
    azure_version: str
    key_env: Sequence[str]
    key_file: str | Path | None
    needs_key: bool
    criteria: str
    prompt_file: str | Path | None
    reasoning: bool
    logprobs: bool
    orders: Literal["both", "one"]
    flips: Flips
    veto: str
    flagged: Literal["drop", "keep"]
    weights: Mapping[str, float]
    max_comparisons: int | None
    strategy: Strategy
    max_tokens: int
    max_cost: float | None
    prices: str | Path | None
    concurrency: int
    rpm: float
    tpm: float
    batch: bool
    wait: bool
    timeout: float
    journal: str | Path
    read_options: ReadOptions
    format: str
    encoding: str
    conflicts: Conflicts
    min_margin: float
    test_size: float | None
    seed: int
    split: SplitChoice
    split_by: SplitBy
    keep: Sequence[str]
    caps: Mapping[str, int]
    mix: Mapping[str, float]
    filters: Mapping[str, float | None]


PAIRING = (
    *("conflicts", "min_margin", "test_size", "seed", "split", "split_by"),
    *("keep", "caps", "mix", "filters"),
)
"""The options that the maker of pairs takes."""


@dataclass(frozen=True)
class JudgePlan:
    """What a judging run is to do.

    Attributes:
        endpoints: the judges, and where they are asked.
        config: how they are asked.
        policy: what makes a verdict a pair.
        comparison_options: what the sources do not say themselves.
        notes: what the user should know of keys that are not sent.
    """

    endpoints: Sequence[Endpoint]
    config: JudgeConfig = field(default_factory=JudgeConfig)
    policy: VerdictPolicy = field(default_factory=VerdictPolicy)
    comparison_options: ComparisonOptions = field(default_factory=ComparisonOptions)
    notes: Sequence[str] = ()

    def check(self) -> None:
        """Refuse what cannot be done, before anything is read.

        Raises:
            UsageError: there is no judge, two have one name, or options contradict each other.
        """
        names = [each.model for each in self.endpoints]
        if not names:
            raise UsageError(
                "no judge is named", hint="Name one with --model, as in --model gpt-4o."
            )
        if not all(name.strip() for name in names):
            raise UsageError("a judge has no name", hint="Name it, as in --model gpt-4o.")
        self._check_numbers()
        criteria = [each.name for each in self.config.prompt.criteria]
        veto = self.policy.veto
        if veto and veto not in criteria:
            raise UsageError(
                f"--veto {veto} is not among the criteria: {', '.join(criteria)}",
                hint="Name it with --criteria too.",
            )
        self._check_prices()
        if len(set(names)) < len(names):
            raise UsageError(
                "two judges have the same name", hint="Verdicts are told apart by the model's name."
            )

    def _check_numbers(self) -> None:
        """Limits are numbers: one that is not would never be reached."""
        limits = {
            "--max-cost": self.config.max_cost or 0.0,
            "--timeout": self.config.timeout,
            "--rpm": self.config.limits.rpm,
            "--tpm": self.config.limits.tpm,
        }
        for option, value in limits.items():
            if not value >= 0:
                raise UsageError(
                    f"{option} is {value:g}; expected a number", hint="Write it as in 10."
                )

    def _check_prices(self) -> None:
        prices = self.config.prices
        unpriced = [
            each.model
            for each in self.endpoints
            if not price_of(each.model, prices, local=each.is_local)
        ]
        if self.config.max_cost is not None and unpriced:
            raise UsageError(
                f"--max-cost needs the price of {', '.join(unpriced)}, which is not known",
                hint="Give it with --prices FILE.",
            )


def judge_plan(
    models: str | Sequence[str] = (),
    endpoints: Sequence[Endpoint] = (),
    **options: Unpack[JudgeOptions],
) -> JudgePlan:
    """Say what a judging run is to do, as its options have it.

    Args:
        models: names; ``NAME@URL`` for a server of its own, ``hf:PATH`` for a local model.
        endpoints: judges whose server and key are known already, beside the models.
        options: how to judge.

    Raises:
        UsageError: an option cannot be used.

    Example:
        >>> plan = judge_plan("qwen", base_url="http://localhost:8000/v1", orders="one")
        >>> plan.endpoints[0].url, plan.policy.orders
        ('http://localhost:8000/v1', 1)
    """
    if not options.get("wait", True) and not options.get("batch"):
        raise UsageError("--no-wait is about batches", hint="Add --batch, or leave --no-wait out.")
    judges, notes = judge_endpoints(
        [models] if isinstance(models, str) else models,
        base_url=options.get("base_url", ""),
        azure_version=options.get("azure_version", ""),
        key_env=options.get("key_env", ()),
        key_file=_path(options.get("key_file")),
        needed=options.get("needs_key", True),
    )
    return JudgePlan(
        (*judges, *endpoints),
        _config(options),
        _policy(options),
        ComparisonOptions(
            options.get("read_options", ReadOptions()),
            format=options.get("format", ""),
            encoding=options.get("encoding", ""),
            max_comparisons=options.get("max_comparisons"),
        ),
        notes,
    )


def _config(options: JudgeOptions) -> JudgeConfig:
    """How judges are asked, and what may be spent."""
    return JudgeConfig(
        prompt=_prompt(options),
        limits=RequestLimits(
            options.get("concurrency", RequestLimits.concurrency),
            options.get("rpm", 0),
            options.get("tpm", 0),
        ),
        timeout=options.get("timeout", JudgeConfig.timeout),
        max_cost=options.get("max_cost"),
        prices=price_table(_path(options.get("prices"))),
        batch=BatchOptions(wait=options.get("wait", True)) if options.get("batch") else None,
        journal=str(options.get("journal", "")),
    )


def _prompt(options: JudgeOptions) -> JudgePrompt:
    """What stands in a request."""
    file, criteria = options.get("prompt_file"), options.get("criteria")
    return JudgePrompt(
        load_template(Path(file)) if file else builtin_template(),
        parse_criteria(criteria) if criteria else DEFAULT,
        options.get("reasoning", False),
        options.get("max_tokens", JudgePrompt.max_tokens),
        options.get("logprobs", False),
    )


def _policy(options: JudgeOptions) -> VerdictPolicy:
    """What makes a verdict a pair."""
    pairing = {name: options[name] for name in PAIRING if name in options}  # type: ignore[literal-required]
    return VerdictPolicy(
        flips=options.get("flips", VerdictPolicy.flips),
        orders=1 if options.get("orders") == "one" else 2,
        veto=options.get("veto", ""),
        drop_flagged=options.get("flagged") != "keep",
        weights=options.get("weights", {}),
        strategy=options.get("strategy", VerdictPolicy.strategy),
        pairing=Options(**{**pairing, "keep": tuple(options.get("keep", ()))}),
    )


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)
