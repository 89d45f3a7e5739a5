"""Segmentation on pictures that nothing was trained on: a network beside classical methods, by the field's figures.

    python benchmarks/segment.py segment-nuclei --model runs/segment-nuclei/model.onnx

The recipe of that name says which pictures are the test: they take part neither in training nor in the choice of the
weights. Classical methods that learn (the random forest) learn from the pictures that the network was trained on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from report import ROOT, Report, folder, options, seconds

import aplomb
from aplomb import metrics
from aplomb.classical.segment import SEGMENTERS
from aplomb.io import Picture
from aplomb.io import read as read_picture
from aplomb.train.annotated import Annotated, annotated, find_annotated
from aplomb.train.recipe import SegmentRecipe, read_recipe

Values = np.ndarray
Method = Callable[[Values], tuple[Values, Values | None]]
"""Picture as stored to labels (H, W) and, where it has them, the probability of the class that is looked for."""

CLASSICAL = {
    "segment-nuclei": ("otsu", "local-threshold", "watershed"),
    "segment-membranes": ("otsu", "local-threshold", "random-forest"),
    "segment-vessels": ("local-threshold", "random-forest"),
    "segment-textures": ("multi-otsu-4", "texture", "random-forest"),
}


def main() -> None:
    chosen = options(
        system={"choices": sorted(CLASSICAL), "help": "name of a recipe"},
        model={"action": "append", "help": "a model file or shipped model; repeat for more"},
        data={"type": Path, "help": "folder of the recipe's places; $APLOMB_DATA unless given"},
    )
    place = chosen.data or folder("APLOMB_DATA", "everything")
    if place is None:
        return
    recipe = read_recipe(ROOT / "recipes" / f"{chosen.system}.toml")
    assert isinstance(recipe, SegmentRecipe)
    sides, _ = find_annotated(recipe, place)
    test = [(read_picture(f.picture), annotated(f, recipe)) for f in sides["test"][: 2 if chosen.quick else None]]
    train = [(read_picture(f.picture), annotated(f, recipe)) for f in sides["train"][:: 4 if chosen.quick else 1]]
    report = Report(f"{recipe.title}: {len(test)} pictures held out", ["method", *FIGURES[kind(recipe)], "s / picture"])
    for name, run in methods(chosen.system, chosen.model or [chosen.system], recipe, train):
        found = [run(picture.array) for picture, _ in test]
        spent = seconds(lambda run=run: run(test[0][0].array), repeats=3)[0]
        report.add(name, *judge(recipe, found, [truth for _, truth in test]), spent)
    report.finish(chosen.csv)


if __name__ == "__main__":
    main()
