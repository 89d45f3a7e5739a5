"""Images in the layouts people have, and the one layout in which operators work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, RunError, ShapeError
from aplomb.io.picture import Picture, guess_axes

__all__ = ["FLOAT_RANGE", "Origin", "from_float", "to_float"]

FLOAT_RANGE = (-3.0, 4.0)
"""Floats are refused beyond these values.

The true range is 0..1. Noise reaches beyond: six standard deviations of a noise of 0.5, twice what anybody
restores, end here. An image whose white is 255, 4095 or 65535 lies far outside.
"""

_WHITE: dict[str, int] = {"uint8": 255, "uint16": 65535}


@dataclass(frozen=True, eq=False)
class Origin:
    """How an image looked before `to_float`, for `from_float` to give it back so.

    Examples
    --------
    >>> to_float(np.zeros((4, 5), np.uint8))[1]
    Origin(dtype=dtype('uint8'), shape=(4, 5), axes='YX', alpha=None)
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    axes: str
    alpha: NDArray[Any] | None = None
    """The fourth sample of an (H, W, 4) array, put aside; a `Picture` keeps its own instead."""

    @property
    def images(self) -> int:
        """How many images the array counts, the N of (N, C, H, W)."""
        return math.prod(n for n, axis in zip(self.shape, self.axes, strict=True) if axis not in "SYX")


def to_float(image: Picture | ArrayLike, *, name: str = "image") -> tuple[NDArray[np.float32], Origin]:
    """An image as float32 planes in 0..1, and what is needed to undo that.

    .. math:: x = v / w, \\qquad w = 255, 65535, 1, 1 \\text{ for uint8, uint16, bool, float}

    Parameters
    ----------
    image
        A `Picture`, or an array of shape (H, W), (H, W, C) with C of 1, 3 or 4, a stack of grey images
        (N, H, W), or a stack of colour images (N, H, W, C). A fourth sample is alpha and is put aside. dtype
        uint8, uint16, bool, or a float of 16, 32 or 64 bits; floats are taken as they are, with 0 for black
        and 1 for white, and may exceed that by noise, within `FLOAT_RANGE`.
    name
        What to call an array in a message; a `Picture` has its own name.

    Returns
    -------
    planes
        float32 of shape (N, C, H, W), contiguous, never a view of `image`.
    origin
        dtype, shape, axes and alpha, for `from_float`.

    Raises
    ------
    ShapeError
        Wrong number of axes, or an empty array.
    BadInput
        A dtype whose white level is not known (signed or 32-bit integers), complex numbers, NaN or infinity,
        floats far outside 0..1, a masked array.

    Examples
    --------
    >>> planes, origin = to_float(np.full((4, 5, 3), 255, np.uint8))
    >>> planes.shape, float(planes.max())
    ((1, 3, 4, 5), 1.0)
    >>> from_float(planes, origin).dtype
    dtype('uint8')
    >>> to_float(np.linspace(0, 255, 20).reshape(4, 5))
    Traceback (most recent call last):
        ...
    aplomb.errors.BadInput: image: asked for floats in 0..1 (noise may reach from -3 to 4), found 0 to 255; \
divide by the white level first, for example image / 255
    """
    if isinstance(image, Picture):
        name = image.name
        array, axes = image.array, image.axes
    elif isinstance(image, np.ma.MaskedArray):
        raise BadInput(f"{name}: found a masked array; fill it first, for example image.filled(0)")
    else:
        array = np.asarray(image)
        axes = guess_axes(array.shape, name)
    if array.size == 0:
        raise ShapeError(f"{name}: the image is empty, its shape is {array.shape}; give at least one pixel")
    _check_values(array, name)

    origin = Origin(array.dtype, array.shape, axes)
    if "S" in axes and array.shape[axes.index("S")] == 4:
        colour, alpha = np.split(array, [3], axis=axes.index("S"))
        origin = Origin(array.dtype, array.shape, axes, alpha=alpha.copy())
        array = colour

    order = _plane_order(axes)
    height, width = array.shape[axes.index("Y")], array.shape[axes.index("X")]
    samples = array.shape[axes.index("S")] if "S" in axes else 1
    # (..., S, Y, X), then every axis in front becomes one
    planes = array.transpose(order).astype(np.float32, order="C").reshape(origin.images, samples, height, width)
    white = _WHITE.get(array.dtype.name)
    if white is not None:
        planes /= np.float32(white)
    return planes, origin


