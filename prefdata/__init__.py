"""Preference feedback of any shape in, clean pairs out, every row accounted for."""

__version__ = "0.1.0"
