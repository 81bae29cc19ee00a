"""The shapes that feedback comes in: how each is recognised, and how its rows become records."""

from prefdata.formats.base import Format, Match, ReadOptions
from prefdata.formats.detect import Detection, detect
from prefdata.formats.registry import FORMATS, get_format
from prefdata.formats.sample import Sample

__all__ = [
    "FORMATS",
    "Detection",
    "Format",
    "Match",
    "ReadOptions",
    "Sample",
    "detect",
    "get_format",
]