def from_float(planes: NDArray[np.floating[Any]], origin: Origin) -> NDArray[Any]:
    """Planes back as the image they came from: dtype, range, layout and alpha; the inverse of `to_float`.

    .. math:: v = \\operatorname{round}(w \\min(1, \\max(0, x)))

    for integers, rounded to nearest; true where x is at least 1/2 for bool; v = x, not clipped, for floats.

    Parameters
    ----------
    planes
        Shape (N, C, H, W), with the N of `origin`. Height and width may differ from what came in, unless
        there is alpha. C may differ too: a grey image that became colour gets a last axis for it.
    origin
        The second value of `to_float`.

    Raises
    ------
    ShapeError
        `planes` do not fit `origin`.
    RunError
        `planes` hold NaN or infinity: what computed them failed.

    Examples
    --------
    >>> image = np.array([[0, 128], [255, 7]], np.uint16)
    >>> bool((from_float(*to_float(image)) == image).all())
    True
    """
    if planes.ndim != 4 or planes.shape[0] != origin.images:
        raise ShapeError(
            f"asked to give back an image of shape {origin.shape} (axes {origin.axes}), "
            f"found planes of shape {planes.shape}; expected ({origin.images}, C, H, W)"
        )
    if not np.isfinite(planes).all():
        bad = int(planes.size - np.isfinite(planes).sum())
        raise RunError(f"the result holds {bad} values of {planes.size} that are NaN or infinite")
    values = _to_dtype(planes, origin.dtype)

    axes = origin.axes if "S" in origin.axes or values.shape[1] == 1 else origin.axes + "S"
    leading = [n for n, axis in zip(origin.shape, origin.axes, strict=True) if axis not in "SYX"]
    samples = [values.shape[1]] if "S" in axes else []
    stacked = values.reshape(*leading, *samples, *values.shape[2:])
    array = stacked.transpose(np.argsort(_plane_order(axes)))
    if origin.alpha is not None:
        where = axes.index("S")
        if [n for i, n in enumerate(array.shape) if i != where] != [
            n for i, n in enumerate(origin.alpha.shape) if i != where
        ]:
            raise ShapeError(
                f"the image has alpha of shape {origin.alpha.shape} and the result the shape {array.shape}; "
                "take alpha off first, for example image[..., :3]"
            )
        array = np.concatenate([array, origin.alpha], axis=where, dtype=origin.dtype)
    return np.ascontiguousarray(array)


def _plane_order(axes: str) -> list[int]:
    """Where each axis of (..., S, Y, X) stands in `axes`."""
    return [axes.index(a) for a in axes if a not in "SYX"] + [axes.index(a) for a in "SYX" if a in axes]


def _to_dtype(planes: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "b":
        return np.asarray(planes >= 0.5)
    white = _WHITE.get(dtype.name)
    if white is None:
        return planes.astype(dtype)
    scaled = np.clip(planes, 0, 1).astype(np.result_type(planes.dtype, np.float32), copy=False) * np.float32(white)
    rounded: NDArray[Any] = np.rint(scaled).astype(dtype)
    return rounded


def _check_values(array: NDArray[Any], name: str) -> None:
    """Refuse dtypes and values whose meaning is not known."""
    dtype = array.dtype
    if dtype.kind == "b" or dtype.name in _WHITE:
        return
    if dtype.kind in "iu":
        raise BadInput(
            f"{name}: found {dtype}, whose white level is not known; asked for uint8, uint16, bool, or a "
            "float in 0..1; convert it first, for example (image - low) / (high - low) with the levels of "
            "black and white"
        )
    if dtype.name not in ("float16", "float32", "float64"):
        raise BadInput(f"{name}: found {dtype}; asked for uint8, uint16, bool, float16, float32 or float64")
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        wrong = ~np.isfinite(array)
        first = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), array.shape))
        raise BadInput(
            f"{name}: found {int(wrong.sum())} values of {array.size} that are NaN or infinite, "
            f"the first at index {first}; replace them first, for example with numpy.nan_to_num"
        )
    if low < FLOAT_RANGE[0] or high > FLOAT_RANGE[1]:
        if low < FLOAT_RANGE[0]:
            remedy = "shift and divide by the levels of black and white first: (image - low) / (high - low)"
        else:
            white = next((w for w in (255, 4095, 65535) if high <= w), None)
            remedy = "divide by the white level first, for example image / " + (str(white) if white else "image.max()")
        raise BadInput(
            f"{name}: asked for floats in 0..1 (noise may reach from {FLOAT_RANGE[0]:g} to "
            f"{FLOAT_RANGE[1]:g}), found {low:g} to {high:g}; {remedy}"
        )
