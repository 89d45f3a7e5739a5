"""Until branch `blur` is merged: down-sampling and mosaic, as the contract has them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from aplomb.arrays import Array, Shape, like
from aplomb.layers.linear import LinearLeaf
from aplomb.operator import Grid, Operator, chain


@dataclass(frozen=True, eq=False, repr=False)
class Bicubic(LinearLeaf):
    """MATLAB's imresize with antialiasing by 1 / factor."""

    factor: int

    def _matrix(self, n: int) -> Any:
        f, m = self.factor, n // self.factor
        at = (np.arange(m) + 0.5) * f - 0.5
        reach = int(np.ceil(4 * f)) + 2
        left = np.floor(at - 2 * f).astype(int)
        where = left[:, None] + np.arange(reach)[None]
        t = abs((at[:, None] - where) / f)
        w = np.where(t <= 1, 1.5 * t**3 - 2.5 * t**2 + 1, np.where(t <= 2, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2, 0))
        w /= w.sum(1, keepdims=True)
        around = np.concatenate([np.arange(n), np.arange(n)[::-1]])
        matrix = np.zeros((m, n))
        np.add.at(matrix, (np.arange(m)[:, None], around[where % (2 * n)]), w)
        return matrix

    def _apply(self, x: Array) -> Array:
        rows, columns = (like(self._matrix(n), x) for n in x.shape[2:])
        return rows @ x @ columns.T

    def _output_shape(self, shape: Shape) -> Shape:
        return (*shape[:2], shape[2] // self.factor, shape[3] // self.factor)

    def grid(self, axis: int = 0) -> Grid:
        return Grid(self.factor, Fraction(self.factor))


@dataclass(frozen=True, eq=False, repr=False)
class Mosaic(LinearLeaf):
    """RGGB."""

    pattern: str = "RGGB"

    def _apply(self, x: Array) -> Array:
        h, w = x.shape[2:]
        masks = np.zeros((3, h, w), np.float32)
        for k, letter in enumerate(self.pattern):
            masks["RGB".index(letter), k // 2 :: 2, k % 2 :: 2] = 1
        return (x * like(masks, x)).sum(1)[:, None]

    def _output_shape(self, shape: Shape) -> Shape:
        return (shape[0], 1, *shape[2:])

    def grid(self, axis: int = 0) -> Grid:
        return Grid(2, Fraction(1))


def build(table: dict[str, Any], folder: Any = None) -> Operator:
    """The operator of a table."""
    parts = []
    for step in table.get("step", ()):
        if step["kind"] == "bicubic":
            parts.append(Bicubic(step["factor"]))
        if step["kind"] == "mosaic":
            parts.append(Mosaic(step.get("pattern", "RGGB")))
    return chain(*parts)
