"""A format of the catalogue printed as YAML, and read through that YAML again."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.errors import UsageError
from prefdata.formats import FORMATS, Format
from prefdata.formats.spec.as_format import SpecFormat
from prefdata.formats.spec.dump import to_yaml
from prefdata.formats.spec.load import load_format
from tests.formats.test_catalogue import copy_of
from tests.roundtrip import converted

SPEC_FORMATS = [each for each in FORMATS.values() if isinstance(each, SpecFormat)]
PLAIN = [each for each in SPEC_FORMATS if not each.spec.is_prepared]
IN_CODE = [each for each in SPEC_FORMATS if each.spec.is_prepared]
OTHERS = [each for each in FORMATS.values() if not isinstance(each, SpecFormat)]


def by_name(format: Format) -> str:
    return format.name


@pytest.mark.parametrize("format", PLAIN, ids=by_name)
def test_the_printed_yaml_reads_what_the_built_in_reads(format: Format, tmp_path: Path) -> None:
    """The same rows with the same scores, models and ids, and the same rejects."""
    (tmp_path / f"{format.name}.yaml").write_text(to_yaml(format), encoding="utf-8")
    source = copy_of(format, tmp_path)
    built_in = converted(source, tmp_path / "built-in")
    described = converted(source, tmp_path / "out", format=str(tmp_path / f"{format.name}.yaml"))
    assert described.rows == built_in.rows
    assert described.rejects == built_in.rejects
    assert described.ledger == built_in.ledger
    assert described.manifest["sources"][0]["polarity"] == format.polarity


@pytest.mark.parametrize("format", PLAIN, ids=by_name)
def test_the_printed_yaml_printed_again_is_the_same(format: Format, tmp_path: Path) -> None:
    """Nothing that YAML can say is left out, and nothing is added."""
    path = tmp_path / f"{format.name}.yaml"
    path.write_text(to_yaml(format), encoding="utf-8")
    assert to_yaml(load_format(path)) == path.read_text("utf-8")


@pytest.mark.parametrize("format", IN_CODE, ids=by_name)
def test_a_format_with_a_step_in_code_says_what_no_yaml_can_say(format: SpecFormat) -> None:
    """In the words of that step."""
    step = format.spec.prepare or format.spec.prepare_all
    assert step
    assert step.__doc__
    with pytest.raises(UsageError) as error:
        to_yaml(format)
    message = str(error.value)
    assert message.startswith(f"{format.name} is read with a step in code, which no YAML can say: ")
    assert message.endswith(step.__doc__.splitlines()[0])


@pytest.mark.parametrize("format", OTHERS, ids=by_name)
def test_other_formats_say_why_they_have_no_yaml(format: Format) -> None:
    """They go by names of columns, or are refused for a reason."""
    with pytest.raises(UsageError, match=format.name) as error:
        to_yaml(format)
    assert error.value.hint == format.facts.refusal or "--map" in error.value.hint


def test_most_formats_of_the_catalogue_are_in_one_list_or_the_other() -> None:
    """A list that is empty would test nothing."""
    assert len(PLAIN) >= 20
    assert len(IN_CODE) >= 20
    assert len(OTHERS) >= 10
