"""Why a row gave no pair: every reason in one place, each with its remedy.

A reason is the short phrase that is counted; what was found in one row goes beside it as detail.
"""

from __future__ import annotations

BROKEN_JSON = "not valid JSON"
NOT_AN_OBJECT = "not a JSON object"
DUPLICATE_KEY = "a key stands twice"
BAD_TEXT = "text that no tokenizer can read"
WRONG_TYPE = "wrong type"
MISSING = "field is missing"
EMPTY = "text is empty"
RAGGED = "wrong number of columns"
HEADER_ROW = "a header, not data"
BAD_QUOTES = "quotes do not match"
BAD_TURNS = "turns cannot be told apart"
OTHER_PROMPT = "chosen and rejected answer different prompts"
NO_ANSWER = "the last turn is not the assistant's"
ASSISTANT_PROMPT = "the prompt ends with the assistant"
NO_USER_TURN = "the prompt has no user turn"
TOOLS = "tools or calls cannot be read"
REASONING = "reasoning cannot be read"
OTHER_SYSTEM = "the system column says otherwise than a system turn"
NOT_TEXT = "images and audio are not covered"
NOT_A_NUMBER = "not a number"
UNKNOWN_WINNER = "winner is not one of the known words"
NO_WINNER = "no verdict"
NO_PREFERENCE = "no preference given"
UNKNOWN_LABEL = "label is neither true nor false"
IDENTICAL = "both responses are the same"
ONE_RESPONSE = "fewer than two responses"
TIE = "tie"
BOTH_BAD = "both answers are bad"
FLIP = "the verdict changes with the order"
DIVIDED = "the judges are divided"
VETO = "the winner is worse on a criterion that must not be lost"
INJECTION = "the winner speaks to the judge"
NOT_JUDGED = "not judged yet"
CONFLICT = "verdicts contradict each other"
SMALL_MARGIN = "margin is too small"
NO_MARGIN = "margin is unknown"
MISSING_DIMENSION = "no score on a dimension that is needed"
NOT_PARETO = "better on one dimension, worse on another"
VETOED = "the chosen response is worse on a dimension with a veto"
SCORES_DISAGREE = "the rejected response has the higher score"
SET_ASIDE = "marked as unfit by its source"

DUPLICATE = "duplicate of a pair"
OUTVOTED = "outvoted"
MIDDLE = "middle rank"
TIED = "all scores are equal"
CYCLE = "part of a cycle: each beats the next"
ALONE = "the only response to its prompt"
SURPLUS = "more than the cap or share of its source"
HELD_OUT = "its prompt is in a more held-out split"
OTHER_DIMENSION = "rating of another dimension"
USER_TURN = "a turn of the user"
KEPT = "kept"

REMEDIES: dict[str, str] = {
    BROKEN_JSON: "Write one JSON object per line, or repair this line.",
    NOT_AN_OBJECT: 'Each row must be an object such as {"prompt": …}.',
    DUPLICATE_KEY: "Keep the one that is meant.",
    BAD_TEXT: "Remove the NUL or the lone surrogate from the text.",
    WRONG_TYPE: "Give the field the type that the other rows have.",
    MISSING: "Fill the field in, or name another column with --map.",
    EMPTY: "Fill the text in, or leave the row out.",
    RAGGED: "Quote cells that hold the delimiter or a line break.",
    HEADER_ROW: "None is needed: it names or describes the columns.",
    BAD_QUOTES: "Double each quote inside a quoted cell.",
    BAD_TURNS: "Mark every turn with its role, and begin each on a line of its own.",
    OTHER_PROMPT: "Both conversations must be the same up to the answer.",
    NO_ANSWER: "A conversation must end with the answer that was rated.",
    ASSISTANT_PROMPT: "A prompt must end with what the user, or a tool, said.",
    NO_USER_TURN: "A prompt must hold what the user asked; instructions alone are none.",
    TOOLS: 'Write a tool as an object with its name, a call as {"name": …, "arguments": {…}}.',
    REASONING: "Give it once and as text, such as reasoning_content beside the content.",
    OTHER_SYSTEM: "Say which counts: take the turn out, or leave the column out with --ignore.",
    NOT_TEXT: "Only text is covered: leave rows with other content out.",
    NOT_A_NUMBER: "Write the score as 4.5 is written: without a comma, a fraction or stars.",
    UNKNOWN_WINNER: "Say what the words mean, as in --winner a=left,b=right,tie=same.",
    NO_WINNER: "Leave the row out, or have it judged.",
    UNKNOWN_LABEL: "Say what the words mean, as in --label true=good,false=bad.",
    IDENTICAL: "Nothing can be learned from it: leave the row out.",
    ONE_RESPONSE: "A pair needs two responses with scores to one prompt.",
    TIE: "None is needed: a tie never becomes a pair.",
    BOTH_BAD: "None is needed: neither of two bad answers is better.",
    FLIP: "Choose --flips ask-again, or a stronger judge.",
    DIVIDED: "Ask one more judge, or weigh them with --weight.",
    VETO: "None is needed: --veto asked for it.",
    INJECTION: "Look at the answer; --flagged keep takes it as it is.",
    NOT_JUDGED: "Run the same command again: it asks for what is missing.",
    CONFLICT: "Ask one more annotator, or choose --conflicts.",
    SMALL_MARGIN: "Lower --min-margin to keep it.",
    SCORES_DISAGREE: "Check the columns; --map score_chosen=,score_rejected= leaves scores out.",
    MISSING_DIMENSION: "Rate it, or leave the dimension out of the rule.",
    NOT_PARETO: "Choose --weights or --lexicographic to decide between dimensions.",
    VETOED: "None is needed: --veto refuses it.",
    NO_MARGIN: "Leave --min-margin out, or give scores.",
    SET_ASIDE: "None is needed: it was deleted, failed its review or was written by a model.",
}
