"""Inside a network: what the channels of a layer show for a picture, and what the first layer looks for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput
from aplomb.explanation.drawn import Drawn, save_figure
from aplomb.explanation.subject import mirrored, pixel_of, subject
from aplomb.facts.flow import Step, results, steps
from aplomb.facts.table import fitting_shape
from aplomb.graph import Graph
from aplomb.io import Picture
from aplomb.layers.conv import Conv
from aplomb.layers.pad import Pad
from aplomb.model import Model, load
from aplomb.operator import Linearity, Operator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Sheet", "activations", "first_filters", "layer_of"]

LARGEST = 512
"""Pixels a side of the part of a picture that activations are computed of."""


@dataclass(frozen=True, eq=False)
class Sheet(Drawn):
    """One picture a channel; draws itself as a contact sheet, which a notebook shows."""

    title: str
    caption: str
    values: NDArray[np.float64]
    """(channels, h, w), or (channels, h, w, 3) for filters on colour pictures."""
    layer: int
    """Number of the layer, as `aplomb inspect` shows it."""

    def figure(self) -> Figure:
        """All channels on one scale: blue below 0, red above, or greys where nothing is below 0."""
        from aplomb.explanation.sheet import draw

        return draw(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure; the suffix says the format. Raises OutputError if that cannot be."""
        return save_figure(self, path)


def layer_of(operator: Operator, layer: int) -> tuple[list[Step], int]:
    """The steps up to a layer, by its number in `aplomb inspect`. Raises BadInput if there is none of that number.

    >>> from aplomb.nets import residual
    >>> [step.name for step in layer_of(residual(2, 4), 1)[0]]
    ['Conv 3x3 + b, ReLU']
    """
    found, output = steps(operator)
    if not 1 <= layer <= output:
        names = "; ".join(f"{i} {s.name}" for i, s in enumerate(found[:output], 1)) if output <= 12 else ""
        raise BadInput(f"layer {layer} does not exist; give 1 to {output}{f' ({names})' if names else ''}")
    return found[:layer], layer


