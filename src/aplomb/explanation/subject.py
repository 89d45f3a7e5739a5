"""What is explained: a network and a picture, as arrays that fit each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ModelError, ShapeError
from aplomb.io import Picture, to_float
from aplomb.layers import pad
from aplomb.model import Model
from aplomb.operator import Operator, chain
from aplomb.recognise.classify import sized
from aplomb.recognise.prepare import standardised
from aplomb.restore.denoise import choose

__all__ = ["Part", "Subject", "mirrored", "part", "pixel_of", "subject"]


@dataclass(frozen=True)
class Subject:
    """A network and the input that it takes for one picture."""

    operator: Operator
    name: str
    x: NDArray[np.float64]
    """(1, C, H, W) in 0..1, with one more channel if the network is told a noise level; standardised, and of the size
    that a classifier takes, where its card says so."""
    channels: int
    """Of the picture."""
    level: float | None
    """Noise level that the network is told."""
    sigma: float
    """Standard deviation of the picture's noise: as given, else estimated."""
    model: Model | None = None
    """The model that was chosen; None for an operator."""


def subject(
    picture: Picture | ArrayLike, model: str | Path | Model | Operator | None, sigma: float | None, *, name: str = ""
) -> Subject:
    """Check that the network takes the picture, and put the noise level beside it.

    Raises BadInput for a stack of pictures or a wrong sigma, ModelError for a network that takes other channels.
    """
    planes, _ = to_float(picture)
    if len(planes) != 1:
        raise BadInput(f"a stack of {len(planes)} pictures was given; explain takes one of them")
    channels = planes.shape[1]
    level: float | None = None
    chosen: Model | None = None
    if sigma is None:
        from aplomb.classical.noise_level import estimate_sigma

        sigma = float(estimate_sigma(np.moveaxis(planes[0], 0, -1) if channels > 1 else planes[0, 0]))
    elif not 0 <= sigma <= 1:
        raise BadInput(f"sigma is {sigma}; give a standard deviation in the range 0..1 (8-bit grey levels over 255)")
    x = planes.astype(np.float64)
    if isinstance(model, Operator):
        operator, title = model, name or type(model).__name__
        if (asked := operator.input_channels()) not in (None, channels):
            raise ModelError(f"the network takes {asked} channel(s), the picture has {channels}; convert the picture")
    else:
        chosen = choose(model, channels)
        operator, title, level = chosen.operator, chosen.name, chosen.level(sigma)
        if chosen.card and chosen.card.task == "classify":
            x = sized(planes, chosen)[0].astype(np.float64)
        if chosen.card and chosen.card.standardise:
            x = standardised(x.astype(np.float32)).astype(np.float64)
    if level is not None:
        x = np.concatenate([x, np.full_like(x[:, :1], level)], axis=1)
    return Subject(operator, title, x, channels, level, sigma, chosen)


def pixel_of(at: tuple[int, int] | None, size: tuple[int, ...]) -> tuple[int, int]:
    """The pixel that is asked for, or the middle. Raises BadInput if it is not in the picture.

    >>> pixel_of(None, (5, 8))
    (2, 4)
    """
    if at is None:
        return size[0] // 2, size[1] // 2
    y, x = (int(n) for n in at)
    if not (0 <= y < size[0] and 0 <= x < size[1]):
        raise BadInput(
            f"pixel {y},{x} (row, column) is not in the picture of {size[0]} rows and {size[1]} columns; "
            f"give rows 0 to {size[0] - 1} and columns 0 to {size[1] - 1}"
        )
    return y, x


