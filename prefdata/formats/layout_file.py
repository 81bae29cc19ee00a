"""A format in YAML: a source that nobody foresaw, described in a few lines and without code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from prefdata.errors import InputError, UnknownNameError, UsageError
from prefdata.formats.base import Format
from prefdata.formats.fill import format_of
from prefdata.formats.layout import Group, Layout, LayoutKind, Order
from prefdata.formats.verdicts import written

SUFFIXES = (".yaml", ".yml")
MEANINGS = {"comparisons": ("a", "b", "tie", "none"), "unpaired": ("true", "false")}
POLARITY = {
    "pairs": "the chosen response is better",
    "comparisons": "the values say which response is better",
    "ratings": "a higher score is better, a lower rank is better",
    "unpaired": "the values say whether the response was good",
}


def _words(given: object) -> object:
    """Values as they are compared: YAML reads 1 as a number and yes as true."""
    if not isinstance(given, dict):
        return given
    return {written(key): written(value) for key, value in given.items()}


Field_ = str | tuple[str, ...] | dict[str, str]


class LayoutFile(BaseModel):
    """What a YAML file may say of a source; see `prefdata.formats.layout.Layout`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: LayoutKind
    """What a row is: ``pairs``, ``comparisons``, ``ratings`` or ``unpaired``."""
    fields: dict[str, Field_] = Field(min_length=1)
    """Field to the path where it stands, such as ``info.post`` or ``answers[].text``."""
    values: Annotated[dict[str, str], BeforeValidator(_words)] = {}
    """What a winner means (a, b, tie, none) or a label (true, false)."""
    middle: float = 0.0
    """Taken off a numeric winner before its sign is looked at."""
    order: Order = ""
    """How a list of responses is sorted, where that is all that ranks them."""
    dimensions: dict[str, float] = {}
    """The weight of each dimension that counts where ``--dimension`` chooses none."""
    roles: dict[str, str] = {}
    """What the source calls the roles, where that is not usual."""
    needs: tuple[str, ...] = ()
    """Paths that must exist as well."""
    group: Group = "prompt"
    """What is kept on one side of the split."""
    summary: str = "a source described in YAML"
    polarity: str = ""
    ties: str = ""
    absent: str = ""
    licence: str = ""
    notes: str = ""


def load_format(path: str | Path) -> Format:
    """Read a format from a YAML file.

    Raises:
        UsageError: there is no such file, it is not YAML, or what it says does not fit together.
        UnknownNameError: it has a key or field that is not known.

    Example:
        >>> load_format("examples/formats/pandalm.yaml").kind
        'comparisons'
    """
    path = Path(path)
    given = _parsed(path)
    try:
        file = LayoutFile.model_validate(given)
    except ValidationError as error:
        raise _said(error, path) from error
    allowed = MEANINGS.get(file.kind)
    for meaning in file.values.values():
        if not allowed:
            raise UsageError(
                f"{path}: {file.kind} have no values", hint="Leave 'values' out of the file."
            )
        if meaning not in allowed and not (
            file.kind == "comparisons" and meaning in ("negative", "positive")
        ):
            raise UnknownNameError("meaning", meaning, allowed, where=f"{path}: values")
    polarity = file.polarity or POLARITY[file.kind]
    return format_of(Layout(name=path.stem, **{**dict(file), "polarity": polarity}))


def _parsed(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}",
            hint="--format takes a name of 'pref formats', or a YAML file that describes one.",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UsageError(
            f"{path} is not valid YAML{where}", hint="Braces and colons in a text need quotes."
        ) from error


def _said(error: ValidationError, path: Path) -> InputError | UnknownNameError:
    """The first thing that is wrong, in words."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] == "extra_forbidden":
        return UnknownNameError("key", where, LayoutFile.model_fields, where=str(path))
    return UsageError(
        f"{path}: {where}: {first['msg'][0].lower()}{first['msg'][1:]}",
        hint="A format has 'kind', 'fields' and, for winners and labels, 'values'.",
    )