def activations(
    picture: Picture | ArrayLike,
    layer: int,
    model: str | Path | Model | Operator | None = None,
    at: tuple[int, int] | None = None,
    sigma: float | None = None,
) -> Sheet:
    """What each channel behind a layer shows for a picture.

    Parameters
    ----------
    picture, model, sigma
        As for `explain`.
    layer
        Number of the layer, as `aplomb inspect` shows it; activations behind a layer belong to it.
    at
        Row and column around which a part is taken of a picture that is larger than 512 x 512 pixels; the middle
        unless given. Beside a cut, as far as the layer sees, values are not those of the whole picture.

    Raises
    ------
    BadInput
        No such layer (those that there are get named), or a layer that gives numbers instead of pictures.

    Examples
    --------
    >>> from aplomb.nets import residual
    >>> activations(np.eye(20), 1, residual(2, 4), sigma=0.1).values.shape
    (4, 20, 20)
    """
    given = subject(picture, model, sigma)
    found, number = layer_of(given.operator, layer)
    at = pixel_of(at, given.x.shape[2:])
    x, corner = given.x, [0, 0]
    for axis in (0, 1):
        n, stride = x.shape[2 + axis], given.operator.grid(axis).stride
        if n > LARGEST and stride:
            corner[axis] = max(0, min(at[axis] - LARGEST // 2, n - LARGEST)) // stride * stride
            x = np.take(x, range(corner[axis], corner[axis] + LARGEST // stride * stride), axis=2 + axis)
    x = mirrored(given.operator, x)
    value = results(found, x)[number]
    if value.ndim != 4:
        raise BadInput(f"layer {layer} ({found[-1].name}) gives {value.shape[1]} numbers, no pictures; take one before")
    place = f" from row {corner[0]}, column {corner[1]}" if x.size < given.x.size else ""
    return Sheet(
        f"{given.name}, layer {layer}: {found[-1].name}",
        f"{value.shape[1]} channels of {value.shape[3]} x {value.shape[2]} pixels, for {x.shape[3]} x {x.shape[2]} "
        f"pixels of the picture{place}",
        np.asarray(value[0], np.float64),
        layer,
    )


def first_filters(model: str | Path | Model | Operator, *, name: str = "") -> Sheet:
    """What the first layer with weights looks for, in the picture's own pixels.

    Where pixels are rearranged before it, the filters are put back into the picture's order; weights for a channel
    with the noise level are left out.

    Parameters
    ----------
    model
        A shipped model by name, an ONNX file, a `Model`, or an operator.
    name
        What to call an operator.

    Returns
    -------
    sheet
        (filters, h, w) for grey pictures, (filters, h, w, 3) for colour; for other numbers of channels,
        (filters * channels, h, w), those of a filter behind each other.

    Raises
    ------
    BadInput
        There is no layer with weights on pictures, or what is before it is not linear.

    Examples
    --------
    >>> from aplomb.layers import conv, pixel_unshuffle
    >>> from aplomb.operator import chain
    >>> first_filters(chain(pixel_unshuffle(2), conv(4, 8, 1))).values.shape
    (8, 2, 2)
    """
    channels = None
    if isinstance(model, Operator):
        operator, title = model, name or type(model).__name__
    else:
        chosen = model if isinstance(model, Model) else load(model)
        operator, title = chosen.operator, chosen.name
        channels = chosen.card.channels if chosen.card else None
    found, _ = steps(operator, merge=False)
    at = next((i for i, step in enumerate(found, 1) if isinstance(step.operator, Conv)), 0)
    if not at:
        raise BadInput(f"{title} has no convolution, so no filters to show; aplomb inspect shows its layers")
    if bad := [step.name for step in found[:at] if step.operator.linearity is Linearity.NONLINEAR]:
        raise BadInput(f"{title}: {bad[0]} comes before the first convolution, which therefore is no filter of pixels")
    first = found[at - 1].operator
    assert isinstance(first, Conv)
    plain = not first.transposed and first.groups == 1 and first.dilation == (1, 1)
    if plain and all(isinstance(step.operator, Pad) for step in found[: at - 1]):
        weights = np.asarray(first.weight, np.float64)
    else:
        weights = _responses(operator, found[:at])
    weights = weights[:, :channels]
    count, inputs, height, width = weights.shape
    values = weights[:, 0] if inputs == 1 else np.moveaxis(weights, 1, -1) if inputs == 3 else weights
    values = values.reshape(-1, height, width) if inputs not in (1, 3) else values
    number = next(i for i, step in enumerate(steps(operator)[0], 1) if first in step.operator.leaves())
    return Sheet(
        f"{title}, filters of layer {number}: {found[at - 1].name}",
        f"{count} filters of {width} x {height} pixels" + (f", {inputs} channels each" if inputs not in (1, 3) else ""),
        values,
        number,
    )


def _responses(operator: Operator, found: list[Step]) -> NDArray[np.float64]:
    """Weights (K, C, h, w) of affine steps: how the pixel in the middle answers to each pixel that it sees."""
    last = Graph(tuple(step.node for step in found), len(found))
    shape = fitting_shape(operator)
    middle = [n // 2 for n in last.output_shape(shape)[2:]]
    window = []
    for axis in (0, 1):
        lo, hi = last.span((middle[axis], middle[axis] + 1), axis)
        window.append((max(0, int(lo)), min(shape[2 + axis], int(hi))))
    (top, bottom), (left, right) = window
    zero = results(found, np.zeros(shape))[-1]
    weights = np.zeros((zero.shape[1], shape[1], bottom - top, right - left))
    for c, y, x in np.ndindex(*weights.shape[1:]):
        impulse = np.zeros(shape)
        impulse[0, c, top + y, left + x] = 1
        weights[:, c, y, x] = (results(found, impulse)[-1] - zero)[0, :, middle[0], middle[1]]
    return weights
