"""An explanation on one page: the picture, its surroundings, the filter, and the effective receptive field."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.figure import DOTS, FAINT, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from aplomb.explanation.classes import Attribution
    from aplomb.explanation.pixel import Explanation

__all__ = ["attribution", "blank", "draw", "frame"]

PAGE = (12.25, 3.7)
"""Width and height in inches; the panels are squares of `SIDE` at `LEFTS`, with room for scales beside the last two."""
SIDE = 2.6
LEFTS = (0.15, 2.95, 5.75, 9.0)
MARK = "#d1495b"
SHOWN = 0.995
"""Share of the filter's energy that the magnified window shows, or more."""
LEAST, FARTHEST = 5, 40
"""Pixels from the pixel to the edge of that window."""
DECADES = 6
"""Powers of ten that the effective receptive field is shown over."""
Window = tuple[int, int, int, int]
"""First and last row, first and last column, the last ones outside."""


def blank(width: float, height: float) -> Figure:
    """An empty white page, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def frame(axes: Any, title: str = "", below: str = "") -> None:
    """A thin frame, a title above and a line below."""
    axes.set_xticks([])
    axes.set_yticks([])
    for edge in axes.spines.values():
        edge.set(edgecolor="#c4c8ce", linewidth=0.6)
    axes.set_title(title, fontsize=8, weight="bold", color=INK, pad=5)
    axes.set_xlabel(below, fontsize=7, color=FAINT, labelpad=5)


def draw(found: Explanation) -> Figure:
    """See `Explanation.figure`."""
    from matplotlib.patches import Circle, Rectangle

    y, x = found.at
    figure = blank(*PAGE)
    told = "" if found.level is None else f", told a noise of {255 * found.level:.3g} of 255"
    figure.text(0.012, 0.945, f"{found.name} at row {y}, column {x}{told}", fontsize=10, weight="bold", color=INK)
    figure.text(0.012, 0.885, found.sentence, fontsize=7.5, color=FAINT)
    panels = [figure.add_axes((x / PAGE[0], 0.33 / PAGE[1], SIDE / PAGE[0], SIDE / PAGE[1])) for x in LEFTS]
    for panel in panels:
        panel.set_anchor("NW")
    whole, near, kernel, field = panels
    window = _window(found)

    size = found.picture.shape[:2]
    frame(whole, "picture", f"{size[1]} x {size[0]} pixels; the frame is magnified")
    _show(whole, found.picture)
    top, bottom, left, right = window
    for colour, width in (("white", 2.4), (MARK, 1.2)):
        whole.add_patch(
            Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, ec=colour, lw=width, zorder=3)
        )

    frame(near, "around the pixel", f"{right - left} x {bottom - top} pixels")
    _show(near, found.picture)
    _mark(near, found)
    _look(near, window)

    most = float(abs(found.kernel).max()) or 1.0
    bar = _map(kernel, found, found.kernel, cmap="RdBu_r", vmin=-most, vmax=most)
    frame(kernel, "equivalent filter", f"sum {found.sum:.3f}, even part {100 * found.symmetry:.0f} %")
    _mark(kernel, found)
    _look(kernel, window)
    _bar(figure, bar, kernel, None)

    energy = found.field / (found.field.max() or 1.0)
    shown = np.log10(np.maximum(energy, 10.0**-DECADES))
    bar = _map(field, found, shown, cmap="magma", vmin=-DECADES, vmax=0)
    radius = found.radius()
    frame(field, "effective receptive field", f"circle: 95 %, {radius:.1f} pixels; frame: theoretical")
    field.add_patch(Circle((x, y), radius + 0.5, fill=False, ec="white", lw=1.2))
    wide = _theoretical(found)
    field.add_patch(
        Rectangle((wide[2] - 0.5, wide[0] - 0.5), wide[3] - wide[2], wide[1] - wide[0], fill=False, ec="#7fb2c9", lw=1)
    )
    side = max(wide[1] - wide[0], wide[3] - wide[2])
    margin = 1 + side // 20
    _look(field, (wide[0] - margin, wide[0] + side + margin, wide[2] - margin, wide[2] + side + margin))
    kernel.set_facecolor("#f7f7f7")
    field.set_facecolor("black")
    ticks = list(range(-DECADES, 1, 2))
    _bar(figure, bar, field, ["1" if t == 0 else f"$10^{{{t}}}$" for t in ticks], ticks)
    return figure


def attribution(found: Attribution) -> Figure:
    """See `Attribution.figure`: the picture, and beside it the map over the faint picture."""
    size = found.picture.shape[:2]
    wide = SIDE * min(1.6, max(0.6, size[1] / size[0]))
    page = 2 * wide + 1.2, SIDE + 1.05
    figure = blank(*page)
    title = f"{found.name}: class {found.label}"
    figure.text(0.15 / page[0], 1 - 0.25 / page[1], title, fontsize=10, weight="bold", color=INK)
    told = f"score {found.score:.3g}, probability {100 * found.probability:.1f} %"
    figure.text(0.15 / page[0], 1 - 0.46 / page[1], told, fontsize=7.5, color=FAINT)
    left, right = (
        figure.add_axes((x / page[0], 0.3 / page[1], wide / page[0], SIDE / page[1])) for x in (0.15, wide + 0.4)
    )
    for axes in (left, right):
        axes.set_anchor("NW")
    frame(left, "picture", f"{size[1]} x {size[0]} pixels")
    _show(left, found.picture)
    below = "" if np.isnan(found.gap) else f"sum {found.values.sum():.3g}, off by {abs(found.gap):.1g}"
    frame(right, found.method.replace("-", " "), below)
    _show(right, 0.75 + 0.25 * found.picture.mean(axis=2, keepdims=True))
    most = float(abs(found.values).max()) or 1.0
    opaque = np.clip(abs(found.values) / most, 0, 1) ** 0.5
    signed = bool((found.values < 0).any())
    shown = right.imshow(
        found.values, cmap="RdBu_r" if signed else "Reds", vmin=-most if signed else 0, vmax=most, alpha=opaque,
        interpolation="nearest",
    )  # fmt: skip
    _bar(figure, shown, right, None)
    return figure


def _window(found: Explanation) -> Window:
    """A square around the pixel that holds nearly all of the filter, shifted into the picture."""
    reach = math.ceil(found.radius(SHOWN)) + 2
    reach = max(LEAST, min(FARTHEST, reach))
    ends: list[int] = []
    for here, size in zip(found.at, found.picture.shape[:2], strict=True):
        side = min(2 * reach + 1, size)
        first = max(0, min(here - reach, size - side))
        ends += [first, first + side]
    return ends[0], ends[1], ends[2], ends[3]


def _theoretical(found: Explanation) -> Window:
    ends: list[int] = []
    for here, (lo, hi), size in zip(found.at, found.span, found.picture.shape[:2], strict=True):
        ends += [max(0, int(max(here + lo, -1))), int(min(here + hi, size))]
    return ends[0], ends[1], ends[2], ends[3]


def _show(axes: Any, picture: NDArray[np.float64]) -> None:
    shown = picture[..., 0] if picture.shape[2] in (1, 2) else picture[..., :3]
    axes.imshow(np.clip(shown, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def _map(axes: Any, found: Explanation, values: NDArray[np.float64], **how: Any) -> Any:
    """Values at the places of the filter, in the picture's coordinates."""
    (top, left), (height, width) = found.corner, values.shape
    extent = (left - 0.5, left + width - 0.5, top + height - 0.5, top - 0.5)
    return axes.imshow(values, extent=extent, interpolation="nearest", **how)


def _mark(axes: Any, found: Explanation) -> None:
    from matplotlib.patches import Rectangle

    y, x = found.at
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, ec=MARK, lw=1.4))


def _look(axes: Any, window: Window) -> None:
    top, bottom, left, right = window
    axes.set_xlim(left - 0.5, right - 0.5)
    axes.set_ylim(bottom - 0.5, top - 0.5)


def _bar(figure: Figure, shown: Any, axes: Any, labels: list[str] | None, ticks: list[int] | None = None) -> None:
    """A thin scale at the right of a panel."""
    axes.apply_aspect()
    box = axes.get_position()
    inch = 1 / figure.get_figwidth()
    place = figure.add_axes((box.x1 + 0.05 * inch, box.y0, 0.075 * inch, box.height))
    bar = figure.colorbar(shown, cax=place, ticks=ticks)
    if labels is not None:
        bar.set_ticklabels(labels)
    bar.outline.set(edgecolor="#c4c8ce", linewidth=0.6)
    place.tick_params(labelsize=6, length=2, width=0.5, colors=FAINT)
