"""OpenAI preference fine-tuning: the request, the preferred output and the other one."""

from __future__ import annotations

from prefdata.formats.spec.as_format import format_of
from prefdata.formats.spec.spec import FormatSpec

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
            template={"tools": "input.tools"},
            polarity="preferred_output is the better one",
            ties="none",
            licence="your own",
            notes="The tools of a request are carried; an empty list of tools is none.",
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
