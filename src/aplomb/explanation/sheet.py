"""A contact sheet: many small pictures on one page and one scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from aplomb.comparison.figure import DOTS, FAINT, INK
from aplomb.explanation.figure import blank

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from aplomb.explanation.channels import Sheet

__all__ = ["draw"]

MOST = 256
"""Tiles on a sheet; what is beyond is not drawn, and the caption says so."""
WIDTH = 10.0
"""Of the page, in inches."""
LARGEST = 1.8
"""Side of a tile, in inches."""
LABEL = 0.16
"""Height of the line with its number, in inches."""
USUAL = 0.999
"""Share of the values that the scale covers: a single large one does not make all others grey."""


def draw(sheet: Sheet) -> Figure:
    """See `Sheet.figure`."""
    tiles = sheet.values[:MOST]
    count, height, width = tiles.shape[:3]
    columns = min(count, max(math.ceil(WIDTH / LARGEST), round(math.sqrt(count * WIDTH / 7 * height / width))))
    rows = math.ceil(count / columns)
    side = min(LARGEST, WIDTH / columns - 0.06)
    tall = side * height / width
    page = WIDTH + 0.75, rows * (tall + LABEL) + 0.75
    figure = blank(*page)
    caption = sheet.caption + (f"; the first {MOST} are shown" if len(sheet.values) > MOST else "")
    figure.text(0.1 / page[0], 1 - 0.24 / page[1], sheet.title, fontsize=10, weight="bold", color=INK)
    figure.text(0.1 / page[0], 1 - 0.45 / page[1], caption, fontsize=7.5, color=FAINT)

    colour = tiles.ndim == 4
    most = float(np.quantile(abs(tiles), USUAL if tiles.size > 1e4 else 1)) or 1.0
    signed = bool((tiles < 0).any())
    how: dict[str, Any] = (
        {"cmap": "RdBu_r", "vmin": -most, "vmax": most} if signed else {"cmap": "gray", "vmin": 0.0, "vmax": most}
    )
    if colour:
        tiles, how = np.clip(0.5 + tiles / (2 * most), 0, 1), {}
    shown = None
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        left, bottom = 0.1 + column * (side + 0.06), page[1] - 0.6 - row * (tall + LABEL) - tall
        axes = figure.add_axes((left / page[0], bottom / page[1], side / page[0], tall / page[1]))
        axes.set_axis_off()
        small = side * DOTS < width
        shown = axes.imshow(tile, aspect="auto", interpolation="antialiased" if small else "nearest", **how)
        middle = (left + side / 2) / page[0], (bottom - 0.085) / page[1]
        figure.text(*middle, str(number), fontsize=6, color=FAINT, ha="center", va="center")
    if shown is not None and not colour:
        used = columns * (side + 0.06)
        size = min(tall * rows + LABEL * (rows - 1), 2.5)
        place = figure.add_axes(
            ((0.1 + used + 0.04) / page[0], (page[1] - 0.6 - size) / page[1], 0.08 / page[0], size / page[1])
        )
        bar = figure.colorbar(shown, cax=place)
        bar.outline.set(edgecolor="#c4c8ce", linewidth=0.6)
        place.tick_params(labelsize=6, length=2, width=0.5, colors=FAINT)
    return figure
