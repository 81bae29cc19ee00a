"""A program that has a model answer prompts: ``python -m prefdata.training.rounds.generate``.

It stands in for a command of `pref`, and like one prints its result as JSON.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from prefdata.errors import Interrupted, PrefdataError, error_to_dict
from prefdata.report.progress import silent
from prefdata.training.data.prompts import Prompting
from prefdata.training.evaluation.generate import answer_prompts, write_candidates
from prefdata.training.model import distributed


def main(arguments: Sequence[str]) -> int:
    """Answer prompts, and write the answers to one prompt together, as `pref judge` takes them.

    Args:
        arguments: of the command line.

    Returns:
        The exit code, as `pref` has it.
    """
    options = _parser().parse_args(arguments)
    if options.processes > 1:
        option = arguments.index("--processes")
        rest = [*arguments[:option], *arguments[option + 2 :]]
        return distributed.launch(
            options.processes, rest, module="prefdata.training.rounds.generate"
        )
    try:
        _generate(options)
    except PrefdataError as error:
        if distributed.first_to_fail():
            _show({"error": error_to_dict(error)})
        return error.exit_code
    except KeyboardInterrupt as stopped:
        if distributed.is_main():
            _show({"error": error_to_dict(Interrupted(str(stopped)))})
        return 130
    except RuntimeError:
        if not distributed.another_failed():
            raise
        return 1
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m prefdata.training.rounds.generate")
    parser.add_argument("model", help="a folder, or a name on the hub")
    parser.add_argument("prompts", type=Path, help="a file of prompts, or a data set directory")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the file of candidates")
    parser.add_argument("--answers", type=int, default=1, help="to each prompt")
    parser.add_argument("--max-new-tokens", type=int, default=256, help="of an answer")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the sampling")
    parser.add_argument("--processes", type=int, default=1, help="devices of this machine")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    return parser


def _generate(options: Namespace) -> None:
    prompting = Prompting(
        options.prompts,
        options.answers,
        None,
        options.max_new_tokens,
        options.temperature,
    )
    speaks = distributed.is_main() and not options.quiet
    with redirect_stdout(sys.stderr):  # where libraries print, DeepSpeed for one
        answers = answer_prompts(options.model, prompting, log=_log if speaks else silent)
    if distributed.is_main():
        partial = options.output.with_suffix(".new")
        write_candidates(answers, partial)
        partial.replace(options.output)
        _show({"output": str(options.output), "answers": len(answers)})


def _show(result: object) -> None:
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
