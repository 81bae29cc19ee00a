"""Writing a folder whole: into a temporary sibling that is moved into place at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """A folder to work in; its subfolder ``model`` becomes `output` if all goes well.

    Whatever happens, an interrupt included, the old folder or the new one is there, whole, and
    the working folder is gone.

    Args:
        output: where the result belongs; replaced if it exists.

    Yields:
        The working folder, beside `output`.

    Example:
        >>> with replacing(Path("model")) as work:  # doctest: +SKIP
        ...     (work / "model").mkdir()
    """
    output = output.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        yield work
        if output.exists():
            output.rename(work / "replaced")
        try:
            (work / "model").rename(output)
        except BaseException:
            if (work / "replaced").exists():
                (work / "replaced").rename(output)
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
