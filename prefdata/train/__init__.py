"""Training and evaluation, thin over TRL: a recipe in, a model out. Importing it loads no torch."""

from __future__ import annotations

from prefdata.train.card import recipe_yaml
from prefdata.train.estimates import Estimate
from prefdata.train.evaluated import Evaluation
from prefdata.train.evaluation import evaluate
from prefdata.train.gates import check_gate, parse_gate
from prefdata.train.methods import METHODS, Method
from prefdata.train.plan import Plan, make_plan
from prefdata.train.prompts import Prompting
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
    "Prompting",
    "Recipe",
    "TrainingResult",
    "check_gate",
    "evaluate",
    "load_recipe",
    "make_plan",
    "parse_gate",
    "recipe_yaml",
    "train",
]