def mirrored(operator: Operator, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The input as the runtime gives it to the network: mirrored at the end to a multiple of the total stride.

    Raises ShapeError if it still does not fit.
    """
    sizes = x.shape[2:]
    more = [-n % max(1, operator.grid(axis).stride) for axis, n in enumerate(sizes)]
    x = np.pad(x, ((0, 0), (0, 0), (0, more[0]), (0, more[1])), mode="reflect")
    try:
        operator.output_shape(x.shape)
    except ShapeError as error:
        raise ShapeError(f"the network does not take a picture of {sizes[0]} x {sizes[1]} pixels: {error}") from None
    return x


@dataclass(frozen=True)
class Part:
    """A part of the input from which the outputs at `place` come out as from the whole."""

    x: Any
    top: int
    left: int
    operator: Operator
    """The network, behind what the runtime does with a size that is no multiple of the total stride: mirror it."""
    place: tuple[int, int]
    """Row and column of the output pixel in the output for this part."""
    around: tuple[slice, slice]
    """Output pixels around `place` that come out right, too."""
    span: tuple[tuple[float, float], tuple[float, float]]
    """Rows and columns that the output pixel may depend on, from the asked pixel's own place."""


def part(operator: Operator, x: NDArray[np.float64], at: tuple[int, int], around: int = 0) -> Part:
    """Cut out what the output at the input pixel `at` (and `around` more on every side) depends on.

    The part starts on the lattice of the total stride, and holds what is mirrored at a border of the picture. Raises
    BadInput if the network gives no picture, or none at that pixel; ShapeError if the picture is too small.
    """
    sizes = x.shape[2:]
    multiple = [max(1, operator.grid(axis).stride) for axis in (0, 1)]
    whole = (*x.shape[:2], *(-(-n // m) * m for n, m in zip(sizes, multiple, strict=True)))
    try:
        output = operator.output_shape(whole)
    except ShapeError as error:
        raise ShapeError(f"the network does not take a picture of {sizes[0]} x {sizes[1]} pixels: {error}") from None
    if len(output) != 4:
        raise BadInput(f"the network gives {output[1]} numbers, no picture, so no pixel; ask for its classes instead")
    cuts = [_cut(operator, axis, at[axis], around, sizes[axis], whole[2 + axis], output[2 + axis]) for axis in (0, 1)]
    if not all(_takes(operator, x[:, :, a.start : a.stop, b.start : b.stop], (a.more, b.more)) for a, b in [cuts]):
        cuts = [c.all(n, w) for c, n, w in zip(cuts, sizes, whole[2:], strict=True)]
    rows, columns = cuts
    cropped = x[:, :, rows.start : rows.stop, columns.start : columns.stop]
    more = (rows.more, columns.more)
    for axis in (0, 1):
        if more[axis] >= cropped.shape[2 + axis]:
            raise ShapeError(
                f"the picture has {sizes[0]} x {sizes[1]} pixels, the network takes multiples of {multiple[0]} x "
                f"{multiple[1]}; give one that is larger"
            )
    network = chain(pad(((0, more[0]), (0, more[1])), "reflect"), operator) if any(more) else operator
    return Part(
        cropped,
        rows.start,
        columns.start,
        network,
        (rows.place, columns.place),
        (rows.around, columns.around),
        (rows.span, columns.span),
    )


@dataclass(frozen=True)
class _Cut:
    """One axis of a part: input pixels [start, stop), mirrored by `more`."""

    start: int
    stop: int
    more: int
    place: int
    around: slice
    span: tuple[float, float]
    step: float

    def all(self, size: int, whole: int) -> _Cut:
        """The same without cutting."""
        by = round(self.start / self.step)
        around = slice(self.around.start + by, self.around.stop + by)
        return _Cut(0, size, whole - size, self.place + by, around, self.span, self.step)


def _cut(operator: Operator, axis: int, at: int, around: int, size: int, whole: int, output: int) -> _Cut:
    grid = operator.grid(axis)
    stride, step = max(1, grid.stride), grid.step
    # a network without padding leaves out as much at either end
    place = math.floor((at - (whole - output * step) / 2) / step)
    if not 0 <= place < output:
        raise BadInput(
            f"the network gives no result at {'row' if axis == 0 else 'column'} {at}: it leaves out the border; "
            "give a pixel farther inside"
        )
    lo, hi = operator.span((place, place + 1), axis)
    span = (lo - at, hi - at)
    first, last = max(0, place - around), min(output, place + around + 1)
    lo, hi = operator.span((first, last), axis)
    if math.isinf(operator.halo(axis)):
        lo, hi = 0, size
    else:
        halo = operator.halo(axis) + stride
        # a mirrored border takes from inside what it puts outside
        lo, hi = (min(lo, size - halo) if hi > size else lo), (max(hi, halo) if lo < 0 else hi)
    start = max(0, math.floor(lo / stride) * stride)
    stop = start + math.ceil((hi - start) / stride) * stride
    stop, more = (size, whole - size) if stop >= size else (stop, 0)
    by = int(start / step)
    return _Cut(start, stop, more, place - by, slice(first - by, last - by), span, float(step))


def _takes(operator: Operator, x: NDArray[np.float64], more: tuple[int, int]) -> bool:
    try:
        operator.output_shape((*x.shape[:2], x.shape[2] + more[0], x.shape[3] + more[1]))
    except ShapeError:
        return False
    return True
