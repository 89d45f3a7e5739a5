"""Labelled pictures in folders: pictures and label files side by side, or a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aplomb.data import find_pictures, misnamed
from aplomb.errors import BadInput
from aplomb.io import class_map, read, read_labels

__all__ = ["Labelled", "class_folders", "label_folders", "split"]

Place = str | os.PathLike[str]

MOST = 32
"""Grey values in all label files together that may be classes."""


class Labelled(NamedTuple):
    """Pictures with their labels, and their fields of view if there are any, one of each."""

    pictures: list[Path]
    labels: list[NDArray[Any]]
    masks: list[NDArray[np.bool_]] | None
    classes: tuple[str, ...]
    """Names; of objects none."""

    def only(self, numbers: Sequence[int]) -> Labelled:
        """Some of them."""
        masks = None if self.masks is None else [self.masks[i] for i in numbers]
        return Labelled([self.pictures[i] for i in numbers], [self.labels[i] for i in numbers], masks, self.classes)


def label_folders(
    pictures: Place | Sequence[Place],
    labels: Place | Sequence[Place],
    masks: Place | Sequence[Place] | None = None,
    *,
    objects: bool = False,
    classes: Sequence[str] = (),
    values: Sequence[int] = (),
) -> Labelled:
    """Pictures and label files of folders, files or globs, in the order of their names.

    Parameters
    ----------
    pictures, labels, masks
        As many of each; masks are not black where pixels count.
    objects
        Whether labels are numbers of objects; else classes.
    classes
        Names of the classes; their grey values unless given.
    values
        The grey value of each class; the values in the files, rising, unless given.

    Raises
    ------
    BadInput
        Different numbers of files, names that belong to others, sizes that differ, a value that is no class, more
        than 32 values, or another number of names than of classes.
    """
    files, truths = find_pictures(pictures), find_pictures(labels)
    views = find_pictures(masks) if masks is not None else []
    for what, found in (("label files", truths), *([("masks", views)] if masks is not None else [])):
        if len(found) != len(files):
            alone = sorted({f.stem for f in files} ^ {f.stem for f in found})
            hint = f" (without a partner of their name: {', '.join(alone[:5])})" if alone else ""
            raise BadInput(f"found {len(files)} pictures and {len(found)} {what}; give one for each{hint}")
        if reason := misnamed(files, found):
            raise BadInput(reason)
    maps: list[NDArray[Any]] = [read_labels(file) for file in truths]
    fields = [_field(file) for file in views] if masks is not None else None
    if objects:
        return Labelled(files, maps, fields, ())
    known = list(values) or np.unique(np.concatenate([np.unique(found) for found in maps])).tolist()
    if len(known) > MOST or len(known) < 2:
        raise BadInput(
            f"found {len(known)} different grey value(s) in the label files, from {known[0]} to {known[-1]}; "
            f"classes are 2 to {MOST}: say which by --value, or give --target borders for objects"
        )
    names = tuple(classes) or tuple(str(value) for value in known)
    if len(names) != len(known):
        raise BadInput(
            f"found {len(known)} grey values of classes, {', '.join(map(str, known))}, and {len(names)} names, "
            f"{', '.join(names)}; give one for each"
        )
    return Labelled(files, [_classes(f, m, known) for f, m in zip(truths, maps, strict=True)], fields, names)


def class_folders(folder: Place) -> tuple[list[Path], list[str]]:
    """Pictures in a folder that holds one folder for each class, and the class of each.

    Raises BadInput for fewer than two folders, ImageFileError for one without pictures.
    """
    place = Path(folder)
    found = sorted(p for p in place.glob("*/") if not p.name.startswith(".")) if place.is_dir() else []
    if len(found) < 2:
        raise BadInput(
            f"asked for classes in {place}, found {len(found)} folder(s) there; give a folder that holds one "
            "folder for each class"
        )
    files = [(file, p.name) for p in found for file in find_pictures(p)]
    return [file for file, _ in files], [name for _, name in files]


def split(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the pictures to learn from, and of the rest; at least one of each.

    >>> split(4, 0.5, seed=0)
    ([0, 2], [1, 3])

    Raises BadInput for a share that is none, or a single picture.
    """
    if not 0 < share < 1 or count < 2:
        raise BadInput(
            f"asked to learn from the share {share:g} of {count} picture(s); give a share between 0 and 1, of two "
            "or more"
        )
    order = np.random.default_rng(seed).permutation(count)
    cut = min(max(round(share * count), 1), count - 1)
    return sorted(order[:cut].tolist()), sorted(order[cut:].tolist())


def _classes(file: Path, labels: NDArray[Any], values: Sequence[int]) -> NDArray[np.uint8]:
    try:
        return class_map(labels, values)[0]
    except BadInput as error:
        raise BadInput(f"{file.name}: {error}") from None


def _field(file: Path) -> NDArray[np.bool_]:
    mask = read(file).array
    return np.asarray((mask.max(axis=-1) if mask.ndim == 3 else mask) > 0)
