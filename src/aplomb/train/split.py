"""The pictures of a run by files: for training, for validation, for the test."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from aplomb.data import Split, find_pictures, split_files
from aplomb.errors import BadInput, RecipeError
from aplomb.train.recipe import Recipe
from aplomb.train.recipe.denoise import DataPart

__all__ = ["root_of", "split_pictures"]


def root_of(data: str | os.PathLike[str] | None) -> Path:
    """Folder in which the places of a recipe are looked for."""
    return Path(data or os.environ.get("APLOMB_DATA") or ".").expanduser()


def split_pictures(
    recipe: Recipe, part: DataPart, data: str | os.PathLike[str] | None
) -> tuple[Split, dict[Path, Path], tuple[str, ...]]:
    """The files of a recipe by what they are for, the second picture of each that has one, and what is to be said.

    Raises ImageFileError for places that are missing, RecipeError for pairs that are not one for each picture.
    """
    notes: list[str] = []
    root = root_of(data)
    places, validation, test, pair = part.train, part.validation, part.test, part.pair
    if data is not None and not any((root / p).exists() for p in (*places, *validation)) and not pair:
        try:
            find_pictures(places, root)
        except BadInput:
            notes.append(f"{root} has none of {', '.join(places)}: its own pictures are the training set")
            places, validation, test = ["."], [], []
    files = find_pictures(places, root)
    if part.limit and part.limit < len(files) and not pair:
        keep = np.random.default_rng(recipe.run.seed).permutation(len(files))[: part.limit]
        files = [files[i] for i in sorted(keep)]
    pairs = find_pictures(pair, root) if pair else []
    if pair and len(pairs) != len(files):
        raise RecipeError(
            f"{recipe.name}: [data] pair names {len(pairs)} pictures, train {len(files)}; give one for each"
        )
    share = 0.0 if validation else part.validation_fraction
    if len(files) == 1:
        share = 0.0
        notes += [] if validation else ["one picture only: none is left for validation"]
    split = split_files(files, validation=share, test=0.0 if test else part.test_fraction, seed=recipe.run.seed)
    held = tuple(find_pictures(validation, root)) if validation else split.validation
    held = held[: recipe.validation.limit]
    split = Split(split.train, held, tuple(find_pictures(test, root)) if test else split.test)
    counts = (len(split.train), len(held), len(split.test))
    notes.append("{} pictures to train on, {} for validation, {} for the test".format(*counts))
    if both := set(split.train) & set(held):
        notes.append(f"careful: {len(both)} file(s), {min(both)} among them, are in training and in validation")
    return split, dict(zip(files, pairs, strict=bool(pairs))), tuple(notes)
