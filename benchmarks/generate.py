"""Seeded data for the benchmarks: the same arguments give the same bytes.

    python benchmarks/generate.py pairs /tmp/pairs.jsonl --rows 1000000
    python benchmarks/generate.py ratings /tmp/ratings.csv --rows 4000000

A million pairs are about 1.5 GB of JSONL, four million ratings about 1.7 GB of CSV. Words follow
Zipf's law, texts have line breaks, quotes and letters beyond ASCII, some rows are duplicates or
contradict another one, and the ratings of one prompt do not always stand together.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

CHUNK = 10_000
"""Prompts made at once."""

SYLLABLES = (
    "ka",
    "lo",
    "mi",
    "ne",
    "ra",
    "tu",
    "shi",
    "bor",
    "dan",
    "el",
    "fin",
    "gra",
    "rü",
    "sé",
)
ENDINGS = (". ", ". ", ". ", "? ", ".\n", ".\n\n", ', "quoted" too. ')
MODELS = ("alpha-7b", "beta-13b", "gamma-70b", "delta-8x7b")
ANNOTATORS = tuple(f"person-{n:02}" for n in range(40))


class Rating(NamedTuple):
    """One row of the ratings."""

    prompt: str
    response: str
    score: int
    model: str
    annotator: str


class Writer:
    """Makes texts out of a pool of random sentences.

    Args:
        seed: what decides all that it makes.
    """

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.sentences = self._sentences(vocabulary=self._words(20_000), count=300_000)

    def _words(self, count: int) -> list[str]:
        """Make words, the most frequent first: those are short."""
        lengths = self.random.integers(1, 5, count)
        picks = self.random.integers(0, len(SYLLABLES), lengths.sum()).tolist()
        syllables = iter(picks)
        words = ["".join(SYLLABLES[next(syllables)] for _ in range(n)) for n in lengths.tolist()]
        return sorted(dict.fromkeys(words), key=len)

    def _sentences(self, *, vocabulary: list[str], count: int) -> list[str]:
        weights = 1 / (np.arange(len(vocabulary)) + 3.7)
        lengths = self.random.integers(4, 20, count)
        indexes = self.random.choice(len(vocabulary), lengths.sum(), p=weights / weights.sum())
        words = iter([vocabulary[index] for index in indexes.tolist()])
        ends = self.random.integers(0, len(ENDINGS), count).tolist()
        return [
            " ".join(next(words) for _ in range(length)).capitalize() + ENDINGS[end]
            for length, end in zip(lengths.tolist(), ends, strict=True)
        ]

    def texts(self, count: int, *, mean: float, least: int = 1) -> list[str]:
        """Make texts whose lengths are spread as those of real answers are.

        Args:
            count: how many.
            mean: their mean length in sentences.
            least: their least length; prompts of two sentences are hardly ever the same by chance.
        """
        lengths = self.random.geometric(1 / (mean - least + 1), count) + least - 1
        indexes = iter(self.random.integers(0, len(self.sentences), lengths.sum()).tolist())
        sentences = self.sentences
        texts = ["".join([sentences[next(indexes)] for _ in range(n)]) for n in lengths.tolist()]
        return [text.strip() for text in texts]


def pairs(rows: int, seed: int) -> Iterator[dict[str, str]]:
    """Make preference pairs: one in a hundred a duplicate, one in two hundred contradicted.

    Args:
        rows: how many.
        seed: what decides them.
    """
    writer = Writer(seed)
    for start in range(0, rows, CHUNK):
        count = min(CHUNK, rows - start)
        prompts = writer.texts(count, mean=3.6, least=2)
        chosen, rejected = writer.texts(count, mean=8), writer.texts(count, mean=7)
        triples = list(zip(prompts, chosen, rejected, strict=True))
        triples[99::100] = triples[92:-7:100]
        triples[149::200] = [(text, worse, better) for text, better, worse in triples[140:-9:200]]
        for number, (prompt, better, worse) in enumerate(triples, start):
            yield {"id": f"row-{number}", "prompt": prompt, "chosen": better, "rejected": worse}


def ratings(rows: int, seed: int) -> Iterator[Rating]:
    """Make four ratings a prompt, one in twenty of them of the same answer by someone else.

    A fifth of the rows stands somewhere near the others of its prompt, one in fifty at the end.

    Args:
        rows: how many.
        seed: what decides them.
    """
    writer = Writer(seed)
    late: list[Rating] = []
    for start in range(0, rows, 4 * CHUNK):
        count = min(4 * CHUNK, rows - start)
        part = _moved(writer, _rated(writer, count))
        apart = writer.random.random(count) < 0.02
        late.extend(row for row, is_late in zip(part, apart, strict=True) if is_late)
        yield from (row for row, is_late in zip(part, apart, strict=True) if not is_late)
    yield from late


def _rated(writer: Writer, count: int) -> list[Rating]:
    prompts = writer.texts(-(-count // 4), mean=2.2, least=2)
    responses = writer.texts(count, mean=3)
    scores = writer.random.integers(1, 6, count).tolist()
    people = writer.random.integers(0, len(ANNOTATORS), count).tolist()
    for row in range(19, count, 20):
        responses[row] = responses[row - 1]
    return [
        Rating(prompts[n // 4], responses[n], scores[n], MODELS[n % 4], ANNOTATORS[people[n]])
        for n in range(count)
    ]


def _moved(writer: Writer, rows: list[Rating]) -> list[Rating]:
    places = np.flatnonzero(writer.random.random(len(rows)) < 0.2)
    for place, other in zip(
        places.tolist(), writer.random.permutation(places).tolist(), strict=True
    ):
        rows[place], rows[other] = rows[other], rows[place]
    return rows


def write_pairs(path: Path, *, rows: int, seed: int = 0) -> None:
    """Write preference pairs as JSONL."""
    with path.open("wb") as file:
        for pair in pairs(rows, seed):
            file.write(orjson.dumps(pair) + b"\n")


def write_ratings(path: Path, *, rows: int, seed: int = 0) -> None:
    """Write long ratings as CSV, with line breaks and quotes inside cells."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(Rating._fields)
        table.writerows(ratings(rows, seed))


WRITERS = {"pairs": write_pairs, "ratings": write_ratings}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write seeded benchmark data.")
    parser.add_argument("kind", choices=WRITERS)
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    WRITERS[options.kind](options.path, rows=options.rows, seed=options.seed)
