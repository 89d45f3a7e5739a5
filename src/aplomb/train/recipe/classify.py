"""Recipes of classification: pictures in a folder for each class, or arrays in one file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aplomb.train.recipe.parts import JudgePart, Part, PicturesPart, Positive, Recipe, Share
from aplomb.train.recipe.segment import AugmentPart

__all__ = ["ClassifyLossPart", "ClassifyRecipe"]


class ClassifyDataPart(PicturesPart):
    """[data]. A place is a folder with one folder for each class, or an .npz file with `images` and `labels`."""

    size: Positive = 32
    """Side in pixels that pictures are brought to, by area averages or bilinear interpolation."""
    classes: list[str] = []
    """Names of the classes; those of the folders, or the numbers in the file, unless given."""
    rows: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)] | None = None
    """Of an .npz file, only the pictures from the first number up to, without, the second."""
    standardise: bool = False
    """Each picture minus its mean over its standard deviation, channel by channel."""

    @property
    def side(self) -> int:
        return self.size


class ClassifyLossPart(Part):
    """[loss]: cross-entropy."""

    smoothing: Share = 0.0
    """What the right class leaves to all classes; Szegedy et al., CVPR 2016."""
    heads: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Weight of each auxiliary classifier, where the network has them; Szegedy et al., CVPR 2015."""


class ClassifyRecipe(Recipe):
    """A recipe of a classifier."""

    task: Literal["classify"]
    data: ClassifyDataPart
    augment: AugmentPart = AugmentPart(flips="none")
    loss: ClassifyLossPart = ClassifyLossPart()
    validation: JudgePart = JudgePart()
