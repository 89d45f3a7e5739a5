"""Activations: pointwise nonlinearities, and two that look across channels (maxout, softmax)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from aplomb.arrays import Array, Shape
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.linear import Mean, Multiply, SumGroups
from aplomb.operator import Ask, Bound, GraphWriter, Operator, chain, identity, unknown


class Pointwise(Operator):
    """y = phi(x), pixel by pixel. A leaf states its `slopes`, and `_slope`, the derivative of phi at x."""

    @property
    def slopes(self) -> tuple[float, float]:
        """Smallest and largest slope of phi; 1e-4 towards the safe side where they are irrational."""
        return 0.0, 1.0

    def _slope(self, x: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} states no derivative")

    def _derivative(self, x: Array) -> Operator:
        return Multiply(self._slope(x))

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(float(max(map(abs, self.slopes))), "exact", "largest slope")


@dataclass(frozen=True, eq=False, repr=False)
class Step(Pointwise):
    """Threshold logic unit: 1 where x >= 0, else 0 (McCulloch and Pitts 1943). Not continuous."""

    def _numpy(self, x: Array) -> Array:
        return (x >= 0).astype(x.dtype)

    def _torch(self, x: Array, torch: Any) -> Array:
        return (x >= 0).to(x.dtype)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        def body(g: GraphWriter, x: str) -> str:
            return g.node("Cast", [g.node("GreaterOrEqual", [x, g.constant(np.float32(0))])], to=1)

        return graph.function("Step", [x], body)

    @property
    def slopes(self) -> tuple[float, float]:
        return 0.0, math.inf

    def _slope(self, x: Array) -> Array:
        return np.zeros_like(x)

    def _lipschitz(self, ask: Ask) -> Bound:
        return unknown("the step is not continuous")


@dataclass(frozen=True, eq=False, repr=False)
class Sigmoid(Pointwise):
    """1 / (1 + exp(-x)); slope at most 1/4."""

    def _numpy(self, x: Array) -> Array:
        return 0.5 * (1 + np.tanh(0.5 * x))  # the same, and exp cannot overflow

    def _torch(self, x: Array, torch: Any) -> Array:
        return torch.sigmoid(x)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("Sigmoid", [x])

    @property
    def slopes(self) -> tuple[float, float]:
        return 0.0, 0.25

    def _slope(self, x: Array) -> Array:
        y = self._numpy(x)
        return y * (1 - y)


@dataclass(frozen=True, eq=False, repr=False)
class Tanh(Pointwise):
    """tanh x."""

    def _numpy(self, x: Array) -> Array:
        return np.tanh(x)

    def _torch(self, x: Array, torch: Any) -> Array:
        return torch.tanh(x)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("Tanh", [x])

    def _slope(self, x: Array) -> Array:
        return 1 - np.tanh(x) ** 2


@dataclass(frozen=True, eq=False, repr=False)
class ReLU(Pointwise):
    """max(x, 0)."""

    def _numpy(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def _torch(self, x: Array, torch: Any) -> Array:
        return torch.relu(x)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("Relu", [x])

    @property
    def homogeneous(self) -> bool:
        return True

    def _slope(self, x: Array) -> Array:
        return (x > 0).astype(x.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class LeakyReLU(Pointwise):
    """x where x > 0, else slope * x (Maas et al. 2013)."""

    slope: float = 0.01

    def _numpy(self, x: Array) -> Array:
        return np.where(x > 0, x, self.slope * x)

    def _torch(self, x: Array, torch: Any) -> Array:
        return torch.nn.functional.leaky_relu(x, self.slope)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("LeakyRelu", [x], alpha=float(self.slope))

    @property
    def homogeneous(self) -> bool:
        return True

    @property
    def slopes(self) -> tuple[float, float]:
        return min(1.0, self.slope), max(1.0, self.slope)

    def _slope(self, x: Array) -> Array:
        return np.where(x > 0, 1.0, self.slope).astype(x.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class ELU(Pointwise):
    """x where x > 0, else alpha (exp(x) - 1) (Clevert et al. 2016)."""

    alpha: float = 1.0

    def _numpy(self, x: Array) -> Array:
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def _torch(self, x: Array, torch: Any) -> Array:
        return torch.nn.functional.elu(x, self.alpha)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("Elu", [x], alpha=float(self.alpha))

    @property
    def slopes(self) -> tuple[float, float]:
        return min(0.0, self.alpha), max(1.0, self.alpha)

    def _slope(self, x: Array) -> Array:
        return np.where(x > 0, 1.0, self.alpha * np.exp(np.minimum(x, 0))).astype(x.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class Swish(Pointwise):
    """x / (1 + exp(-x)), also called SiLU (Ramachandran et al. 2017); steepest slope 1.0998 at x = 2.3994."""

    def _numpy(self, x: Array) -> Array:
        return x * 0.5 * (1 + np.tanh(0.5 * x))

    def _torch(self, x: Array, torch: Any) -> Array:
        return torch.nn.functional.silu(x)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.function("Swish", [x], lambda g, x: g.node("Mul", [x, g.node("Sigmoid", [x])]))

    @property
    def slopes(self) -> tuple[float, float]:
        # at its inflections, where x tanh(x/2) = 2: x = -2.39936 and 2.39936, slopes -0.09984 and 1.09984
        return -0.0999, 1.0999

    def _slope(self, x: Array) -> Array:
        y = 0.5 * (1 + np.tanh(0.5 * x))
        return y + x * y * (1 - y)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0999, "upper", "largest slope, rounded up")


@dataclass(frozen=True, eq=False, repr=False)
class SoftShrink(Pointwise):
    """Soft shrinkage sign(x) max(abs(x) - threshold, 0), the proximal map of threshold * l1 (Donoho 1995)."""

    threshold: float = 0.5

    def _numpy(self, x: Array) -> Array:
        return x - np.clip(x, -self.threshold, self.threshold)

    def _torch(self, x: Array, torch: Any) -> Array:
        return x - x.clamp(-self.threshold, self.threshold)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("Shrink", [x], lambd=float(self.threshold), bias=float(self.threshold))

    @property
    def homogeneous(self) -> bool:
        return self.threshold == 0

    def _slope(self, x: Array) -> Array:
        return (abs(x) > self.threshold).astype(x.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class HardClip(Pointwise):
    """min(max(x, lo), hi)."""

    lo: float = 0.0
    hi: float = 1.0

    def _numpy(self, x: Array) -> Array:
        return np.clip(x, self.lo, self.hi)

    def _torch(self, x: Array, torch: Any) -> Array:
        return x.clamp(self.lo, self.hi)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("Clip", [x, *(graph.constant(np.float32(end)) for end in (self.lo, self.hi))])

    @property
    def homogeneous(self) -> bool:
        return {abs(self.lo), abs(self.hi)} <= {0.0, math.inf}

    def _slope(self, x: Array) -> Array:
        return ((x > self.lo) & (x < self.hi)).astype(x.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class Maxout(Operator):
    """Largest of `pieces` neighbouring channels: y_c = max_k x_(c pieces + k) (Goodfellow et al. 2013)."""

    pieces: int = 2

    def _apply(self, x: Array) -> Array:
        y = x.reshape(x.shape[0], x.shape[1] // self.pieces, self.pieces, *x.shape[2:])
        return y.max(2) if isinstance(x, np.ndarray) else y.amax(2)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        def body(g: GraphWriter, x: str) -> str:
            def number(n: int) -> str:
                return g.constant(np.array([n], np.int64))

            end, every = number(np.iinfo(np.int64).max), number(self.pieces)
            starts = [number(k) for k in range(self.pieces)]
            return g.node("Max", [g.node("Slice", [x, start, end, number(1), every]) for start in starts])

        return graph.function("Maxout", [x], body, pieces=self.pieces)

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2 or shape[1] % self.pieces:
            raise ShapeError(f"{self!r} takes a multiple of {self.pieces} channels, found {shape}")
        return (shape[0], shape[1] // self.pieces, *shape[2:])

    def _input_channels(self, wanted: int | None) -> int | None:
        return None if wanted is None else wanted * self.pieces

    @property
    def homogeneous(self) -> bool:
        return True

    def _lipschitz(self, ask: Ask) -> Bound:
        # the pieces are separate channels, and a maximum moves by no more than the largest of its arguments
        return Bound(1.0, "exact", "a maximum")

    def _derivative(self, x: Array) -> Operator:
        # the largest of each group is let through, and the group added up
        groups = x.reshape(x.shape[0], x.shape[1] // self.pieces, self.pieces, *x.shape[2:])
        first = np.arange(self.pieces).reshape(-1, *(1,) * (x.ndim - 2)) == groups.argmax(2, keepdims=True)
        return chain(Multiply(first.reshape(x.shape).astype(x.dtype)), SumGroups(self.pieces))


@dataclass(frozen=True, eq=False, repr=False)
class Softmax(Operator):
    """p_c = exp(x_c) / sum_k exp(x_k) over the channels of each pixel."""

    def _numpy(self, x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def _torch(self, x: Array, torch: Any) -> Array:
        return torch.softmax(x, dim=1)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("Softmax", [x], axis=1)

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise ShapeError(f"{self!r} takes (N, C) or (N, C, H, W), found {shape}")
        return shape

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(0.5, "upper", "l2 norm of diag(p) - p p^T")

    def _derivative(self, x: Array) -> Operator:
        # diag(p) - p p^T at every pixel: p (h - sum_k p_k h_k)
        p, c = self._numpy(x), x.shape[1]
        total = chain(Multiply(p), Mean("channels"), Multiply(np.full_like(p, c)))
        return chain(identity - total, Multiply(p))


step = Step()
sigmoid = Sigmoid()
tanh = Tanh()
relu = ReLU()
swish = Swish()
softmax = Softmax()


def leaky_relu(slope: float = 0.01) -> Operator:
    """ReLU that lets negative values through, multiplied by `slope`.

    >>> leaky_relu(0.5)(np.array([[-2.0, 3.0]]))
    array([[-1.,  3.]])
    """
    return LeakyReLU(slope)


def elu(alpha: float = 1.0) -> Operator:
    """Exponential linear unit.

    >>> elu()(np.array([[-50.0, 3.0]]))
    array([[-1.,  3.]])
    """
    return ELU(alpha)


def soft_shrink(threshold: float) -> Operator:
    """Soft shrinkage by `threshold` >= 0.

    >>> soft_shrink(1.0)(np.array([[-3.0, 0.5, 2.0]]))
    array([[-2.,  0.,  1.]])
    """
    if not threshold >= 0:
        raise BadInput(f"soft_shrink by {threshold}: the threshold must not be negative")
    return SoftShrink(threshold)


def hard_clip(lo: float = 0.0, hi: float = 1.0) -> Operator:
    """Clip to [lo, hi].

    >>> hard_clip(-1.0, 1.0)(np.array([[-3.0, 0.5]]))
    array([[-1. ,  0.5]])
    """
    if not lo < hi or math.isnan(lo):
        raise BadInput(f"hard_clip to [{lo}, {hi}]: give lo < hi")
    return HardClip(lo, hi)


def maxout(pieces: int = 2) -> Operator:
    """Maximum over every `pieces` neighbouring channels.

    >>> maxout(2)(np.array([[1.0, 4.0, 3.0, 2.0]]))
    array([[4., 3.]])
    """
    if pieces < 1:
        raise BadInput(f"maxout of {pieces} pieces: give at least one")
    return Maxout(pieces)
