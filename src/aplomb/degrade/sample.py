"""Sampling: masks, Bayer mosaics and bicubic down-sampling. Every m-th pixel is `aplomb.layers.downsample`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from aplomb.arrays import Array, Shape, like
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.linear import LinearLeaf
from aplomb.layers.resample import Downsample
from aplomb.operator import Ask, Bound, GraphWriter, Grid, Interval, Operator

__all__ = ["PATTERNS", "Bicubic", "Mask", "Mosaic", "bicubic", "mask", "mosaic"]

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")
"""Bayer patterns, by the colours of the first two rows' first two pixels."""


@dataclass(frozen=True, eq=False, repr=False)
class Mask(LinearLeaf):
    """x -> w x, pixel by pixel, with `weight` (1, H, W) for any number of channels or (C, H, W). Made by `mask`."""

    weight: Array

    def _apply(self, x: Array) -> Array:
        return x * like(self.weight, x)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        inputs = [x, graph.constant(self.weight[None])]
        return graph.function("Mask", inputs, lambda g, x, weight: g.node("Mul", [x, weight]))

    def _output_shape(self, shape: Shape) -> Shape:
        c, h, w = self.weight.shape
        if len(shape) != 4 or shape[2:] != (h, w) or c not in (1, shape[1]):
            channels = "any number of" if c == 1 else c
            raise ShapeError(f"a mask of {h} x {w} pixels takes (N, {channels} channels, {h}, {w}), found {shape}")
        return shape

    def grid(self, axis: int = 0) -> Grid:
        return Grid(0)  # every place has a weight of its own

    @property
    def isometry(self) -> bool:
        return bool((abs(self.weight) == 1).all())

    @property
    def coisometry(self) -> bool:
        return self.isometry

    def _adjoint(self) -> Operator:
        return self

    def _resolvent(self, r: float) -> Operator | None:
        return Mask(1 / (self.weight.astype(np.float64) ** 2 + r))

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(float(abs(self.weight).max()), "exact", "largest weight")

    def _input_channels(self, wanted: int | None) -> int | None:
        c = int(self.weight.shape[0])
        return wanted if c == 1 else c

    def __repr__(self) -> str:
        return f"Mask({'x'.join(map(str, self.weight.shape))}, {np.mean(self.weight != 0):.0%} seen)"


