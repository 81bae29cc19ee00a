"""The card of a data set: what `datasets` needs to load it, and what a person needs to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import yaml

from prefdata.records.plain_text import labelled_parts

MOST_OVERLAPS = 20
"""Pairs of files in the table of what files have in common."""

LONGEST = 600


def card(manifest: Mapping[str, object]) -> str:
    """Write the card from a manifest.

    Args:
        manifest: what ``manifest.json`` holds.

    Returns:
        Markdown with a YAML header that `datasets.load_dataset` understands.
    """
    splits = cast("Mapping[str, Mapping[str, int]]", manifest["splits"])
    files = [{"split": name, "path": f"data/{name}-*.parquet"} for name in splits]
    header = {
        "configs": [{"config_name": "default", "data_files": files}],
        "tags": ["preference", "dpo" if manifest["kind"] == "pairs" else "kto", "prefdata"],
        "size_categories": [_size(sum(each["rows"] for each in splits.values()))],
    }
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=False)}---",
        f"# Preference data made by prefdata {manifest['program_version']}",
        _splits(manifest, splits),
        *_dimensions(manifest),
        _account(manifest),
        _sources(manifest),
        *_notes(manifest),
        *_columns(manifest),
        _options(manifest),
        _example(cast("Mapping[str, object]", manifest["example"])),
        "## Licence\n\nThe licence is that of the sources: look there before you publish.",
    ]
    return "\n\n".join(parts) + "\n"


def _size(rows: int) -> str:
    steps = (
        (10**3, "n<1K"),
        (10**4, "1K<n<10K"),
        (10**5, "10K<n<100K"),
        (10**6, "100K<n<1M"),
        (10**7, "1M<n<10M"),
    )
    return next((name for limit, name in steps if rows < limit), "10M<n<100M")


def _splits(manifest: Mapping[str, object], splits: Mapping[str, Mapping[str, int]]) -> str:
    what = (
        "prompt, chosen, rejected" if manifest["kind"] == "pairs" else "prompt, completion, label"
    )
    lines = [
        f"| {name} | {each['rows']:,} | {each['prompts']:,} |" for name, each in splits.items()
    ]
    table = "\n".join(["| split | rows | prompts |", "|---|---|---|", *lines])
    return (
        f"Each row holds {what} as lists of messages; the answers hold only the answer. "
        f"{_stays(manifest)}\n\n{table}"
    )


def _stays(manifest: Mapping[str, object]) -> str:
    why = str(manifest.get("split_why", ""))
    return " ".join([_apart(manifest), *([f"{why[0].upper()}{why[1:]}."] if why else [])])


def _apart(manifest: Mapping[str, object]) -> str:
    if manifest.get("split_by", "prompt") == "prompt":
        return "No prompt stands in more than one split."
    return (
        "No conversation stands in more than one split: prompts that begin with the same user turn "
        "are together."
    )


def _dimensions(manifest: Mapping[str, object]) -> list[str]:
    """How the chosen response stands on each dimension, where there are any."""
    dimensions = cast("Mapping[str, Mapping[str, int]]", manifest.get("dimensions", {}))
    if not dimensions:
        return []
    lines = [
        f"| {name} | {each['higher']:,} | {each['equal']:,} | {each['lower']:,} |"
        for name, each in dimensions.items()
    ]
    return [
        "## Dimensions\n\nPairs in which the chosen answer has the higher, the same and the lower "
        "score; pairs without both scores are not counted.\n\n"
        + "\n".join(["| dimension | higher | equal | lower |", "|---|---|---|---|", *lines])
    ]


def _account(manifest: Mapping[str, object]) -> str:
    outcomes = cast("Mapping[str, Mapping[str, int]]", manifest["outcomes"])
    lines = [
        f"| {outcome} | {reason if reason != outcome else ''} | {count:,} |"
        for outcome, by_reason in outcomes.items()
        for reason, count in by_reason.items()
    ]
    table = "\n".join(["| outcome | reason | rows |", "|---|---|---|", *lines])
    return (
        f"## Every row\n\n{manifest['rows_read']:,} rows read = {manifest['rows_used']:,} used + "
        f"{manifest['rows_rejected']:,} rejected. `rows/` says of each what became of it, "
        f"`rejects/` holds the rejected ones with their remedy.\n\n{table}"
    )


def _sources(manifest: Mapping[str, object]) -> str:
    sources = cast("list[Mapping[str, object]]", manifest["sources"])
    gave = all(each["gave"] is not None for each in sources)
    head = ["file", "read as", "rows", *(["gave"] if gave else []), "sha256"]
    rows = [
        [
            *(str(each["name"]), str(each["format"]), f"{each['rows']:,}"),
            *([f"{each['gave']:,}"] if gave else []),
            f"`{str(each['sha256'])[:16]}`",
        ]
        for each in sources
    ]
    table = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(["## Sources\n", *table, *_overlap(manifest)])


def _notes(manifest: Mapping[str, object]) -> list[str]:
    """What is worth knowing of the rows of each source, where there is anything."""
    lines = [
        f"- {source['name']}: {note['column'] or 'rows'}: {note['text']} ({note['rows']:,} rows)"
        for source in cast("list[Mapping[str, object]]", manifest["sources"])
        for note in cast("list[Mapping[str, object]]", source.get("notes", []))
    ]
    return ["\n".join(["## Notes\n", *lines])] if lines else []


MOST_COLUMNS = 200
"""Columns in the table of what became of each."""


def _columns(manifest: Mapping[str, object]) -> list[str]:
    """What became of each column, and of each key of a message."""
    lines = [
        f"| {_cell(source['name'])} | {_cell(use['name'])} | {use['status']} | "
        f"{_cell(use['field'])} | {_cell(use['example'])} |"
        for source in cast("list[Mapping[str, object]]", manifest["sources"])
        for use in cast("list[Mapping[str, object]]", source.get("column_uses", []))
    ]
    if not lines:
        return []
    more = [f"\nand {len(lines) - MOST_COLUMNS:,} more, in manifest.json"]
    head = ["| file | column | became | as | such as |", "|---|---|---|---|---|"]
    return [
        "\n".join(
            [
                "## Every column\n",
                *head,
                *lines[:MOST_COLUMNS],
                *(more if len(lines) > MOST_COLUMNS else []),
            ]
        )
    ]


def _cell(value: object) -> str:
    """A text of a source as code in a table, where no mark of it means anything."""
    text = " ".join(str(value).split()).replace("`", "'").replace("|", "\\|")
    return f"`{text}`" if text else ""


def _overlap(manifest: Mapping[str, object]) -> list[str]:
    """What sources have in common, where they have anything."""
    if manifest.get("overlap", []) is None:
        return ["\nWhat they have in common was not looked for: there are too many of them."]
    overlaps = cast("list[Mapping[str, object]]", manifest.get("overlap", []))
    if not overlaps:
        return []
    overlaps = sorted(overlaps, key=lambda each: -cast("int", each["prompts"]))
    lines = []
    for each in overlaps[:MOST_OVERLAPS]:
        one, other = cast("tuple[str, str]", each["sources"])
        lines.append(
            f"| {one} | {other} | {each['prompts']:,} | {each['pairs']:,} | "
            f"{each['contradictions']:,} |"
        )
    more = len(overlaps) - len(lines)
    what = (
        "In common before caps and shares: prompts that both have, rows that each of them gives, "
        "and rows that contradict each other."
    )
    return [
        f"\n{what}\n",
        "| file | and | prompts | the same | contradictions |",
        "|---|---|---|---|---|",
        *lines,
        *([f"\nand {more:,} more, in manifest.json"] if more else []),
    ]


def _options(manifest: Mapping[str, object]) -> str:
    options = cast("Mapping[str, object]", manifest["options"])
    empty: tuple[object, ...] = ("", {}, (), [], None)
    lines = [f"- {name}: {value}" for name, value in options.items() if value not in empty]
    return "\n".join(["## Options\n", *lines])


def _example(example: Mapping[str, object]) -> str:
    names = [n for n in ("prompt", "chosen", "rejected", "completion", "label") if n in example]
    return "\n\n".join(["## One row", *(f"**{n}**\n\n{_quoted(example[n])}" for n in names)])


def _quoted(value: object) -> str:
    if not isinstance(value, list):
        return f"> {value}"
    parts = [part for turn in value for part in labelled_parts(turn)]
    text = "\n".join(f"{label}: {text}" for label, text in parts)
    text = text if len(text) <= LONGEST else text[:LONGEST] + " …"
    return "\n".join(f"> {line}" for line in text.split("\n"))
