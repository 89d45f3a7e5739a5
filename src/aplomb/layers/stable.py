"""What networks with a small Lipschitz constant are made of.

Activations with slopes in [-1, 1], and convolutions whose norm training keeps below a limit.

ReLU throws away half of what it gets, and a network that may not amplify cannot make up for it; clips, splines and
sorting keep the length of what passes. References: Anil, Lucas and Grosse, "Sorting out Lipschitz function
approximation", ICML 2019 (GroupSort); Ducotterd et al., "Improving Lipschitz-constrained neural networks by learning
activation functions", JMLR 2024 (splines); Goujon et al., IEEE TCI 2023 (clips and splines in gradient steps).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from aplomb.arrays import Array, Shape, concatenate, like
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.activation import Pointwise
from aplomb.layers.channels import Place, Take
from aplomb.layers.conv import Conv, Pair, conv
from aplomb.layers.linear import Multiply, SumGroups
from aplomb.operator import Ask, Bound, GraphWriter, Operator, Sum, chain


@dataclass(frozen=True, eq=False, repr=False)
class ChannelClip(Pointwise):
    """min(max(x, -w), w) with a `width` w >= 0 of its own for each channel, (C,)."""

    width: Array

    _weights: ClassVar[tuple[str, ...]] = ("width",)

    def _widths(self, x: Array) -> Array:
        return like(self.width, x).reshape(-1, *(1,) * (x.ndim - 2))

    def _numpy(self, x: Array) -> Array:
        w = self._widths(x)
        return np.minimum(np.maximum(x, -w), w)

    def _torch(self, x: Array, torch: Any) -> Array:
        w = self._widths(x)
        return torch.minimum(torch.maximum(x, -w), w)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        w = np.asarray(self.width).reshape(-1, *(1,) * (len(shape) - 2))

        def body(g: GraphWriter, x: str, w: str) -> str:
            return g.node("Min", [g.node("Max", [x, g.node("Neg", [w])]), w])

        return graph.function("ChannelClip", [x, graph.constant(w)], body)

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2 or shape[1] != len(self.width):
            raise ShapeError(f"a clip of {len(self.width)} channels found an input of shape {shape}")
        return shape

    @property
    def homogeneous(self) -> bool:
        return False

    def _slope(self, x: Array) -> Array:
        return (abs(x) < self._widths(x)).astype(x.dtype)

    def _input_channels(self, wanted: int | None) -> int | None:
        return len(self.width)


@dataclass(frozen=True, eq=False, repr=False)
class ClipBy(Operator):
    """z, w -> min(max(z, -w), w): the first half of the channels, clipped to widths that the second half holds.

    Never moves by more than z does: whatever the widths are, its slope in z is 0 or 1.
    """

    def _halves(self, x: Array) -> tuple[Array, Array]:
        return x[:, : x.shape[1] // 2], x[:, x.shape[1] // 2 :]

    def _numpy(self, x: Array) -> Array:
        z, w = self._halves(x)
        return np.minimum(np.maximum(z, -w), w)

    def _torch(self, x: Array, torch: Any) -> Array:
        z, w = self._halves(x)
        return torch.minimum(torch.maximum(z, -w), w)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        half = shape[1] // 2

        def body(g: GraphWriter, x: str) -> str:
            def part(start: int, stop: int) -> str:
                return g.node("Slice", [x, *(g.constant(np.array([n], np.int64)) for n in (start, stop, 1))])

            z, w = part(0, half), part(half, 2 * half)
            return g.node("Min", [g.node("Max", [z, g.node("Neg", [w])]), w])

        return graph.function("ClipBy", [x], body)

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2 or shape[1] % 2:
            raise ShapeError(f"{self!r} takes values and as many widths, an even number of channels; found {shape}")
        return (shape[0], shape[1] // 2, *shape[2:])

    @property
    def homogeneous(self) -> bool:
        return True

    def _input_channels(self, wanted: int | None) -> int | None:
        return None if wanted is None else 2 * wanted

    def _derivative(self, x: Array) -> Operator:
        z, w = self._halves(x)
        inside = abs(z) < w
        sign = np.where(w < 0, 1, np.sign(z)).astype(x.dtype)
        c = z.shape[1]
        halves = Sum((Take(0, c, 2 * c), Take(c, 2 * c, 2 * c)))
        return chain(Multiply(np.concatenate([inside.astype(x.dtype), np.where(inside, 0, sign)], axis=1)), halves)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "a value or its width is let through")


@dataclass(frozen=True, eq=False, repr=False)
class Spline(Pointwise):
    """A linear spline for each channel, with equidistant knots over [-reach, reach] and its last slopes beyond.

    `values` (C, K) are those at the knots; training keeps their slopes in [low, high].
    """

    values: Array
    reach: float = 1.0
    low: float = -1.0
    high: float = 1.0

    _weights: ClassVar[tuple[str, ...]] = ("values",)

    @property
    def step(self) -> float:
        """Distance of two knots."""
        return 2 * self.reach / (int(self.values.shape[1]) - 1)

    @property
    def slopes(self) -> tuple[float, float]:
        slopes = np.diff(np.asarray(self.values, np.float64), axis=1) / self.step
        return float(slopes.min()), float(slopes.max())

    def _offsets(self, rank: int) -> Array:
        c, k = self.values.shape
        return (k * np.arange(c)).reshape(-1, *(1,) * (rank - 2))

    def _numpy(self, x: Array) -> Array:
        flat, k = like(self.values, x).reshape(-1), self.values.shape[1]
        at = (x + self.reach) / self.step
        index = np.clip(np.floor(at), 0, k - 2)
        place = index.astype(np.int64) + self._offsets(x.ndim)
        left = flat[place]
        return left + (at - index) * (flat[place + 1] - left)

    def _torch(self, x: Array, torch: Any) -> Array:
        flat, k = like(self.values, x).reshape(-1), self.values.shape[1]
        at = (x + self.reach) / self.step
        index = at.detach().floor().clamp(0, k - 2)
        place = index.long() + torch.from_numpy(self._offsets(x.ndim)).to(x.device)
        left = flat[place]
        return left + (at - index) * (flat[place + 1] - left)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        k = int(self.values.shape[1])
        reach, step, offsets = np.float32(self.reach), np.float32(self.step), self._offsets(len(shape))

        def body(g: GraphWriter, x: str, values: str) -> str:
            flat = g.node("Reshape", [values, g.constant(np.array([-1], np.int64))])
            at = g.node("Div", [g.node("Add", [x, g.constant(reach)]), g.constant(step)])
            ends = [g.constant(np.float32(end)) for end in (0, k - 2)]
            index = g.node("Clip", [g.node("Floor", [at]), *ends])
            place = g.node("Add", [g.node("Cast", [index], to=7), g.constant(offsets)])
            left = g.node("Gather", [flat, place], axis=0)
            right = g.node("Gather", [flat, g.node("Add", [place, g.constant(np.array(1, np.int64))])], axis=0)
            rise = g.node("Mul", [g.node("Sub", [at, index]), g.node("Sub", [right, left])])
            return g.node("Add", [left, rise])

        ends = {"reach": float(self.reach), "low": float(self.low), "high": float(self.high)}
        return graph.function("Spline", [x, graph.constant(self.values)], body, **ends)

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2 or shape[1] != self.values.shape[0]:
            raise ShapeError(f"a spline for {self.values.shape[0]} channels found an input of shape {shape}")
        return shape

    @property
    def homogeneous(self) -> bool:
        return False

    def _slope(self, x: Array) -> Array:
        slopes = np.diff(np.asarray(self.values, x.dtype), axis=1) / self.step
        index = np.clip(np.floor((x + self.reach) / self.step), 0, slopes.shape[1] - 1).astype(np.int64)
        return slopes.reshape(-1)[index + self._offsets(x.ndim) // self.values.shape[1] * slopes.shape[1]]

    def _input_channels(self, wanted: int | None) -> int | None:
        return int(self.values.shape[0])


@dataclass(frozen=True, eq=False, repr=False)
class GroupSort(Operator):
    """Channels 2 i and 2 i + 1 sorted: all the larger ones first, then all the smaller ones (also called MaxMin)."""

    def _apply(self, x: Array) -> Array:
        a, b = x[:, ::2], x[:, 1::2]
        if isinstance(x, np.ndarray):
            return concatenate([np.maximum(a, b), np.minimum(a, b)])
        return concatenate([a.maximum(b), a.minimum(b)])

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        def body(g: GraphWriter, x: str) -> str:
            def number(n: int) -> str:
                return g.constant(np.array([n], np.int64))

            end = np.iinfo(np.int64).max
            a, b = (g.node("Slice", [x, number(s), number(end), number(1), number(2)]) for s in (0, 1))
            return g.node("Concat", [g.node("Max", [a, b]), g.node("Min", [a, b])], axis=1)

        return graph.function("GroupSort", [x], body)

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2 or shape[1] % 2:
            raise ShapeError(f"{self!r} sorts pairs of channels, an even number of them; found {shape}")
        return shape

    @property
    def homogeneous(self) -> bool:
        return True

    def _derivative(self, x: Array) -> Operator:
        n, c, *rest = x.shape
        first = (x[:, ::2] >= x[:, 1::2]).astype(x.dtype)
        larger = np.stack([first, 1 - first], axis=2).reshape(n, c, *rest)
        sums = [chain(Multiply(mask), SumGroups(2)) for mask in (larger, 1 - larger)]
        return Sum(tuple(chain(part, Place(i * c // 2, c // 2, c)) for i, part in enumerate(sums)))

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "a permutation at every pixel")


@dataclass(frozen=True, eq=False, repr=False)
class BoundedConv(Conv):
    """A convolution that training keeps at a norm of at most `limit`, or, if it mixes pixels only, `orthogonal`.

    The limit is a wish of the one who trains: what a network's norm is, a certificate says from its weights.
    """

    limit: float = 1.0
    orthogonal: bool = False
    balanced: bool = False
    """Whether its filters are kept blind to a constant: each sums to 0."""


clip_by = ClipBy()
group_sort = GroupSort()


def channel_clip(widths: Array) -> Operator:
    """Clip each channel to [-w, w], with `widths` w (C,).

    >>> channel_clip(np.array([1.0, 2.0]))(np.array([[-3.0, -3.0]]))
    array([[-1., -2.]])
    """
    widths = np.asarray(widths, np.float32)
    if widths.ndim != 1 or not len(widths) or not (widths >= 0).all():
        raise BadInput(f"widths of shape {widths.shape} for a clip; give one number of 0 or more for each channel")
    return ChannelClip(widths)


def spline(channels: int, knots: int = 21, reach: float = 1.0, low: float = -1.0, high: float = 1.0) -> Operator:
    """A trainable linear spline for each channel, at first abs(x) - reach / 2 for every other one and x for the rest.

    >>> spline(2, 3)(np.array([[-0.5, -0.5]]))
    array([[ 0. , -0.5]])
    """
    if channels < 1 or knots < 3 or not reach > 0 or not low < high:
        raise BadInput(f"spline({channels}, {knots}, {reach}, {low}, {high}): channels, 3 knots, reach > 0, low < high")
    at = np.linspace(-reach, reach, knots)
    bent = np.clip(np.sign(at), low, high) * at - reach / 2
    values = np.where(np.arange(channels)[:, None] % 2 == 0, bent, np.clip(1.0, low, high) * at)
    return Spline(values.astype(np.float32), float(reach), float(low), float(high))


def bounded_conv(
    inputs: int,
    outputs: int,
    size: int | Pair = 3,
    *,
    limit: float = 1.0,
    balanced: bool = False,
    padding: str | int = "zero",
    seed: int = 0,
) -> Operator:
    """A convolution without bias whose norm training keeps at `limit` or below, its filters `balanced` if wanted.

    >>> bounded_conv(1, 4).output_shape((1, 1, 8, 8))
    (1, 4, 8, 8)
    """
    if not limit > 0:
        raise BadInput(f"a convolution with a norm of at most {limit}; give a limit above 0")
    plain = conv(inputs, outputs, size, padding=padding, bias=False, seed=seed)
    return plain.map(lambda leaf: _bounded(leaf, limit, balanced) if isinstance(leaf, Conv) else leaf)


def orthogonal_conv(channels: int, size: int = 3, *, seed: int = 0) -> Operator:
    """A convolution of `size` x `size` taps that keeps the length of what it gets, on the infinite lattice.

    Matrices that mix the channels of a pixel, kept orthogonal in training, alternate with shifts of half of the
    channels by a pixel: every finite product of such factors is orthogonal, and wherever a border of zeros cuts
    something off the norm only falls. Reference: Li et al., "Preventing gradient attenuation in Lipschitz constrained
    convolutional networks", NeurIPS 2019.

    >>> net = orthogonal_conv(4)
    >>> x = np.pad(np.random.default_rng(0).normal(size=(1, 4, 8, 8)), ((0, 0), (0, 0), (2, 2), (2, 2)))
    >>> bool(abs(np.linalg.norm(net(x)) / np.linalg.norm(x) - 1) < 1e-6)
    True
    """
    if channels < 2 or size < 1 or size % 2 == 0:
        raise BadInput(f"orthogonal_conv({channels}, {size}): give two or more channels and an odd size")
    rng = np.random.default_rng(seed)
    half = channels // 2

    def mix() -> Operator:
        q = np.linalg.qr(rng.normal(size=(channels, channels)))[0].astype(np.float32)
        return BoundedConv(q[:, :, None, None], None, orthogonal=True)

    def shift(dy: int, dx: int) -> Operator:
        taps = np.zeros((channels, 1, 3, 3), np.float32)
        taps[:half, 0, 1 + dy, 1 + dx] = 1
        taps[half:, 0, 1, 1] = 1
        return Shift(taps, None, pads=((1, 1), (1, 1)), groups=channels)

    parts = [mix()]
    for _ in range(size // 2):
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            parts += [shift(dy, dx), mix()]
    return chain(*parts)


@dataclass(frozen=True, eq=False, repr=False)
class Shift(Conv):
    """Channels moved by a pixel or not: a convolution whose taps are no weights."""

    _weights: ClassVar[tuple[str, ...]] = ()


def _bounded(leaf: Conv, limit: float, balanced: bool) -> BoundedConv:
    return BoundedConv(
        leaf.weight, leaf.bias, leaf.stride, leaf.pads, leaf.dilation, leaf.groups, leaf.transposed, leaf.exact,
        float(limit), balanced=balanced,
    )  # fmt: skip


def kept_slopes(values: Array, step: float, low: float, high: float) -> Array:
    """The values of splines (C, K) whose slopes were clipped to [low, high], around the middle knot.

    >>> kept_slopes(np.array([[-3.0, 0.0, 0.5]]), 1.0, -1.0, 1.0)
    array([[-1. ,  0. ,  0.5]])
    """
    middle = values.shape[1] // 2
    slopes = np.clip(np.diff(values, axis=1) / step, low, high)
    rising = np.concatenate([np.zeros((len(values), 1)), np.cumsum(slopes * step, axis=1)], axis=1)
    return values[:, middle : middle + 1] + rising - rising[:, middle : middle + 1]


__all__ = [
    "BoundedConv", "ChannelClip", "ClipBy", "GroupSort", "Shift", "Spline", "bounded_conv", "channel_clip", "clip_by",
    "group_sort", "kept_slopes", "orthogonal_conv", "spline",
]  # fmt: skip
