"""The registry of formats: the generic ones, and all that stand in the folder ``families``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from prefdata.errors import UnknownNameError
from prefdata.formats import families
from prefdata.formats.base import Format
from prefdata.formats.generic.comparisons import COMPARISONS
from prefdata.formats.generic.pairs import PAIRS
from prefdata.formats.generic.ratings import LISTS_FORMAT, LONG_FORMAT, WIDE_FORMAT
from prefdata.formats.generic.unpaired import UNPAIRED
from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.load import SUFFIXES, load_format, load_spec

GENERIC = (PAIRS, COMPARISONS, WIDE_FORMAT, LISTS_FORMAT, LONG_FORMAT, UNPAIRED)

ORDER = (
    *("alpaca-farm", "alpaca-eval"),
    *("arena-33k", "arena-55k", "arena-100k", "arena-140k", "mt-bench", "mt-bench-votes"),
    *("distilabel", "distilabel-0", "capybara-dpo", "math-preference-dpo"),
    *("helpsteer", "helpsteer2-disagreements", "helpsteer2-preference", "helpsteer3-preference"),
    *("hh-rlhf", "hh-rlhf-red-team", "hh-rlhf-processed"),
    *("llama-factory", "llama-factory-sharegpt", "llama-factory-kto"),
    *("llama-factory-kto-sharegpt", "kto-messages", "llama-factory-v1"),
    *("dpo-mix", "kto-mix", "orpo-dpo-mix", "skywork-preference", "tulu-3-preference"),
    *("nectar", "nemo-rl", "oasst-trees", "oasst-nested", "oasst-messages", "openai-preference"),
    *("orca-dpo-pairs", "orca-dpo-pairs-chat", "orca-dpo-pairs-judged", "orca-kto"),
    *("pku-saferlhf", "pku-saferlhf-single"),
    *("saferlhf-v", "align-anything-image", "align-anything-audio"),
    *("reward-bench", "reward-bench-2", "pref-test-sets", "rlaif-v", "rlhflow", "shp"),
    *("stack-exchange", "summarize-comparisons", "summarize-axis", "ms-swift"),
    *("ultrafeedback", "ultrafeedback-binarized", "ultrafeedback-argilla"),
    *("ultrafeedback-cleaned", "ultrafeedback-cleaned-kto", "ultrainteract", "webgpt"),
)
"""How the families are listed, relatives together; a name that is not here comes behind them."""


class Registry(Mapping[str, Format]):
    """Name to format, in the order in which they are listed; loaded when first looked into.

    Loading takes about 50 ms, half of it for YAML: commands that read no source do not spend it.
    """

    @cached_property
    def _formats(self) -> dict[str, Format]:
        return {each.name: each for each in (*GENERIC, *sorted(_families(), key=_place))}

    def __getitem__(self, name: str) -> Format:
        return self._formats[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._formats)

    def __len__(self) -> int:
        return len(self._formats)


def _families() -> Iterator[Format]:
    """The formats of the folder: ``FORMATS`` of each module, and one for each YAML file."""
    for module in iter_modules(families.__path__):
        yield from import_module(f"{families.__name__}.{module.name}").FORMATS
    for folder in families.__path__:
        for path in Path(folder).glob("*.yaml"):
            yield format_of(replace(load_spec(path), file=""))


def _place(format: Format) -> tuple[int, str]:
    return ORDER.index(format.name) if format.name in ORDER else len(ORDER), format.name


FORMATS = Registry()


def get_format(name: str) -> Format:
    """Look a format up by its name, or read the YAML file of that name.

    Raises:
        UnknownNameError: there is no format of that name.
        UsageError: the file cannot be used.

    Example:
        >>> get_format("pairs").kind
        'comparisons'
    """
    if name.endswith(SUFFIXES):
        return load_format(name)
    if name not in FORMATS:
        error = UnknownNameError("format", name, FORMATS)
        guess = error.hint.partition("Known:")[0]
        error.hint = f"{guess}'pref formats' lists all; a YAML file can describe another."
        raise error
    return FORMATS[name]
