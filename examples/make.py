"""Writes the example inputs, the same bytes on every run: python examples/make.py."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PACKAGED = HERE.parent / "prefdata" / "examples" / "ratings.csv"
"""Where `pref demo` finds its ratings once the package is installed."""

QUESTIONS = """
What is the capital of Portugal?|The capital of Portugal is {}.|Lisbon|Madrid
What is the capital of Norway?|The capital of Norway is {}.|Oslo|Stockholm
What is the capital of Canada?|The capital of Canada is {}.|Ottawa|Toronto
What is the capital of Australia?|The capital of Australia is {}.|Canberra|Sydney
What is the capital of Kenya?|The capital of Kenya is {}.|Nairobi|Lagos
What is the capital of Chile?|The capital of Chile is {}.|Santiago|Lima
What is the capital of Vietnam?|The capital of Vietnam is {}.|Hanoi|Bangkok
What is the capital of Poland?|The capital of Poland is {}.|Warsaw|Prague
How many days are there in a leap year?|A leap year has {} days.|366|364
How many minutes are there in two hours?|Two hours are {} minutes.|120|100
How many legs does a spider have?|A spider has {} legs.|eight|six
How many sides does a hexagon have?|A hexagon has {} sides.|six|eight
How many strings does a violin have?|A violin has {} strings.|four|seven
How many grams are there in a kilogram?|A kilogram is {} grams.|1,000|100
How many letters are there in the English alphabet?|The alphabet has {} letters.|26|24
How many players does a football team have on the field?|A team has {} players.|eleven|nine
What is 7 times 8?|7 times 8 is {}.|56|54
What is 12 plus 19?|12 plus 19 is {}.|31|21
What is half of 90?|Half of 90 is {}.|45|40
What is 100 minus 37?|100 minus 37 is {}.|63|73
What is the square root of 81?|The square root of 81 is {}.|9|8
What is ten percent of 250?|Ten percent of 250 is {}.|25|10
Which planet is closest to the sun?|The planet closest to the sun is {}.|Mercury|Mars
Which planet is the largest?|The largest planet is {}.|Jupiter|Saturn
Which gas do plants take in from the air?|Plants take in {}.|carbon dioxide|helium
What does a thermometer measure?|A thermometer measures {}.|temperature|weight
What does a barometer measure?|A barometer measures {}.|air pressure|distance
What is frozen water called?|Frozen water is called {}.|ice|steam
At how many degrees Celsius does water boil?|At sea level, water boils at {} degrees.|100|80
Which metal is liquid at room temperature?|{} is liquid at room temperature.|Mercury|Iron
Who wrote Hamlet?|Hamlet was written by {}.|William Shakespeare|Charles Dickens
Who painted the Mona Lisa?|The Mona Lisa was painted by {}.|Leonardo da Vinci|Claude Monet
Which language is spoken in Brazil?|Most people in Brazil speak {}.|Portuguese|Spanish
Which ocean lies between Europe and America?|Between them lies the {}.|Atlantic|Pacific
Which animal is the tallest?|The tallest animal is the {}.|giraffe|elephant
Which bird cannot fly but swims well?|The {} cannot fly, and swims well.|penguin|swallow
What do bees make?|Bees make {}.|honey|milk
What do caterpillars turn into?|Caterpillars turn into {}.|butterflies|spiders
What colour do you get from blue and yellow paint?|Blue and yellow give {}.|green|purple
What colour do you get from red and white paint?|Red and white give {}.|pink|orange
What is the opposite of ancient?|The opposite of ancient is {}.|modern|old
What is the plural of mouse?|The plural of mouse is {}.|mice|mouses
What is the past tense of go?|The past tense of go is {}.|went|goed
Which word means the same as quick?|A word for quick is {}.|fast|heavy
Where should I keep fresh milk?|Fresh milk keeps best in the {}.|fridge|cupboard
How long should I boil a soft egg?|A soft egg takes about {}.|five minutes|one hour
What do I need to bake bread?|For bread you need {}.|flour, water, yeast and salt|sugar and cream
How do I make tea less bitter?|Tea turns less bitter if you {}.|brew it for less time|boil it twice
How do I get a coffee stain out of a shirt?|Rinse it with {} first.|cold water|hot oil
How often should I water a cactus?|A cactus needs water {}.|every two or three weeks|every hour
When is the best time to plant tulips?|Tulips are planted in {}.|autumn|high summer
How can I fall asleep more easily?|It helps to {} in the evening.|put screens away|drink coffee
What should I wear on an icy road?|Wear {} on ice.|shoes with a firm grip|sandals
What should I do about a small cut?|First {}.|clean it with water|rub sand into it
How do I save a file in most programs?|Press {} to save a file.|Ctrl and S|Ctrl and Q
How do I undo a mistake while typing?|Press {} to undo it.|Ctrl and Z|Ctrl and W
How do I make a password safer?|Make it {}.|long and unlike your others|your first name
What should I do before a phone update?|Before an update, {}.|back up your data|delete your contacts
Which side of the road do people drive on in Japan?|In Japan they drive on the {}.|left|right
Which currency is used in Switzerland?|Switzerland uses the {}.|franc|euro
Which season follows winter?|After winter comes {}.|spring|autumn
Which month has the fewest days?|The shortest month is {}.|February|June
Which continent is Egypt in?|Egypt lies in {}.|Africa|Europe
Which river runs through London?|The river in London is the {}.|Thames|Seine
Which mountain is the highest?|The highest mountain is {}.|Mount Everest|Mont Blanc
Which instrument has black and white keys?|The {} has black and white keys.|piano|flute
Which sense do you use your nose for?|You use your nose to {}.|smell|hear
What is a young dog called?|A young dog is called a {}.|puppy|kitten
What is a young horse called?|A young horse is called a {}.|foal|calf
What do you call a shape with three sides?|A shape with three sides is a {}.|triangle|square
How do I say thank you in French?|In French you say {}.|merci|adios
How do I say good morning in German?|In German you say {}.|guten Morgen|gute Nacht
"""

FRIENDLY = (
    "Let me know if you would like to hear more.",
    "I am happy to explain further.",
    "I hope that helps you.",
)
RUDE = (
    "You could have looked that up by yourself.",
    "Please stop asking me such things.",
    "Everybody knows that.",
)


class Question(NamedTuple):
    """A question, the sentence that answers it with a gap, and what goes into the gap."""

    text: str
    sentence: str
    right: str
    wrong: str


class Answer(NamedTuple):
    """What a model said, and how good it is from 1 to 5."""

    text: str
    quality: int
    model: str


def questions() -> list[Question]:
    """The questions above, one per line."""
    return [Question(*line.split("|")) for line in QUESTIONS.strip().splitlines()]


def answers(question: Question, chance: random.Random) -> list[Answer]:
    """Two to four answers of different quality, in random order."""
    right, wrong = (question.sentence.format(each) for each in (question.right, question.wrong))
    bare = question.right[0].upper() + question.right[1:]
    every = [
        Answer(f"{right} {chance.choice(FRIENDLY)}", 5, "heron"),
        Answer(f"{bare}.", 3, "wren"),
        Answer(f"{right} {chance.choice(RUDE)}", 2, "kite"),
        Answer(f"{wrong} {chance.choice(RUDE)}", 1, "finch"),
    ]
    middle = chance.sample(every[1:3], chance.randint(0, 2))
    return chance.sample([every[0], *middle, every[3]], 2 + len(middle))


def ratings(chance: random.Random) -> list[dict[str, str]]:
    """Long ratings by two annotators, with the blemishes that real exports have."""
    rows = []
    for question in questions():
        twice = chance.random() < 0.3
        for answer in answers(question, chance):
            rows.append(rated(question.text, answer, "ana", chance))
            if twice:
                rows.append(rated(question.text, answer, "ben", chance))
    return blemished(rows)


def rated(prompt: str, answer: Answer, annotator: str, chance: random.Random) -> dict[str, str]:
    """One rating: the quality, now and then a point lower."""
    score = max(1, answer.quality - (chance.random() < 0.2))
    return {
        "prompt": prompt,
        "response": answer.text,
        "score": str(score),
        "annotator": annotator,
        "model": answer.model,
    }


def blemished(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Add a tie, an empty answer, a missing score, a lone answer and a cell with line breaks."""

    def row(prompt: str, response: str, score: str, model: str) -> dict[str, str]:
        values = (prompt, response, score, "ana", model)
        return dict(zip(rows[0], values, strict=True))

    tie = "Can you recommend a colour for a kitchen wall?"
    steps = "How do I wash a wool jumper?"
    known = rows[40]["prompt"]
    return [
        *rows[:40],
        row(known, "", "2", "kite"),
        *rows[40:90],
        row(tie, "A warm white suits most kitchens.", "4", "heron"),
        row(tie, "A light green looks fresh in most kitchens.", "4", "wren"),
        *rows[90:150],
        row(steps, "1. Use cold water.\n2. Press, do not wring.\n3. Dry it flat.", "5", "heron"),
        row(steps, "Boil it. Everybody knows that.", "1", "finch"),
        row(rows[150]["prompt"], "I am not sure, sorry.", "N/A", "wren"),
        *rows[150:],
        row("Which tea goes with lemon cake?", "Black tea goes well with it.", "4", "heron"),
    ]


