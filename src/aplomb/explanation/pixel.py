"""One pixel of the result: the linear filter that the network applies there, how far it sees, how linear it is.

Around a picture x a network is T(x + h) = T(x) + J h + o(h). The row of the Jacobian J that belongs to an output pixel
is a filter on the picture: the one that the network applies at that pixel of that picture.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput
from aplomb.explanation.drawn import Drawn, save_figure
from aplomb.explanation.subject import Part, Subject, part, pixel_of, subject
from aplomb.facts.derivative import derivative
from aplomb.io import Picture, make_folder, whole_file
from aplomb.model import Model
from aplomb.operator import Operator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Change", "Explanation", "explain"]

Values = NDArray[np.float64]
AROUND = 8
"""Local linearity is measured at the pixels up to so far around the one that is asked for."""
SIZES = (0.1, 0.5, 1.0)
"""Changes that are tried, in parts of the noise level."""
LEAST = 1 / 255
"""Noise level that changes are made of where the picture has less."""
MOST = 16
"""Channels of the result that are explained at once."""


@dataclass(frozen=True)
class Change:
    """How well the filters foretell what a random change of the picture does to the pixels around."""

    size: float
    """Standard deviation of the change, in the range 0..1."""
    residual: float
    """``||T(x + h) - T(x) - J h|| / ||T(x + h) - T(x)||``: 0 where the network is linear."""


@dataclass(frozen=True, eq=False)
class Explanation(Drawn):
    """What a network does at one pixel of one picture; `explain` makes it.

    Prints as a table with a sentence; a notebook shows its figure.
    """

    name: str
    at: tuple[int, int]
    """Row and column in the picture."""
    sigma: float
    """Noise level of the picture, in the range 0..1."""
    level: float | None
    """Noise level that the network was told; None if it takes none."""
    filter: Values
    """The equivalent filter, (output channels, channels, h, w): how the result at the pixel changes with each pixel."""
    corner: tuple[int, int]
    """Row and column in the picture of the filter's first entry."""
    span: tuple[tuple[float, float], tuple[float, float]]
    """Theoretical receptive field: rows and columns [lo, hi) counted from the pixel, from the structure alone."""
    value: Values
    """The result at the pixel, a number for each output channel."""
    filtered: Values
    """The filter applied to the picture."""
    from_level: Values
    """What the channel with the noise level adds: its derivative times the level."""
    changes: tuple[Change, ...]
    picture: Values
    """(H, W, C), in 0..1."""

    @property
    def rest(self) -> Values:
        """What is neither filtered from the picture nor comes from the level; 0 for a network that scales (no biases).

        A function with T(a x) = a T(x) for a >= 0 is T(x) = J(x) x (Euler); what is left shows the biases.
        """
        return self.value - self.filtered - self.from_level

    @property
    def kernel(self) -> Values:
        """The filter on grey changes, (h, w): summed over the channels, the mean over the output channels."""
        total: Values = self.filter.sum(axis=1).mean(axis=0)
        return total

    @property
    def sum(self) -> float:
        """Sum of the filter: by how much the result grows if the whole picture becomes brighter by 1."""
        return float(self.kernel.sum())

    @property
    def noise_gain(self) -> float:
        """Norm of the filter: standard deviation of the noise in the result over that in the picture, to first order.

        The mean over n pixels has 1 / sqrt(n). Root mean square over the output channels.
        """
        return float(np.sqrt(np.square(self.filter).sum() / len(self.filter)))

    @property
    def field(self) -> Values:
        """Effective receptive field: the share that each pixel has in the energy of the filter, (h, w); sums to 1.

        Reference: Luo, Li, Urtasun and Zemel, "Understanding the effective receptive field in deep convolutional
        neural networks", NeurIPS 2016.
        """
        energy: Values = np.square(self.filter).sum(axis=(0, 1))
        return energy / (energy.sum() or 1.0)

    def radius(self, share: float = 0.95) -> float:
        """Smallest distance from the pixel, in pixels, within which `share` of the filter's energy lies."""
        if not 0 < share <= 1:
            raise BadInput(f"share is {share}; give a number in 0..1")
        rows, columns = (
            np.arange(n) + first - here for n, first, here in zip(self.field.shape, self.corner, self.at, strict=True)
        )
        distance = np.hypot(rows[:, None], columns[None, :]).ravel()
        order = np.argsort(distance, kind="stable")
        enough = np.searchsorted(self.field.ravel()[order].cumsum(), share * (1 - 1e-12) * self.field.sum())
        return float(distance[order][min(int(enough), distance.size - 1)])

    @property
    def symmetry(self) -> float:
        """Share of the filter's energy in its even part, f(-d) = f(d) around the pixel: 1 symmetric, 0 odd."""
        ends = [
            max(here - first, first + n - 1 - here)
            for n, first, here in zip(self.filter.shape[2:], self.corner, self.at, strict=True)
        ]
        centred = np.zeros((*self.filter.shape[:2], *(2 * end + 1 for end in ends)))
        top, left = (end - here + first for end, here, first in zip(ends, self.at, self.corner, strict=True))
        centred[:, :, top : top + self.filter.shape[2], left : left + self.filter.shape[3]] = self.filter
        total = float(np.square(centred).sum())
        return float(np.square(centred + centred[:, :, ::-1, ::-1]).sum()) / (4 * total) if total else 1.0

    @property
    def sentence(self) -> str:
        """What was found, in words.

        >>> from aplomb.layers import conv
        >>> mean3 = conv(1, 1, 3, bias=False).with_weights({"0.weight": np.full((1, 1, 3, 3), 1 / 9)})
        >>> print(explain(np.eye(16), mean3, sigma=0.1).sentence.split(";")[0])
        95 % of what the network looks at lies within 1.4 pixels of the pixel (it could see 3 x 3)
        """
        height, width = (hi - lo for lo, hi in self.span)
        could = "the whole picture" if math.isinf(max(height, width)) else f"{height:g} x {width:g}"
        sees = f"95 % of what the network looks at lies within {self.radius():.1f} pixels of the pixel"
        keeps = f"noise there becomes {self.noise_gain:.2g} times as strong"
        last = self.changes[-1].residual
        linear = (
            "" if math.isnan(last) else f"; for changes as strong as the noise this filter is {100 * last:.0f} % off"
        )
        return f"{sees} (it could see {could}); {keeps}{linear}."

    # -- forms --------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; what is infinite becomes None. The filter is left out: `save` writes it."""
        return {
            "name": self.name,
            "at": list(self.at),
            "sigma": self.sigma,
            "level": self.level,
            "filter_shape": list(self.filter.shape),
            "filter_corner": list(self.corner),
            "sum": self.sum,
            "symmetry": self.symmetry,
            "noise_gain": self.noise_gain,
            "radius_95": self.radius(),
            "radius_50": self.radius(0.5),
            "receptive_field": [[n if math.isfinite(n) else None for n in ends] for ends in self.span],
            "value": self.value.tolist(),
            "filtered": self.filtered.tolist(),
            "from_level": self.from_level.tolist(),
            "rest": self.rest.tolist(),
            "changes": [{"size": c.size, "residual": c.residual} for c in self.changes],
            "sentence": self.sentence,
        }

    def __str__(self) -> str:
        """Table, and the sentence."""
        y, x = self.at
        told = "" if self.level is None else f", told a noise of {255 * self.level:.3g} of 255"
        (top, bottom), (left, right) = self.span
        field = "whole picture" if math.isinf(bottom - top + right - left) else f"{bottom - top:g} x {right - left:g}"
        rows = [
            ("equivalent filter, sum", f"{self.sum:.4f}"),
            ("even part (symmetry)", f"{100 * self.symmetry:.1f} % of its energy"),
            ("noise in the result", f"{self.noise_gain:.3f} times that in the picture"),
            (
                "effective receptive field",
                f"50 % within {self.radius(0.5):.1f}, 95 % within {self.radius():.1f} pixels",
            ),
            ("theoretical receptive field", f"{field} pixels"),
            ("result", _numbers(self.value)),
            ("  filter applied to the picture", _numbers(self.filtered)),
            *([] if self.level is None else [("  from the noise level", _numbers(self.from_level))]),
            ("  rest (biases)", _numbers(self.rest)),
        ]
        rows += [
            (f"not linear, changes of {255 * c.size:.2g} of 255", f"{100 * c.residual:.0f} %") for c in self.changes
        ]
        lines = [f"{self.name} at row {y}, column {x}{told}", ""]
        lines += [f"{name:<36} {value}" for name, value in rows]
        return "\n".join([*lines, "", self.sentence])

    def figure(self) -> Figure:
        """Picture, surroundings, filter and effective receptive field side by side, as a matplotlib figure."""
        from aplomb.explanation.figure import draw

        return draw(self)

    def save(self, folder: str | os.PathLike[str]) -> tuple[Path, ...]:
        """Write explanation.png, explanation.json and filter.npy into `folder`, made if it is not there.

        Raises OutputError if that cannot be.
        """
        place = make_folder(folder)
        paths = place / "explanation.png", place / "explanation.json", place / "filter.npy"
        save_figure(self, paths[0])
        with whole_file(paths[1]) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")
        with whole_file(paths[2]) as temporary:
            np.save(temporary, self.filter)
        return paths


