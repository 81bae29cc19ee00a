"""The records of prefdata. Importing this loads Pydantic and nothing heavier.

Each record validates itself, gives its JSON Schema (``json_schema()``) and the Arrow schema of its
stored rows (``arrow_schema()``, which needs pyarrow).

Example:
    >>> pair = PreferencePair(prompt="Capital of France?", chosen="Paris.", rejected="Rome.")
    >>> pair.to_trl()["chosen"]
    [{'role': 'assistant', 'content': 'Paris.'}]
"""

from __future__ import annotations

from prefdata.schemas.comparisons import Comparison
from prefdata.schemas.messages import Completion, FunctionCall, Message, Prompt, Role, ToolCall
from prefdata.schemas.preferences import PreferencePair, UnpairedPreference
from prefdata.schemas.ratings import RatedResponses, Rating, Response
from prefdata.schemas.record import Record
from prefdata.schemas.scores import DimensionScores, SideScores
from prefdata.schemas.ties import Ties
from prefdata.schemas.verdicts import AnnotatorKind, Verdict, Winner

__all__ = [
    "RECORDS",
    "AnnotatorKind",
    "Comparison",
    "Completion",
    "DimensionScores",
    "FunctionCall",
    "Message",
    "PreferencePair",
    "Prompt",
    "RatedResponses",
    "Rating",
    "Record",
    "Response",
    "Role",
    "SideScores",
    "Ties",
    "ToolCall",
    "UnpairedPreference",
    "Verdict",
    "Winner",
    "json_schemas",
]

RECORDS: dict[str, type[Record]] = {
    "message": Message,
    "rated-responses": RatedResponses,
    "comparison": Comparison,
    "verdict": Verdict,
    "preference-pair": PreferencePair,
    "unpaired-preference": UnpairedPreference,
}
"""The published records by the name that ``pref schema`` and the folder ``schemas/`` use."""


def json_schemas() -> dict[str, dict[str, object]]:
    """Give the JSON Schema of every published record.

    Example:
        >>> json_schemas()["verdict"]["required"]
        ['winner']
    """
    return {name: record.json_schema() for name, record in RECORDS.items()}
