"""Prompt files: sections of text whose placeholders are filled in one pass.

A file is cut into sections by lines such as ``=== user ===``. What a file does not have comes from
the built-in one. Text before the first such line is the ``user`` section, unless it is a header:
lines ``first: …``, ``second: …`` and, if wanted, ``tie: …`` between two lines of ``---`` name the
words that the judge answers with. Such a prompt is asked as it stands, and the verdict is the one
word of the menu on the last line of the reply.

Placeholders are filled by one search over the file's own text, so whatever is put in is never
looked at again: braces in answers are only braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from prefdata.errors import UsageError
from prefdata.judging.outcomes import MENU

SECTION = re.compile(r"^=== ([a-z]+) ===[ \t]*\n", re.MULTILINE)
HEADER = re.compile(r"\A---[ \t]*\n(?P<header>.*?\n)---[ \t]*\n", re.DOTALL)
PLACEHOLDER = re.compile(r"\{([a-z_0-9]+)\}")
REQUIRED = ("prompt", "answer_1", "answer_2")
PLACEHOLDERS = (
    *REQUIRED,
    "criteria",
    "fence",
    "reference",
    "reference_part",
    "reasoning_place",
    "shape",
    "task",
)
SECTIONS = ("system", "user", "reference", "reasoning", "schema", "json", "line", "choice")


@dataclass(frozen=True)
class PromptTemplate:
    """What a judge is asked with.

    Attributes:
        sections: name to text with placeholders.
        menu: the words for ``first``, ``second`` and ``tie``, where the file declares them.
        name: where it was read from.
    """

    sections: Mapping[str, str]
    menu: Mapping[str, str]
    name: str

    def fill(self, section: str, values: Mapping[str, str]) -> str:
        """Fill a section's placeholders.

        Example:
            >>> prompt = parse_template("{prompt} {answer_1} {answer_2} {task}", "mine.txt")
            >>> texts = {"prompt": "{answer_1}", "answer_1": "x", "answer_2": "y", "task": "?"}
            >>> prompt.fill("user", texts)
            '{answer_1} x y ?'
        """
        return PLACEHOLDER.sub(lambda match: values[match[1]], self.sections[section])


def builtin_template() -> PromptTemplate:
    """The prompt that is used unless another is named."""
    text = (
        files("prefdata.judging.prompting.prompts")
        .joinpath("pairwise.txt")
        .read_text(encoding="utf-8")
    )
    sections, _ = _split_sections(text)
    return PromptTemplate(sections, {}, "pairwise")


def load_template(path: Path) -> PromptTemplate:
    """Read a prompt file.

    Raises:
        UsageError: it cannot be read, or does not ask about two answers to a prompt.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the prompt file {path} cannot be read: {error}", hint="Name a UTF-8 text file."
        ) from error
    return parse_template(text, str(path))


def parse_template(text: str, name: str) -> PromptTemplate:
    """Read the text of a prompt file.

    Raises:
        UsageError: a section, a placeholder or a word of the menu is not known, or one is missing.
    """
    header = HEADER.match(text)
    menu = _menu(header["header"], name) if header else {}
    own, plain = _split_sections(text[header.end() :] if header else text)
    if "user" not in own and plain.strip():
        own["user"] = plain.strip()
    _check_known("section", own, SECTIONS, name)
    if "user" not in own:
        raise UsageError(f"{name} has no user section", hint="Write the question to the judge.")
    sections = {**({} if menu else builtin_template().sections), **own}
    for section in sections.values():
        _check_known("placeholder", PLACEHOLDER.findall(section), PLACEHOLDERS, name)
    used = PLACEHOLDER.findall(sections.get("system", "") + sections["user"])
    missing = [each for each in (*REQUIRED, *(() if menu else ("task",))) if each not in used]
    if missing:
        raise UsageError(
            f"{name} does not hold {', '.join('{' + each + '}' for each in missing)}",
            hint="The judge must see the prompt and both answers; {task} says how to reply.",
        )
    return PromptTemplate(sections, menu, name)


def _split_sections(text: str) -> tuple[dict[str, str], str]:
    parts = SECTION.split(text)
    bodies = [part.removesuffix("\n") for part in parts[2::2]]
    return dict(zip(parts[1::2], bodies, strict=True)), parts[0]


def _menu(header: str, name: str) -> dict[str, str]:
    lines = [line.partition(":") for line in header.splitlines() if line.strip()]
    menu = {slot.strip(): word.strip() for slot, _, word in lines}
    _check_known("word", menu, tuple(MENU), name)
    words = [value for value in menu.values() if value]
    if not menu.get("first") or not menu.get("second") or len(set(words)) != len(menu):
        raise UsageError(
            f"the header of {name} does not name two different words",
            hint="Write first: … and second: … (and tie: …) between two lines of ---.",
        )
    return menu


def _check_known(kind: str, names: Iterable[str], allowed: tuple[str, ...], name: str) -> None:
    for each in names:
        if each not in allowed:
            raise UsageError(
                f"{name} has the unknown {kind} {each!r}", hint=f"Known: {', '.join(allowed)}."
            )
