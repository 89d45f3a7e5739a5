"""Cross-validation by picture: as many trainings as folds, each judged on the pictures that it did not see."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aplomb.errors import RecipeError
from aplomb.io import whole_file
from aplomb.train.checkpoint import make_folder
from aplomb.train.loop import Result, train
from aplomb.train.recipe import Recipe, SegmentRecipe, read_recipe

__all__ = ["CrossValidation", "cross_validate"]


@dataclass(frozen=True)
class CrossValidation:
    """The results, fold by fold."""

    results: tuple[Result, ...]
    path: Path
    """A table of the figures."""

    @property
    def figures(self) -> dict[str, tuple[float, float]]:
        """Mean over the folds and standard deviation of each figure."""
        names = self.results[0].figures
        values = {name: [r.figures[name] for r in self.results if name in r.figures] for name in names}
        return {name: (float(np.mean(v)), float(np.std(v, ddof=1))) for name, v in values.items() if len(v) > 1}

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {mean:.4f} +- {deviation:.4f}" for name, (mean, deviation) in self.figures.items())
        return f"{len(self.results)} folds: {shown}"


def cross_validate(
    recipe: str | os.PathLike[str] | Recipe,
    folds: int,
    data: str | os.PathLike[str] | None = None,
    *,
    run: str | os.PathLike[str] | None = None,
    **options: Any,
) -> CrossValidation:
    """Train once for each fold, in the folders `run`/fold-0, ... (each resumes), and write `run`/folds.csv.

    Parameters
    ----------
    recipe
        Of a segmentation: a path, or a recipe that was read.
    folds
        Parts that the annotated pictures are cut into.
    data, run, options
        As `train` has them.

    Raises
    ------
    RecipeError
        The recipe is not of a segmentation, names validation pictures, or has fewer pictures than folds.
    """
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    if not isinstance(recipe, SegmentRecipe) or recipe.data.validation:
        raise RecipeError(
            f"{recipe.name}: folds are for the task 'segment' without [data] validation; "
            f"here the task is {recipe.task!r}"
        )
    if folds < 2:
        raise RecipeError(f"{recipe.name}: asked for {folds} fold(s); give 2 or more")
    folder = make_folder(run or Path("runs") / Path(recipe.name).stem)
    results = []
    for fold in range(folds):
        part = recipe.data.model_copy(update={"folds": folds, "fold": fold})
        one = recipe.model_copy(update={"data": part})
        results.append(train(one, data, run=folder / f"fold-{fold}", **options))
    path = folder / "folds.csv"
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        names = list(results[0].figures)
        writer.writerow(["fold", *names])
        writer.writerows([fold, *(r.figures.get(n, "") for n in names)] for fold, r in enumerate(results))
    return CrossValidation(tuple(results), path)
