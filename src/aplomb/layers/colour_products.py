"""Products of a pixel's channels: what a second-order colour transform is linear in.

    (r, g, b) -> r r, r g, r b, r, g g, g b, g, b b, b, 1

the upper triangle of [r g b 1]^T [r g b 1], row by row. A 1x1 convolution behind it is any polynomial of degree two
in the colours: matrix, tone and cross-talk of a camera in ten numbers a channel. Reference: Schwartz, Giryes and
Bronstein, "DeepISP", IEEE TIP 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aplomb.arrays import Array, Shape, concatenate, like
from aplomb.errors import ShapeError
from aplomb.layers.conv import Conv
from aplomb.layers.linear import Multiply
from aplomb.operator import Ask, Bound, GraphWriter, Operator, chain, unknown


@dataclass(frozen=True, eq=False, repr=False)
class ColourProducts(Operator):
    """C channels to (C + 1) (C + 2) / 2: every product of two of them, each alone, and 1."""

    def _pairs(self, channels: int) -> tuple[list[int], list[int]]:
        rows, columns = np.triu_indices(channels + 1)
        return rows.tolist(), columns.tolist()

    def _apply(self, x: Array) -> Array:
        z = _with_one(x)
        rows, columns = self._pairs(x.shape[1])
        return z[:, rows] * z[:, columns]

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        pairs = self._pairs(shape[1])

        def body(g: GraphWriter, x: str) -> str:
            amounts = g.constant(np.array([0, 0, 0, 0, 0, 1, 0, 0], np.int64))
            z = g.node("Pad", [x, amounts, g.constant(np.float32(1))])
            factors = [g.node("Gather", [z, g.constant(np.array(p, np.int64))], axis=1) for p in pairs]
            return g.node("Mul", factors)

        return graph.function("ColourProducts", [x], body)

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 4:
            raise ShapeError(f"{self!r} takes (N, C, H, W), found {shape}")
        return (shape[0], (shape[1] + 1) * (shape[1] + 2) // 2, *shape[2:])

    def _derivative(self, x: Array) -> Operator:
        # d(u v) = v du + u dv
        z, count = _with_one(x), int(x.shape[1])
        pairs = self._pairs(count)
        sides = []
        for mine, other in (pairs, pairs[::-1]):
            select = np.zeros((len(mine), count, 1, 1), np.float32)
            for row, channel in enumerate(mine):
                if channel < count:  # 1 does not move
                    select[row, channel] = 1
            sides.append(chain(Conv(like(select, x)), Multiply(z[:, other])))
        return sides[0] + sides[1]

    def _lipschitz(self, ask: Ask) -> Bound:
        return unknown("products of two values grow without limit")


def _with_one(x: Array) -> Array:
    return concatenate([x, x[:, :1] * 0 + 1])


colour_products = ColourProducts()
"""The products of a picture's channels: (N, 3, H, W) to (N, 10, H, W).

>>> colour_products(np.array([2.0, 3.0, 5.0]).reshape(1, 3, 1, 1)).ravel()
array([ 4.,  6., 10.,  2.,  9., 15.,  3., 25.,  5.,  1.])
"""
