"""Conversations with everything in them that trainers are known to trip over."""

from __future__ import annotations

from tests.exporting.made import Row, labelled, pair, turns

TALK = turns("Hi", "Hello!", "And now?", system="Be brief;\nbe kind.")
PAIRS: list[Row] = [
    pair("Name a colour.", "Blue, like the sky.", "No colour comes to mind."),
    pair(TALK, "Now we talk about it.", "Now we do not."),
    pair(turns("Hm?", system="Sei kurz. 🎉"), "Grüße, 世界! 🎉", 'He said: "Grüß\tGott"\u2028.'),
    pair("Say it twice: hello", "hello hello, as you wish", "Say it twice: hello"),
    pair("Code?", "```python\nprint('{}')\n```\n\nThat is all.", "{'no': ['code', None]}"),
    pair("Why?", "Because: it is, and it was.", "Because: it is, and it was. Perhaps."),
    *(pair(f"Question {n}?", f"The right answer {n}.", f"A wrong answer {n}.") for n in range(30)),
]
LABELLED: list[Row] = [
    *(labelled(r["prompt"], str(r["chosen"][0]["content"]), label=True) for r in PAIRS),  # type: ignore[arg-type, index]
    *(labelled(r["prompt"], str(r["rejected"][0]["content"]), label=False) for r in PAIRS[:20]),  # type: ignore[arg-type, index]
]


def call(city: str) -> dict[str, object]:
    """A call of a tool."""
    function = {"name": "weather", "arguments": f'{{"city": "{city}"}}'}
    return {"id": city, "type": "function", "function": function}


WARM: Row = pair("Is it warm?", "Yes, it is warm in Rome.", "No, it is cold in Rome.", margin=2.0)
CALLED = {"role": "assistant", "content": "", "tool_calls": [call("Rome")]}
SAID = {"role": "tool", "content": "21 °C", "tool_call_id": "Rome", "name": "weather"}
TWICE = {**CALLED, "tool_calls": [call("Rome"), call("Oslo")]}
CALLS: list[Row] = [
    {**WARM, "chosen": [TWICE, SAID, *WARM["chosen"]]},  # type: ignore[misc]
    {**WARM, "prompt": [*WARM["prompt"], CALLED, SAID]},  # type: ignore[misc]
]
"""Rows with calls of tools: in an answer of several messages, and in a prompt."""
