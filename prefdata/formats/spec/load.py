"""A format in YAML: a source that nobody foresaw, described in a few lines and without code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from prefdata.errors import InputError, UnknownNameError, UsageError
from prefdata.formats.base import Format
from prefdata.formats.conversation import ROLES
from prefdata.formats.generic import comparisons
from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec, Group, Order, SpecKind
from prefdata.formats.spec.validate import check_spec
from prefdata.formats.winner_values import value_key
from prefdata.yamlfile import read_yaml

SUFFIXES = (".yaml", ".yml")
MEANINGS = {"comparisons": ("a", "b", "tie", "none"), "unpaired": ("true", "false")}
POLARITY = {
    "pairs": "the chosen response is better",
    "ratings": "a higher score is better, a lower rank is better",
    "unpaired": "the values say whether the response was good",
}


def _words(given: object) -> object:
    """Values as they are compared: 1, 1.0 and " 1" are the same."""
    if not isinstance(given, dict):
        return given
    said = [value_key(key) for key in given]
    if twice := next((word for word in said if said.count(word) > 1), ""):
        raise ValueError(twice)
    return {value_key(key): value_key(value) for key, value in given.items()}


Where = str | tuple[str, ...] | dict[str, str]
"""Where a field stands: a path, several, or one for each dimension."""


class SpecFile(BaseModel):
    """What a YAML file may say of a source; see `prefdata.formats.spec.spec.FormatSpec`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: SpecKind
    """What a row is: ``pairs``, ``comparisons``, ``ratings`` or ``unpaired``."""
    fields: dict[str, Where] = Field(min_length=1)
    """Field to the path where it stands, such as ``info.post`` or ``answers[].text``."""
    values: Annotated[dict[str, str], BeforeValidator(_words)] = {}
    """What a winner means (a, b, tie, none) or a label (true, false)."""
    middle: FiniteFloat = 0.0
    """Taken off a numeric winner before its sign is looked at."""
    order: Order = ""
    """How a list of responses is sorted, where that is all that ranks them."""
    dimensions: dict[str, FiniteFloat] = {}
    """The weight of each dimension that counts where ``--dimension`` chooses none."""
    roles: dict[str, str] = {}
    """What the source calls the roles, where that is not usual."""
    needs: tuple[str, ...] = ()
    """Paths that must exist as well."""
    group: Group = "prompt"
    """What is kept on one side of the split."""
    optional: tuple[str, ...] = ()
    """Fields whose columns a source may lack; any other column must be there."""
    lists: tuple[str, ...] = ()
    """Columns of a CSV file whose cells may be lists beside text."""
    summary: str = "a source described in YAML"
    polarity: str = ""
    ties: str = ""
    absent: str = ""
    licence: str = ""
    notes: str = ""


NAMED = "--format takes a name of 'pref formats', or a YAML file that describes one."


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
    given = read_yaml(path, words=True, hint=NAMED)  # so yes is a word, and 1:30 is no number
    try:
        file = SpecFile.model_validate(given)
    except ValidationError as error:
        raise _said(error, path) from error
    _check_words(file, path)
    told = comparisons.polarity(file.values) if file.kind == "comparisons" else POLARITY[file.kind]
    polarity = file.polarity or told
    spec = FormatSpec(name=path.stem, file=str(path), **{**dict(file), "polarity": polarity})
    check_spec(spec)
    return format_of(spec)


def _check_words(file: SpecFile, path: Path) -> None:
    """Values and roles mean something that is known."""
    allowed = MEANINGS.get(file.kind, ())
    if file.values and not allowed:
        raise UsageError(
            f"{path}: {file.kind} have no values", hint="Leave 'values' out of the file."
        )
    for meaning in file.values.values():
        if meaning not in allowed:
            raise UnknownNameError("meaning", meaning, allowed, where=f"{path}: values")
    for role in file.roles.values():
        if role.lower() not in ROLES:
            raise UnknownNameError("role", role, ROLES, where=f"{path}: roles")


WORDS = {"kind": get_args(SpecKind), "order": get_args(Order), "group": get_args(Group)}
EXPECTED = {
    "": "keys with their values, as in 'kind: pairs'",
    "fields": "fields with their paths, as in 'prompt: question'",
    "values": "values with their meanings, as in '1: a'",
    "middle": "a number",
    "dimensions": "dimensions with their weights, as in 'helpfulness: 0.7'",
    "roles": "roles with their usual names, as in 'client: user'",
    "needs": "a list of paths",
    "optional": "a list of fields",
    "lists": "a list of columns",
}
"""What each key of the file holds."""


def _said(error: ValidationError, path: Path) -> InputError | UnknownNameError:
    """The first thing that is wrong, in words; a key that is not known goes before all else."""
    found = error.errors()
    unknown = [each for each in found if each["type"] == "extra_forbidden"]
    first = (unknown or found)[0]
    key, *inner = (str(part) for part in first["loc"] or ("",))
    if unknown:
        return UnknownNameError("key", key, SpecFile.model_fields, where=str(path))
    if first["type"] == "literal_error" and isinstance(first["input"], str):
        return UnknownNameError(key, first["input"], [w for w in WORDS[key] if w], where=str(path))
    hint = "A format has 'kind', 'fields' and, for winners and labels, 'values'."
    if first["type"] == "missing":
        return UsageError(f"{path} has no {key!r}", hint=hint)
    if first["type"] == "value_error":
        return UsageError(
            f"{path}: {key}: {first['ctx']['error']} stands there twice",
            hint="1 and 1.0, and Yes and yes, are one value: keep one of them.",
        )
    where = f"{': '.join((key, *inner[:1]))}: " if key else ""
    return UsageError(f"{path}: {where}expected {EXPECTED.get(key, 'text')}", hint=hint)
