"""What a source of unknown shape may be, by its names and values, and how to say so.

A guess is no reading: it becomes the line of a hint, which the user checks and copies.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import yaml

from prefdata.formats.generic.column_names import ALIASES, SIDED, plain
from prefdata.formats.leaves import MOST_CODES, Leaf, shown
from prefdata.formats.spec.paths import parse_path
from prefdata.formats.value_key import value_key
from prefdata.formats.verdict_words import parse_winner

UNKNOWN = "?"
"""Stands where only the user knows."""

BETTER_AND_WORSE = (
    *(("chosen", "rejected"), ("chosen", "reject"), ("choose", "reject"), ("accept", "reject")),
    *(("accepted", "rejected"), ("preferred", "rejected"), ("preferred", "dispreferred")),
    *(("win", "lose"), ("winner", "loser"), ("winning", "losing"), ("won", "lost"), ("w", "l")),
    *(("positive", "negative"), ("pos", "neg"), ("good", "bad"), ("better", "worse")),
    *(("best", "worst"), ("liked", "disliked"), ("favored", "disfavored"), ("up", "down")),
    *(("correct", "incorrect"), ("selected", "unselected"), ("helpful", "unhelpful")),
)
"""Words that name the better and the worse of two answers."""

SECONDARY = tuple(
    name
    for of in ("system", "annotator", "model", "dimension", "votes", "agreement", "weight", "list")
    for name in ALIASES[of]
)
"""Names of columns that say nothing of which answer is better."""

SECONDARY_WORDS = {"id", "name", "type", "date", "time", "role", "from", "language", "criterion"}

MAPPABLE = re.compile(r"[^,=+]*[^,=+\s][^,=+]*")
ANNOTATORS = re.compile(r"(annotator|rater|judge|worker|vote|voter|label|reviewer|person)s?\d+")
PROMPTS = (*ALIASES["prompt"], "q", "task", "conversation_input")
ANSWERS = (*ALIASES["response"], *ALIASES["completion"])
TEXTS = ("text", "messages", "code")
"""What an answer may look like: short ones that repeat look like codes."""

ANSWER_WORDS = {
    *(
        word
        for of in ("response", "completion")
        for name in ALIASES[of]
        for word in (name, name + "s")
    ),
    *("content", "reply", "replies", "candidates", "candidate", "summary"),
} - {"messages", "conversations", "conversation", "messagess"}
VERDICT_WORDS = {
    *(*ALIASES["winner"], *ALIASES["label"], "value", "selected"),
    *("vote", "votes", "verdicts", "winners", "choices"),
}
SCORE_WORDS = {*ALIASES["score"], *ALIASES["unclear"], "value", "rank", "scores", "ratings"}
MOST_SKELETON_VALUES = 8
LONGEST_PATH = 120


@dataclass(frozen=True)
class Guess:
    """What the rows may be, and where each field may stand.

    Attributes:
        kind: of the rows, as a YAML file says it.
        fields: field to its path, to several, or to `UNKNOWN`.
        code: where a winner or a label stands, if its values are not known.
        nested: whether only a YAML file can say it.
    """

    kind: str
    fields: Mapping[str, str | tuple[str, ...]]
    code: Leaf | None = None
    nested: bool = False

    @property
    def lines(self) -> str:
        """What to copy: an option where columns are all there is to say, else a YAML file."""
        return self._yaml() if self.nested else self._options()

    @property
    def paths(self) -> list[str]:
        """All paths of the fields."""
        values = self.fields.values()
        return [path for each in values for path in (each if isinstance(each, tuple) else (each,))]

    @property
    def has_unknown(self) -> bool:
        """Whether the user must fill something in."""
        return UNKNOWN in self.lines

    def _options(self) -> str:
        parts = [f"{name}={_column(str(path))}" for name, path in self.fields.items()]
        line = f"--map {shlex.quote(','.join(parts))}"
        if not self.code:
            return line
        option = f" --label 'true={UNKNOWN},false={UNKNOWN}'"
        return line + (
            option if self.kind == "unpaired" else f" --winner 'a={UNKNOWN},b={UNKNOWN}'"
        )

    def _yaml(self) -> str:
        content: dict[str, object] = {"kind": self.kind, "fields": dict(self.fields)}
        if self.kind == "ratings" and not {"score", "rank"} & set(self.fields):
            content["order"] = UNKNOWN
        if self.code:
            values = list(self.code.counts)[:MOST_SKELETON_VALUES]
            content["values"] = dict.fromkeys(map(shown, values), UNKNOWN)
        text = yaml.safe_dump(_plain(content), sort_keys=False, allow_unicode=True, width=100)
        return text.strip()


def _column(path: str) -> str:
    """The name of a column, which stands in quotes where it is no plain path."""
    return path[1:-1] if path.startswith('"') else path


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


def guess(leaves: Sequence[Leaf]) -> Guess | None:
    """What the rows may be; None where nothing speaks for anything.

    Example:
        >>> from prefdata.formats.leaves import leaves
        >>> from prefdata.formats.sample import Sample
        >>> rows = [{"q": "Why is it so?", "win": "It is so.", "lose": "Do not ask."}]
        >>> guess(leaves(Sample(["q", "win", "lose"], rows))).lines
        '--map prompt=q,chosen=win,rejected=lose'
    """
    leaves = [leaf for leaf in leaves if len(leaf.path) <= LONGEST_PATH]
    for attempt in (_pairs, _comparisons, _lists, _one_answer):
        if result := attempt(leaves):
            by_path = {each.path: each for leaf in leaves for each in (leaf, as_column(leaf))}
            several = any(isinstance(path, tuple) for path in result.fields.values())
            nested = several or any(
                path != UNKNOWN and not _is_mappable(by_path.get(path)) for path in result.paths
            )
            sayable = not nested or all(map(_is_path, result.paths))
            return replace(result, nested=nested) if sayable else None
    return None


def _is_path(text: str) -> bool:
    """Whether a YAML file can name it."""
    try:
        parse_path(text)
    except ValueError:
        return False
    return text.isprintable()


def _is_mappable(leaf: Leaf | None) -> bool:
    """Whether ``--map`` can name it."""
    return bool(
        leaf and leaf.is_column and MAPPABLE.fullmatch(leaf.name) and leaf.name.isprintable()
    )


def words(leaf: Leaf) -> list[str]:
    """The words of a path, in lower case.

    Example:
        >>> words(Leaf("info.scoreA", "scoreA", "number", {}, False))
        ['info', 'score', 'a']
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", leaf.path)
    return re.findall(r"[a-z]+|\d+", spaced.lower())


