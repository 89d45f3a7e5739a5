"""Choosing and placing channels: the way into parallel maps on parts of an array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aplomb.arrays import Array, Shape, concatenate
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.linear import LinearLeaf
from aplomb.operator import Ask, Bound, GraphWriter, Linearity, Operator


@dataclass(frozen=True, eq=False, repr=False)
class Take(LinearLeaf):
    """Channels start, ..., stop - 1, `of` so many if that is known: then it asks for them, and has an adjoint."""

    start: int
    stop: int
    of: int | None = None

    def _apply(self, x: Array) -> Array:
        return x[:, self.start : self.stop]

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        values = ([self.start], [self.stop], [1])
        note = "" if self.of is None else f"of {self.of}"  # ONNX has no word for it; thaw reads the note
        return graph.node("Slice", [x, *(graph.constant(np.array(v, np.int64)) for v in values)], doc=note)

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2 or shape[1] < self.stop or self.of not in (None, shape[1]):
            wanted = f"at least {self.stop}" if self.of is None else str(self.of)
            raise ShapeError(f"{self!r} takes {wanted} channels, found {shape}")
        return (shape[0], self.stop - self.start, *shape[2:])

    def _adjoint(self) -> Operator:
        if self.of is None:
            raise BadInput(f"the adjoint of {self!r} needs the number of channels that were there: take(..., of=n)")
        return Place(self.start, self.stop - self.start, self.of)

    def _derivative(self, x: Array) -> Operator:
        return Take(self.start, self.stop, int(x.shape[1]))

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "leaves channels out")

    def _input_channels(self, wanted: int | None) -> int | None:
        return self.of


@dataclass(frozen=True, eq=False, repr=False)
class Place(LinearLeaf):
    """The `count` channels put behind `start` zero ones, `total` in all: the adjoint of taking them.

    >>> Place(1, 2, 4)(np.array([[5.0, 6.0]]))
    array([[0., 5., 6., 0.]])
    """

    start: int
    count: int
    total: int

    def _apply(self, x: Array) -> Array:
        zeros = x[:, :1] * 0
        return concatenate([*[zeros] * self.start, x, *[zeros] * (self.total - self.start - self.count)])

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        flat = [0] * (len(shape) - 2)
        amounts = [0, self.start, *flat, 0, self.total - self.start - self.count, *flat]
        return graph.node("Pad", [x, graph.constant(np.array(amounts, np.int64))], doc=f"of {self.count}")

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2 or shape[1] != self.count:
            raise ShapeError(f"{self!r} takes {self.count} channels, found {shape}")
        return (shape[0], self.total, *shape[2:])

    def _adjoint(self) -> Operator:
        return Take(self.start, self.start + self.count, self.total)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "leaves channels as they are")

    def _input_channels(self, wanted: int | None) -> int | None:
        return self.count


@dataclass(frozen=True, eq=False, repr=False)
class AppendConstant(Operator):
    """One more channel behind the others, holding a constant: how a fixed noise level enters a network."""

    value: float

    def _numpy(self, x: Array) -> Array:
        return np.concatenate([x, np.full_like(x[:, :1], self.value)], axis=1)

    def _torch(self, x: Array, torch: Any) -> Array:
        return torch.cat([x, torch.full_like(x[:, :1], self.value)], dim=1)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        def body(g: GraphWriter, x: str) -> str:
            amounts = g.constant(np.array([0, 0, 0, 0, 0, 1, 0, 0], np.int64))
            return g.node("Pad", [x, amounts, g.constant(np.float32(self.value))])

        return graph.function("AppendConstant", [x], body, value=float(self.value))

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 4:
            raise ShapeError(f"{self!r} takes (N, C, H, W), found {shape}")
        return (shape[0], shape[1] + 1, *shape[2:])

    @property
    def linearity(self) -> Linearity:
        return Linearity.AFFINE if self.value else Linearity.LINEAR

    def _linear_part(self) -> Operator:
        return AppendConstant(0.0)

    def _adjoint(self) -> Operator:
        raise BadInput(f"the adjoint of {self!r} needs the number of channels that were there; use take")

    def _derivative(self, x: Array) -> Operator:
        return Place(0, x.shape[1], x.shape[1] + 1)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "a constant does not move")

    def _input_channels(self, wanted: int | None) -> int | None:
        return None if wanted is None else wanted - 1


def take(start: int, stop: int, of: int | None = None) -> Operator:
    """Channels [start, stop), counted from 0; `of` so many, if the operator shall ask for them.

    >>> take(1, 3)(np.arange(4.0).reshape(1, 4))
    array([[1., 2.]])
    """
    if not 0 <= start < stop <= (of or stop):
        raise BadInput(f"take({start}, {stop}, of={of}): give 0 <= start < stop <= of")
    return Take(start, stop, of)


def place(start: int, count: int, total: int) -> Operator:
    """`count` channels behind `start` zero ones, `total` in all: more channels at no cost (He et al. 2016, shortcut A).

    >>> place(0, 2, 4)(np.array([[5.0, 6.0]]))
    array([[5., 6., 0., 0.]])
    """
    if start < 0 or count < 1 or start + count > total:
        raise BadInput(f"place({start}, {count}, {total}): give start >= 0, count >= 1 and start + count <= total")
    return Place(start, count, total)


def append_constant(value: float) -> Operator:
    """One more channel that holds `value` everywhere.

    >>> append_constant(0.5)(np.zeros((1, 1, 1, 2)))[0, 1]
    array([[0.5, 0.5]])
    """
    return AppendConstant(float(value))
