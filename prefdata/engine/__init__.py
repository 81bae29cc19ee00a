"""Whole jobs: sources in, a data set directory or a description out."""

from prefdata.engine.agreeing import AgreeReport, agree
from prefdata.engine.conversion import ConvertReport, convert
from prefdata.engine.exporting import export
from prefdata.engine.inspection import Inspection, Problem, inspect
from prefdata.engine.reporting import SourceReport

__all__ = [
    "AgreeReport",
    "ConvertReport",
    "Inspection",
    "Problem",
    "SourceReport",
    "agree",
    "convert",
    "export",
    "inspect",
]