def _is_answer(leaf: Leaf) -> bool:
    """Whether a name says that it is an answer."""
    return bool(set(words(leaf)[-2:]) & ANSWER_WORDS)


def _pairs(leaves: Sequence[Leaf]) -> Guess | None:
    """Two texts that are named as the better and the worse."""
    texts = [leaf for leaf in leaves if leaf.kind in TEXTS and not _is_secondary(leaf)]
    texts.sort(key=lambda leaf: not _is_answer(leaf))
    named = {tuple(words(leaf)): leaf for leaf in reversed(texts)}
    for leaf in texts:
        path = words(leaf)
        for better, worse in BETTER_AND_WORSE:
            other = named.get(tuple(worse if word == better else word for word in path))
            if better in path and other and (leaf.holds_texts or other.holds_texts):
                sides = {"chosen": leaf.path, "rejected": other.path}
                return Guess("pairs", {**_prompt(leaves, [leaf, other]), **sides})
    return None


def _is_secondary(leaf: Leaf) -> bool:
    """Whether a name says that it is neither a prompt nor an answer nor a verdict."""
    last = words(leaf)[-1:]
    return plain(leaf.name) in SECONDARY or bool(SECONDARY_WORDS & set(last))


def _prompt(leaves: Sequence[Leaf], answers: Sequence[Leaf]) -> dict[str, str | tuple[str, ...]]:
    """Where the prompt stands: messages of an answer may hold it."""
    free = [leaf for leaf in leaves if leaf not in answers and not leaf.is_list]
    texts = [leaf for leaf in free if leaf.holds_texts]
    named = [leaf for leaf in texts if plain(leaf.name) in PROMPTS or "prompt" in words(leaf)]
    named = named or [leaf for leaf in texts if set(words(leaf)) & set(PROMPTS)]
    named.sort(key=lambda leaf: "input" in words(leaf))
    if named:
        more = [leaf.path for leaf in free if leaf.name == "input" and leaf is not named[0]]
        parts = (named[0].path, *more[:1])
        return {"prompt": parts if len(parts) > 1 else parts[0]}
    if all(leaf.kind == "messages" for leaf in answers):
        return {}
    others = [leaf for leaf in texts if not _is_secondary(leaf) and not _is_answer(leaf)]
    return {"prompt": others[0].path if len(others) == 1 else UNKNOWN}


def sides(leaves: Sequence[Leaf]) -> list[Leaf]:
    """Two texts whose names differ in the side alone, such as response_a and response_b."""
    stems: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        if leaf.kind in TEXTS and not leaf.is_list and not _is_secondary(leaf):
            parent = leaf.path.removesuffix(leaf.name)
            if match := SIDED.fullmatch(plain(leaf.name)):
                stems.setdefault(parent + match["stem"], []).append(leaf)
            elif match := SIDED.fullmatch(plain(parent.rstrip("."))):
                stems.setdefault(f"{match['stem']}.{leaf.name}", []).append(leaf)
    pairs = [pair for pair in stems.values() if len(pair) == 2]
    by_name = [pair for pair in pairs if set(words(pair[0])) & ANSWER_WORDS]
    texts = [pair for pair in pairs if any(leaf.holds_texts for leaf in pair)]
    return next(iter([*by_name, *texts]), [])


