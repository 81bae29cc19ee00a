"""The steps of a round of training: each in this process, or in several of its own.

In several processes a step has a process group to itself, started by torchrun: one that fails ends
as a whole, and the rounds go on from there. Started by
``python -m prefdata.training.rounds.steps``, it reads what is asked from one file, and each of its
processes writes what came of it to another.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefdata import errors
from prefdata.errors import InputError, Interrupted, PrefdataError
from prefdata.report.progress import Display, Say
from prefdata.stats.intervals import Estimate
from prefdata.training.config.recipe import Recipe
from prefdata.training.data.prompts import Prompting
from prefdata.training.evaluation.candidates import answer_prompts, write_candidates
from prefdata.training.evaluation.evalreport import report_on, write_evaluation
from prefdata.training.evaluation.evaluate import evaluate
from prefdata.training.model import distributed
from prefdata.training.run.run import train

Asked = Mapping[str, Any]


@dataclass(frozen=True)
class Steps:
    """Does the steps of a round.

    Args:
        processes: how many each step takes.
        display: what the numbers of a training run are shown on, where there is one process.
        say: gets a line of progress at a time; None to say nothing.

    Example:
        >>> Steps().processes
        1
    """

    processes: int = 1
    display: Display | None = None
    say: Say | None = None

    def train(self, recipe: Recipe, *, resume: bool) -> None:
        """Train as a recipe says.

        Raises:
            TrainingError: the run diverged.
            InputError: its processes ended without a word.
            PrefdataError: as `prefdata.training.train` does.
            Interrupted: the user stopped it, and it can be resumed.
        """
        self._do("train", {"recipe": recipe.model_dump(mode="json"), "resume": resume})

    def evaluate(
        self,
        model: str,
        data: Sequence[str],
        reference: str | None,
        *,
        prompting: Prompting | None,
        output: Path | None,
    ) -> dict[str, Estimate]:
        """Measure a model, and write rows and answers where an output is named.

        Args:
            model: its folder.
            data: data set directories.
            reference: what it is compared with; by default what it started from.
            prompting: the prompts that it and its reference answer; None for none.
            output: the folder that gets rows and answers.

        Raises:
            PrefdataError: as `prefdata.training.evaluate` does.
        """
        asked: dict[str, Any] = {"model": model, "data": list(data), "reference": reference}
        asked |= {"prompting": _as_json(prompting), "output": output and str(output)}
        found = self._do("evaluate", asked)
        return {name: Estimate.from_dict(one) for name, one in found.items()}

    def answer(self, model: str, prompting: Prompting, candidates: Path) -> None:
        """Have a model answer prompts, and write its answers as candidates to be judged.

        Args:
            model: its folder, or a name on the hub.
            prompting: what is asked, and how.
            candidates: the file that gets the answers; it appears whole, or not at all.

        Raises:
            PrefdataError: as `prefdata.training.evaluation.candidates.answer_prompts` does.
        """
        asked = {"model": model, "prompting": _as_json(prompting), "output": str(candidates)}
        self._do("answer", asked)

    def _do(self, step: str, asked: Asked) -> Any:  # noqa: ANN401  # as JSON has it
        if self.processes == 1:
            return STEPS[step](asked, self.display, self.say or _nothing)
        with TemporaryDirectory(prefix="prefdata-") as folder:
            return self._launched({**asked, "step": step, "quiet": self.say is None}, Path(folder))

    def _launched(self, asked: Asked, folder: Path) -> Any:  # noqa: ANN401  # as JSON has it
        """The step in processes of its own: what it found, or what it raised, raised here."""
        request = folder / "asked.json"
        request.write_text(json.dumps(asked), encoding="utf-8")
        code = distributed.launch(
            self.processes, [str(request)], module="prefdata.training.rounds.steps"
        )
        told = [json.loads(p.read_text("utf-8")) for p in sorted(folder.glob("told-*.json"))]
        if code == 0:
            return told[0]["found"]
        if code == INTERRUPTED:
            raise Interrupted(next((one["message"] for one in told if "message" in one), ""))
        for one in told:
            if "error" in one:
                raise _raised(one)
        raise InputError(  # no word of theirs on the run itself: it may be tried again
            f"{asked['step']} in {self.processes} processes ended with exit code {code}",
            hint="What they wrote above may say why; 137 is a kill, as where memory runs out.",
        )


INTERRUPTED = 130


def _raised(told: Mapping[str, str]) -> PrefdataError:
    """What a process of the step raised: of the same type, in the same words."""
    kind: type[PrefdataError] = getattr(errors, told["error"])
    error = kind.__new__(kind)  # some types word their message themselves
    PrefdataError.__init__(error, told["message"], hint=told["hint"])
    return error


def _nothing(_line: str) -> None:
    """Say nothing."""


def _as_json(prompting: Prompting | None) -> dict[str, Any] | None:
    if prompting is None:
        return None
    source = None if prompting.source is None else str(prompting.source)
    return {**asdict(prompting), "source": source}


def _prompting(asked: Mapping[str, Any]) -> Prompting:
    return Prompting(**{**asked, "source": asked["source"] and Path(asked["source"])})


def _train(asked: Asked, display: Display | None, say: Say) -> None:
    recipe = Recipe.model_validate(asked["recipe"])
    train(recipe, resume=asked["resume"], display=display, say=say)


def _evaluate(asked: Asked, _display: Display | None, say: Say) -> dict[str, Any]:
    found = evaluate(
        asked["model"],
        data=[Path(path) for path in asked["data"]],
        reference=asked["reference"],
        prompting=asked["prompting"] and _prompting(asked["prompting"]),
        say=say,
    )
    if asked["output"] and distributed.is_main():
        write_evaluation(found, report_on(found)[0], Path(asked["output"]))
    return {name: estimate.to_dict() for name, estimate in found.estimates.items()}


def _answer(asked: Asked, _display: Display | None, say: Say) -> None:
    made = answer_prompts(asked["model"], _prompting(asked["prompting"]), say=say)
    if distributed.is_main():
        output = Path(asked["output"])
        new = output.with_suffix(".new")
        write_candidates(made, new)
        new.replace(output)


STEPS: Mapping[str, Callable[[Asked, Display | None, Say], Any]] = {
    "train": _train,
    "evaluate": _evaluate,
    "answer": _answer,
}


def main(request: Path) -> int:
    """Do one step as one of several processes, and write down what came of it.

    Args:
        request: the file that says what is asked.

    Returns:
        The exit code.

    Example:
        >>> main(Path("asked.json"))  # doctest: +SKIP
        0
    """
    asked = json.loads(request.read_text(encoding="utf-8"))
    code, told = 0, {}
    try:
        say = _nothing if asked["quiet"] or not distributed.is_main() else _to_stderr
        told = {"found": STEPS[asked["step"]](asked, None, say)}
    except PrefdataError as error:
        code = error.exit_code
        if distributed.first_to_fail():
            told = {"error": type(error).__name__, "message": str(error), "hint": error.hint}
    except RuntimeError:
        if not distributed.another_failed():
            raise
        code = 1
    except KeyboardInterrupt as stopped:
        code, told = INTERRUPTED, {"message": str(stopped)}
    reply = request.with_name(f"told-{distributed.rank():04}.json")
    reply.with_suffix(".new").write_text(json.dumps(told), encoding="utf-8")
    reply.with_suffix(".new").replace(reply)
    return code


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
