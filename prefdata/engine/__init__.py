"""Whole jobs: sources in, a data set directory or a description out."""

from prefdata.engine.conversion import ConvertReport, SourceReport, convert
from prefdata.engine.inspection import Inspection, Problem, inspect

__all__ = ["ConvertReport", "Inspection", "Problem", "SourceReport", "convert", "inspect"]
