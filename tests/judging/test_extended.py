"""A judge sees what answers think and call, and answers that differ in it alone are two."""

from __future__ import annotations

import json
from pathlib import Path

from prefdata.judging.prompting.request import conversation
from prefdata.schemas import Comparison, PreferencePair
from tests.conversion.test_extensions import TOOLS, called, pair, path_of, turn
from tests.judging.judged import endpoint, run
from tests.judging.server import Body, Said, Server, seen, verdict


def test_a_turn_is_shown_with_what_it_thinks_and_calls() -> None:
    """Each part under who does it; a plain turn of one speaker stands alone, as before."""
    thought = turn("Yes.", reasoning_content="It is summer.")
    assert conversation([thought]) == "[assistant reasoning]\nIt is summer.\n\n[assistant]\nYes."
    assert conversation([turn("Yes.")]) == "Yes."
    assert conversation([turn("Yes.", reasoning_content=None, tool_calls=None)]) == "Yes."
    trajectory = [{**each, "content": each["content"] or ""} for each in path_of("Oslo")]
    assert conversation(trajectory) == (
        '[assistant calls weather]\n{"city": "Oslo"}\n\n'
        "[tool weather]\n12 C in Oslo\n\n[assistant]\nIt is 12 C in Oslo."
    )
    assert conversation("Warm?", "[]") == "[tools on offer]\n[]\n\n[user]\nWarm?"


def test_a_judge_decides_by_reasoning_and_calls(tmp_path: Path) -> None:
    """And the pairs, the comparisons and the rejects have all of it."""
    requests = []

    def brain(body: Body) -> Said:
        shown = seen(body)
        requests.append(shown.prompt)
        good = "add one" in shown.first or "Oslo" in shown.first
        return Said(verdict(body, "1" if good else "2"))

    rows = [
        pair([turn("2", reasoning_content="add one")], [turn("2", reasoning_content="hm")], "1+1?"),
        pair([called("Rome")], [called("Oslo")], "Where?", tools=TOOLS),
        pair([called("Rome")], [called("Rome", id="other")], "Same?"),
    ]
    with Server(brain=brain) as server:
        _, out = run(tmp_path, rows, [endpoint(server.url)])
    assert out.reasons == {"both responses are the same": 1}
    by_prompt = {row["prompt"][0]["content"]: row for row in out.pairs}
    assert by_prompt["1+1?"]["chosen"][0]["reasoning_content"] == "add one"
    where = by_prompt["Where?"]
    assert where["chosen"][0]["tool_calls"] == called("Oslo")["tool_calls"]
    assert json.loads(where["tools"]) == TOOLS
    offered = [each for each in requests if each.startswith("[tools on offer]")]
    assert len(offered) == 2
    assert "weather" in offered[0]
    for row in out.pairs:
        PreferencePair.model_validate(row)
    for row in out.comparisons:
        Comparison.model_validate(row)
