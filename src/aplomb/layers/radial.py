"""Radial basis units: each answers to inputs near its centre."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from aplomb.arrays import Array, Shape, like
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.dense import Dense
from aplomb.layers.linear import Multiply, SumGroups
from aplomb.operator import EVERYWHERE, Ask, Bound, GraphWriter, Interval, Operator, chain


@dataclass(frozen=True, eq=False, repr=False)
class RadialBasis(Operator):
    """y_k = exp(-(g_k |x - c_k|)^2 / 2) on vectors (N, C), with `centres` (K, C) and `sharpness` g (K), 1 / width.

    Reference: Broomhead, Lowe, "Multivariable functional interpolation and adaptive networks", Complex Systems 2, 1988.
    """

    centres: Array
    sharpness: Array

    _weights: ClassVar[tuple[str, ...]] = ("centres", "sharpness")

    def _away(self, x: Array) -> Array:
        """X - c_k for each unit, (N, K, C)."""
        return x[:, None] - like(self.centres, x)

    def _exponents(self, x: Array) -> Array:
        away = self._away(x)
        return (away * away).sum(2) * like(self.sharpness, x) ** 2 * -0.5

    def _numpy(self, x: Array) -> Array:
        return np.exp(self._exponents(x))

    def _torch(self, x: Array, torch: Any) -> Array:
        return torch.exp(self._exponents(x))

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        def body(g: GraphWriter, x: str, centres: str, sharpness: str) -> str:
            away = g.node("Sub", [g.node("Unsqueeze", [x, g.constant(np.array([1], np.int64))]), centres])
            far = g.node("ReduceSum", [g.node("Mul", [away, away]), g.constant(np.array([2], np.int64))], keepdims=0)
            factor = g.node("Mul", [g.node("Mul", [sharpness, sharpness]), g.constant(np.float32(-0.5))])
            return g.node("Exp", [g.node("Mul", [far, factor])])

        weights = (graph.constant(self.centres), graph.constant(self.sharpness))
        return graph.function("RadialBasis", [x, *weights], body)

    def _output_shape(self, shape: Shape) -> Shape:
        units, inputs = self.centres.shape
        if len(shape) != 2 or shape[1] != inputs:
            raise ShapeError(f"{self!r} takes (N, {inputs}), found {shape}; flatten a picture of the right size first")
        return shape[0], int(units)

    def _span(self, interval: Interval, axis: int) -> Interval:
        return EVERYWHERE

    def _derivative(self, x: Array) -> Operator:
        # row k: -y_k g_k^2 (x - c_k); every unit sees its own copy of the input
        units, inputs = self.centres.shape
        slope = -(self._numpy(x) * like(self.sharpness, x) ** 2)[:, :, None] * self._away(x)
        copies = Dense(np.tile(np.eye(inputs), (units, 1)))
        return chain(copies, Multiply(slope.reshape(len(x), -1)), SumGroups(int(inputs)))

    def _lipschitz(self, ask: Ask) -> Bound:
        # r exp(-r^2 / 2) is at most exp(-1/2); units side by side: root of the sum of squares
        g = np.asarray(self.sharpness, np.float64)
        return Bound(float(np.linalg.norm(g)) * np.exp(-0.5) * (1 + 1e-12), "upper", "steepest slopes of all units")

    def _input_channels(self, wanted: int | None) -> int | None:
        return int(self.centres.shape[1])

    def _initialise(self, rng: np.random.Generator) -> Operator:
        units, inputs = self.centres.shape
        # inputs of variance 1 lie about sqrt(2 C) from a centre
        centres = rng.normal(size=(units, inputs)).astype(np.float32)
        return replace(self, centres=centres, sharpness=np.full(units, (2 * inputs) ** -0.5, np.float32))

    def __repr__(self) -> str:
        return f"radial_basis({self.centres.shape[1]}, {self.centres.shape[0]})"


def radial_basis(inputs: int, units: int, *, seed: int = 0) -> Operator:
    """`units` radial basis units on vectors of `inputs` numbers, with centres drawn from a normal distribution.

    >>> radial_basis(2, 5).parameters, radial_basis(2, 5).output_shape((7, 2))
    (15, (7, 5))
    """
    if inputs < 1 or units < 1:
        raise BadInput(f"radial_basis({inputs}, {units}): both must be positive")
    return RadialBasis(np.zeros((units, inputs), np.float32), np.ones(units, np.float32)).initialise(seed)
