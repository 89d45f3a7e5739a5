"""References of a comparison of segmentations: label maps and fields of view, read and checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.sources import Image
from aplomb.errors import BadInput
from aplomb.io import IGNORE, read, read_labels

__all__ = ["Truth", "class_names", "fields_of_view", "label_maps", "references"]


class Truth(NamedTuple):
    """The reference of one picture."""

    labels: NDArray[Any]
    """(H, W): classes, or objects."""
    mask: NDArray[np.bool_]
    """(H, W): which pixels count."""


def label_maps(labels: Any) -> list[NDArray[Any]]:
    """Label maps as they are stored."""
    return [read_labels(item) if isinstance(item, (str, os.PathLike)) else np.asarray(item) for item in _listed(labels)]


def fields_of_view(masks: Any) -> list[NDArray[Any]] | None:
    """Fields of view; colour counts where any channel is not black."""
    if masks is None:
        return None
    found = [read(item).array if isinstance(item, (str, os.PathLike)) else np.asarray(item) for item in _listed(masks)]
    return [mask.max(axis=-1) if mask.ndim == 3 else mask for mask in found]


def _listed(given: Any) -> list[Any]:
    """What was given one by one: values of a mapping, files of a folder, a single map as a list of one."""
    from aplomb.data import find_pictures

    if isinstance(given, Mapping):
        return list(given.values())
    if isinstance(given, np.ndarray) and given.ndim == 2:
        return [given]
    items = [given] if isinstance(given, (str, os.PathLike)) else list(given)
    return [part for i in items for part in (find_pictures(i) if isinstance(i, (str, os.PathLike)) else [i])]


def references(
    named: list[tuple[str, Image]], labels: list[NDArray[Any]], masks: list[NDArray[Any]] | None, *, objects: bool
) -> list[Truth]:
    """The references, checked against their pictures."""
    views: Sequence[Any] = [None] * len(labels) if masks is None else masks
    for what, found in (("label maps", labels), ("masks", views)):
        if len(found) != len(named):
            raise BadInput(f"found {len(named)} pictures and {len(found)} {what}; give one for each")
    truths = []
    for (name, image), array, mask in zip(named, labels, views, strict=True):
        for what, part in (("labels", array), ("mask", mask)):
            if part is not None and np.shape(part) != image.shape[:2]:
                raise BadInput(f"{name}: {what} of shape {np.shape(part)} for a picture of {image.shape[:2]} pixels")
        if array.dtype.kind not in "bui":
            raise BadInput(f"{name}: found labels of {array.dtype}; give whole numbers")
        truth = _truth(array.astype(np.int64), mask, objects=objects)
        if not truth.mask.any():
            raise BadInput(f"{name}: no pixel counts; take the picture out, or mend its labels or its mask")
        truths.append(truth)
    return truths


def class_names(maps: Sequence[NDArray[Any]], names: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the classes; numbers where there are none."""
    most = 1 + max(int(labels.max()) for labels in maps)
    if names is None:
        return tuple(f"class {k}" for k in range(max(most, 2)))
    if len(names) < max(most, 2) or len(set(names)) < len(names):
        raise BadInput(f"asked for the classes {', '.join(names)}, found labels up to {most - 1}; name each class once")
    return tuple(names)


def _truth(labels: NDArray[Any], mask: NDArray[Any] | None, *, objects: bool) -> Truth:
    """The reference and the pixels of it that count: not those marked by `IGNORE`, or -1 in a map of objects."""
    counts = labels >= 0 if objects else labels != IGNORE
    counts = counts if mask is None else counts & (np.asarray(mask) > 0)
    return Truth(np.where(counts, labels, 0), np.asarray(counts, np.bool_))
