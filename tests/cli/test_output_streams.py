"""What goes to stdout, and what does not."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from prefdata.cli.output import console, results_alone, show_json, show_result


def test_what_libraries_print_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    """Printed or logged, at whichever time: it goes to stderr, and stdout stays one JSON text."""
    logger = logging.getLogger("a library")
    logger.propagate = False
    with results_alone():
        sys.stdout.write("set up\n")
        logger.addHandler(logging.StreamHandler(sys.stdout))
        show_json({"loss": 0.5})
        logger.warning("slow")
    logger.warning("bye")
    logger.handlers.clear()
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"loss": 0.5}
    assert shown.err.split() == ["set", "up", "slow", "bye"]


def test_a_result_outside_goes_to_stdout_too(capsys: pytest.CaptureFixture[str]) -> None:
    """As where a command imports nothing that prints."""
    show_result("one: 1\n")
    with results_alone(), results_alone():
        show_result("two: 2\n")
    assert capsys.readouterr().out == "one: 1\ntwo: 2\n"


def test_a_table_that_is_a_result_goes_to_stdout_too(capsys: pytest.CaptureFixture[str]) -> None:
    """As a plan of judging; progress goes to stderr."""
    with results_alone():
        console(stderr=False).print("the plan")
        console().print("reading")
    shown = capsys.readouterr()
    assert (shown.out.strip(), shown.err.strip()) == ("the plan", "reading")
