"""Pictures and labels as the methods that learn from them take them, checked in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aplomb.errors import BadInput, ShapeError

__all__ = ["Pictures", "check_labels", "check_pictures", "grey"]

Doubles = npt.NDArray[np.float64]
Pictures = npt.ArrayLike | Sequence[npt.ArrayLike]

_LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue (ITU-R BT.709)."""

_LEAST = 8
"""Pixels a side of the smallest picture: HOG cuts it into 4 x 4 cells of at least 2 x 2 pixels."""


def check_pictures(images: Pictures, least: int = _LEAST) -> Doubles:
    """Pictures as (N, H, W, C) in float64, or an error; `least` is the smallest side that will do."""
    if isinstance(images, np.ndarray):
        array: npt.NDArray[Any] = images
    else:
        shapes = list(dict.fromkeys(np.shape(one) for one in images))  # type: ignore[union-attr]
        if len(shapes) > 1:
            raise ShapeError(f"pictures of different shapes: {shapes[0]} and {shapes[1]}; bring them to one size first")
        array = np.asarray(images)
    if array.ndim not in (3, 4) or array.size == 0:
        raise ShapeError(
            f"pictures must be (N, H, W) or (N, H, W, C), found shape {array.shape}; one picture is x[None]"
        )
    if array.ndim == 4 and array.shape[3] > 4:
        raise ShapeError(f"pictures must be (N, H, W, C) with at most 4 channels, found shape {array.shape}")
    if min(array.shape[1:3]) < least:
        raise ShapeError(f"pictures of {array.shape[1]} x {array.shape[2]} pixels are too small; give {least} or more")
    if array.dtype.kind not in "fb":
        raise BadInput(f"pictures must be floating point in 0..1, found {array.dtype}; divide by the value of white")
    array = array.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(array).all(axis=tuple(range(1, array.ndim))))
    if wrong.size:
        raise BadInput(
            f"{wrong.size} of {len(array)} pictures hold NaN or infinity, first number {wrong[0]}; fill them"
        )
    if abs(array).max() > 10:
        raise BadInput(f"pictures reach {abs(array).max():.4g}; scale them to 0..1, dividing by the value of white")
    return array if array.ndim == 4 else array[..., None]


def grey(picture: Doubles) -> Doubles:
    """The grey picture of (..., C): luma of the first three channels, or the mean of fewer.

    >>> grey(np.array([[1.0, 0.0, 0.0]]))
    array([0.2126])
    """
    return np.asarray(picture[..., :3] @ _LUMA if picture.shape[-1] >= 3 else picture.mean(axis=-1))


def check_labels(
    labels: npt.ArrayLike, count: int, classes: Sequence[Any] | None = None
) -> tuple[npt.NDArray[np.int64], tuple[Any, ...]]:
    """Which of the classes each of `count` training pictures is of, (N,), and the classes; or an error.

    `classes` are those that there should be; without it, those that occur in `labels`, sorted.

    >>> check_labels(["cat", "dog", "dog", "cat"], 4)
    (array([0, 1, 1, 0]), ('cat', 'dog'))
    """
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iuUb":
        raise BadInput(f"labels must be one whole number or word a picture, found {array.dtype} of shape {array.shape}")
    if len(array) != count:
        raise ShapeError(f"found {count} pictures and {len(array)} labels; give one label a picture")
    if count < 2:
        raise BadInput("found one picture only; a classifier needs two or more of each class to learn from")
    known = tuple(np.unique(array).tolist() if classes is None else classes)
    numbers = {name: k for k, name in enumerate(known)}
    if extra := sorted(set(array.tolist()) - set(numbers)):
        raise BadInput(f"found the label {extra[0]!r}, which is none of the classes {_listed(known)}")
    index = np.array([numbers[name] for name in array.tolist()], np.int64)
    each = np.bincount(index, minlength=len(known))
    if missing := [known[k] for k in np.flatnonzero(each == 0)]:
        raise BadInput(f"class {_listed(missing)} has no picture in the training split; add some, or split by class")
    if len(known) < 2:
        raise BadInput(f"found one class only, {known[0]!r}; a classifier needs pictures of two or more")
    if single := [known[k] for k in np.flatnonzero(each == 1)]:
        raise BadInput(f"class {_listed(single)} has one picture only; give two or more, or leave the class out")
    return index, known


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
