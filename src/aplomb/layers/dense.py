"""Dense layers, and the way from pictures to vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from aplomb.arrays import Array, Shape, like
from aplomb.errors import BadInput, ShapeError
from aplomb.operator import EVERYWHERE, Ask, Bound, GraphWriter, Interval, Linearity, Operator


@dataclass(frozen=True, eq=False, repr=False)
class Dense(Operator):
    """y = W x + b on vectors (N, C); `weight` is (outputs, inputs)."""

    weight: Array
    bias: Array | None = None

    _weights: ClassVar[tuple[str, ...]] = ("weight", "bias")

    def _apply(self, x: Array) -> Array:
        y = x @ like(self.weight, x).T
        return y if self.bias is None else y + like(self.bias, x)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        weights = (self.weight,) if self.bias is None else (self.weight, self.bias)
        return graph.node("Gemm", [x, *map(graph.constant, weights)], transB=1)

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 2 or shape[1] != self.weight.shape[1]:
            wanted = f"(N, {self.weight.shape[1]})"
            raise ShapeError(f"{self!r} takes {wanted}, found {shape}; flatten a picture of the right size first")
        return shape[0], int(self.weight.shape[0])

    def _span(self, interval: Interval, axis: int) -> Interval:
        return EVERYWHERE

    def _multiply_adds(self, shape: Shape) -> int:
        return int(shape[0] * math.prod(self.weight.shape))

    @property
    def linearity(self) -> Linearity:
        return Linearity.LINEAR if self.bias is None else Linearity.AFFINE

    def _linear_part(self) -> Operator:
        return replace(self, bias=None)

    def _adjoint(self) -> Operator:
        return Dense(self.weight.T.copy() if isinstance(self.weight, np.ndarray) else self.weight.T)

    def _lipschitz(self, ask: Ask) -> Bound:
        # spectral norm <= Frobenius norm; the singular value itself is the tight bound's business
        w = np.asarray(self.weight, np.float64)
        return Bound(float(np.linalg.norm(w)) * (1 + (w.size + 4) * 2.0**-53), "upper", "Frobenius norm")

    def _input_channels(self, wanted: int | None) -> int | None:
        return int(self.weight.shape[1])

    def _initialise(self, rng: np.random.Generator) -> Operator:
        w = rng.normal(0.0, math.sqrt(2.0 / self.weight.shape[1]), self.weight.shape).astype(np.float32)
        return replace(self, weight=w, bias=None if self.bias is None else np.zeros(self.bias.shape, np.float32))

    def __repr__(self) -> str:
        no_bias = "" if self.bias is not None else ", bias=False"
        return f"dense({self.weight.shape[1]}, {self.weight.shape[0]}{no_bias})"


@dataclass(frozen=True, eq=False, repr=False)
class Flatten(Operator):
    """(N, C, H, W) -> (N, C H W), channel by channel, row by row; with `sizes` (C, H, W) its adjoint is known."""

    sizes: Shape | None = None

    def _apply(self, x: Array) -> Array:
        return x.reshape(x.shape[0], -1)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("Flatten", [x], axis=1)

    def _output_shape(self, shape: Shape) -> Shape:
        return shape[0], math.prod(shape[1:])

    def _span(self, interval: Interval, axis: int) -> Interval:
        return EVERYWHERE

    @property
    def linearity(self) -> Linearity:
        return Linearity.LINEAR

    def _adjoint(self) -> Operator:
        if self.sizes is None:
            raise BadInput("the adjoint of flatten needs the picture's size: unflatten(channels, height, width)")
        return Unflatten(*self.sizes)

    def _derivative(self, x: Array) -> Operator:
        return Flatten(tuple(x.shape[1:]))

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "a change of shape")

    def _input_channels(self, wanted: int | None) -> int | None:
        return None


@dataclass(frozen=True, eq=False, repr=False)
class Unflatten(Operator):
    """(N, C H W) -> (N, C, H, W), the inverse and the adjoint of flattening."""

    channels: int
    height: int
    width: int

    def _apply(self, x: Array) -> Array:
        return x.reshape(x.shape[0], self.channels, self.height, self.width)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        target = graph.constant(np.array([0, self.channels, self.height, self.width], np.int64))
        return graph.node("Reshape", [x, target])

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 2 or shape[1] != self.channels * self.height * self.width:
            raise ShapeError(f"{self!r} takes (N, {self.channels * self.height * self.width}), found {shape}")
        return shape[0], self.channels, self.height, self.width

    def _span(self, interval: Interval, axis: int) -> Interval:
        return EVERYWHERE

    @property
    def linearity(self) -> Linearity:
        return Linearity.LINEAR

    def _adjoint(self) -> Operator:
        return Flatten()

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "a change of shape")

    def _input_channels(self, wanted: int | None) -> int | None:
        return self.channels * self.height * self.width


flatten = Flatten()


def unflatten(channels: int, height: int, width: int) -> Operator:
    """The inverse of `flatten` for pictures of `channels` x `height` x `width`.

    >>> unflatten(1, 2, 3).output_shape((5, 6))
    (5, 1, 2, 3)
    """
    return Unflatten(channels, height, width)


def dense(inputs: int, outputs: int, *, bias: bool = True, seed: int | None = 0) -> Operator:
    """Fully connected layer with random weights (He et al. 2015), or zeros for a `seed` of None.

    >>> mlp = dense(10, 300) @ flatten
    >>> mlp.output_shape((7, 1, 2, 5)), mlp.parameters
    ((7, 300), 3300)
    """
    if inputs < 1 or outputs < 1:
        raise BadInput(f"dense from {inputs} to {outputs}: both must be positive")
    weight = np.zeros((outputs, inputs), np.float32)
    layer = Dense(weight, np.zeros(outputs, np.float32) if bias else None)
    return layer if seed is None else layer.initialise(seed)
