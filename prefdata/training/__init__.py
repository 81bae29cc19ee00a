"""Training and evaluation, thin over TRL: a recipe in, a model out. Importing it loads no torch."""

from __future__ import annotations

from prefdata.stats.intervals import Estimate
from prefdata.training.config.methods import METHODS, Method
from prefdata.training.config.plan import Plan, make_plan
from prefdata.training.config.recipe import Recipe, load_recipe
from prefdata.training.config.settings import EvaluationSettings, FirstStage, LoraSettings
from prefdata.training.data.prompts import Prompting
from prefdata.training.evaluation.evaluate import evaluate
from prefdata.training.evaluation.result import Evaluation
from prefdata.training.run.card import recipe_yaml
from prefdata.training.run.result import TrainingResult
from prefdata.training.run.run import train

__all__ = [
    "METHODS",
    "Estimate",
    "Evaluation",
    "EvaluationSettings",
    "FirstStage",
    "LoraSettings",
    "Method",
    "Plan",
    "Prompting",
    "Recipe",
    "TrainingResult",
    "evaluate",
    "load_recipe",
    "make_plan",
    "recipe_yaml",
    "train",
]
