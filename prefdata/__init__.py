"""Preference feedback of any shape in, clean pairs out, every row accounted for.

Importing this loads nothing: each public name is loaded when it is first used.

Example:
    >>> import prefdata
    >>> prefdata.PreferencePair(prompt="2+2?", chosen="4", rejected="5").chosen[0].content
    '4'
"""

from __future__ import annotations

import importlib

from prefdata._version import __version__

TYPE_CHECKING = False  # typing would be the most of what importing this costs

if TYPE_CHECKING:
    from prefdata.agreement.agree import agree
    from prefdata.conversion.convert import convert
    from prefdata.conversion.inspect import inspect
    from prefdata.errors import (
        InputError,
        JudgeError,
        MissingExtraError,
        PrefdataError,
        QuestionError,
        RecipeError,
        TrainingError,
        UnknownNameError,
        UsageError,
    )
    from prefdata.judging.judge import judge
    from prefdata.schemas import (
        Comparison,
        Message,
        PreferencePair,
        RatedResponses,
        UnpairedPreference,
        Verdict,
    )

__all__ = [
    "Comparison",
    "InputError",
    "JudgeError",
    "Message",
    "MissingExtraError",
    "PrefdataError",
    "PreferencePair",
    "QuestionError",
    "RatedResponses",
    "RecipeError",
    "TrainingError",
    "UnknownNameError",
    "UnpairedPreference",
    "UsageError",
    "Verdict",
    "__version__",
    "agree",
    "convert",
    "inspect",
    "judge",
]

_HOMES = {
    "prefdata.agreement.agree": ("agree",),
    "prefdata.conversion.convert": ("convert",),
    "prefdata.conversion.inspect": ("inspect",),
    "prefdata.judging.judge": ("judge",),
    "prefdata.errors": tuple(name for name in __all__ if name.endswith("Error")),
    "prefdata.schemas": (
        "Comparison",
        "Message",
        "PreferencePair",
        "RatedResponses",
        "UnpairedPreference",
        "Verdict",
    ),
}


def __getattr__(name: str) -> object:
    """Load a public name from its module when it is first used."""
    for home, names in _HOMES.items():
        if name in names:
            value: object = getattr(importlib.import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