def explain(
    picture: Picture | ArrayLike,
    model: str | Path | Model | Operator | None = None,
    at: tuple[int, int] | None = None,
    sigma: float | None = None,
    *,
    channel: int | None = None,
    seed: int = 0,
) -> Explanation:
    """Say what a network does at one pixel of a picture: its equivalent filter, and what follows from it.

    .. math:: T(x + h)_p = T(x)_p + \\langle f, h \\rangle + o(h), \\qquad f = J(x)^* \\delta_p

    Parameters
    ----------
    picture
        (H, W) or (H, W, C), uint8, uint16, bool, or float in 0..1.
    model
        A shipped model by name, an ONNX file, a `Model`, or an operator. None takes the shipped network for grey or
        colour pictures.
    at
        Row and column; the middle unless given.
    sigma
        Noise level in the range 0..1: what networks that take one are told, and the size of changes for which
        linearity is measured. Estimated from the picture unless given.
    channel
        Output channel to explain; all unless given.
    seed
        Of the changes.

    Returns
    -------
    explanation
        Prints as a table with a sentence, draws itself, saves itself.

    Raises
    ------
    BadInput
        A pixel outside the picture, a stack of pictures, a network that gives no picture.
    ShapeError
        The picture is smaller than the network takes.
    ModelError
        The network takes other channels.

    Examples
    --------
    >>> from aplomb.layers import conv
    >>> shift = conv(1, 1, 3, bias=False).with_weights({"0.weight": np.eye(3)[None, None]})
    >>> found = explain(np.eye(20), shift, at=(9, 9), sigma=0.1)
    >>> found.filter[0, 0].tolist(), found.corner, found.sum, found.symmetry, round(found.radius(), 3)
    ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], (8, 8), 3.0, 1.0, 1.414)
    """
    given = subject(picture, model, sigma)
    at = pixel_of(at, given.x.shape[2:])
    cut = part(given.operator, given.x, at, AROUND)
    y = cut.operator(cut.x)
    channels = _channels(y.shape[1], channel)
    tangent = derivative(cut.operator, cut.x)
    rows = np.concatenate([_row(tangent, y.shape, cut, k) for k in channels])
    seen = _trim(rows, cut, at)
    picture_rows, level_rows = rows[:, : given.channels], rows[:, given.channels :]
    return Explanation(
        name=given.name,
        at=at,
        sigma=given.sigma,
        level=given.level,
        filter=np.ascontiguousarray(picture_rows[(..., *seen)]),
        corner=(cut.top + seen[0].start, cut.left + seen[1].start),
        span=cut.span,
        value=y[0, channels, cut.place[0], cut.place[1]],
        filtered=(picture_rows * cut.x[:, : given.channels]).sum(axis=(1, 2, 3)),
        from_level=(level_rows * cut.x[:, given.channels :]).sum(axis=(1, 2, 3)),
        changes=_changes(cut, given, tangent, y, channels, seed),
        picture=np.moveaxis(given.x[0, : given.channels], 0, -1),
    )


