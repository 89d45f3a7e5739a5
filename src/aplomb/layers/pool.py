"""Pooling: maximum, minimum, average and l2 norm over windows, and the average over whole pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from aplomb.arrays import Array, Shape
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.conv import Conv, Pair, pair
from aplomb.layers.linear import LinearLeaf, Multiply, SumGroups
from aplomb.layers.pad import NO_PADS, Pads, as_pads
from aplomb.operator import (
    EVERYWHERE,
    Ask,
    Bound,
    GraphWriter,
    Grid,
    Interval,
    Linearity,
    Operator,
    chain,
    root,
)

Stride = int | Pair | None
"""Distance of windows; None stands for their size."""


@dataclass(frozen=True, eq=False, repr=False)
class _Window(Operator):
    """Windows of `size`, every `stride` pixels: (W - F + P) / S + 1 of them, as for a convolution."""

    size: Pair
    stride: Pair
    pads: Pads = NO_PADS
    exact: bool = True

    def _lattice(self) -> Conv:
        """The convolution of one channel that looks at the same pixels: it knows sizes and spans."""
        return Conv(np.ones((1, 1, *self.size), np.float32), None, self.stride, self.pads, exact=self.exact)

    def _depthwise(self, value: float, channels: int) -> Conv:
        """The convolution with a constant kernel, channel by channel."""
        weight = np.full((channels, 1, *self.size), value)
        return Conv(weight, None, self.stride, self.pads, groups=channels, exact=self.exact)

    def _windows(self, x: Array, fill: float) -> Array:
        x = np.pad(x, ((0, 0), (0, 0), *self.pads), constant_values=fill)
        windows = np.lib.stride_tricks.sliding_window_view(x, self.size, axis=(2, 3))
        return windows[:, :, :: self.stride[0], :: self.stride[1]]

    def _padded(self, x: Array, torch: Any, fill: float) -> Array:
        (top, bottom), (left, right) = self.pads
        return torch.nn.functional.pad(x, (left, right, top, bottom), value=fill) if self.pads != NO_PADS else x

    def _pool(self, graph: GraphWriter, op: str, x: str, **more: Any) -> str:
        (top, bottom), (left, right) = self.pads
        return graph.node(
            op, [x], doc="exact" if self.exact else "",
            kernel_shape=self.size, strides=self.stride, pads=(top, left, bottom, right), **more,
        )  # fmt: skip

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 4:
            raise ShapeError(f"{self!r} takes (N, C, H, W), found {shape}")
        one = self._lattice()._output_shape((*shape[:1], 1, *shape[2:]))
        return (*shape[:2], *one[2:])

    def _span(self, interval: Interval, axis: int) -> Interval:
        return self._lattice()._span(interval, axis)

    def grid(self, axis: int = 0) -> Grid:
        return self._lattice().grid(axis)

    def _overlap(self) -> int:
        """Most windows that one pixel lies in."""
        return math.prod(math.ceil(k / s) for k, s in zip(self.size, self.stride, strict=True))

    def __repr__(self) -> str:
        (h, w), (sy, sx) = self.size, self.stride
        more = "" if self.pads == NO_PADS else f", pads={self.pads}"
        return f"{type(self).__name__}({h}x{w}, stride={sy}x{sx}{more})"


@dataclass(frozen=True, eq=False, repr=False)
class MaxPool(_Window):
    """Largest value of each window; pixels of the padding never win."""

    def _numpy(self, x: Array) -> Array:
        return self._windows(x, -np.inf).max(axis=(4, 5))

    def _torch(self, x: Array, torch: Any) -> Array:
        return torch.nn.functional.max_pool2d(self._padded(x, torch, -math.inf), self.size, self.stride)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return self._pool(graph, "MaxPool", x)

    @property
    def homogeneous(self) -> bool:
        return True

    def _derivative(self, x: Array) -> Operator:
        # lays the pixels of each window out as channels, lets the first largest through, and adds them up
        windows, n = self._windows(x, -np.inf), math.prod(self.size)
        flat = windows.reshape(*windows.shape[:4], n)
        first = np.arange(n) == flat.argmax(4)[..., None]
        mask = first.transpose(0, 1, 4, 2, 3).reshape(x.shape[0], -1, *windows.shape[2:4]).astype(x.dtype)
        kernel = np.tile(np.eye(n, dtype=np.float32).reshape(n, 1, *self.size), (x.shape[1], 1, 1, 1))
        apart = Conv(kernel, None, self.stride, self.pads, groups=x.shape[1], exact=self.exact)
        return chain(apart._derivative(x), Multiply(mask), SumGroups(n))

    def _lipschitz(self, ask: Ask) -> Bound:
        # Each output moves by at most the largest move in its window, and a pixel is the largest in at most
        # as many windows as it lies in; attained by a picture that is flat but for such a pixel.
        return Bound(root(self._overlap()), "upper", "root of the number of windows on a pixel")


@dataclass(frozen=True, eq=False, repr=False)
class AveragePool(_Window):
    """Mean of each window, padding counted as zeros; `transposed` is its adjoint."""

    transposed: bool = False

    def _lattice(self) -> Conv:
        weight = np.full((1, 1, *self.size), 1 / math.prod(self.size))
        return Conv(weight, None, self.stride, self.pads, transposed=self.transposed, exact=self.exact)

    def _apply(self, x: Array) -> Array:
        # a convolution of each channel with a constant kernel
        y = self._lattice()(x.reshape(-1, 1, *x.shape[2:]))
        return y.reshape(*x.shape[:2], *y.shape[2:])

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        if self.transposed:
            weight = np.tile(self._lattice().weight.astype(np.float32), (shape[1], 1, 1, 1))
            return Conv(weight, None, self.stride, self.pads, groups=shape[1], transposed=True)._onnx(graph, x, shape)
        return self._pool(graph, "AveragePool", x, count_include_pad=1)

    @property
    def linearity(self) -> Linearity:
        return Linearity.LINEAR

    def _adjoint(self) -> Operator:
        return AveragePool(self.size, self.stride, self.pads, self.exact, not self.transposed)

    def _derivative(self, x: Array) -> Operator:
        if self.transposed or self.exact:
            return self
        return self._depthwise(1 / math.prod(self.size), x.shape[1])._derivative(x)

    def _lipschitz(self, ask: Ask) -> Bound:
        # Schur's test: the weights of a window sum to 1, those of a pixel to its windows / pixels of a window
        value = root(Fraction(self._overlap(), math.prod(self.size)))
        if self.size == self.stride:
            return Bound(value, "exact", "disjoint windows: 1 / sqrt(pixels)")
        return Bound(value, "upper", "Schur's test: root of the windows on a pixel / pixels of a window")


@dataclass(frozen=True, eq=False, repr=False)
class L2Pool(_Window):
    """Root of the sum of squares of each window."""

    def _numpy(self, x: Array) -> Array:
        return np.sqrt(np.square(self._windows(x, 0.0)).sum(axis=(4, 5)))

    def _torch(self, x: Array, torch: Any) -> Array:
        F = torch.nn.functional
        total = F.avg_pool2d(self._padded(x, torch, 0.0).square(), self.size, self.stride) * math.prod(self.size)
        # the root has no slope at 0; 0 is the one that gives an empty window no gradient
        return torch.where(total > 0, total.clamp_min(torch.finfo(x.dtype).tiny).sqrt(), total)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return self._pool(graph, "LpPool", x, p=2)

    @property
    def homogeneous(self) -> bool:
        return True

    def _derivative(self, x: Array) -> Operator:
        # sum of x h over the window, divided by the root; 0 where the window is
        y, add = self._numpy(x), self._depthwise(1.0, x.shape[1])
        return chain(Multiply(x), add._derivative(x), Multiply(np.divide(1, y, out=np.zeros_like(y), where=y > 0)))

    def _lipschitz(self, ask: Ask) -> Bound:
        # inverse triangle inequality in each window, and each pixel counts in as many windows as it lies in
        return Bound(root(self._overlap()), "upper", "root of the number of windows on a pixel")


@dataclass(frozen=True, eq=False, repr=False)
class GlobalAverage(LinearLeaf):
    """(N, C, H, W) -> (N, C, 1, 1): the mean of each channel over the picture, whatever its size."""

    def _numpy(self, x: Array) -> Array:
        return x.mean(axis=(2, 3), keepdims=True)

    def _torch(self, x: Array, torch: Any) -> Array:
        return x.mean(dim=(2, 3), keepdim=True)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("GlobalAveragePool", [x])

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 4:
            raise ShapeError(f"{self!r} takes (N, C, H, W), found {shape}")
        return (*shape[:2], 1, 1)

    def _span(self, interval: Interval, axis: int) -> Interval:
        return EVERYWHERE

    def _adjoint(self) -> Operator:
        raise BadInput("the adjoint of global_average_pool needs the picture's size: take average_pool(size)")

    def _derivative(self, x: Array) -> Operator:
        size = (int(x.shape[2]), int(x.shape[3]))
        return AveragePool(size, size)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "upper", "1 / sqrt(pixels), for one pixel or more")

    def __repr__(self) -> str:
        return "global_average_pool"


global_average_pool = GlobalAverage()


def _checked(size: int | Pair, stride: Stride, padding: int | Pads, exact: bool) -> tuple[Pair, Pair, Pads, bool]:
    """The fields of a `_Window`; a window that may lie in the padding alone is refused, as engines do."""
    window, pads = pair(size, "window"), as_pads(padding)
    if any(max(p) >= k for p, k in zip(pads, window, strict=True)):
        raise BadInput(f"pooling over {window} with padding {pads}: the padding must be smaller than the window")
    return window, window if stride is None else pair(stride, "stride"), pads, exact


def max_pool(size: int | Pair = 2, stride: Stride = None, padding: int | Pads = 0, *, exact: bool = True) -> Operator:
    """Maximum over windows; `stride` is the size unless given.

    >>> max_pool(2)(np.arange(16.0).reshape(1, 1, 4, 4)).ravel()
    array([ 5.,  7., 13., 15.])
    """
    return MaxPool(*_checked(size, stride, padding, exact))


def min_pool(size: int | Pair = 2, stride: Stride = None, padding: int | Pads = 0, *, exact: bool = True) -> Operator:
    """Minimum over windows: -max(-x).

    >>> min_pool(2)(np.arange(16.0).reshape(1, 1, 4, 4)).ravel()
    array([ 0.,  2.,  8., 10.])
    """
    minus = -1.0 * chain()
    return chain(minus, max_pool(size, stride, padding, exact=exact), minus)


def average_pool(
    size: int | Pair = 2, stride: Stride = None, padding: int | Pads = 0, *, exact: bool = True
) -> Operator:
    """Mean over windows; zeros of the padding count.

    >>> average_pool(2)(np.arange(16.0).reshape(1, 1, 4, 4)).ravel()
    array([ 2.5,  4.5, 10.5, 12.5])
    """
    return AveragePool(*_checked(size, stride, padding, exact))


def l2_pool(size: int | Pair = 2, stride: Stride = None, padding: int | Pads = 0, *, exact: bool = True) -> Operator:
    """Root of the sum of squares over windows.

    >>> l2_pool(2)(np.array([[[[3.0, 0.0], [0.0, 4.0]]]])).ravel()
    array([5.])
    """
    return L2Pool(*_checked(size, stride, padding, exact))