def votes(chance: random.Random) -> list[dict[str, str]]:
    """Votes on two answers: wins, ties, and two annotators who contradict each other."""
    rows = []
    for question in questions()[:24]:
        first, second = chance.sample(answers(question, chance), 2)
        better = "model_a" if first.quality > second.quality else "model_b"
        rows.append(vote(question.text, first, second, better, "ana"))
        if chance.random() < 0.25:
            rows.append(vote(question.text, first, second, better, "ben"))
    first, second = answers(questions()[30], chance)[:2]
    rows += [
        vote(questions()[30].text, first, second, "model_a", "ana"),
        vote(questions()[30].text, first, second, "model_b", "ben"),
    ]
    for question in questions()[40:43]:
        first, second = answers(question, chance)[:2]
        rows.append(vote(question.text, first, second, "tie", "ana"))
    return rows


def vote(prompt: str, first: Answer, second: Answer, winner: str, judge: str) -> dict[str, str]:
    """One vote."""
    return {
        "prompt": prompt,
        "model_a": first.model,
        "response_a": first.text,
        "model_b": second.model,
        "response_b": second.text,
        "winner": winner,
        "judge": judge,
    }


def pairs(chance: random.Random) -> list[dict[str, object]]:
    """Pairs as messages, each with what was said before."""
    rows: list[dict[str, object]] = []
    for question in questions()[44:58]:
        good, *_, bad = sorted(answers(question, chance), key=lambda each: -each.quality)
        prompt = [
            {"role": "system", "content": "You are a kind and brief assistant."},
            {"role": "user", "content": question.text},
        ]
        sides = {"chosen": good, "rejected": bad}
        said = {k: [{"role": "assistant", "content": v.text}] for k, v in sides.items()}
        rows.append({"prompt": prompt, **said})
    return rows


