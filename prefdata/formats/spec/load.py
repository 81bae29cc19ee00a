"""A format in YAML: a source described in a few lines and without code.

The formats of the catalogue that need no code, ``families/*.yaml``, and a file that a user gives
with ``--format`` are read alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    Json,
    ValidationError,
)

from prefdata.errors import InputError, UnknownNameError, UsageError
from prefdata.formats.base import Format
from prefdata.formats.generic import comparisons
from prefdata.formats.roles import ROLES
from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.paths import parse_path
from prefdata.formats.spec.spec import FormatSpec, Group, Location, Order, SpecKind
from prefdata.formats.spec.validate import check_spec
from prefdata.formats.value_key import value_key
from prefdata.records.frames import TEMPLATE
from prefdata.yamlfile import read_yaml

SUFFIXES = (".yaml", ".yml")
MEANINGS = {
    "comparisons": ("a", "b", "tie", "both_bad", "none"),
    "unpaired": ("true", "false", "none"),
}
POLARITY = {
    "pairs": "the chosen response is better",
    "ratings": "a higher score is better, a lower rank is better",
    "unpaired": "the values say whether the response was good",
}


def _value_keys(values: object) -> object:
    """Values as they are compared: 1, 1.0 and " 1" are the same."""
    if not isinstance(values, dict):
        return values
    words = [value_key(key) for key in values]
    if twice := next((word for word in words if words.count(word) > 1), ""):
        raise ValueError(twice)
    return {value_key(key): value_key(value) for key, value in values.items()}


class SpecFile(BaseModel):
    """What a YAML file may say of a source; see `prefdata.formats.spec.spec.FormatSpec`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: SpecKind
    """What a row is: ``pairs``, ``comparisons``, ``ratings`` or ``unpaired``."""
    fields: dict[str, Location] = Field(min_length=1)
    """Field to the path where it stands, such as ``info.post`` or ``answers[].text``."""
    values: Annotated[dict[str, str], BeforeValidator(_value_keys)] = {}
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
    """One line: what a row is."""
    polarity: str = ""
    """Which value means better, in words."""
    ties: str = ""
    """What a tie looks like."""
    absent: str = ""
    """What a row without a verdict looks like."""
    sets: tuple[str, ...] = ()
    """The data sets that are written so, by their names on the hub."""
    by_name: bool = False
    """Whether a source is recognised only if the name of one of ``sets`` stands in its own name."""
    licence: str = ""
    """Where the licence is stated."""
    notes: str = ""
    """Traps, and what was left out."""
    example: Json[dict[str, object]] = {}
    """A row as JSON, as it stands in a file; a reader can see which response is better."""


NOT_A_FORMAT = "--format takes a name of 'pref formats', or a YAML file that describes one."


def load_format(path: str | Path) -> Format:
    """Read a format from a user's YAML file.

    Raises:
        UsageError: there is no such file, it is not YAML, or what it says does not fit together.
        UnknownNameError: it has a key or field that is not known.

    Example:
        >>> load_format("examples/formats/pandalm.yaml").kind
        'comparisons'
    """
    return format_of(load_spec(Path(path)))


def load_spec(path: Path) -> FormatSpec:
    """Read the description of a format from a YAML file; its name is that of the file.

    Raises:
        UsageError: there is no such file, it is not YAML, or what it says does not fit together.
        UnknownNameError: it has a key or field that is not known.
    """
    content = read_yaml(path, words=True, hint=NOT_A_FORMAT)  # so yes is a word, 1:30 no number
    try:
        file = SpecFile.model_validate(content)
    except ValidationError as error:
        raise _error(error, path) from error
    _check_meanings(file, path)
    polarity = file.polarity or POLARITY.get(file.kind) or comparisons.polarity(file.values)
    template = {n: _template_path(n, file.fields[n], path) for n in TEMPLATE if n in file.fields}
    fields = {name: each for name, each in file.fields.items() if name not in TEMPLATE}
    spec = FormatSpec(
        name=path.stem,
        file=str(path),
        **{**dict(file), "polarity": polarity, "fields": fields, "template": template},
    )
    check_spec(spec)
    return spec


def _template_path(name: str, location: Location, path: Path) -> str:
    """The one path of tools, or of template arguments."""
    try:
        if isinstance(location, str) and not parse_path(location).each:
            return location
    except ValueError as error:
        raise UsageError(f"{path}: {error}", hint="A path begins with a column.") from error
    raise UsageError(f"{path}: fields: {name} has one path, without []", hint="Name one place.")


def _check_meanings(file: SpecFile, path: Path) -> None:
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
    "sets": "a list of data sets",
    "by_name": "true or false",
    "example": "a row as JSON, after '>-'",
}
"""What each key of the file holds."""


def _error(error: ValidationError, path: Path) -> InputError | UnknownNameError:
    """The first validation error in words; an unknown key goes before all else."""
    errors = error.errors()
    unknown = [each for each in errors if each["type"] == "extra_forbidden"]
    first = (unknown or errors)[0]
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
