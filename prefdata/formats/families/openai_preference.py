"""OpenAI preference fine-tuning: the request, the preferred output and the other one."""

from __future__ import annotations

from collections.abc import Mapping

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec, RawRow
from prefdata.formats.text_only import text_only


def _without_tools(row: RawRow) -> RawRow:
    """A request that offers tools is refused."""
    request = row.get("input")
    if isinstance(request, Mapping):
        text_only({"tools": request.get("tools")})
    return row


FORMATS = (
    format_of(
        FormatSpec(
            name="openai-preference",
            kind="pairs",
            summary="one row per pair: the messages of a request, and two outputs",
            fields={
                "prompt": "input.messages",
                "chosen": "preferred_output",
                "rejected": "non_preferred_output",
            },
            needs=("input.messages", "preferred_output", "non_preferred_output"),
            prepare=_without_tools,
            polarity="preferred_output is the better one",
            ties="none",
            licence="your own",
            notes="Rows with tools are rejected; an empty list of tools is none.",
            example={
                "input": {
                    "messages": [{"role": "user", "content": "What is 2 + 2?"}],
                    "tools": [],
                    "parallel_tool_calls": True,
                },
                "preferred_output": [{"role": "assistant", "content": "4"}],
                "non_preferred_output": [{"role": "assistant", "content": "5"}],
            },
        )
    ),
)
