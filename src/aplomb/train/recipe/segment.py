"""Recipes of segmentation: pictures with label files, what the labels mean, losses per pixel and per region."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from aplomb.recognise.targets import Target
from aplomb.train.recipe.parts import JudgePart, Level, Part, PicturesPart, Positive, Recipe, Share

__all__ = ["AugmentPart", "LabelsPart", "SegmentLossPart", "SegmentRecipe"]


class SegmentDataPart(PicturesPart):
    """[data]. Label files belong to the pictures in the order of their names."""

    labels: Annotated[list[str], Field(min_length=1)]
    """Label files of the pictures in `train`: 8, 16 or 32 bit, as large as their pictures."""
    validation_labels: list[str] = []
    test_labels: list[str] = []
    mask: list[str] = []
    """Fields of view of the pictures in `train`: what is 0 there does not count."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Cut the pictures into so many parts ..."""
    fold: Annotated[int, Field(ge=0)] = 0
    """... and validate on this one, in place of `validation_fraction`."""
    crop: Positive = 256
    """Side of the square pieces, in pixels. A smaller picture is mirrored at its edges up to it."""
    standardise: bool = True
    """Each picture minus its mean over its standard deviation, channel by channel."""
    balance: Share = 0.5
    """Share of the pieces that lie around a pixel of a class drawn at random, so that rare ones are seen."""

    @property
    def side(self) -> int:
        return self.crop

    @model_validator(mode="after")
    def _pairs(self) -> SegmentDataPart:
        for places, labels, name in (
            (self.validation, self.validation_labels, "validation"), (self.test, self.test_labels, "test"),
        ):  # fmt: skip
            if bool(places) != bool(labels):
                raise ValueError(f"{name} and {name}_labels belong together; give both or neither")
        if self.folds and (self.validation or self.fold >= self.folds):
            raise ValueError(f"folds = {self.folds}, fold = {self.fold}: give fold below folds, and no validation")
        return self


class LabelsPart(Part):
    """[labels]: what the numbers in label files mean."""

    target: Target = "regions"
    """regions: a pixel's number is its class. borders, distances: it is its object, 0 is none; objects are told apart
    by a class for borders, or by a map of distances."""
    classes: list[str] = []
    """Names of the classes, background first (regions)."""
    values: list[int] = []
    """The number of each class in the files, if not 0, 1, 2, ..."""
    ignore: int | None = None
    """The number of pixels that do not count, in scribbles all but the strokes."""
    border: Positive = 2
    """borders: width of the class between objects, in pixels."""

    @model_validator(mode="after")
    def _agree(self) -> LabelsPart:
        if self.target == "regions" and len(self.classes) < 2:
            raise ValueError("target 'regions' needs classes, at least two names, background first")
        if self.target != "regions" and (self.classes or self.values):
            raise ValueError(f"target {self.target!r} has classes of its own; leave classes and values out")
        if self.values and (len(self.values) != len(self.classes) or len({*self.values}) != len(self.values)):
            raise ValueError(f"values names {len(self.values)} numbers for {len(self.classes)} classes; one for each")
        if len(self.classes) > 254:
            raise ValueError(f"{len(self.classes)} classes; at most 254 fit")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what the network tells apart."""
        made = {"borders": ("background", "inside", "border"), "distances": ("object", "distance")}
        return made.get(self.target, tuple(self.classes))


class AugmentPart(Part):
    """[augment]: how pieces are varied, each in its own way, picture and labels alike."""

    flips: Literal["none", "horizontal", "all"] = "all"
    """horizontal: left and right; all: the eight symmetries of the square."""
    rotate: Level = 0.0
    """Degrees, at most."""
    scale: Share = 0.0
    """0.2: between 0.8 and 1.2 times as large."""
    shear: Level = 0.0
    """Degrees, at most."""
    shift: Level = 0.0
    """Pixels, at most (a random piece is shifted anyway)."""
    elastic: Level = 0.0
    """Standard deviation of the displacements, in pixels; Simard et al., ICDAR 2003."""
    smoothness: Annotated[float, Field(gt=0)] = 16.0
    """Pixels over which elastic displacements are alike."""
    brightness: Level = 0.0
    """Added, at most, in units of the picture as the network sees it."""
    contrast: Share = 0.0
    """0.2: multiplied by 0.8 to 1.2."""
    stain: Share = 0.0
    """The same for each channel by itself, as stains and cameras differ."""


class SegmentLossPart(Part):
    """[loss]: a sum of terms."""

    terms: Annotated[
        dict[Literal["cross-entropy", "dice", "focal"], Annotated[float, Field(gt=0)]], Field(min_length=1)
    ] = {"cross-entropy": 1.0}
    """Weights of the terms."""
    class_weights: Literal["balanced"] | list[Annotated[float, Field(gt=0)]] | None = None
    """Of the classes in cross-entropy and focal loss; balanced: one over a class's share of the pixels."""
    border_weight: Level = 0.0
    """w0 of the U-Net paper: weight of the pixels between two objects that nearly touch."""
    border_sigma: Annotated[float, Field(gt=0)] = 5.0
    """Its sigma, in pixels."""
    gamma: Level = 2.0
    """Of the focal loss: how little well classified pixels count."""
    distance: Level = 10.0
    """Weight of the squared error of distances (target distances)."""


class SegmentRecipe(Recipe):
    """A recipe of a segmentation."""

    task: Literal["segment"]
    data: SegmentDataPart
    labels: LabelsPart
    augment: AugmentPart = AugmentPart()
    loss: SegmentLossPart = SegmentLossPart()
    validation: JudgePart = JudgePart()

    @model_validator(mode="after")
    def _fits(self) -> SegmentRecipe:
        weights, names = self.loss.class_weights, self.labels.names
        if isinstance(weights, list) and len(weights) != len(names):
            raise ValueError(f"class_weights has {len(weights)} numbers for {len(names)} classes; one for each")
        if self.labels.target == "distances" and weights is not None:
            raise ValueError("class_weights belong to classes; target 'distances' has none")
        return self