def labels(chance: random.Random) -> list[dict[str, object]]:
    """Single answers with a thumb up or down."""
    return [
        {"prompt": question.text, "completion": answer.text, "label": answer.quality > 2}
        for question in questions()[8:32]
        for answer in chance.sample(answers(question, chance), 1)
    ]


def choices(chance: random.Random) -> list[dict[str, str]]:
    """Votes whose winner is 0 or 1: nothing says which of the two answers 1 stands for."""
    rows = []
    for question in questions()[20:32]:
        first, second = chance.sample(answers(question, chance), 2)
        row = vote(question.text, first, second, str(int(second.quality > first.quality)), "")
        rows.append({k: row[k] for k in ("prompt", "response_a", "response_b", "winner")})
    return rows


def people(chance: random.Random) -> list[dict[str, object]]:
    """Verdicts of three people in columns of their own: 1 the first, 2 the second, 0 a tie."""
    rows: list[dict[str, object]] = []
    for question in questions()[30:42]:
        first, second = chance.sample(answers(question, chance), 2)
        better = 1 if first.quality > second.quality else 2
        said = [better if chance.random() < 0.8 else chance.choice([0, 3 - better]) for _ in "123"]
        row = {"instruction": "Answer briefly.", "input": question.text}
        row |= {"response1": first.text, "response2": second.text}
        rows.append({**row, **{f"annotator{n}": each for n, each in enumerate(said, 1)}})
    return rows


def as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as CSV with line feeds."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_jsonl(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as JSON, one to a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def files() -> dict[Path, str]:
    """Every example file with its text."""

    def seeded() -> random.Random:
        return random.Random(7)  # noqa: S311 - repeatable examples, no secret

    rated = as_csv(ratings(seeded()))
    return {
        HERE / "ratings.csv": rated,
        PACKAGED: rated,
        HERE / "votes.jsonl": as_jsonl(votes(seeded())),
        HERE / "people.jsonl": as_jsonl(people(seeded())),
        HERE / "choices.csv": as_csv(choices(seeded())),
        HERE / "pairs.jsonl": as_jsonl(pairs(seeded())),
        HERE / "labels.jsonl": as_jsonl(labels(seeded())),
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8", newline="\n")