def _channels(count: int, channel: int | None) -> list[int]:
    if channel is not None:
        if not 0 <= channel < count:
            raise BadInput(f"output channel {channel} does not exist; the network has {count}: 0 to {count - 1}")
        return [channel]
    if count > MOST:
        raise BadInput(f"the network gives {count} channels; say which one with channel=0 to {count - 1}")
    return [*range(count)]


def _row(tangent: Operator, shape: tuple[int, ...], cut: Part, channel: int) -> Values:
    """The row of the Jacobian for one output channel at the pixel, (1, C, h, w)."""
    delta = np.zeros(shape)
    delta[0, channel, cut.place[0], cut.place[1]] = 1
    row: Values = tangent.adjoint()(delta)
    return row


def _trim(rows: Values, cut: Part, at: tuple[int, int]) -> tuple[slice, slice]:
    """The part of the cut that the pixel sees: its span, and what a mirrored border adds."""
    found = []
    for axis in (0, 1):
        first = (cut.top, cut.left)[axis]
        n = rows.shape[2 + axis]
        used = np.flatnonzero(rows.any(axis=(0, 1, 3 - axis)))
        lo, hi = (max(0, min(n, end + at[axis] - first)) for end in cut.span[axis])
        ends = [int(lo), int(hi), *used[:1], *(used[-1:] + 1)]
        found.append(slice(min(ends), max(ends)))
    return found[0], found[1]


def _changes(
    cut: Part, given: Subject, tangent: Operator, y: Values, channels: list[int], seed: int
) -> tuple[Change, ...]:
    h = np.random.default_rng(seed).normal(size=cut.x.shape)
    h[:, given.channels :] = 0  # what the network is told stays
    around = (slice(0, 1), channels, *cut.around)
    slope = tangent(h)[around]
    found = []
    for part_of_noise in SIZES:
        size = part_of_noise * max(given.sigma, LEAST)
        moved = (cut.operator(cut.x + size * h) - y)[around]
        norm = float(np.linalg.norm(moved))
        found.append(Change(size, float(np.linalg.norm(moved - size * slope)) / norm if norm else 0.0))
    return tuple(found)


def _numbers(values: Values) -> str:
    return ", ".join(f"{v:.5f}" for v in values + 0.0)
