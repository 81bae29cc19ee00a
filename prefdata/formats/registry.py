"""The catalogue: to add a format, write one file and add one line here."""

from __future__ import annotations

from prefdata.errors import UnknownNameError
from prefdata.formats.base import Format
from prefdata.formats.families import (
    alpaca,
    arena,
    distilabel,
    helpsteer,
    hh,
    llama_factory,
    mixtures,
    nectar,
    nemo_rl,
    oasst,
    openai_preference,
    orca,
    pku,
    rewardbench,
    rlaif_v,
    rlhflow,
    shp,
    stack_exchange,
    summarize,
    swift,
    ultrafeedback,
    ultrafeedback_binarized,
    ultrainteract,
    webgpt,
)
from prefdata.formats.generic.comparisons import COMPARISONS
from prefdata.formats.generic.pairs import PAIRS
from prefdata.formats.generic.ratings import LISTS_FORMAT, LONG_FORMAT, WIDE_FORMAT
from prefdata.formats.generic.unpaired import UNPAIRED
from prefdata.formats.spec.load import SUFFIXES, load_format

GENERIC = (PAIRS, COMPARISONS, WIDE_FORMAT, LISTS_FORMAT, LONG_FORMAT, UNPAIRED)
KNOWN: tuple[Format, ...] = (
    *alpaca.FORMATS,
    *arena.FORMATS,
    *distilabel.FORMATS,
    *helpsteer.FORMATS,
    *hh.FORMATS,
    *llama_factory.FORMATS,
    *mixtures.FORMATS,
    *nectar.FORMATS,
    *nemo_rl.FORMATS,
    *oasst.FORMATS,
    *openai_preference.FORMATS,
    *orca.FORMATS,
    *pku.FORMATS,
    *rewardbench.FORMATS,
    *rlaif_v.FORMATS,
    *rlhflow.FORMATS,
    *shp.FORMATS,
    *stack_exchange.FORMATS,
    *summarize.FORMATS,
    *swift.FORMATS,
    *ultrafeedback.FORMATS,
    *ultrafeedback_binarized.FORMATS,
    *ultrainteract.FORMATS,
    *webgpt.FORMATS,
)

FORMATS: dict[str, Format] = {each.name: each for each in (*GENERIC, *KNOWN)}


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
