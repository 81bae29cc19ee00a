"""Preference data for other trainers and services, with the configuration that they need."""

from prefdata.export.base import Facts, Job, Target
from prefdata.export.registry import TARGETS, named, view_of

__all__ = ["TARGETS", "Facts", "Job", "Target", "named", "view_of"]
