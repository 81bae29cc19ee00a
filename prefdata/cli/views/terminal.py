"""What the reports of several commands have in common on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prefdata.records.plain_text import is_plain, labelled_parts

LONGEST = 280


def count_of(count: int, thing: str) -> str:
    """A number of things, in words.

    Example:
        >>> count_of(1, "pair"), count_of(2000, "unpaired preference")
        ('1 pair', '2,000 unpaired preferences')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def show_dimensions(dimensions: Mapping[str, Mapping[str, int]], console: Console) -> None:
    """Print on which dimensions some chosen responses have the lower score."""
    for name, counts in dimensions.items():
        if counts["lower"]:
            some = f"{counts['lower']:,} of {count_of(sum(counts.values()), 'pair')}"
            console.print(Text(f"chosen scores lower on {name} in {some}", style="yellow"))


def account_table(outcomes: Mapping[str, Mapping[str, int]], rows: int) -> Table:
    """The account of every row: how many, what became of them, and why."""
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("rows", justify="right", footer=f"{rows:,}")
    table.add_column("became", footer="read")
    table.add_column("because")
    for outcome in ("kept", "merged", "left over", "rejected"):
        for reason, count in outcomes.get(outcome, {}).items():
            style = "red" if outcome == "rejected" else ""
            table.add_row(f"{count:,}", outcome, reason if reason != outcome else "", style=style)
    return table


def example_view(example: Mapping[str, object]) -> Group:
    """A row of the data set in words, with its scores."""
    if not example:
        return Group(Text("No pair can be made of these rows.", style="yellow"))
    lines: list[RenderableType] = [Text("To this prompt", style="bold")]
    lines.append(_messages(example["prompt"]))
    if "completion" in example:
        good = "was good" if example["label"] else "was not good"
        return Group(
            *lines, Text("this response " + good, style="bold"), _messages(example["completion"])
        )
    lines += [_side("this response is better", example, "chosen"), _messages(example["chosen"])]
    lines += [_side("than this one", example, "rejected"), _messages(example["rejected"])]
    return Group(*lines)


def _side(title: str, example: Mapping[str, object], side: str) -> Text:
    notes = (
        [f"score {example[f'score_{side}']:g}"] if example.get(f"score_{side}") is not None else []
    )
    notes += [str(example[f"model_{side}"])] if example.get(f"model_{side}") else []
    return Text.assemble((title, "bold"), f" ({', '.join(notes)})" if notes else "")


def _messages(messages: object) -> Padding:
    messages = cast("list[dict[str, str]]", messages)
    parts = [part for turn in messages for part in labelled_parts(turn)]
    single = len(messages) == 1 and is_plain(messages[0])
    text = "\n".join(text if single else f"{label}: {text}" for label, text in parts).strip()
    if len(text) > LONGEST:
        text = text[:LONGEST].rstrip() + " …"
    return Padding(Text(text), (0, 2))
