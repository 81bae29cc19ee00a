"""Preference data for other trainers and services, with the configuration that they need."""

from prefdata.exporting.base import Facts, Job, Target
from prefdata.exporting.registry import TARGETS, named, view_of

__all__ = ["TARGETS", "Facts", "Job", "Target", "named", "view_of"]
