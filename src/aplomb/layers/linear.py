"""Linear maps that derivatives are made of: multiplication by an array, means, sums of channels.

They are computed with and are not frozen: a derivative belongs to one picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from aplomb.arrays import Array, Shape, like
from aplomb.errors import ShapeError
from aplomb.operator import EVERYWHERE, Ask, Bound, Grid, Interval, Linearity, Operator, root


class LinearLeaf(Operator):
    """What leaves share that are linear whatever their fields are."""

    @property
    def linearity(self) -> Linearity:
        return Linearity.LINEAR


@dataclass(frozen=True, eq=False, repr=False)
class Multiply(LinearLeaf):
    """x -> a x, value by value, with an array `factor` of the picture's shape (1 or N, C, H, W), or (1 or N, C).

    >>> Multiply(np.array([[0.0, 2.0]]))(np.array([[5.0, 5.0]]))
    array([[ 0., 10.]])
    """

    factor: Array

    def _apply(self, x: Array) -> Array:
        return x * like(self.factor, x)

    def _output_shape(self, shape: Shape) -> Shape:
        mine = tuple(self.factor.shape)
        if shape[1:] != mine[1:] or mine[0] not in (1, shape[0]):
            raise ShapeError(f"multiplication by an array of shape {mine} does not fit an input of shape {shape}")
        return shape

    def grid(self, axis: int = 0) -> Grid:
        return Grid(0)  # every place has a factor of its own

    def _adjoint(self) -> Operator:
        return self

    def _resolvent(self, r: float) -> Operator | None:
        return Multiply(1 / (self.factor**2 + r))

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(float(abs(self.factor).max()), "exact", "largest factor")

    def _input_channels(self, wanted: int | None) -> int | None:
        return int(self.factor.shape[1])


@dataclass(frozen=True, eq=False, repr=False)
class Mean(LinearLeaf):
    """The mean over the channels of each pixel ("channels") or over the picture ("all"), put in each one's place.

    >>> Mean("channels")(np.array([[1.0, 3.0]]))
    array([[2., 2.]])
    """

    over: Literal["channels", "all"] = "channels"

    def _axes(self, rank: int) -> tuple[int, ...]:
        return (1,) if self.over == "channels" else tuple(range(1, rank))

    def _apply(self, x: Array) -> Array:
        return x * 0 + x.mean(self._axes(x.ndim), keepdims=True)

    def _span(self, interval: Interval, axis: int) -> Interval:
        return interval if self.over == "channels" else EVERYWHERE

    def _adjoint(self) -> Operator:
        return self

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "a projection")


@dataclass(frozen=True, eq=False, repr=False)
class SumGroups(LinearLeaf):
    """Sums of every `size` neighbouring channels; `transposed` repeats each channel instead.

    >>> SumGroups(2)(np.array([[1.0, 2.0, 3.0, 4.0]]))
    array([[3., 7.]])
    """

    size: int = 2
    transposed: bool = False

    def _apply(self, x: Array) -> Array:
        n, c, *rest = x.shape
        if not self.transposed:
            return x.reshape(n, c // self.size, self.size, *rest).sum(2)
        ones = np.ones((1, 1, self.size, *(1,) * len(rest)), np.float32)
        return (x.reshape(n, c, 1, *rest) * like(ones, x)).reshape(n, c * self.size, *rest)

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise ShapeError(f"{self!r} takes (N, C) or (N, C, H, W), found {shape}")
        n, c, *rest = shape
        if not self.transposed and c % self.size:
            raise ShapeError(f"sums of {self.size} channels take a multiple of {self.size}, found {shape}")
        return (n, c * self.size if self.transposed else c // self.size, *rest)

    def _adjoint(self) -> Operator:
        return SumGroups(self.size, not self.transposed)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(root(self.size), "exact", "root of the number of channels that meet")
