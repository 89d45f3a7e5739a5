"""Local response normalisation: what AlexNet and GoogLeNet had before there was batch normalisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aplomb.arrays import Array, Shape, concatenate
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.conv import Conv
from aplomb.layers.linear import Multiply
from aplomb.operator import Ask, Bound, GraphWriter, Operator, chain


@dataclass(frozen=True, eq=False, repr=False)
class LocalResponseNorm(Operator):
    """y_c = x_c / (offset + factor sum x_d^2)^power over the `size` channels d around c, at each pixel.

    Channels beyond the first and the last count as zeros. Reference: Krizhevsky, Sutskever, Hinton, "ImageNet
    classification with deep convolutional neural networks", NIPS 2012.
    """

    size: int = 5
    factor: float = 1e-4
    power: float = 0.75
    offset: float = 2.0

    def _bases(self, x: Array) -> Array:
        """Offset + factor times the sum of squares around each channel."""
        square, reach = x * x, self.size // 2
        zeros = [x[:, :1] * 0] * reach
        padded = concatenate([*zeros, square, *zeros])
        total = sum(padded[:, i : i + x.shape[1]] for i in range(self.size))
        return self.offset + self.factor * total

    def _apply(self, x: Array) -> Array:
        return x * self._bases(x) ** -self.power

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        # ONNX multiplies the mean of `size` squares
        scale = float(self.factor * self.size)
        return graph.node("LRN", [x], size=self.size, alpha=scale, beta=float(self.power), bias=float(self.offset))

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 4:
            raise ShapeError(f"{self!r} takes (N, C, H, W), found {shape}")
        return shape

    def _derivative(self, x: Array) -> Operator:
        # q^-p (h - 2 p a x / q sum of x h over the neighbours)
        q, channels = self._bases(x), np.arange(x.shape[1])
        near = (abs(channels[:, None] - channels) <= self.size // 2).astype(np.float64)
        slope = -2 * self.power * self.factor * x * q ** (-self.power - 1)
        return Multiply(q**-self.power) + chain(Multiply(x), Conv(near[:, :, None, None]), Multiply(slope))

    def _lipschitz(self, ask: Ask) -> Bound:
        # J = diag(q^-p) - M, M_cd = 2 p u_c u_d q_c^(-p-1) for neighbours, u = sqrt(a) |x|. With s = q_c - k the sum of
        # squares around c, a row of M adds up to at most 2 p sqrt(n) s q^(-p-1), a column to 2 p (n + 1) / 2 times it,
        # as u_c u_d <= s / 2; s (k + s)^(-p-1) is largest at s = k / p. Schur's test.
        k, p, n = self.offset, self.power, self.size
        most = k**-p * p**p / (p + 1) ** (p + 1)
        value = k**-p + 2 * p * most * (n**0.5 * (n + 1) / 2) ** 0.5
        return Bound(value * (1 + 1e-12), "upper", "Schur's test on its derivative")


def local_response_norm(size: int = 5, factor: float = 1e-4, power: float = 0.75, offset: int = 2) -> Operator:
    """Local response normalisation over `size` (odd) neighbouring channels; the constants are those of AlexNet.

    `factor` and `power` are positive, `offset` is a whole number from 1: OpenVINO 2026.4 drops the rest.

    >>> local_response_norm(3, factor=1.0, power=0.5, offset=5)(np.full((1, 1, 1, 1), 2.0)).round(3)
    array([[[[0.667]]]])
    """
    if size < 1 or size % 2 == 0 or not (factor > 0 and power > 0 and offset >= 1 and offset == int(offset)):
        raise BadInput(
            f"local_response_norm({size}, {factor}, {power}, {offset}): give an odd size, a positive factor and power, "
            "and a whole offset from 1"
        )
    return LocalResponseNorm(size, factor, power, float(offset))
