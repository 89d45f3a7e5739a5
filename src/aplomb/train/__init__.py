"""Training: torch lives only here (and in `aplomb.explain`).

from aplomb.train import train
result = train("recipes/denoise-residual.toml", data="my-photos", output="mine.onnx")
"""

from aplomb.train.folds import CrossValidation, cross_validate
from aplomb.train.loop import Result, train
from aplomb.train.parameters import Trainable
from aplomb.train.recipe import Recipe, parse_recipe, read_recipe

__all__ = [
    "CrossValidation", "Recipe", "Result", "Trainable", "cross_validate", "parse_recipe", "read_recipe", "train",
]  # fmt: skip
