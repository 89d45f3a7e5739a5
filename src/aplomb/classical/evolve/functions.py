"""The words of formulas: filters, sums and reductions, each on numpy arrays and, where there is one, as an operator.

Pictures are stacks (N, H, W). Beyond the border the edge pixel is repeated. An entry of `FUNCTIONS` holds both
readings side by side; a test compares them. What has no operator (a median, a product, a percentile, an entropy) can
be evolved and computed, and not frozen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aplomb.arrays import Shape
from aplomb.layers import average_pool, crop, max_pool, maxout, min_pool, pad, pixel_shuffle, relu, step
from aplomb.layers.conv import Conv
from aplomb.layers.pool import L2Pool
from aplomb.operator import Operator, chain, identity, stack

Stack = npt.NDArray[np.floating]


class Part:
    """A part of the picture, behind some filters."""


class Image(Part):
    """The whole picture, behind some filters: also a part of it."""


class Feature:
    """One number a picture."""


class Sigma:
    """Standard deviation of a Gaussian, pixels."""


class Size:
    """Side of a square window, pixels, odd."""


class Level:
    """Grey level of a threshold; half-way between those of 8-bit pictures, so that rounding does not decide."""


class Percent:
    """0 to 100."""


CONSTANTS: dict[type, tuple[float, ...]] = {
    Sigma: (1, 2, 4),
    Size: (3, 5),
    Level: (0.1, 0.3, 0.5, 0.7, 0.9),
    Percent: (10, 50, 90),
}
"""The values that evolution may choose from; in formulas that are written by hand others may stand."""


@dataclass(frozen=True)
class Function:
    """A word: the kinds that it `takes` and `gives`, and its readings.

    `compute` takes arrays and numbers. `operator` takes the input's shape, operators and numbers, and gives an
    operator; None if the algebra has none.
    """

    takes: tuple[type, ...]
    gives: type
    compute: Callable[..., Stack]
    operator: Callable[..., Operator] | None = None


# -- linear filters --------------------------------------------------------------------------------------------

Kernels = tuple[npt.NDArray[np.float64], ...]
"""Kernels (h, w) that are correlated with one after the other."""


def _linear(kernels: Callable[..., Kernels], *takes: type) -> Function:
    def compute(x: Stack, *numbers: float) -> Stack:
        from scipy import ndimage

        for kernel in kernels(*numbers):
            if 1 in kernel.shape:
                x = ndimage.correlate1d(x, kernel.ravel(), 1 + int(kernel.shape[0] == 1), mode="nearest")
            else:
                x = ndimage.correlate(x, kernel[None], mode="nearest")
        return x

    def operator(shape: Shape, x: Operator, *numbers: float) -> Operator:
        for kernel in kernels(*numbers):
            h, w = kernel.shape
            border = pad(((h // 2, h // 2), (w // 2, w // 2)), "replicate")
            x = chain(x, border, Conv(kernel[None, None].astype(np.float32)))
        return x

    return Function((Image, *takes), Image, compute, operator)


def _gaussian(sigma: float) -> Kernels:
    t = np.arange(-round(3 * sigma), round(3 * sigma) + 1)
    g = np.exp(-0.5 * (t / sigma) ** 2)
    return (g / g.sum())[:, None], (g / g.sum())[None]


_SMOOTH, _SLOPE = np.array([1, 2, 1]) / 4, np.array([-1, 0, 1]) / 2
_LAPLACE = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float)


# -- windows -----------------------------------------------------------------------------------------------------


def _dilated(x: Stack, size: int) -> Stack:
    from scipy import ndimage

    return np.asarray(ndimage.maximum_filter(x, size, mode="nearest", axes=(1, 2)))


def _eroded(x: Stack, size: int) -> Stack:
    from scipy import ndimage

    return np.asarray(ndimage.minimum_filter(x, size, mode="nearest", axes=(1, 2)))


def _median(x: Stack, size: int) -> Stack:
    from scipy import ndimage

    return np.asarray(ndimage.median_filter(x, size, mode="nearest", axes=(1, 2)))


def _local_std(x: Stack, size: int) -> Stack:
    from scipy import ndimage

    def mean(values: Stack) -> Stack:
        return np.asarray(ndimage.uniform_filter(values, size, mode="nearest", axes=(1, 2)))

    exact = x.astype(np.float64)  # a difference of two nearly equal numbers
    return np.sqrt(np.maximum(mean(exact**2) - mean(exact) ** 2, 0)).astype(x.dtype)


def _local_std_operator(shape: Shape, x: Operator, size: int) -> Operator:
    # a channel for every pixel of the window, less their mean; the channels side by side as a block; its l2 norm
    n = size * size
    deviations = (np.eye(n) - 1 / n).reshape(n, 1, size, size).astype(np.float32)
    block = chain(
        pad(size // 2, "replicate"), Conv(deviations), pixel_shuffle(size), L2Pool((size, size), (size, size))
    )
    return (1 / size) * chain(x, block)


# -- parts and reductions ----------------------------------------------------------------------------------------


def _cut(rows: str, columns: str) -> Function:
    """The part of a picture; "low" is the first half of an axis, "high" the last, "mid" the middle half."""

    def ends(n: int, which: str) -> tuple[int, int]:
        return {"all": (0, 0), "low": (0, n // 2), "high": (n // 2, 0), "mid": (n // 4, n // 4)}[which]

    def compute(x: Stack) -> Stack:
        (top, bottom), (left, right) = ends(x.shape[1], rows), ends(x.shape[2], columns)
        return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]

    def operator(shape: Shape, x: Operator) -> Operator:
        h, w = x.output_shape(shape)[2:]
        return chain(x, crop((ends(h, rows), ends(w, columns))))

    return Function((Part,), Part, compute, operator)


def _pooled(pool: Callable[..., Operator]) -> Callable[..., Operator]:
    return lambda shape, x: chain(x, pool(x.output_shape(shape)[2:]))


def _std_operator(shape: Shape, x: Operator) -> Operator:
    h, w = x.output_shape(shape)[2:]
    mean = average_pool((h, w))
    spread = chain(mean, float(h * w) * mean.adjoint())  # puts the mean into every pixel
    return (1 / math.sqrt(h * w)) * chain(x, identity - spread, L2Pool((h, w), (h, w)))


def _entropy(x: Stack) -> Stack:
    """Bits of the histogram of 16 levels between 0 and 1; what lies outside counts as the nearest."""
    levels = np.clip((x * 16).astype(int), 0, 15).reshape(len(x), -1)
    share = np.stack([(levels == k).mean(axis=1) for k in range(16)])
    return np.asarray(-(share * np.log2(np.where(share > 0, share, 1))).sum(axis=0))


def _two(compute: Callable[..., Any], operator: Callable[[Operator, Operator], Operator] | None) -> Function:
    form = None if operator is None else (lambda shape, a, b: operator(a, b))
    return Function((Image, Image), Image, compute, form)


def _larger(a: Operator, b: Operator) -> Operator:
    return chain(stack(a, b), maxout(2))


_magnitude = relu + chain(-identity, relu)


def _threshold(shape: Shape, x: Operator, level: float) -> Operator:
    shift = Conv(np.ones((1, 1, 1, 1), np.float32), np.array([-level], np.float32))
    return chain(x, shift, step)


_ALL = (1, 2)

FUNCTIONS: dict[str, Function] = {
    "gaussian": _linear(_gaussian, Sigma),
    "box": _linear(lambda size: (np.full((size, 1), 1 / size), np.full((1, size), 1 / size)), Size),
    "sobel_x": _linear(lambda: (_SMOOTH[:, None], _SLOPE[None])),
    "sobel_y": _linear(lambda: (_SLOPE[:, None], _SMOOTH[None])),
    "laplacian": _linear(lambda: (_LAPLACE,)),
    "median": Function((Image, Size), Image, _median),
    "dilate": Function((Image, Size), Image, _dilated, lambda shape, x, size: chain(x, max_pool(size, 1, size // 2))),
    "erode": Function((Image, Size), Image, _eroded, lambda shape, x, size: chain(x, min_pool(size, 1, size // 2))),
    "local_std": Function((Image, Size), Image, _local_std, _local_std_operator),
    "threshold": Function((Image, Level), Image, lambda x, t: (x >= t).astype(x.dtype), _threshold),
    "abs": Function((Image,), Image, np.abs, lambda shape, x: chain(x, _magnitude)),
    "relu": Function((Image,), Image, lambda x: np.maximum(x, 0), lambda shape, x: chain(x, relu)),
    "+": _two(np.add, lambda a, b: a + b),
    "-": _two(np.subtract, lambda a, b: a - b),
    "*": _two(np.multiply, None),
    "maximum": _two(np.maximum, _larger),
    "minimum": _two(np.minimum, lambda a, b: -_larger(-a, -b)),
    "top": _cut("low", "all"),
    "bottom": _cut("high", "all"),
    "left": _cut("all", "low"),
    "right": _cut("all", "high"),
    "centre": _cut("mid", "mid"),
    "mean": Function((Part,), Feature, lambda x: x.mean(axis=_ALL), _pooled(average_pool)),
    "std": Function((Part,), Feature, lambda x: x.std(axis=_ALL), _std_operator),
    "max": Function((Part,), Feature, lambda x: x.max(axis=_ALL), _pooled(max_pool)),
    "min": Function((Part,), Feature, lambda x: x.min(axis=_ALL), _pooled(min_pool)),
    "percentile": Function((Part, Percent), Feature, lambda x, q: np.percentile(x, q, axis=_ALL)),
    "entropy": Function((Part,), Feature, _entropy),
}
"""The words by name."""

FREEZABLE: tuple[str, ...] = tuple(name for name, function in FUNCTIONS.items() if function.operator is not None)
"""The words that are operators of the algebra: a formula of these alone can be frozen."""