@dataclass(frozen=True, eq=False, repr=False)
class Mosaic(LinearLeaf):
    """y(n) = x(c(n), n): of three colours the one that a Bayer filter lets through at that pixel, or its adjoint."""

    pattern: str = "RGGB"
    transposed: bool = False

    def filters(self, height: int, width: int) -> Array:
        """(3, H, W): 1 where a pixel sees the colour, else 0."""
        colours = np.array([["RGB".index(c) for c in self.pattern[i : i + 2]] for i in (0, 2)])
        tiled = np.tile(colours, (height // 2, width // 2))
        return (tiled == np.arange(3)[:, None, None]).astype(np.float64)

    def _apply(self, x: Array) -> Array:
        seen = x * like(self.filters(*x.shape[2:]), x)
        return seen if self.transposed else seen.sum(1)[:, None]

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        # space to depth counts (row, column, channel): of its 12 channels every pixel of the pattern keeps one
        kept = [3 * place + "RGB".index(colour) for place, colour in enumerate(self.pattern)]

        def body(g: GraphWriter, x: str) -> str:
            deep = g.node("SpaceToDepth", [x], blocksize=2)
            if self.transposed:  # a fifth channel of zeros stands for what is not seen
                deep = g.node("Pad", [deep, g.constant(np.array([0, 0, 0, 0, 0, 1, 0, 0], np.int64))])
            places = [kept.index(k) if k in kept else 4 for k in range(12)] if self.transposed else kept
            return g.node(
                "DepthToSpace",
                [g.node("Gather", [deep, g.constant(np.array(places, np.int64))], axis=1)],
                blocksize=2,
                mode="DCR",
            )

        return graph.function("Mosaic", [x], body, pattern=self.pattern, transposed=int(self.transposed))

    def _output_shape(self, shape: Shape) -> Shape:
        channels = 1 if self.transposed else 3
        if len(shape) != 4 or shape[1] != channels:
            raise ShapeError(f"mosaic {self.pattern} takes (N, {channels}, H, W), found {shape}")
        if shape[2] % 2 or shape[3] % 2:
            raise ShapeError(
                f"mosaic {self.pattern} takes even heights and widths, found {shape[2]} x {shape[3]}; crop a line"
            )
        return (shape[0], 3 if self.transposed else 1, *shape[2:])

    def grid(self, axis: int = 0) -> Grid:
        return Grid(2)

    @property
    def isometry(self) -> bool:
        return self.transposed

    @property
    def coisometry(self) -> bool:
        return not self.transposed

    def _adjoint(self) -> Operator:
        return Mosaic(self.pattern, not self.transposed)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "leaves values out")

    def _input_channels(self, wanted: int | None) -> int | None:
        return 1 if self.transposed else 3


@dataclass(frozen=True, eq=False, repr=False)
class Bicubic(LinearLeaf):
    """Bicubic down-sampling by an integer, one axis after the other, or its adjoint. Made by `bicubic`."""

    factor: int
    antialias: bool = True
    transposed: bool = False

    def _taps(self) -> tuple[int, Array]:
        """Output 0 is the sum of these weights times the pixels from this one on, before the border is mirrored."""
        m = self.factor
        centre, width = (m - 1) / 2, m if self.antialias else 1
        first, last = math.ceil(centre - 2 * width), math.floor(centre + 2 * width)
        weights = _cubic((np.arange(first, last + 1) - centre) / width)
        used = np.flatnonzero(weights)
        first, weights = first + int(used[0]), weights[used[0] : used[-1] + 1]
        return first, weights / weights.sum()

    def matrix(self, n: int) -> Array:
        """(n / factor, n): what becomes of n pixels along an axis."""
        return _bicubic_matrix(self, n)

    def _apply(self, x: Array) -> Array:
        m = self.factor if self.transposed else 1
        by, bx = (like(self.matrix(int(n) * m), x) for n in x.shape[2:])
        return by.T @ x @ bx if self.transposed else by @ x @ bx.T

    def _output_shape(self, shape: Shape) -> Shape:
        if self.transposed:
            if len(shape) != 4:
                raise ShapeError(f"{self!r} takes (N, C, H, W), found {shape}")
            return (*shape[:2], shape[2] * self.factor, shape[3] * self.factor)
        Downsample(self.factor)._multiple(shape)
        return (*shape[:2], shape[2] // self.factor, shape[3] // self.factor)

    def _span(self, interval: Interval, axis: int) -> Interval:
        m, (first, weights) = self.factor, self._taps()
        lo, hi = interval
        if math.isinf(lo):
            return interval
        if not self.transposed:
            return lo * m + first, (hi - 1) * m + first + len(weights)
        # Pixel k is spread over the outputs i with m i + first <= k < m i + first + taps. Without antialiasing there
        # may be none: conservative, the pixel above stands for it.
        start = math.floor((lo - first - len(weights)) / m) + 1
        end = math.floor((hi - 1 - first) / m) + 1
        return min(start, lo // m), max(end, -(-hi // m))

    def grid(self, axis: int = 0) -> Grid:
        return Grid(1, Fraction(1, self.factor)) if self.transposed else Grid(self.factor, Fraction(self.factor))

    def _adjoint(self) -> Operator:
        return Bicubic(self.factor, self.antialias, not self.transposed)

    def _lipschitz(self, ask: Ask) -> Bound:
        # A mirrored picture is a periodic one, on which T T* is, along an axis, the convolution by every m-th value of
        # the taps' autocorrelation: its norm is the largest value of that one's spectrum. Separable: squared, rooted.
        _, weights = self._taps()
        auto = np.correlate(weights, weights, "full")[(len(weights) - 1) % self.factor :: self.factor]
        if auto.min() >= 0:
            return Bound(float(auto.sum()), "exact", "spectrum at 0, attained by constant pictures")
        fine, degree = 4096, len(auto) // 2
        # between samples, a trigonometric polynomial exceeds the largest by no more than this (Ehlich and Zeller 1964)
        most = abs(np.fft.fft(auto, fine)).max() / math.cos(math.pi * degree / fine)
        return Bound(float(most), "upper", "largest value of the spectrum of T T*, between samples by its degree")


@lru_cache(maxsize=32)
def _bicubic_matrix(leaf: Bicubic, n: int) -> Array:
    first, weights = leaf._taps()
    rows = np.arange(n // leaf.factor)
    found = np.zeros((len(rows), n))
    for k, weight in enumerate(weights):
        at = (rows * leaf.factor + first + k) % (2 * n)
        np.add.at(found, (rows, np.where(at < n, at, 2 * n - 1 - at)), weight)
    return found


def _cubic(t: Array) -> Array:
    """Keys' interpolating cubic with a = -1/2, zero from 2 on."""
    t = abs(t)
    inner, outer = (1.5 * t - 2.5) * t**2 + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2
    return np.where(t <= 1, inner, np.where(t < 2, outer, 0.0))


def bicubic(factor: int, antialias: bool = True) -> Operator:
    """Bicubic down-sampling as MATLAB's ``imresize(x, 1 / factor)`` does it: what super-resolution is measured on.

    .. math:: y(i) = \\sum_k \\tfrac 1 s \\, h(\\tfrac{k - u_i} s) \\, x(k), \\qquad u_i = m i + \\tfrac{m - 1} 2

    with Keys' cubic h (a = -1/2), the same on both axes; s is m with `antialias` and 1 without. Pixels beyond the
    border are mirrored, the edge included.

    Parameters
    ----------
    factor
        m, a positive integer; sizes must be multiples of it.
    antialias
        Widen the kernel by m, so that what the coarse pixels cannot show is taken away first.

    Raises
    ------
    BadInput
        `factor` is no positive integer.
    ShapeError
        On applying it: a size that is no multiple.

    References
    ----------
    R. G. Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. Acoustics, Speech, and
    Signal Processing 29 (6), 1981.

    Examples
    --------
    >>> bicubic(2)(np.arange(8.0).reshape(1, 1, 1, 8).repeat(2, axis=2))[0, 0, 0].round(3)
    array([0.449, 2.488, 4.512, 6.551])
    """
    if int(factor) != factor or factor < 1:
        raise BadInput(f"bicubic down-sampling by {factor}: the factor must be a positive integer")
    return Bicubic(int(factor), bool(antialias))


def mask(weight: npt.ArrayLike) -> Operator:
    """What is seen of a picture: multiplication by 0 and 1, or by weights.

    Parameters
    ----------
    weight
        (H, W) for pictures of any number of channels, or (C, H, W); bool, or numbers of at least 0.

    Raises
    ------
    BadInput
        It has another shape, values that are negative or not finite, or nothing is seen.
    ShapeError
        On applying it: the picture has another size.

    Examples
    --------
    >>> mask([[True, False]])(np.array([[[[5.0, 5.0]]]])).ravel()
    array([5., 0.])
    """
    found = np.asarray(weight)
    if found.ndim not in (2, 3) or not found.size or found.dtype.kind not in "biuf":
        raise BadInput(f"a mask is an array of numbers (H, W) or (C, H, W), found {found.dtype} {found.shape}")
    values = found.astype(np.float64)
    if not np.isfinite(values).all() or values.min() < 0:
        raise BadInput("the mask has values that are negative, NaN or infinite; give 0, 1 or weights between")
    if not values.any():
        raise BadInput("the mask is empty: it is 0 everywhere, so nothing of the picture is seen; is it inverted?")
    single = values.astype(np.float32)
    return Mask((single if (single == values).all() else values).reshape(-1, *values.shape[-2:]))


def mosaic(pattern: str = "RGGB") -> Operator:
    """Bayer mosaic: (N, 3, H, W) -> (N, 1, H, W), one colour a pixel; its adjoint puts zeros for the others.

    Parameters
    ----------
    pattern
        RGGB, BGGR, GRBG or GBRG: the colours of the first two pixels, then of those below them.

    Raises
    ------
    BadInput
        The pattern is not known.
    ShapeError
        On applying it: not three channels, or an odd size.

    Examples
    --------
    >>> mosaic("RGGB")(np.arange(12.0).reshape(1, 3, 2, 2))[0, 0]
    array([[ 0.,  5.],
           [ 6., 11.]])
    """
    if pattern.upper() not in PATTERNS:
        raise BadInput(f"asked for mosaic {pattern!r}, known are: {', '.join(PATTERNS)}")
    return Mosaic(pattern.upper())
