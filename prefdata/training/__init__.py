"""Training and evaluation, thin over TRL: a recipe in, a model out. Importing it loads no torch."""

from __future__ import annotations

from prefdata.stats.intervals import Estimate
from prefdata.training.config.load_recipe import load_recipe
from prefdata.training.config.methods import METHODS, Method
from prefdata.training.config.plan import Plan, resolve
from prefdata.training.config.recipe import EvaluationSettings, FirstStage, LoraSettings, Recipe
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
    "recipe_yaml",
    "resolve",
    "train",
]
