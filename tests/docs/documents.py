"""The documents whose content is generated: what each holds, made anew from the program.

In README.md, every `console` block holds commands and what they print, one folder for all of them;
every `python` block is a doctest; the table of formats comes from the registry. docs/commands.md
holds the help of every command.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from prefdata.cli import CONTEXT, pref
from prefdata.formats import FORMATS
from prefdata.formats.catalogue import describe
from prefdata.formats.registry import GENERIC

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
COMMANDS = ROOT / "docs" / "commands.md"
CATALOGUE = ROOT / "docs" / "formats.md"
CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"(?<=^```python\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"(?<=<!-- formats -->\n).*?(?=<!-- end of formats -->)", re.DOTALL)
INTRODUCTION = (
    "Everything that is recognised without a flag. This page is what `pref formats NAME` prints: "
    "`python -m tests.docs` writes it anew. A source that is not here is read by a generic format, "
    "or described in YAML: see `examples/formats/`."
)
TRAINING = ("$ pref train", "$ pref eval", "&& pref train")


def readme(text: str, folder: Path, *, training: bool = True) -> str:
    """README.md with its generated parts made anew.

    Args:
        text: the README as it stands.
        folder: an empty folder, in which the commands run.
        training: also run what needs the extra ``train``; its output stays as it is otherwise.
    """
    prepare(folder)
    text = TABLE.sub(lambda _: formats(), text)
    return CONSOLE.sub(lambda block: replayed(block[0], folder, training=training), text)


def prepare(folder: Path) -> None:
    """Give a folder the examples and the recipes, and the commands of this checkout."""
    for name in ("examples", "train"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".bin").mkdir()
    for name, arguments in (("pref", "-m prefdata "), ("python", "")):
        script = folder / ".bin" / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n', encoding="utf-8")
        script.chmod(0o755)


def replayed(block: str, folder: Path, *, training: bool) -> str:
    """A console block with each command's output as it is now."""
    parts = re.split(r"^(?=\$ )", block, flags=re.MULTILINE)
    return "".join(
        run(part, folder) if training or not any(word in part for word in TRAINING) else part
        for part in parts
        if part
    )


def run(part: str, folder: Path) -> str:
    """One command, which may go on after a backslash, and what it prints to either stream."""
    lines = part.split("\n")
    end = next(at for at, line in enumerate(lines) if not line.endswith("\\")) + 1
    command = "\n".join(lines[:end])
    result = subprocess.run(
        ["/bin/bash", "-c", command.removeprefix("$ ")],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    shown = "\n".join(line.rstrip() for line in result.stdout.rstrip("\n").split("\n"))
    space = "\n" if part.endswith("\n\n") else ""
    return f"{command}\n{shown}\n{space}" if shown else f"{command}\n{space}"


def environment(folder: Path) -> dict[str, str]:
    """The same on every machine: plain text, 100 columns, no terminal, no network."""
    return {
        **os.environ,
        "PATH": f"{folder / '.bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "NO_COLOR": "1",
        "COLUMNS": "100",
        "HF_HOME": str(folder / ".cache"),
        "HF_HUB_OFFLINE": "1",
        "PREFDATA_CACHE": str(folder / ".cache"),
        "OMP_NUM_THREADS": "1",
    }


def formats() -> str:
    """The generic formats as a table."""
    rows = [f"| `{each.name}` | {each.summary} | {each.polarity} |" for each in GENERIC]
    return "\n".join(["| format | a row is | better is |", "|---|---|---|", *rows]) + "\n"


def catalogue() -> str:
    """Every format: a table of the known data sets, then what `pref formats NAME` says of each."""
    rows = [
        f"| {', '.join(each.facts.sets) or 'no one set'} | [`{each.name}`](#{each.name}) "
        f"| {'refused' if each.facts.refusal else each.kind} |"
        for each in FORMATS.values()
        if each not in GENERIC
    ]
    table = "\n".join(["| data set | format | gives |", "|---|---|---|", *rows])
    details = (f"## {each.name}\n\n```text\n{describe(each)}\n```" for each in FORMATS.values())
    return "\n\n".join(["# Formats", INTRODUCTION, table, *details]) + "\n"


def normal(text: str) -> str:
    """Text without what differs between two runs or two machines: times, and trained figures."""
    text = re.sub(r"^(step \d+/|reading: |pairing: ).*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\b\d+(\.\d+)? s\b", "N s", text)
    text = re.sub(r"\b\d+\.\d{3}\b", "#", text)
    return re.sub(r"[ ━─]{2,}", " ", text)


def commands() -> str:
    """The help of every command."""
    top = click.Context(pref, info_name="pref", terminal_width=88, **CONTEXT)  # type: ignore[arg-type]
    parts = [
        "# Commands\n\nThis page is what `--help` prints: `python -m tests.docs` writes it anew.",
        f"## pref\n\n```text\n{pref.get_help(top)}\n```",
    ]
    for name, command in each_command():
        context = click.Context(command, info_name=name, parent=top, terminal_width=88)
        parts.append(f"## pref {name}\n\n```text\n{command.get_help(context)}\n```")
    return "\n\n".join(parts) + "\n"


def each_command() -> Iterator[tuple[str, click.Command]]:
    """Every command by its name, in the order of `pref --help`."""
    yield from sorted(pref.commands.items())
