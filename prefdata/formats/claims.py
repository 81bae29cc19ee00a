"""Two columns that say the same thing: which counts is asked where they differ in any row.

Where a source is recognised by the names of its columns alone, another filled column may claim to
say who won, whether an answer is good, or how good it is. All rows are compared.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import inf
from shlex import quote

import polars as pl

from prefdata.formats.base import RAW, Match, ReadOptions
from prefdata.formats.claim_tally import Claim, ClaimTally, How
from prefdata.formats.excerpts import row_excerpt
from prefdata.formats.generic.column_names import ALIASES, plain
from prefdata.formats.generic.unpaired import BAD, GOOD, is_for_kto
from prefdata.formats.generic.winners import winner_meaning
from prefdata.formats.numbers import number, number_of
from prefdata.formats.questions import Question, ValueCount
from prefdata.formats.sample import Sample
from prefdata.formats.value_key import value_key
from prefdata.formats.verdict_words import NONE
from prefdata.formats.winner_values import resolve_winners
from prefdata.records.frames import as_json
from prefdata.records.notes import Note

GROUPS = ("prompt", "system", "history", "annotator", "dimension", "list")
"""Scores are compared with ranks where all of these are the same."""

SIGNED = re.compile(r"(?:\w+_)?(?:strength|margin|preference_score)")
VERDICTS = (*ALIASES["winner"], *ALIASES["label"])
LABELS = (*ALIASES["label"], "human_label", "preference", "preferred")
SIGNS = {"a": 1, "b": -1, "tie": 0}
LABEL_WORDS = {
    **dict.fromkeys((*GOOD, "1"), "true"),
    **dict.fromkeys((*BAD, "0"), "false"),
}


def find_claims(sample: Sample, match: Match, read_options: ReadOptions) -> tuple[Claim, ...]:
    """The columns that claim to say what a column says that is read by its name.

    Args:
        sample: the rows that are looked at.
        match: how the source would be read, by a format of usual column names.
        read_options: the user's options: a field that is mapped is settled.
    """
    claims = [
        *_winner_claims(sample, match),
        *_label_claims(sample, match),
        *_measure_claims(sample, match),
    ]
    return tuple(
        replace(each, settled=each.settled or bool(read_options.columns.get(each.field)))
        for each in claims
    )


def _free(sample: Sample, match: Match, names: Collection[str]) -> list[str]:
    """The columns of these names that are not read and hold something."""
    return [
        name
        for name in sample.names
        if plain(name) in names
        and name not in match.source_columns
        and any(value != "" for value in sample.values(name))
    ]


def _winner_claims(sample: Sample, match: Match) -> list[Claim]:
    if match.format != "comparisons" or len(match.columns.get("winner", ())) != 1:
        return []
    column = match.column("winner")
    signed = [
        name
        for name in sample.names
        if SIGNED.fullmatch(plain(name)) and name not in match.source_columns
    ]
    claims = [
        Claim("winner", column, name, "sign")
        for name in signed
        if any((size := number_of(value)) and size < 0 for value in sample.values(name))
    ]
    for name in _free(sample, match, VERDICTS):
        if name not in signed and _names_sides(sample, name):
            claims.append(Claim("winner", column, name, "winner"))
        elif name not in signed and set(sample.tally(name)) - NONE == {"0", "1"}:
            claims.append(Claim("winner", column, name, "sign"))
    return claims


def _names_sides(sample: Sample, name: str) -> bool:
    """Whether all values of a column are words for one of two sides."""
    words = set(sample.tally(name)) - NONE
    values, question = resolve_winners(words, ("a", "b"), {})
    return bool(words) and not question and words <= set(values)


def _label_claims(sample: Sample, match: Match) -> list[Claim]:
    if match.format != "unpaired":
        return []
    column = match.column("label")
    claims = [
        Claim("label", column, name, "label")
        for name in _free(sample, match, LABELS)
        if (words := set(sample.tally(name)) - NONE) and words <= set(LABEL_WORDS)
    ]
    others = {claim.other for claim in claims}
    settled = is_for_kto(sample, match.columns)
    return claims + [
        Claim("label", column, name, "label and score", settled)
        for name in _free(sample, match, ALIASES["score"])
        if name not in others and _is_numeric(sample, name)
    ]


def _measure_claims(sample: Sample, match: Match) -> list[Claim]:
    field = next((name for name in ("score", "rank") if name in match.columns), "")
    if match.format != "ratings-long" or not field:
        return []
    column = match.column(field)
    claims = []
    for other in ("score", "rank"):
        for name in _free(sample, match, ALIASES[other]):
            if _is_numeric(sample, name):
                same: How = "score" if other == field else "rank"
                claims.append(Claim(field, column, name, same))
    labels = [name for name in _free(sample, match, ALIASES["label"]) if field == "score"]
    return claims + [
        Claim(field, column, name, "label and score")
        for name in labels
        if (words := set(sample.tally(name)) - NONE) and words <= set(LABEL_WORDS)
    ]


def _is_numeric(sample: Sample, name: str) -> bool:
    values = [value for value in sample.values(name) if value_key(value) not in NONE]
    return bool(values) and all(
        not isinstance(value, bool) and number_of(value) is not None for value in values
    )


def tally_claim(frame: pl.DataFrame, claim: Claim, match: Match) -> ClaimTally:
    """Compare two columns in the rows of a frame.

    Args:
        frame: the raw columns, each with the prefix ``raw:``.
        claim: which columns are compared, and how.
        match: how the source is read.
    """
    one, other = frame[RAW + claim.column], frame[RAW + claim.other]
    if claim.how in ("score", "rank"):
        return _tally_order(frame, claim, match)
    if claim.how == "label and score":
        label, score = (one, other) if claim.field == "label" else (other, one)
        return _tally_label_and_score(label, number(score))
    if claim.how == "sign":
        sides = _meanings(one, claim, match).replace_strict(
            SIGNS, default=None, return_dtype=pl.Int8
        )
        signs = number(other).sign()
        if not SIGNED.fullmatch(plain(claim.other)):  # 0 and 1 stand for the two sides
            signs = signs * 2 - 1
        product, ties = sides * signs, (sides == 0) & (signs != 0)
        agree, turned = int((product > 0).sum()), int((product < 0).sum())
        example = _example(frame, claim, _true(ties))
        return ClaimTally(agree, int(ties.sum()), turned, example=example)
    meanings = _meanings(one, claim, match), _meanings(other, claim, None)
    same, unlike = meanings[0] == meanings[1], meanings[0] != meanings[1]
    example = _example(frame, claim, _true(unlike))
    return ClaimTally(int(same.sum()), int(unlike.sum()), example=example)


def _meanings(column: pl.Series, claim: Claim, match: Match | None) -> pl.Series:
    """What each value of a column means: a side, or true or false; null where it says nothing."""
    column = as_json(column) if column.dtype.is_nested() else column
    meanings: dict[object, str] = {}
    for value in column.unique().drop_nulls():
        if meaning := _meaning(value_key(value), claim, match):
            meanings[value] = meaning
    if not meanings:
        return pl.repeat(None, len(column), dtype=pl.String, eager=True)
    return column.replace_strict(meanings, default=None, return_dtype=pl.String)


def _meaning(word: str, claim: Claim, match: Match | None) -> str:
    if claim.field == "label":
        return (match.values.get(word) if match else None) or LABEL_WORDS.get(word, "")
    values = match.values if match else resolve_winners([word, "2"], ("a", "b"), {})[0]
    meaning = winner_meaning(word, values)
    return meaning[0] if meaning and meaning[0] in SIGNS else ""


def _tally_label_and_score(label: pl.Series, score: pl.Series) -> ClaimTally:
    """The rows, and the scores that part good answers from bad ones."""
    claim = Claim("label", "", "", "label and score")
    good = _meanings(label, claim, None) == "true"
    best, worst = score.filter(good).min(), score.filter(~good).max()
    return ClaimTally(
        int((good.is_not_null() & score.is_not_null()).sum()),
        lowest_good=inf if best is None else float(best),  # type: ignore[arg-type]
        highest_bad=-inf if worst is None else float(worst),  # type: ignore[arg-type]
    )


def _tally_order(frame: pl.DataFrame, claim: Claim, match: Match) -> ClaimTally:
    """Rows that one column puts above another row of the same prompt, and the other below it."""
    groups = [RAW + name for field in GROUPS for name in match.columns.get(field, ())]
    turned = claim.how == "rank"
    one, other = (number(frame[RAW + name]) for name in (claim.column, claim.other))
    pairs = pl.DataFrame(
        [
            *(as_json(frame[n]) if frame[n].dtype.is_nested() else frame[n] for n in groups),
            one.alias("one"),
            (0 - other if turned else other).alias("other"),
            pl.int_range(frame.height, eager=True).alias("place"),
        ]
    ).drop_nulls(["one", "other"])
    # Sorted by the one, the other never falls, unless some two rows contradict each other.
    ordered = pairs.sort(*groups, "one", "other")
    same_group = pl.all_horizontal(pl.lit(value=True), *(_as_before(name) for name in groups))
    rise, fall = pl.col("one") > pl.col("one").shift(), pl.col("other") < pl.col("other").shift()
    falls = ordered.select((same_group & rise & fall).fill_null(value=False).alias("x"))["x"]
    places = ordered["place"].filter(falls)
    agreeing = ordered.height - len(places)
    return ClaimTally(agreeing, len(places), example=_example(frame, claim, places))


def _as_before(name: str) -> pl.Expr:
    return pl.col(name).eq_missing(pl.col(name).shift())


def _true(rows: pl.Series) -> pl.Series:
    """The places of the rows that are true."""
    return rows.fill_null(value=False).arg_true()


def _example(frame: pl.DataFrame, claim: Claim, places: pl.Series) -> str:
    """The first of the rows at some places, in brief."""
    if not len(places):
        return ""
    row = frame.select(pl.exclude("row", "line")).row(int(places[0]), named=True)
    cells = {name.removeprefix(RAW): value for name, value in row.items()}
    return row_excerpt(cells, claim.column, claim.other)


def tally_of_sample(sample: Sample, claim: Claim, match: Match) -> ClaimTally:
    """Compare two columns in all rows of the source where they were counted, else in the sample."""
    if (claim.column, claim.other) in sample.claims:
        return sample.claims[claim.column, claim.other]
    groups = [name for field in GROUPS for name in match.columns.get(field, ())]
    names = dict.fromkeys([*groups, claim.column, claim.other])
    texts = {
        RAW + name: [None if (v := row.get(name)) is None else _text(v) for row in sample.rows]
        for name in names
    }
    return tally_claim(pl.DataFrame(texts, dict.fromkeys(texts, pl.String)), claim, match)


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def claim_questions(sample: Sample, match: Match, claims: Sequence[Claim]) -> tuple[Question, ...]:
    """Ask about the columns that differ from what is read, where the user did not settle it."""
    tallies = [(c, tally_of_sample(sample, c, match)) for c in claims if not c.settled]
    return tuple(_question(claim, tally) for claim, tally in tallies if tally.differing)


def _question(claim: Claim, tally: ClaimTally) -> Question:
    column, other = claim.column, claim.other
    lines = [f"--map {quote(f'{claim.field}={column}')}"]
    if claim.how == "label and score" and claim.field == "score":
        lines.append(f"--map {quote(f'label={other}')}")
    if claim.how in ("winner", "label"):
        lines.append(f"--map {quote(f'{claim.field}={other}')}")
    elif claim.how in ("score", "rank"):
        field = next(f for f in ("score", "rank") if plain(other) in ALIASES[f])
        lines.append(f"--map {quote(f'{field}={other}')}")
    lines.append(f"--ignore {quote(other)}")
    how_far = (
        f"answers from {tally.lowest_good:g} on are called good, and some up to "
        f"{tally.highest_bad:g} bad"
        if claim.how == "label and score"
        else f"they differ in {tally.differing:,} of {tally.rows:,} rows"
    )
    text = (
        f"{column} and {other} both say which answer is better, and {how_far}: which counts? Say "
    )
    values: tuple[ValueCount, ...] = ()
    if tally.example:
        values = (ValueCount(f"{column} against {other}", tally.differing, tally.example),)
    return Question(text + " or ".join(lines), (column, other), values, tuple(lines))


class ClaimAccount:
    """How far the columns of one source agree that say the same, added up piece by piece."""

    def __init__(self, sample: Sample, match: Match) -> None:
        self._match = match
        self._open = [c for c in match.claims if not c.settled]
        self._open = [c for c in self._open if (c.column, c.other) not in sample.claims]
        self._tallies = {claim: ClaimTally() for claim in match.claims}

    def tally(self, frame: pl.DataFrame) -> dict[Claim, ClaimTally]:
        """Compare the columns in one piece."""
        return {claim: tally_claim(frame, claim, self._match) for claim in self._tallies}

    def add(self, tallies: Mapping[Claim, ClaimTally]) -> bool:
        """Add the tally of a piece; whether columns differ of which nobody was asked yet."""
        for claim, tally in tallies.items():
            self._tallies[claim] = self._tallies[claim].plus(tally)
        return any(self._tallies[claim].differing for claim in self._open)

    def notes(self) -> list[Note]:
        """A line on each column that says the same as one that is read."""
        return [_note(claim, tally) for claim, tally in self._tallies.items() if tally.rows]


def _note(claim: Claim, tally: ClaimTally) -> Note:
    differing = f"differs in {tally.differing:,} of them" if tally.differing else "agrees"
    text = f"says the same as {claim.column}, which is read as {claim.field}, and {differing}"
    return Note(text, claim.other, tally.rows, tally.example)
