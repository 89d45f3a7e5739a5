"""Padding and cropping: borders as operators of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from aplomb.arrays import Array, Shape
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.linear import LinearLeaf
from aplomb.operator import Ask, Bound, GraphWriter, Interval, Operator, root

Pads = tuple[tuple[int, int], tuple[int, int]]
"""((top, bottom), (left, right)) in pixels."""

NO_PADS: Pads = ((0, 0), (0, 0))

Border = Literal["zero", "reflect", "replicate", "circular"]

_NUMPY = {"zero": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def as_pads(padding: int | Pads) -> Pads:
    """The same number of pixels on all four sides, or what was given."""
    pads = ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding
    if min(min(p) for p in pads) < 0:
        raise BadInput(f"padding {padding} is negative; crop instead")
    return cast(Pads, tuple(tuple(int(n) for n in p) for p in pads))


@dataclass(frozen=True, eq=False, repr=False)
class Pad(LinearLeaf):
    """Enlarge a picture by zeros, by reflection (without the edge), by its edge pixel or periodically."""

    pads: Pads
    border: Border = "zero"

    def _wraps(self, axis: int) -> bool:
        return self.border == "circular" and self.pads[axis] != (0, 0)

    def _numpy(self, x: Array) -> Array:
        return np.pad(x, ((0, 0), (0, 0), *self.pads), mode=_NUMPY[self.border])  # type: ignore[call-overload]

    def _torch(self, x: Array, torch: Any) -> Array:
        (top, bottom), (left, right) = self.pads
        mode = {"zero": "constant"}.get(self.border, self.border)
        return torch.nn.functional.pad(x, (left, right, top, bottom), mode=mode)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        (top, bottom), (left, right) = self.pads
        amounts = graph.constant(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
        return graph.node("Pad", [x, amounts], mode=_NUMPY[self.border])

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 4:
            raise ShapeError(f"{self!r} takes (N, C, H, W), found {shape}")
        for axis, n in enumerate(shape[2:]):
            least = max(self.pads[axis]) + {"reflect": 1, "circular": 0}.get(self.border, -math.inf)
            if n < least:
                found = f"{n} pixels along {'yx'[axis]}"
                raise ShapeError(f"{self!r} needs at least {least:g}, found {found}; use replicate or zero")
        return (*shape[:2], *(n + a + b for n, (a, b) in zip(shape[2:], self.pads, strict=True)))

    def _span(self, interval: Interval, axis: int) -> Interval:
        # away from the border; pixels beyond it stand for pixels of the picture
        p = self.pads[axis][0]
        return interval[0] - p, interval[1] - p

    @property
    def isometry(self) -> bool:
        return self.border == "zero" or self.pads == NO_PADS

    def _adjoint(self) -> Operator:
        return Crop(self.pads) if self.border == "zero" else Fold(self.pads, self.border)

    def _lipschitz(self, ask: Ask) -> Bound:
        # ||P x||^2 = sum of multiplicity * x^2 <= largest multiplicity * ||x||^2, axis by axis.
        # Reflect: a pixel near both edges of a small picture is copied on both sides. Replicate: 1 + p.
        if self.border == "zero" or self.pads == NO_PADS:
            return Bound(1.0, "exact", "zero padding is an isometry")
        most = 1
        for a, b in self.pads:
            if self.border == "replicate":
                most *= 1 + a + b  # a single pixel is both edges; with two or more, 1 + max(a, b) would do
            else:
                most *= 1 + (a > 0) + (b > 0)
        return Bound(root(most), "upper", "root of the largest number of copies of a pixel")

    def __repr__(self) -> str:
        return f"pad({self.pads}, {self.border!r})"


@dataclass(frozen=True, eq=False, repr=False)
class Fold(LinearLeaf):
    """Adjoint of a padding that copies pixels: every copy is added back to the pixel that it came from."""

    pads: Pads
    border: Border

    def _wraps(self, axis: int) -> bool:
        return self.border == "circular" and self.pads[axis] != (0, 0)

    def _sources(self, n: int, axis: int) -> Array:
        """Which of n pixels every pixel of the padded picture is a copy of."""
        return np.pad(np.arange(n), self.pads[axis], mode=_NUMPY[self.border])  # type: ignore[call-overload]

    def _fold(self, x: Array, shape: Shape, zeros: Any, add: Any) -> Array:
        for axis in (0, 1):
            n = shape[2 + axis]
            x = add(zeros(n, x, 2 + axis), 2 + axis, self._sources(n, axis), x)
        return x

    def _numpy(self, x: Array) -> Array:
        def zeros(n: int, x: Array, axis: int) -> Array:
            return np.zeros((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype)

        def add(total: Array, axis: int, where: Array, x: Array) -> Array:
            np.add.at(np.moveaxis(total, axis, 0), where, np.moveaxis(x, axis, 0))
            return total

        return self._fold(x, self._output_shape(x.shape), zeros, add)

    def _torch(self, x: Array, torch: Any) -> Array:
        return self._fold(
            x,
            self._output_shape(tuple(x.shape)),
            lambda n, x, axis: x.new_zeros((*x.shape[:axis], n, *x.shape[axis + 1 :])),
            lambda total, axis, where, x: total.index_add(axis, torch.as_tensor(where, device=x.device), x),
        )

    def _output_shape(self, shape: Shape) -> Shape:
        inner = Crop(self.pads)._output_shape(shape)
        Pad(self.pads, self.border)._output_shape(inner)
        return inner

    def _span(self, interval: Interval, axis: int) -> Interval:
        # conservative away from the border; beside it, a mirrored copy of pixel k < p lies 2 k away
        first, reach = self.pads[axis][0], 2 * max(self.pads[axis])
        return interval[0] + first - reach, interval[1] + first + reach

    def _adjoint(self) -> Operator:
        return Pad(self.pads, self.border)

    def _lipschitz(self, ask: Ask) -> Bound:
        return ask(self._adjoint())

    def __repr__(self) -> str:
        return f"Fold({self.pads}, {self.border!r})"


@dataclass(frozen=True, eq=False, repr=False)
class Crop(LinearLeaf):
    """Leave out pixels on each side; the adjoint of padding with zeros."""

    pads: Pads

    def _apply(self, x: Array) -> Array:
        (top, bottom), (left, right) = self.pads
        return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        (top, bottom), (left, right) = self.pads
        last = np.iinfo(np.int64).max
        starts, ends = [top, left], [-bottom or last, -right or last]
        return graph.node("Slice", [x, *(graph.constant(np.array(a, np.int64)) for a in (starts, ends, [2, 3]))])

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 4:
            raise ShapeError(f"{self!r} takes (N, C, H, W), found {shape}")
        out = (*shape[:2], *(n - a - b for n, (a, b) in zip(shape[2:], self.pads, strict=True)))
        if min(out[2:]) < 1:
            raise ShapeError(f"{self!r} of {shape[2]} x {shape[3]} pixels leaves nothing; crop less")
        return out

    def _span(self, interval: Interval, axis: int) -> Interval:
        p = self.pads[axis][0]
        return interval[0] + p, interval[1] + p

    @property
    def coisometry(self) -> bool:
        return True

    def _adjoint(self) -> Operator:
        return Pad(self.pads)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "cropping leaves rows out")

    def __repr__(self) -> str:
        return f"crop({self.pads})"


def pad(padding: int | Pads, border: Border = "zero") -> Operator:
    """Padding by `padding` pixels on each side, or ((top, bottom), (left, right)).

    >>> pad(1, "reflect")(np.arange(9.0).reshape(1, 1, 3, 3))[0, 0, 0]
    array([4., 3., 4., 5., 4.])
    """
    if border not in _NUMPY:
        raise BadInput(f"border {border!r} is not known; give one of {', '.join(_NUMPY)}")
    return Pad(as_pads(padding), border)


def crop(padding: int | Pads) -> Operator:
    """Crop `padding` pixels from each side, or ((top, bottom), (left, right)).

    >>> crop(1).output_shape((1, 1, 5, 4))
    (1, 1, 3, 2)
    """
    return Crop(as_pads(padding))
