"""A model that is ready for pictures of any size: an engine, and the facts that tiles are cut by."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from aplomb.arrays import Shape
from aplomb.errors import ModelError, ShapeError
from aplomb.facts.table import fitting_shape
from aplomb.layers.pad import NO_PADS, Pads
from aplomb.model import Model, facts
from aplomb.operator import Operator
from aplomb.runtime.engines import Engine, EngineName, Precision, open_engine
from aplomb.runtime.tiles import Plan, Progress, apply, free_memory, plan

__all__ = ["Geometry", "Network", "geometry", "open_network"]

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Geometry:
    """How a network lies over a picture."""

    halo: int | None
    """Pixels beside a cut whose result is wrong; None: the whole picture goes in one pass."""
    multiple: int
    """Tiles start at multiples of this."""
    values_per_pixel: float
    border: Pads = NO_PADS
    """Pixels that the network takes beyond each side of its result: valid convolutions eat them."""
    factor: int = 1
    """Pixels that it makes of one, on each axis: more than one for super-resolution."""


@dataclass(frozen=True)
class Network:
    """A model on an engine; called with float32 pictures (N, C, H, W), it gives (N, K, H, W), in tiles."""

    model: Model
    engine: Engine
    geometry: Geometry
    memory: float
    """Bytes that the engine may use."""

    def layout(self, shape: tuple[int, ...]) -> Plan:
        """The tiles for pictures of `shape`. Raises BadInput if the smallest needs more than `memory`."""
        n, c, height, width = shape
        g = self.geometry
        found = plan(
            (n, c, height, width),
            halo=g.halo, multiple=g.multiple, values_per_pixel=g.values_per_pixel, memory=self.memory, border=g.border,
        )  # fmt: skip
        return replace(found, factor=g.factor)

    def __call__(self, x: Values, *, extra: Values | None = None, progress: Progress | None = None) -> Values:
        """Run it. `extra`, (N, E), enters as E constant channels. Raises ModelError if the size does not come out."""
        return apply(self._run, x, self.layout(x.shape), extra=extra, progress=progress)

    def _run(self, x: Values) -> Values:
        y = self.engine(x)
        factor = self.geometry.factor
        sizes = [factor * (n - sum(eaten)) for n, eaten in zip(x.shape[2:], self.geometry.border, strict=True)]
        most = self.geometry.multiple
        if y.ndim != 4 or any(not n <= found < n + most for n, found in zip(sizes, y.shape[2:], strict=True)):
            raise ModelError(
                f"model {self.model.name} makes {y.shape} of {x.shape}: it changes the size, so it has no value "
                f"for each pixel"
            )
        return y


def open_network(
    model: Model,
    engine: EngineName = "auto",
    precision: Precision = "f32",
    *,
    memory: float | None = None,
    threads: int | None = None,
    finer: bool = False,
) -> Network:
    """A model, ready. `memory` in bytes, half of what is free unless given; the rest as `open_engine` has it.

    A network that makes several pixels of one is refused unless `finer`.
    """
    room = free_memory() / 2 if memory is None else memory
    return Network(model, open_engine(model, engine, precision, threads), geometry(model, finer), room)


def geometry(model: Model, finer: bool = False) -> Geometry:
    """Facts of the network, which the runtime needs; ModelError if it has no value for each pixel.

    With `finer` it may have several: a network for super-resolution.

    A network of valid convolutions (the U-Net of 2015) gives less than it is given. How much, its output shape says;
    where the result lies in what was given, its span.
    """
    try:
        operator = model.operator
        shape = fitting_shape(operator, model.channels_in)
    except (ModelError, ShapeError):  # one pass over the whole picture is right for any network that keeps sizes
        return Geometry(None, 1, 256.0)
    output = operator.output_shape(shape)
    steps = {1 / operator.grid(axis).step for axis in (0, 1)} if len(output) == 4 else set()
    factor = steps.pop() if len(steps) == 1 else Fraction(1)
    if finer and factor > 1 and factor.denominator == 1 and output[2:] == tuple(int(factor) * n for n in shape[2:]):
        halo, multiple, values = facts(operator, shape)
        return Geometry(halo, multiple, values, factor=int(factor))
    if len(output) != 4 or any(operator.grid(axis).step != 1 or output[2 + axis] > shape[2 + axis] for axis in (0, 1)):
        raise ModelError(
            f"model {model.name} makes {output} of {shape}: it has no value for each pixel; classes of whole pictures "
            "are for aplomb classify"
        )
    halo, multiple, values = facts(operator, shape)
    if output[2:] == shape[2:]:
        return Geometry(halo, multiple, values)
    (rows, above), (columns, beside) = (_border(operator, shape, output, axis, multiple) for axis in (0, 1))
    cut = None if halo is None else max(above, beside)
    return Geometry(cut, multiple, values, (rows, columns))


def _border(operator: Operator, shape: Shape, output: Shape, axis: int, multiple: int) -> tuple[tuple[int, int], int]:
    """Pixels that are eaten before and behind, and how far what is seen reaches beyond what was given.

    The result lies in the middle of what it sees. Tiles are whole multiples, which such a network need not take: what
    is missing to the next size that it does is added behind, and cut off again.
    """
    size, made = shape[2 + axis], output[2 + axis]
    eaten = size - made
    spans = [operator.span((p, p + 1), axis) for p in range(operator.grid(axis).stride)]
    low = min(lo - p for p, (lo, _) in enumerate(spans))
    high = max(hi - p - 1 for p, (_, hi) in enumerate(spans))
    if math.isinf(high - low):
        return (eaten // 2, eaten - eaten // 2), 0
    before = min(max(0, math.ceil((low + high) / 2)), eaten)
    first, last = operator.span((0, made), axis)
    return (before, eaten - before + (size - eaten) % multiple), math.ceil(max(0, -first, last - size))
