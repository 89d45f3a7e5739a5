"""Translation covariance, measured: that a shifted picture gives the shifted result.

The algebra derives by which shifts it must (multiples of the total stride) and where (away from the border, by as
much as the span reaches). Here both are tried on a picture: exact shifts have to agree up to rounding, and what
shorter ones do is told in numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from aplomb.arrays import Array, Shape
from aplomb.errors import BadInput, ShapeError
from aplomb.facts.flow import steps
from aplomb.facts.table import fitting_shape
from aplomb.layers.pad import Fold
from aplomb.operator import Interval, Operator

__all__ = ["ROUNDING", "Covariance", "Shift", "translation_covariance"]

ROUNDING = 1e-9
"""Differences up to this part of the largest value count as rounding errors; everything is computed in float64."""
SHORTER = 3
"""Most shifts below the total stride that are measured on an axis, spread evenly."""
AXES = ("rows", "columns")


@dataclass(frozen=True)
class Shift:
    """What one shift of the input, along one axis, did."""

    axis: int
    """0: along the rows (up and down), 1: along the columns."""
    pixels: int
    """Of the input."""
    kind: Literal["exact", "shorter", "circle"]
    """"exact": the algebra derives that it only shifts the output; "shorter" than the total stride, nothing is
    derived; "circle": what leaves the picture at one end comes in at the other, as for a border that wraps around."""
    margin: tuple[int, int]
    """Output pixels at the two ends of the axis that were left out: their spans reach beyond the picture."""
    difference: float
    """Largest difference of the output of the shifted picture and the shifted output."""
    relative: float
    """Norm of that difference over the norm of the output, in l2."""


@dataclass(frozen=True)
class Covariance:
    """Shifts that were tried; `translation_covariance` makes it. Prints as a table with a sentence."""

    name: str
    stride: tuple[int, int]
    """Total stride, of rows and columns; 0 where no shift leaves the operator as it is."""
    shape: tuple[Shape, Shape]
    """Shapes of the inputs that were shifted along the rows and along the columns."""
    shifts: tuple[Shift, ...]
    largest: float
    """Largest absolute value of the outputs."""

    @property
    def worst(self) -> float:
        """Largest difference of the exact shifts, in parts of the largest value; 0 if nothing is derived."""
        return max((s.difference for s in self._of("exact")), default=0.0) / (self.largest or 1.0)

    @property
    def holds(self) -> bool:
        """Whether the output only shifts where the algebra says so, up to rounding."""
        return self.worst <= ROUNDING

    def _of(self, kind: str) -> list[Shift]:
        return [s for s in self.shifts if s.kind == kind]

    @property
    def sentence(self) -> str:
        """What was found, in words.

        >>> from aplomb.layers import conv
        >>> print(translation_covariance(conv(1, 1)).sentence.replace(", at", ",\\n at"))
        Covariant, as derived: shifts by multiples of 1 x 1 pixels only shift the result,
         at every pixel whose receptive field lies within the picture.
        """
        exact, shorter, circle = self._of("exact"), self._of("shorter"), self._of("circle")
        most = f"{100 * max((s.relative for s in shorter), default=0):.2g} %"
        if not exact:
            return f"Nothing is derived: the result depends on where things are. Shifts change it by up to {most}."
        if not self.holds:
            worst = max(exact, key=lambda s: s.difference)
            return (
                f"NOT covariant, though derived: a shift by {worst.pixels} pixels along the {AXES[worst.axis]} changes "
                f"the result by up to {worst.difference:.3g}; an operator in it states a wrong span or grid."
            )
        derived = {s.axis for s in exact}
        steps = " x ".join(str(n) if axis in derived else "no" for axis, n in enumerate(self.stride))
        text = (
            f"Covariant, as derived: shifts by multiples of {steps} pixels only shift the result, at every pixel "
            "whose receptive field lies within the picture."
        )
        if circle:
            off = max(s.difference for s in circle)
            text += (
                " In a circle this is so at every pixel"
                if off <= ROUNDING * self.largest
                else (f" In a circle, pixels at the border differ by up to {off:.3g}")
            )
            text += "."
        return text + (f" Shorter shifts change it by up to {most}." if shorter else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "stride": list(self.stride),
            "input_shapes": [list(shape) for shape in self.shape],
            "shifts": [
                {
                    "axis": AXES[s.axis],
                    "pixels": s.pixels,
                    "kind": s.kind,
                    "margin": list(s.margin),
                    "largest_difference": s.difference,
                    "relative": s.relative,
                }
                for s in self.shifts
            ],
            "largest_value": self.largest,
            "worst": self.worst,
            "holds": self.holds,
            "sentence": self.sentence,
        }

    def __str__(self) -> str:
        """Table of shifts, and the sentence."""
        lines = [f"{'shift':>5}  {'along':<8} {'left out':>8}  {'largest difference':>18}  {'relative':>9}  derived"]
        for s in self.shifts:
            told = {"shorter": "", "circle": "in a circle"}.get(s.kind, "yes")
            if s.kind == "exact" and s.difference > ROUNDING * self.largest:
                told = "yes: WRONG"
            lines.append(
                f"{s.pixels:>5}  {AXES[s.axis]:<8} {'{} + {}'.format(*s.margin):>8}  {s.difference:>18.3g}  "
                f"{100 * s.relative:>7.2g} %  {told}"
            )
        return "\n".join([f"translation covariance of {self.name}", "", *map(str.rstrip, lines), "", self.sentence])


def translation_covariance(
    operator: Operator, picture: Array | None = None, *, name: str = "", seed: int = 0
) -> Covariance:
    """Shift a picture and compare ``T(shift x)`` with ``shift T(x)``, pixel by pixel, in float64.

    .. math:: T S_p\\, x = S_{p / step}\\, T x, \\qquad p \\text{ a multiple of the total stride}

    It has to hold at each output pixel whose `span` lies within both pictures, layer by layer; how many that leaves
    out at either end is the margin. Where the border wraps around, pictures are shifted in a circle, too, and compared
    everywhere. Shorter shifts are measured at the same pixels; where the output's lattice has no such shift, the
    nearest counts.

    Parameters
    ----------
    operator
        Any that takes pictures.
    picture
        (1, C, H, W) to shift; mirrored where it is too small. By default uniform noise in 0..1, drawn from `seed`.
    name
        What to call the operator.

    Raises
    ------
    BadInput
        The operator takes vectors.
    ShapeError
        No size up to 1,024 pixels fits, or `picture` has other channels.

    Examples
    --------
    >>> from aplomb.layers import conv, relu
    >>> from aplomb.operator import chain
    >>> found = translation_covariance(chain(conv(1, 4), relu, conv(4, 1)))
    >>> found.holds, found.stride, found.shifts[0].pixels, found.shifts[0].margin
    (True, (1, 1), 1, (2, 2))
    """
    base = fitting_shape(operator) if picture is None else _fitting(operator, np.asarray(picture))
    if len(base) != 4:
        raise BadInput(f"translation covariance asked of an operator on vectors of {base[1]} numbers; it has no pixels")
    found: list[Shift] = []
    shapes: list[Shape] = []
    largest = 0.0
    for axis in (0, 1):
        case = _Case(operator, axis, base)
        x = _scene(case, picture, seed)
        still = operator(case.window(x, 0))
        for pixels, kind in case.amounts():
            shift = _compare(case, x, still, pixels, kind)
            found += [] if shift is None else [shift]
        shapes.append(case.shape)
        largest = max(largest, float(abs(still).max()))
    strides = (operator.grid(0).stride, operator.grid(1).stride)
    return Covariance(name or type(operator).__name__, strides, (shapes[0], shapes[1]), tuple(found), largest)


class _Case:
    """One axis: the size of the pictures that are compared, and the shifts."""

    def __init__(self, operator: Operator, axis: int, base: Shape) -> None:
        self.operator, self.axis = operator, axis
        self.wraps = any(leaf._wraps(axis) for leaf in operator.leaves())
        self.stride, self.step = operator.grid(axis).stride, operator.grid(axis).step
        self.derived = bool(self.stride) and math.isfinite(operator.span((0, 1), axis)[0])
        self.shape = self._enlarged(base) if self.derived else base
        self.size = self.shape[2 + axis]
        self.steps, self.output = steps(operator, merge=False)
        shapes: list[Shape] = [self.shape]
        for step in self.steps if self.derived else ():
            before = shapes[step.inputs[0]]
            if step.join == "stack":
                before = (before[0], sum(shapes[i][1] for i in step.inputs), *before[2:])
            shapes.append(step.operator.output_shape(before))
        self.sizes = [shape[2 + axis] for shape in shapes]

    def _enlarged(self, base: Shape) -> Shape:
        """Room for some pixels between the margins, on this axis only; by whole strides, so that it still fits."""
        n = base[2 + self.axis]
        lo, hi = self.operator.span((0, max(1, math.ceil(self.stride / self.step))), self.axis)
        wanted = 2 * int(max(-lo, hi)) + 6 * self.stride + 16
        n += max(0, math.ceil((wanted - n) / self.stride)) * self.stride
        return (*base[: 2 + self.axis], n, *base[3 + self.axis :])

    def amounts(self) -> Iterator[tuple[int, Literal["exact", "shorter", "circle"]]]:
        """Shifts to try, and what is known of them."""
        if not self.derived:
            yield from ((p, "shorter") for p in (1, 2, 4) if p < self.size)
            return
        shorter = range(1, self.stride)
        yield from ((p, "shorter") for p in shorter[:: max(1, math.ceil(len(shorter) / SHORTER))])
        yield from ((k * self.stride, "exact") for k in (1, 2))
        # in a circle the picture's own size has to fit the lattice
        if self.wraps and self.size % self.stride == 0:
            yield self.stride, "circle"

    def window(self, x: Array, start: int) -> Array:
        """The part of the scene that the picture shows after a shift by -start."""
        return np.take(x, range(start, start + self.size), axis=2 + self.axis)

    def inside(self, j: int) -> bool:
        """Whether output pixel j is computed without any border: what it needs of each layer, that layer has."""
        if not 0 <= j < self.sizes[self.output]:
            return False
        needed: dict[int, Interval] = {self.output: (j, j + 1)}
        for value in range(self.output, 0, -1):
            if value in needed:
                step, (lo, hi) = self.steps[value - 1], needed[value]
                border = max(step.operator.pads[self.axis]) + 1 if isinstance(step.operator, Fold) else 0
                if lo < border or hi > self.sizes[value] - border:  # beside its border, a fold adds up what is beyond
                    return False
                lo, hi = step.operator.span((lo, hi), self.axis)
                for i in step.inputs:
                    old = needed.get(i, (lo, hi))
                    needed[i] = (min(lo, old[0]), max(hi, old[1]))
        lo, hi = needed.get(0, (0, 0))
        return lo >= 0 and hi <= self.size


def _compare(case: _Case, x: Array, still: Array, pixels: int, kind: Any) -> Shift | None:
    """None if no output pixel is left."""
    axis = 2 + case.axis
    if kind == "circle":
        moved = case.operator(np.roll(case.window(x, 0), -pixels, axis=axis))
        whole = int(pixels / case.step)
        return _shift(case, pixels, kind, (0, 0), moved, np.roll(still, -whole, axis=axis))
    moved = case.operator(case.window(x, pixels))
    if still.ndim != 4:  # numbers, no picture: what does not change is invariant
        return _shift(case, pixels, kind, (0, 0), moved, still)
    best: Shift | None = None
    after, before = np.moveaxis(moved, axis, 0), np.moveaxis(still, axis, 0)
    by = Fraction(pixels) / case.step
    for whole in sorted({math.floor(by), math.ceil(by)}):
        # pixel j of the still picture is j - whole of the moved one
        lo, hi = whole, len(before)
        while case.derived and lo < hi and not case.inside(lo - whole):
            lo += 1
        while case.derived and lo < hi and not case.inside(hi - 1):
            hi -= 1
        if lo < hi:
            margin = (lo - whole, len(before) - hi)
            shift = _shift(case, pixels, kind, margin, after[lo - whole : hi - whole], before[lo:hi])
            best = shift if best is None or shift.relative < best.relative else best
    return best


def _shift(case: _Case, pixels: int, kind: Any, margin: tuple[int, int], a: Array, b: Array) -> Shift:
    change, size = float(np.linalg.norm(a - b)), float(np.linalg.norm(b))
    relative = change / size if size else float(change > 0)
    return Shift(case.axis, pixels, kind, margin, float(abs(a - b).max()), relative)


def _scene(case: _Case, picture: Array | None, seed: int) -> Array:
    """What shifted pictures are cut from."""
    shape = [*case.shape]
    shape[2 + case.axis] += max((p for p, _ in case.amounts()), default=0)
    if picture is None:
        return np.random.default_rng(seed).random(shape)
    x = np.asarray(picture, np.float64)
    room = [(0, 0), (0, 0), *((0, max(0, n - m)) for n, m in zip(shape[2:], x.shape[2:], strict=True))]
    return np.pad(x, room, mode="symmetric")[:, :, : shape[2], : shape[3]]


def _fitting(operator: Operator, picture: Array) -> Shape:
    """The smallest shape that fits, with the channels of `picture`; its own size if the operator takes only that."""
    if picture.ndim != 4 or len(picture) != 1:
        raise ShapeError(f"picture of shape {picture.shape} was given; give (1, C, H, W)")
    try:
        shape = fitting_shape(operator, picture.shape[1])
    except ShapeError:
        shape = ()
    if len(shape) != 4:
        shape = tuple(picture.shape)
        operator.output_shape(shape)
    return shape
