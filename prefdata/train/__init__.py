"""Training and evaluation, thin over TRL: a recipe in, a model out. Importing it loads no torch."""

from __future__ import annotations

from prefdata.train.card import recipe_yaml
from prefdata.train.evaluation import Estimate, Evaluation, evaluate
from prefdata.train.methods import METHODS, Method
from prefdata.train.plan import Plan, make_plan
from prefdata.train.recipe import Recipe, load_recipe
from prefdata.train.result import TrainingResult
from prefdata.train.run import train
from prefdata.train.settings import EvaluationSettings, FirstStage, LoraSettings

__all__ = [
    "METHODS",
    "Estimate",
    "Evaluation",
    "EvaluationSettings",
    "FirstStage",
    "LoraSettings",
    "Method",
    "Plan",
    "Recipe",
    "TrainingResult",
    "evaluate",
    "load_recipe",
    "make_plan",
    "recipe_yaml",
    "train",
]
