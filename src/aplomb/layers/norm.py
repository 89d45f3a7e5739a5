"""Normalisations and dropout as they are when a network is used; training has its own form of two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from aplomb.arrays import Array, Shape, like
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.conv import Conv
from aplomb.layers.linear import Mean, Multiply, SumGroups
from aplomb.layers.pad import pad
from aplomb.operator import (
    EVERYWHERE,
    Ask,
    Bound,
    Compose,
    GraphWriter,
    Interval,
    Linearity,
    Operator,
    chain,
    identity,
    unknown,
)


@dataclass(frozen=True, eq=False, repr=False)
class BatchNorm(Operator):
    """y_c = weight_c (x_c - mean_c) / sqrt(variance_c + epsilon) + bias_c, with statistics from training.

    An affine operator, so freezing folds it into the convolution before it. Reference: Ioffe, Szegedy, 2015.
    """

    weight: Array
    bias: Array
    mean: Array
    variance: Array
    epsilon: float = 1e-5

    _weights: ClassVar[tuple[str, ...]] = ("weight", "bias")
    _state: ClassVar[tuple[str, ...]] = ("mean", "variance")

    def scale_shift(self) -> tuple[Array, Array]:
        """(a, b) of y = a x + b."""
        a = self.weight / (self.variance + self.epsilon) ** 0.5
        return a, self.bias - self.mean * a

    def _apply(self, x: Array) -> Array:
        a, b = (like(v, x).reshape(-1, *(1,) * (x.ndim - 2)) for v in self.scale_shift())
        return a * x + b

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        values = (self.weight, self.bias, self.mean, self.variance)
        return graph.node("BatchNormalization", [x, *map(graph.constant, values)], epsilon=float(self.epsilon))

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2 or shape[1] != len(self.weight):
            raise ShapeError(f"{self!r} takes {len(self.weight)} channels, found {shape}")
        return shape

    @property
    def linearity(self) -> Linearity:
        return Linearity.AFFINE if bool((self.scale_shift()[1] != 0).any()) else Linearity.LINEAR

    def _linear_part(self) -> Operator:
        # a x: the mean and the bias only shift
        return replace(self, bias=self.bias * 0, mean=self.mean * 0)

    def _adjoint(self) -> Operator:
        return self

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(float(abs(self.scale_shift()[0]).max()), "exact", "largest factor of a channel")

    def _input_channels(self, wanted: int | None) -> int | None:
        return len(self.weight)

    def _initialise(self, rng: np.random.Generator) -> Operator:
        return batch_norm(len(self.weight), epsilon=self.epsilon)


@dataclass(frozen=True, eq=False, repr=False)
class LayerNorm(Operator):
    """Zero mean and unit variance over the channels of each pixel ("channels") or the whole picture ("all").

    y = weight_c (x - mean) / sqrt(variance + epsilon) + bias_c. Reference: Ba, Kiros and Hinton, 2016.
    """

    weight: Array
    bias: Array
    over: Literal["channels", "all"] = "channels"
    epsilon: float = 1e-5

    _weights: ClassVar[tuple[str, ...]] = ("weight", "bias")

    def _axes(self, rank: int) -> tuple[int, ...]:
        return (1,) if self.over == "channels" else tuple(range(1, rank))

    def _apply(self, x: Array) -> Array:
        axes = self._axes(x.ndim)
        centred = x - x.mean(axes, keepdims=True)
        y = centred / ((centred * centred).mean(axes, keepdims=True) + self.epsilon) ** 0.5
        w, b = (like(v, x).reshape(-1, *(1,) * (x.ndim - 2)) for v in (self.weight, self.bias))
        return y * w + b

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        axes = np.array(self._axes(len(shape)), np.int64)

        def body(g: GraphWriter, x: str, weight: str, bias: str) -> str:
            centred = g.node("Sub", [x, g.node("ReduceMean", [x, g.constant(axes)])])
            variance = g.node("ReduceMean", [g.node("Mul", [centred, centred]), g.constant(axes)])
            deviation = g.node("Sqrt", [g.node("Add", [variance, g.constant(np.float32(self.epsilon))])])
            place = g.constant(np.array([-1, *(1,) * (len(shape) - 2)], np.int64))
            w, b = (g.node("Reshape", [v, place]) for v in (weight, bias))
            return g.node("Add", [g.node("Mul", [g.node("Div", [centred, deviation]), w]), b])

        return graph.function(
            "LayerNorm", [x, graph.constant(self.weight), graph.constant(self.bias)], body,
            over=self.over, epsilon=float(self.epsilon),
        )  # fmt: skip

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2 or shape[1] != len(self.weight):
            raise ShapeError(f"{self!r} takes {len(self.weight)} channels, found {shape}")
        return shape

    def _span(self, interval: Interval, axis: int) -> Interval:
        return interval if self.over == "channels" else EVERYWHERE

    def _derivative(self, x: Array) -> Operator:
        # n = (x - mean) / s:  J h = w / s (h - mean(h) - n mean(n h))
        axes, mean = self._axes(x.ndim), Mean(self.over)
        centred = x - x.mean(axes, keepdims=True)
        s = ((centred * centred).mean(axes, keepdims=True) + self.epsilon) ** 0.5
        n = Multiply(centred / s)
        w = like(self.weight, x).reshape(-1, *(1,) * (x.ndim - 2)) / s
        return chain(identity - mean - chain(n, mean, n), Multiply(w * np.ones_like(x)))

    def _lipschitz(self, ask: Ask) -> Bound:
        return unknown("layer normalisation divides by the input's own deviation")

    def _input_channels(self, wanted: int | None) -> int | None:
        return len(self.weight)

    def _initialise(self, rng: np.random.Generator) -> Operator:
        return layer_norm(len(self.weight), over=self.over, epsilon=self.epsilon)


@dataclass(frozen=True, eq=False, repr=False)
class LocalContrastNorm(Operator):
    """y = v / max(floor, s), v = x - w * x, s^2 = w * v^2: local mean removed, local deviation divided out.

    `w` is a Gaussian window of `size` pixels (standard deviation size / 4) over all channels, of sum 1; the
    border is reflected. Reference: Jarrett et al., "What is the best multi-stage architecture for object
    recognition?", 2009, with a fixed floor in place of the picture's mean deviation, so that it stays local.
    """

    size: int = 9
    floor: float = 1e-2

    def _window(self) -> Array:
        t = np.arange(self.size) - self.size // 2
        g = np.exp(-0.5 * (t / (self.size / 4)) ** 2)
        return np.outer(g, g) / g.sum() ** 2

    def _mean(self, channels: int) -> Operator:
        kernel = np.broadcast_to(self._window() / channels, (1, channels, self.size, self.size))
        return chain(pad(self.size // 2, "reflect"), Conv(kernel.copy()))

    def _apply(self, x: Array) -> Array:
        mean = self._mean(x.shape[1])
        v = x - mean(x)
        # the floor comes before the root, which has no slope at 0
        return v / mean(v * v).clip(self.floor**2) ** 0.5

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        c = shape[1]
        pads, conv = self._mean(c).children()
        inner = (shape[0], c, shape[2] + self.size - 1, shape[3] + self.size - 1)

        def mean(g: GraphWriter, x: str) -> str:
            kernel = replace(conv, weight=conv.weight.astype(np.float32))  # type: ignore[type-var,attr-defined]
            return kernel._onnx(g, pads._onnx(g, x, shape), inner)

        def body(g: GraphWriter, x: str) -> str:
            v = g.node("Sub", [x, mean(g, x)])
            floor = g.constant(np.float32(self.floor**2))
            return g.node("Div", [v, g.node("Sqrt", [g.node("Max", [mean(g, g.node("Mul", [v, v])), floor])])])

        return graph.function("LocalContrastNorm", [x], body, size=self.size, floor=float(self.floor))

    def _output_shape(self, shape: Shape) -> Shape:
        return self._mean(shape[1])._output_shape(shape)[:1] + shape[1:]

    def _span(self, interval: Interval, axis: int) -> Interval:
        reach = 2 * (self.size // 2)
        return interval[0] - reach, interval[1] + reach

    def _multiply_adds(self, shape: Shape) -> int:
        return 2 * self._mean(shape[1])._multiply_adds(shape)

    def _derivative(self, x: Array) -> Operator:
        # y = v / q, q = max(floor, s):  J h = (V h - v / q dq) / q, and dq = w * (v V h) / s where s is above the floor
        c, mean = x.shape[1], self._mean(x.shape[1])
        v = x - mean(x)
        square = mean(v * v)
        q = square.clip(self.floor**2) ** 0.5
        every = SumGroups(c, transposed=True)
        slope = np.where(square > self.floor**2, 1 / q, 0)
        centred = identity - chain(mean, every)
        moved = chain(Multiply(v), mean, Multiply(slope), every, Multiply(v / q))
        return chain(centred, identity - moved, Multiply(np.broadcast_to(1 / q, x.shape)))

    def _lipschitz(self, ask: Ask) -> Bound:
        return unknown("local contrast normalisation divides by the input's own deviation")


@dataclass(frozen=True, eq=False, repr=False)
class Dropout(Operator):
    """The identity when a network is used; in training each value is dropped with this probability.

    What stays is divided by (1 - probability), so that means are kept. Reference: Srivastava et al., 2014.
    """

    probability: float = 0.5

    def _apply(self, x: Array) -> Array:
        return x

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return graph.node("Dropout", [x, graph.constant(np.float32(self.probability))])

    @property
    def linearity(self) -> Linearity:
        return Linearity.LINEAR

    def _adjoint(self) -> Operator:
        return self

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "identity when used")


def batch_norm(channels: int, *, epsilon: float = 1e-5) -> Operator:
    """Batch normalisation of `channels` channels, before any training: factor 1, shift 0, mean 0, variance 1.

    >>> batch_norm(4).parameters
    8
    """
    one, zero = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    return BatchNorm(one, zero, zero.copy(), one.copy(), epsilon)


def layer_norm(channels: int, *, over: Literal["channels", "all"] = "channels", epsilon: float = 1e-5) -> Operator:
    """Layer normalisation over the channels of each pixel, or over channels and pixels.

    >>> layer_norm(2)(np.array([[1.0, 3.0]])).round(2)
    array([[-1.,  1.]])
    """
    if over not in ("channels", "all"):
        raise BadInput(f"layer_norm over {over!r}: give 'channels' or 'all'")
    return LayerNorm(np.ones(channels, np.float32), np.zeros(channels, np.float32), over, epsilon)


def local_contrast_norm(size: int = 9, floor: float = 1e-2) -> Operator:
    """Local contrast normalisation with a Gaussian window of `size` (odd) pixels.

    >>> float(abs(local_contrast_norm(3)(np.full((1, 1, 5, 5), 7.0))).max().round(6))
    0.0
    """
    if size < 1 or size % 2 == 0 or not floor > 0:
        raise BadInput(f"local_contrast_norm of size {size}, floor {floor}: give an odd size, a positive floor")
    return LocalContrastNorm(size, floor)


def dropout(probability: float = 0.5) -> Operator:
    """Dropout with the given probability of dropping a value, 0 <= probability < 1.

    >>> dropout(0.5)(np.ones((1, 2)))
    array([[1., 1.]])
    """
    if not 0 <= probability < 1 or math.isnan(probability):
        raise BadInput(f"dropout with probability {probability}: give 0 <= probability < 1")
    return Dropout(probability)


def fold_batch_norm(operator: Operator) -> Operator:
    """The same operator with every batch normalisation behind a convolution folded into it.

    a (w * x + c) + b = (a w) * x + (a c + b), per output channel.

    >>> from aplomb.layers import conv, relu
    >>> fold_batch_norm(chain(conv(1, 4), batch_norm(4), relu)) == chain(conv(1, 4), relu)
    False
    >>> fold_batch_norm(chain(conv(1, 4), batch_norm(4), relu)).parameters
    40
    """
    parts: list[Operator] = []
    for part in operator.parts if isinstance(operator, Compose) else (operator,):
        if isinstance(part, BatchNorm) and parts and isinstance(parts[-1], Conv):
            parts[-1] = _folded(parts[-1], part)
        else:
            children = part.children()
            parts.append(part._rebuild([fold_batch_norm(child) for child in children]) if children else part)
    return chain(*parts)


def _folded(layer: Conv, norm: BatchNorm) -> Conv:
    a, b = norm.scale_shift()
    if layer.transposed:  # (N2, N1 / groups, ...): output channels are counted group by group on axis 1
        w = layer.weight.reshape(layer.groups, -1, *layer.weight.shape[1:])
        weight = (w * a.reshape(layer.groups, 1, -1, 1, 1)).reshape(layer.weight.shape)
    else:
        weight = layer.weight * a.reshape(-1, 1, 1, 1)
    bias = b if layer.bias is None else a * layer.bias + b
    return replace(layer, weight=weight.astype(np.float32), bias=bias.astype(np.float32))
