"""Changing the sampling lattice: down; up with zeros, repetition, bilinear; pixels to channels and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from aplomb.arrays import Array, Shape
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.linear import LinearLeaf
from aplomb.operator import Ask, Bound, GraphWriter, Grid, Interval, Operator


@dataclass(frozen=True, eq=False, repr=False)
class Resampling(LinearLeaf):
    """Linear, the same on both axes, by an integer factor."""

    factor: int

    def _multiple(self, shape: Shape) -> None:
        """Refuse sizes that the factor does not divide."""
        m = self.factor
        if len(shape) != 4 or any(n < 1 or n % m for n in shape[2:]):
            near = ", ".join(f"{max(m, n - n % m)} or {max(m, n - n % m) + m}" for n in shape[2:4])
            wanted = f"(N, C, H, W) with sizes that are multiples of {m}"
            raise ShapeError(f"{self!r} takes {wanted}, found {shape}; near: {near or 'none'}")

    def _coarse(self, interval: Interval) -> Interval:
        """Input pixels of an up-sampling by repetition that lie under the output interval."""
        lo, hi = interval
        return (lo, hi) if math.isinf(lo) or math.isinf(hi) else (lo // self.factor, -(-hi // self.factor))

    def _fine(self, interval: Interval) -> Interval:
        return interval[0] * self.factor, interval[1] * self.factor

    def _up(self) -> Grid:
        return Grid(1, Fraction(1, self.factor))

    def _down(self) -> Grid:
        return Grid(self.factor, Fraction(self.factor))


@dataclass(frozen=True, eq=False, repr=False)
class Downsample(Resampling):
    """f[k] -> f[m k]: every m-th pixel."""

    def _apply(self, x: Array) -> Array:
        return x[:, :, :: self.factor, :: self.factor]

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        ends = [np.iinfo(np.int64).max] * 2
        values = ([0, 0], ends, [2, 3], [self.factor] * 2)
        return graph.node("Slice", [x, *(graph.constant(np.array(v, np.int64)) for v in values)])

    def _output_shape(self, shape: Shape) -> Shape:
        self._multiple(shape)
        return (*shape[:2], shape[2] // self.factor, shape[3] // self.factor)

    def _span(self, interval: Interval, axis: int) -> Interval:
        return interval[0] * self.factor, (interval[1] - 1) * self.factor + 1

    def grid(self, axis: int = 0) -> Grid:
        return self._down()

    @property
    def coisometry(self) -> bool:
        return True

    def _adjoint(self) -> Operator:
        return ZeroUpsample(self.factor)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "leaves pixels out")


@dataclass(frozen=True, eq=False, repr=False)
class ZeroUpsample(Resampling):
    """f[n] at k = m n, zero elsewhere; the adjoint of down-sampling."""

    def _numpy(self, x: Array) -> Array:
        y = np.zeros(self._output_shape(x.shape), x.dtype)
        y[:, :, :: self.factor, :: self.factor] = x
        return y

    def _torch(self, x: Array, torch: Any) -> Array:
        y = x.new_zeros(self._output_shape(tuple(x.shape)))
        y[:, :, :: self.factor, :: self.factor] = x
        return y

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        # m*m - 1 channels of zeros behind the picture's, then depth to space puts them around each pixel
        zeros = [0, 0, 0, 0, 0, shape[1] * (self.factor**2 - 1), 0, 0]

        def body(g: GraphWriter, x: str) -> str:
            deep = g.node("Pad", [x, g.constant(np.array(zeros, np.int64))])
            return g.node("DepthToSpace", [deep], blocksize=self.factor, mode="DCR")

        return graph.function("ZeroUpsample", [x], body, factor=self.factor)

    def _output_shape(self, shape: Shape) -> Shape:
        return _times(self, shape, self.factor)

    def _span(self, interval: Interval, axis: int) -> Interval:
        # conservative between the pixels: a zero there needs nothing, the pixel below stands for it
        return self._coarse(interval)

    def grid(self, axis: int = 0) -> Grid:
        return self._up()

    @property
    def isometry(self) -> bool:
        return True

    def _adjoint(self) -> Operator:
        return Downsample(self.factor)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "an isometry")


@dataclass(frozen=True, eq=False, repr=False)
class Repeat(Resampling):
    """f[floor(k / m)]: nearest-neighbour up-sampling; `transposed` adds up each block instead."""

    transposed: bool = False

    def _apply(self, x: Array) -> Array:
        m = self.factor
        if self.transposed:
            n, c, h, w = x.shape
            return x.reshape(n, c, h // m, m, w // m, m).sum(3).sum(4)
        if isinstance(x, np.ndarray):
            return x.repeat(m, axis=2).repeat(m, axis=3)
        return x.repeat_interleave(m, dim=2).repeat_interleave(m, dim=3)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        m = self.factor
        if self.transposed:
            mean = graph.node("AveragePool", [x], kernel_shape=(m, m), strides=(m, m))
            return graph.node("Mul", [mean, graph.constant(np.float32(m * m))])
        way = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return _resize(graph, x, m, mode="nearest", **way)

    def _output_shape(self, shape: Shape) -> Shape:
        if self.transposed:
            return Downsample(self.factor)._output_shape(shape)
        return _times(self, shape, self.factor)

    def _span(self, interval: Interval, axis: int) -> Interval:
        return self._fine(interval) if self.transposed else self._coarse(interval)

    def grid(self, axis: int = 0) -> Grid:
        return self._down() if self.transposed else self._up()

    def _adjoint(self) -> Operator:
        return Repeat(self.factor, not self.transposed)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(float(self.factor), "exact", "each pixel m x m times")


@dataclass(frozen=True, eq=False, repr=False)
class Bilinear(Resampling):
    """Bilinear up-sampling with aligned pixel centres: output k looks at (k + 1/2) / m - 1/2, clipped."""

    transposed: bool = False

    def _matrix(self, n: int) -> Array:
        """(m n, n): the 1-D interpolation."""
        at = np.clip((np.arange(n * self.factor) + 0.5) / self.factor - 0.5, 0, n - 1)
        below = np.minimum(np.floor(at).astype(int), max(n - 2, 0))
        rows = np.arange(n * self.factor)
        matrix = np.zeros((n * self.factor, n))
        matrix[rows, below] = 1 - (at - below)
        if n > 1:
            matrix[rows, below + 1] = at - below
        return matrix

    def _numpy(self, x: Array) -> Array:
        m = self.factor if self.transposed else 1
        by, bx = (self._matrix(n // m).astype(np.result_type(x.dtype, np.float32)) for n in x.shape[2:])
        return by.T @ x @ bx if self.transposed else by @ x @ bx.T

    def _torch(self, x: Array, torch: Any) -> Array:
        if not self.transposed:
            interpolate = torch.nn.functional.interpolate
            return interpolate(x, scale_factor=self.factor, mode="bilinear", align_corners=False)
        by, bx = (torch.as_tensor(self._matrix(n // self.factor)).to(x) for n in x.shape[2:])
        return by.T @ x @ bx

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        if self.transposed:
            return super()._onnx(graph, x, shape)
        return _resize(graph, x, self.factor, mode="linear", coordinate_transformation_mode="half_pixel")

    def _output_shape(self, shape: Shape) -> Shape:
        if self.transposed:
            return Downsample(self.factor)._output_shape(shape)
        return _times(self, shape, self.factor)

    def _span(self, interval: Interval, axis: int) -> Interval:
        lo, hi = interval
        if math.isinf(lo) or math.isinf(hi):
            return interval
        m = self.factor
        if self.transposed:  # input pixel n is spread over the outputs whose two neighbours include it
            first = min(k for k in range(int(lo) * m - 2 * m, int(lo) * m + m) if self._neighbours(k)[1] > lo)
            last = max(k for k in range(int(hi) * m - m, int(hi) * m + 2 * m) if self._neighbours(k)[0] < hi)
            return first, last + 1
        return self._neighbours(int(lo))[0], self._neighbours(int(hi) - 1)[1]

    def _neighbours(self, k: int) -> tuple[int, int]:
        """[lo, hi): coarse pixels that fine pixel k looks at, in exact arithmetic."""
        at = Fraction(2 * k + 1 - self.factor, 2 * self.factor)
        return math.floor(at), math.ceil(at) + 1

    def grid(self, axis: int = 0) -> Grid:
        return self._down() if self.transposed else self._up()

    def _adjoint(self) -> Operator:
        return Bilinear(self.factor, not self.transposed)

    def _lipschitz(self, ask: Ask) -> Bound:
        # Separable: the square of the 1-D norm, by Schur's test. The rows of the 1-D matrix sum to 1, its
        # columns to m (at an edge, too, where ones replace the half outside); constant pictures attain it.
        return Bound(float(self.factor), "exact", "Schur's test, attained by constant pictures")


@dataclass(frozen=True, eq=False, repr=False)
class PixelShuffle(Resampling):
    """Channels to pixels: y[c, m i + a, m j + b] = x[c m m + a m + b, i, j] (Shi et al. 2016)."""

    def _numpy(self, x: Array) -> Array:
        m, (n, c, h, w) = self.factor, x.shape
        x = x.reshape(n, c // m**2, m, m, h, w).transpose(0, 1, 4, 2, 5, 3)
        return x.reshape(n, c // m**2, h * m, w * m)

    def _torch(self, x: Array, torch: Any) -> Array:
        return torch.nn.functional.pixel_shuffle(x, self.factor)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("DepthToSpace", [x], blocksize=self.factor, mode="CRD")

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 4 or shape[1] % self.factor**2:
            raise ShapeError(f"{self!r} takes a multiple of {self.factor**2} channels, found {shape}")
        return (shape[0], shape[1] // self.factor**2, shape[2] * self.factor, shape[3] * self.factor)

    def _span(self, interval: Interval, axis: int) -> Interval:
        return self._coarse(interval)

    def grid(self, axis: int = 0) -> Grid:
        return self._up()

    @property
    def isometry(self) -> bool:
        return True

    @property
    def coisometry(self) -> bool:
        return True

    def _adjoint(self) -> Operator:
        return PixelUnshuffle(self.factor)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "a permutation")

    def _input_channels(self, wanted: int | None) -> int | None:
        return None if wanted is None else wanted * self.factor**2


@dataclass(frozen=True, eq=False, repr=False)
class PixelUnshuffle(Resampling):
    """Pixels to channels, the inverse and the adjoint of pixel shuffle."""

    def _numpy(self, x: Array) -> Array:
        m, (n, c, h, w) = self.factor, x.shape
        x = x.reshape(n, c, h // m, m, w // m, m).transpose(0, 1, 3, 5, 2, 4)
        return x.reshape(n, c * m * m, h // m, w // m)

    def _torch(self, x: Array, torch: Any) -> Array:
        return torch.nn.functional.pixel_unshuffle(x, self.factor)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        # SpaceToDepth counts blocks first and channels last, so each channel goes alone, as a picture of the
        # batch. (A permutation of channels behind it would do too, but OpenVINO 2026.4 fuses one wrongly into
        # a convolution.)
        def body(g: GraphWriter, x: str) -> str:
            channels = (1, self._output_shape(shape)[1])
            alone, together = (g.constant(np.array([-1, c, 0, 0], np.int64)) for c in channels)
            deep = g.node("SpaceToDepth", [g.node("Reshape", [x, alone])], blocksize=self.factor)
            return g.node("Reshape", [deep, together])

        return graph.function("PixelUnshuffle", [x], body, factor=self.factor)

    def _output_shape(self, shape: Shape) -> Shape:
        self._multiple(shape)
        m = self.factor
        return (shape[0], shape[1] * m * m, shape[2] // m, shape[3] // m)

    def _span(self, interval: Interval, axis: int) -> Interval:
        return self._fine(interval)

    def grid(self, axis: int = 0) -> Grid:
        return self._down()

    @property
    def isometry(self) -> bool:
        return True

    @property
    def coisometry(self) -> bool:
        return True

    def _adjoint(self) -> Operator:
        return PixelShuffle(self.factor)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "a permutation")

    def _input_channels(self, wanted: int | None) -> int | None:
        return None if wanted is None else wanted // self.factor**2


def _times(operator: Operator, shape: Shape, m: int) -> Shape:
    if len(shape) != 4:
        raise ShapeError(f"{operator!r} takes (N, C, H, W), found {shape}")
    return (*shape[:2], shape[2] * m, shape[3] * m)


def _resize(graph: GraphWriter, x: str, m: int, **attributes: str) -> str:
    scales = graph.constant(np.array([1, 1, m, m], np.float32))
    return graph.node("Resize", [x, "", scales], **attributes)


def _factor(factor: int) -> int:
    if factor < 1:
        raise BadInput(f"resampling by {factor}: the factor must be a positive integer")
    return factor


def downsample(factor: int = 2) -> Operator:
    """Keep every `factor`-th pixel; sizes must be multiples.

    >>> downsample(2)(np.arange(16.0).reshape(1, 1, 4, 4)).ravel()
    array([ 0.,  2.,  8., 10.])
    """
    return Downsample(_factor(factor))


def upsample_zeros(factor: int = 2) -> Operator:
    """Put zeros between pixels.

    >>> upsample_zeros(2)(np.ones((1, 1, 1, 2))).reshape(2, 4)
    array([[1., 0., 1., 0.],
           [0., 0., 0., 0.]])
    """
    return ZeroUpsample(_factor(factor))


def upsample_repeat(factor: int = 2) -> Operator:
    """Repeat each pixel (nearest neighbour).

    >>> upsample_repeat(2)(np.array([[[[1.0, 2.0]]]])).reshape(2, 4)
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    """
    return Repeat(_factor(factor))


def upsample_bilinear(factor: int = 2) -> Operator:
    """Bilinear interpolation, pixel centres aligned.

    >>> upsample_bilinear(2)(np.array([[[[0.0, 1.0]]]]))[0, 0, 0]
    array([0.  , 0.25, 0.75, 1.  ])
    """
    return Bilinear(_factor(factor))


def pixel_shuffle(factor: int = 2) -> Operator:
    """Channels to pixels.

    >>> pixel_shuffle(2).output_shape((1, 12, 4, 4))
    (1, 3, 8, 8)
    """
    return PixelShuffle(_factor(factor))


def pixel_unshuffle(factor: int = 2) -> Operator:
    """Pixels to channels, without losing any.

    >>> pixel_unshuffle(2).output_shape((1, 3, 8, 8))
    (1, 12, 4, 4)
    """
    return PixelUnshuffle(_factor(factor))
