"""The orthogonal Haar transform: each block of 2 x 2 pixels as its mean and its three differences.

    LL = (a + b + c + d) / 2    LH = (a - b + c - d) / 2    HL = (a + b - c - d) / 2    HH = (a - b - c + d) / 2

with a, b above c, d. Lengths are kept, so white noise stays white, at the same level in every band. Reference:
Mallat, "A wavelet tour of signal processing", 3rd ed. 2009, section 7.7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aplomb.arrays import Array, Shape, namespace
from aplomb.errors import ShapeError
from aplomb.layers.resample import Resampling
from aplomb.operator import Ask, Bound, GraphWriter, Grid, Interval, Operator

SIGNS = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], np.float32) / 2
"""Rows: LL, LH, HL, HH; columns: the pixels a, b, c, d of a block. Symmetric and its own inverse."""


@dataclass(frozen=True, eq=False, repr=False)
class Haar(Resampling):
    """C channels to 4 C at half the size: channel 4 c + k is band k of channel c; `transposed` is the way back."""

    factor: int = 2
    transposed: bool = False

    def _apply(self, x: Array) -> Array:
        xp = namespace(x)
        n, c, h, w = x.shape
        if not self.transposed:
            pixels = [x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
            return xp.stack(_mixed(pixels), axis=2).reshape(n, 4 * c, h // 2, w // 2)
        bands = x.reshape(n, c // 4, 4, h, w)
        a, b, c_, d = _mixed([bands[:, :, k] for k in range(4)])
        rows = [xp.stack(pair, axis=-1).reshape(n, c // 4, h, 2 * w) for pair in ((a, b), (c_, d))]
        return xp.stack(rows, axis=3).reshape(n, c // 4, 2 * h, 2 * w)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        groups = shape[1] // 4 if self.transposed else shape[1]
        kernels = np.tile(SIGNS.reshape(4, 1, 2, 2), (groups, 1, 1, 1))

        def body(g: GraphWriter, x: str) -> str:
            op = "ConvTranspose" if self.transposed else "Conv"
            return g.node(op, [x, g.constant(kernels)], kernel_shape=(2, 2), strides=(2, 2), group=groups)

        return graph.function("Haar", [x], body, transposed=int(self.transposed))

    def _output_shape(self, shape: Shape) -> Shape:
        if not self.transposed:
            self._multiple(shape)
            return (shape[0], 4 * shape[1], shape[2] // 2, shape[3] // 2)
        if len(shape) != 4 or shape[1] % 4:
            raise ShapeError(f"{self!r} takes a multiple of 4 channels, found {shape}")
        return (shape[0], shape[1] // 4, 2 * shape[2], 2 * shape[3])

    def _span(self, interval: Interval, axis: int) -> Interval:
        return self._coarse(interval) if self.transposed else self._fine(interval)

    def grid(self, axis: int = 0) -> Grid:
        return self._up() if self.transposed else self._down()

    @property
    def isometry(self) -> bool:
        return True

    @property
    def coisometry(self) -> bool:
        return True

    def _adjoint(self) -> Operator:
        return Haar(2, not self.transposed)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "orthogonal")

    def _input_channels(self, wanted: int | None) -> int | None:
        if wanted is None:
            return None
        return 4 * wanted if self.transposed else wanted // 4


def _mixed(four: list[Array]) -> list[Array]:
    a, b, c, d = four
    return [(a + b + c + d) / 2, (a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2]


haar = Haar()
"""A picture's Haar bands: (N, C, H, W) to (N, 4 C, H / 2, W / 2); ``haar.adjoint()`` puts them together again.

>>> haar(np.ones((1, 1, 2, 2))).ravel()
array([2., 0., 0., 0.])
"""