def codes(leaves: Sequence[Leaf]) -> list[Leaf]:
    """Where a verdict may stand, the most telling name first; those of several people together."""
    few = [leaf for leaf in leaves if leaf.kind == "code" or _has_few_numbers(leaf)]
    of_people = [leaf for leaf in few if ANNOTATORS.fullmatch("".join(words(leaf)))]
    if len(of_people) > 1:
        return of_people
    few = [leaf for leaf in few if not _is_secondary(leaf) or _holds_verdicts(leaf)]
    named = [leaf for leaf in few if set(words(leaf)) & VERDICT_WORDS]
    return (named or [leaf for leaf in few if len(leaf.counts) > 1])[:1]


def _holds_verdicts(leaf: Leaf) -> bool:
    """Whether it is a column of lists of verdicts; other votes are the number of votes."""
    return leaf.path.endswith("[]") and bool(set(words(leaf)) & VERDICT_WORDS)


def _has_few_numbers(leaf: Leaf) -> bool:
    return leaf.kind == "number" and len(leaf.counts) <= MOST_CODES


def _first(leaf: Leaf) -> str:
    """The path of the first of several values: a comparison has one."""
    return leaf.path.replace("[]", "[0]")


def as_column(leaf: Leaf) -> Leaf:
    """The column where a leaf is all that its lists hold: each item is a verdict of its own."""
    column = leaf.path.removesuffix("[]")
    is_list = column != leaf.path and not set(column) & set(".[")
    return replace(leaf, path=column, is_column=True) if is_list else leaf


def _comparisons(leaves: Sequence[Leaf]) -> Guess | None:
    """Two texts, side by side, and a verdict."""
    pair = sides(leaves)
    if not pair:
        return None
    verdicts = codes([leaf for leaf in leaves if leaf not in pair])
    paths = tuple(_first(as_column(leaf)) for leaf in verdicts)
    fields: dict[str, str | tuple[str, ...]] = {
        **_prompt([leaf for leaf in leaves if leaf not in verdicts], pair),
        "response_a": pair[0].path,
        "response_b": pair[1].path,
        "winner": paths if len(paths) > 1 else (paths or (UNKNOWN,))[0],
    }
    values = [value_key(value) for leaf in verdicts for value in leaf.counts]
    known = not any(map(_is_number, values)) and all(map(parse_winner, values))
    return Guess("comparisons", fields, None if known or not verdicts else verdicts[0])


def _is_number(value: str) -> bool:
    return value.lstrip("-").replace(".", "", 1).isdigit()


def numbers(leaves: Sequence[Leaf]) -> list[Leaf]:
    """Where a score may stand, the most telling name first."""
    scores = [leaf for leaf in leaves if leaf.kind == "number"]
    scores = [leaf for leaf in scores if not {"id", "idx", "index"} & set(words(leaf)[-1:])]
    named = [leaf for leaf in scores if set(words(leaf)) & SCORE_WORDS]
    return named or scores


def _measure(leaf: Leaf) -> str:
    return "rank" if "rank" in words(leaf) else "score"


def _lists(leaves: Sequence[Leaf]) -> Guess | None:
    """A list of answers, each with a number, or in an order that the user knows."""
    for leaf in leaves:
        if not leaf.is_list or leaf.kind not in TEXTS or not _is_answer(leaf):
            continue
        parent, _, inner = leaf.path.partition("[]")
        beside = [each for each in leaves if each is not leaf and each.is_list]
        beside = [
            each
            for each in beside
            if (each.path.startswith(f"{parent}[]") if inner else each.path.endswith("[]"))
        ]
        scores = numbers(beside)[:1]
        measured = {_measure(score): score.path for score in scores}
        if scores or not inner:
            fields = {**_prompt(leaves, [leaf]), "response": leaf.path, **measured}
            return Guess("ratings", fields)
    return None


def _one_answer(leaves: Sequence[Leaf]) -> Guess | None:
    """One answer a row, with a number or a code that says how good it is."""
    texts = [leaf for leaf in leaves if leaf.kind in TEXTS and not leaf.is_list]
    named = [leaf for leaf in texts if _is_answer(leaf) and not _is_secondary(leaf)]
    texts = [leaf for leaf in texts if leaf.holds_texts]
    if not named and len(texts) < 2:
        return None
    answer = (named or texts[1:])[0]
    others = [leaf for leaf in leaves if leaf is not answer]
    prompt = _prompt(others, [answer])
    rest = [leaf for leaf in others if leaf.path not in prompt.values()]
    scores = [leaf for leaf in numbers(rest) if len(leaf.counts) > 2]
    if scores:
        measured = {_measure(scores[0]): _first(scores[0])}
        return Guess("ratings", {**prompt, "response": answer.path, **measured})
    if verdicts := codes(rest)[:1]:
        fields = {**prompt, "completion": answer.path, "label": _first(verdicts[0])}
        return Guess("unpaired", fields, verdicts[0])
    return None
