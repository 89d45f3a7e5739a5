"""Annotated pictures: pictures and label files side by side, read, checked, and split by picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.data import Split, find_pictures, load_pictures, misnamed, split_files
from aplomb.errors import BadInput, RecipeError
from aplomb.io import IGNORE, read, read_labels
from aplomb.train.crops import floats
from aplomb.train.recipe.segment import LabelsPart, SegmentRecipe

__all__ = ["Annotated", "annotated", "check_objects", "find_annotated", "standardised"]


@dataclass(frozen=True)
class Files:
    """A picture, its labels, and its field of view or None."""

    picture: Path
    labels: Path
    mask: Path | None = None


@dataclass(frozen=True)
class Annotated:
    """A picture as the network sees it, (C, H, W) float32, and its labels.

    `labels` (H, W) are classes, uint8 with `IGNORE`, for the target regions; else objects, int32, with -1 for pixels
    that do not count.
    """

    name: str
    picture: NDArray[np.float32]
    labels: NDArray[Any]


def find_annotated(recipe: SegmentRecipe, data: str | os.PathLike[str] | None) -> tuple[dict[str, list[Files]], Split]:
    """Files for "train", "validation" and "test", and the split; each picture stands on one side only.

    Raises
    ------
    RecipeError
        Numbers of pictures and labels that differ, names that belong to others, or too few pictures to split.
    """
    part = recipe.data
    root = Path(data or os.environ.get("APLOMB_DATA") or ".").expanduser()

    def pairs(places: Sequence[str], labels: Sequence[str], masks: Sequence[str] = ()) -> list[Files]:
        pictures, truths = find_pictures(places, root), find_pictures(labels, root)
        views = find_pictures(masks, root) if masks else [None] * len(pictures)
        for found, what in ((truths, "label files"), (views, "masks")):
            if len(found) != len(pictures):
                alone = sorted({p.stem for p in pictures} ^ {f.stem for f in found if f})
                raise RecipeError(
                    f"{recipe.name}: {len(pictures)} pictures in {', '.join(places)} but {len(found)} {what} in "
                    f"{', '.join(labels if found is truths else masks)}; give one for each"
                    + (f" (without a partner of their name: {', '.join(alone[:5])})" if alone else "")
                )
        for found in (truths, [view for view in views if view]):
            if found and (reason := misnamed(pictures, found)):
                raise RecipeError(f"{recipe.name}: {reason}")
        return [Files(*each) for each in zip(pictures, truths, views, strict=True)]

    files = pairs(part.train, part.labels, part.mask)
    if part.limit and part.limit < len(files):
        keep = np.random.default_rng(recipe.run.seed).permutation(len(files))[: part.limit]
        files = [files[i] for i in sorted(keep)]
    if len(files) < 2 and not part.validation:
        raise RecipeError(
            f"{recipe.name}: one annotated picture only ({files[0].picture.name}), none is left for validation; "
            "annotate a second one, or cut it in two"
        )
    if part.folds:
        if part.folds > len(files):
            raise RecipeError(f"{recipe.name}: [data] folds = {part.folds} of {len(files)} pictures; give fewer folds")
        order = np.random.default_rng(recipe.run.seed).permutation(len(files))
        held = set(order[part.fold :: part.folds].tolist())
        sides = {
            "train": [f for i, f in enumerate(files) if i not in held],
            "validation": [f for i, f in enumerate(files) if i in held],
            "test": [],
        }
    else:
        split = split_files(
            [f.picture for f in files],
            validation=0.0 if part.validation else part.validation_fraction,
            test=0.0 if part.test else part.test_fraction,
            seed=recipe.run.seed,
        )
        of = {f.picture: f for f in files}
        sides = {name: [of[p] for p in getattr(split, name)] for name in ("train", "validation", "test")}
    if part.validation:
        sides["validation"] = pairs(part.validation, part.validation_labels)
    if part.test:
        sides["test"] = pairs(part.test, part.test_labels)
    sides["validation"] = sides["validation"][: recipe.validation.limit]
    train, held_out, test = (tuple(f.picture for f in side) for side in sides.values())
    if both := (set(train) & set(held_out)) | (set(train) & set(test)):
        raise RecipeError(f"{recipe.name}: {min(both)} is trained on and judged on; take it out of one of them")
    return sides, Split(train, held_out, test)


def annotated(files: Files, recipe: SegmentRecipe) -> Annotated:
    """Read one picture with its labels.

    Raises BadInput, in one line, for labels of another size or without meaning, and for stacks.
    """
    arrays = load_pictures([files.picture], channels=recipe.data.channels)
    if len(arrays) != 1:
        raise BadInput(
            f"{files.picture}: a stack of {len(arrays)} pictures, where one is wanted; save its slices one by one, "
            "each with labels of its own"
        )
    picture = floats(arrays[0])
    labels = _labels(files.labels, recipe.labels)
    if labels.shape != picture.shape[1:]:
        raise BadInput(
            f"{files.labels}: labels of {labels.shape[0]} x {labels.shape[1]} pixels for {files.picture.name} of "
            f"{picture.shape[1]} x {picture.shape[2]}; they must be of one size"
        )
    if files.mask is not None:
        view = read(files.mask).array
        view = view if view.ndim == 2 else view.max(axis=-1)
        if view.shape != labels.shape:
            raise BadInput(f"{files.mask}: a mask of {view.shape} for labels of {labels.shape}; give one of their size")
        labels = np.where(view > 0, labels, IGNORE if recipe.labels.target == "regions" else -1).astype(labels.dtype)
    if recipe.data.standardise:
        picture = standardised(picture)
    return Annotated(files.picture.name, picture, labels)


def check_objects(found: Sequence[Annotated], recipe: SegmentRecipe) -> None:
    """Refuse masks where numbered objects are wanted: one number in every picture, in places apart.

    A network for objects would learn from them that all cells of a picture are one. Raises RecipeError.
    """
    if recipe.labels.target == "regions":
        return
    from skimage.measure import label

    numbers = [np.unique(item.labels[item.labels > 0]) for item in found]
    if any(len(there) > 1 for there in numbers):
        return
    for item, there in zip(found, numbers, strict=True):
        places = int(label(item.labels > 0).max())
        if places > 1:
            raise RecipeError(
                f"{recipe.name}: the labels of {item.name} hold {there[0]} only, in {places} places: a mask, and "
                f"target {recipe.labels.target!r} learns from numbered objects; number them, or take target "
                f"'regions' with values = [0, {there[0]}]"
            )


def standardised(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture (C, H, W), each channel minus its mean over its standard deviation; a constant becomes 0.

    >>> standardised(np.float32([[[0, 2]]])).tolist()
    [[[-1.0, 1.0]]]
    """
    x = picture.astype(np.float64)
    mean, deviation = x.mean((1, 2), keepdims=True), x.std((1, 2), keepdims=True)
    result: NDArray[np.float32] = ((x - mean) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    return result


def _labels(path: Path, part: LabelsPart) -> NDArray[Any]:
    numbers = read_labels(path)
    ignored = np.zeros(numbers.shape, bool) if part.ignore is None else numbers == part.ignore
    if part.target != "regions":
        return np.where(ignored, -1, numbers)
    values = part.values or list(range(len(part.classes)))
    classes = np.full(numbers.shape, IGNORE, np.uint8)
    for index, value in enumerate(values):
        classes[numbers == value] = index
    strange = np.unique(numbers[(classes == IGNORE) & ~ignored])
    if len(strange):
        found = ", ".join(map(str, np.unique(numbers)[:10]))
        raise BadInput(
            f"{path}: holds {found}{' ...' if len(np.unique(numbers)) > 10 else ''}, where {len(values)} classes are "
            f"{', '.join(map(str, values))}; name them by [labels] values, or what does not count by ignore"
        )
    classes[ignored] = IGNORE
    return classes
