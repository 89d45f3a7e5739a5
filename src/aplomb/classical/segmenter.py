"""What every classical segmenter is: ``method(image, seeds=None)``, checked, and a `name`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aplomb.errors import BadInput, ShapeError
from aplomb.io import IGNORE

__all__ = ["Segmenter", "grey", "need_scikit_learn", "training_pixels"]

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]

_LARGEST = 1e6
"""Noise and units may lead beyond 1; what is larger than this is a mistake, and its squares may overflow."""


@dataclass(frozen=True, eq=False)
class Segmenter(ABC):
    """What all segmenters share."""

    name: ClassVar[str]
    takes_seeds: ClassVar[bool] = False
    """Whether clicks or scribbles can say what to look for."""
    numbers_regions: ClassVar[bool] = False
    """Whether labels are the numbers of objects or regions from 1; else classes."""

    def __call__(self, image: npt.ArrayLike, seeds: npt.ArrayLike | None = None) -> Labels:
        """The label of each pixel.

        Parameters
        ----------
        image
            (H, W) or (H, W, C), floating point, 0..1.
        seeds
            For methods that take them. Clicks: a sequence of (row, column), numbered from 1. Scribbles:
            (H, W), integer, 0 where nothing is marked. None: found by the method.

        Returns
        -------
        labels
            (H, W), int32: classes from 0, or regions from 1 with 0 for what is in none; each method says which.
            With seeds, their numbers.

        Raises
        ------
        BadInput
            The image is not floating point or not finite; the method takes no seeds, or these are none.
        ShapeError
            The image is empty, has another number of dimensions or channels that the method cannot use; seeds
            lie outside or have another size.
        """
        checked = check_image(self.name, image)
        if seeds is None:
            return self._segment(checked, None).astype(np.int32)
        if not self.takes_seeds:
            raise BadInput(f"{self.name} takes no seeds; call it with the image alone")
        return self._segment(checked, check_seeds(self.name, seeds, checked.shape[:2])).astype(np.int32)

    @abstractmethod
    def _segment(self, image: Floats, seeds: Labels | None) -> npt.NDArray[Any]:
        """Labels (H, W) of a checked image in float64; `seeds` are scribbles, only where they are taken."""


def check_image(name: str, image: npt.ArrayLike) -> Floats:
    """The image in float64, if a segmenter can take it."""
    array = np.asarray(image)
    if array.ndim not in (2, 3) or array.size == 0:
        raise ShapeError(f"{name} needs an image (H, W) or (H, W, C), found shape {array.shape}")
    if not np.issubdtype(array.dtype, np.floating):
        raise BadInput(f"{name} needs floating point, found {array.dtype}; scale the image to 0..1")
    if not np.isfinite(array).all():
        raise BadInput(f"{name} needs finite values, found NaN or infinity; fill them first")
    if np.abs(array).max() > _LARGEST:
        raise BadInput(f"{name} needs an image in 0..1, found values up to {np.abs(array).max():.3g}; scale it")
    checked = array.astype(np.float64)
    return checked[..., 0] if array.ndim == 3 and array.shape[2] == 1 else checked


def check_seeds(name: str, seeds: npt.ArrayLike, size: Sequence[int]) -> Labels:
    """Scribbles (H, W) from clicks or scribbles."""
    array = np.asarray(seeds)
    if array.dtype.kind not in "bui" or array.size == 0:
        raise BadInput(f"{name} needs seeds as whole numbers: clicks (row, column), or scribbles like the image")
    if array.shape == tuple(size):
        if array.min() < 0 or not array.any():
            raise BadInput(f"{name} needs scribbles numbered from 1, found none, or negative numbers")
        return array.astype(np.int32)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ShapeError(
            f"{name} needs clicks (row, column) or scribbles of {size[0]} x {size[1]} pixels, "
            f"found seeds of shape {array.shape}"
        )
    if (array < 0).any() or (array >= np.asarray(size)).any():
        wrong = array[((array < 0) | (array >= np.asarray(size))).any(axis=1)][0]
        raise ShapeError(f"{name}: the click ({wrong[0]}, {wrong[1]}) is outside of {size[0]} x {size[1]} pixels")
    scribbles = np.zeros(tuple(size), np.int32)
    scribbles[array[:, 0], array[:, 1]] = np.arange(1, len(array) + 1)
    return scribbles


def grey(name: str, image: Floats) -> Floats:
    """The image in one channel: RGB becomes luminance, 0.2125 R + 0.7154 G + 0.0721 B.

    Raises
    ------
    ShapeError
        It has other channels than these.

    Examples
    --------
    >>> grey("otsu", np.ones((1, 1, 3))).round(6).tolist()
    [[1.0]]
    """
    if image.ndim == 2:
        return image
    if image.shape[2] != 3:
        raise ShapeError(f"{name} needs grey or RGB, found {image.shape[2]} channels; pick one, as image[..., 0]")
    return np.asarray(image @ np.array([0.2125, 0.7154, 0.0721]))


def need_scikit_learn(name: str) -> None:
    """Say how to get scikit-learn where it is not installed."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise BadInput(f"{name} needs scikit-learn, which is not installed; pip install 'aplomb[learn]'") from None


def training_pixels(
    name: str, images: Sequence[npt.ArrayLike], labels: Sequence[npt.ArrayLike]
) -> tuple[list[Floats], list[npt.NDArray[np.int64]], int]:
    """Checked images and labels to learn from, and the number of classes.

    Parameters
    ----------
    images
        One or more, (H, W) or (H, W, C), with the same channels.
    labels
        As many, (H, W), whole numbers: classes from 0, and `IGNORE` where nothing is known, so that scribbles
        will do.

    Raises
    ------
    BadInput, ShapeError
        They do not fit each other, or a class from 0 to the largest has no pixel, or there is one class only.

    Examples
    --------
    >>> training_pixels("forest", [np.zeros((1, 3))], [np.array([[0, 255, 1]])])[2]
    2
    """
    if len(images) != len(labels) or not len(images):
        raise BadInput(f"{name} needs a label map an image, found {len(images)} images and {len(labels)} label maps")
    pictures = [check_image(name, image) for image in images]
    maps = []
    for i, (picture, given) in enumerate(zip(pictures, labels, strict=True)):
        array = np.asarray(given)
        if array.shape != picture.shape[:2]:
            raise ShapeError(f"{name}: image {i} has {picture.shape[:2]} pixels, its labels have shape {array.shape}")
        if array.dtype.kind not in "bui" or array.min() < 0:
            raise BadInput(f"{name} needs labels as whole numbers from 0, found {array.dtype} in map {i}")
        if picture.shape[2:] != pictures[0].shape[2:]:
            raise ShapeError(f"{name} needs images with the same channels, found {picture.shape} beside the first")
        maps.append(array.astype(np.int64))
    there = np.unique(np.concatenate([np.unique(array) for array in maps]))
    there = there[there != IGNORE]
    if there.size < 2:
        raise BadInput(f"{name} needs at least two classes to tell apart, found {there.tolist()}")
    if there.size != there[-1] + 1:
        missing = np.setdiff1d(np.arange(there[-1]), there)[0]
        raise BadInput(f"{name}: the class {missing} has no pixel, labels go up to {there[-1]}; number them from 0")
    return pictures, maps, int(there.size)
