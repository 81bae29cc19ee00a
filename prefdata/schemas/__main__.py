"""`python -m prefdata.schemas [FOLDER]` writes the JSON Schemas, by default into `schemas`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from prefdata.schemas import json_schemas


def write(folder: Path) -> None:
    """Write one ``NAME.json`` per record into an existing folder.

    Args:
        folder: where to write.
    """
    for name, schema in json_schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "schemas"))
