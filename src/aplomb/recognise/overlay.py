"""What was found, drawn over the picture: outlines of objects, or colours of classes with a legend."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import OutputError, ShapeError
from aplomb.io import Picture, to_float, whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["bright", "check_overlay", "class_colour", "draw_overlay", "write_overlay"]

_SUFFIXES = (".jpeg", ".jpg", ".pdf", ".png", ".svg", ".tif", ".tiff", ".webp")
_DPI = 100
_LINE = 22
"""Height of a line of the legend, in pixels."""
_YELLOW = (1.0, 0.85, 0.1)


def draw_overlay(
    picture: Picture | ArrayLike, labels: ArrayLike, *, classes: Sequence[str] = (), instances: bool = False
) -> Figure:
    """Draw a map over its picture, a pixel on a pixel; classes in colours, objects by their outlines.

    Of a stack the first picture is drawn. Dark pictures are brightened: black and white are the 0.1 % and 99.9 %
    quantiles.

    Parameters
    ----------
    picture
        What was segmented.
    labels
        Its map, (H, W), or a stack of them.
    classes
        Names of the classes, for the legend; of objects, of background and objects.
    instances
        Whether `labels` are numbers of objects.

    Raises
    ------
    ShapeError
        Picture and map differ in size.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from skimage.segmentation import find_boundaries

    planes, _ = to_float(picture)
    shown = bright(np.moveaxis(planes[0], 0, -1))
    found = np.asarray(labels)
    found = found.reshape(-1, *found.shape[-2:])[0]
    if found.shape != shown.shape[:2]:
        raise ShapeError(f"a map of {found.shape} does not fit a picture of {shown.shape[:2]} pixels")
    edges = find_boundaries(found, mode="inner")
    if instances:
        name = classes[1] if len(classes) > 1 else "object"
        legend = [(_YELLOW, f"{name}: {len(np.unique(found[found > 0]))}")]
        shown[edges] = _YELLOW
    else:
        legend = []
        for k in np.unique(found):
            colour, here = class_colour(int(k)), found == k
            if k > 0:  # the first class is background or as good as any other: the picture shows through
                shown[here] = 0.65 * shown[here] + 0.35 * np.array(colour)
                shown[here & edges] = colour
            share = f"{100 * here.mean():.1f} %"
            legend.append((colour, f"{classes[k] if k < len(classes) else f'class {k}'}: {share}"))
    height, width = found.shape
    strip = _LINE * len(legend)
    figure = Figure(figsize=(max(width, 160) / _DPI, (height + strip) / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, strip / (height + strip), width / max(width, 160), height / (height + strip)))
    axes.imshow(shown, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    for index, (colour, text) in enumerate(legend):
        at = (strip - _LINE * (index + 0.5)) / (height + strip)
        figure.text(8 / _DPI / figure.get_figwidth(), at, "\u25a0", color=colour, va="center", fontsize=11)
        figure.text(24 / _DPI / figure.get_figwidth(), at, text, color="black", va="center", fontsize=9)
    return figure


def write_overlay(
    path: str | os.PathLike[str],
    picture: Picture | ArrayLike,
    labels: ArrayLike,
    *,
    classes: Sequence[str] = (),
    instances: bool = False,
) -> Path:
    """Write what `draw_overlay` draws, whole or not at all; the suffix says the format. Raises OutputError."""
    check_overlay(path)
    figure = draw_overlay(picture, labels, classes=classes, instances=instances)
    with whole_file(path) as temporary:
        figure.savefig(temporary)
    return Path(path)


def check_overlay(path: str | os.PathLike[str]) -> None:
    """Raise OutputError for a suffix that figures are not written with, before the work is done."""
    if Path(path).suffix.lower() not in _SUFFIXES:
        raise OutputError(f"{path}: asked for the suffix {Path(path).suffix!r}; known are: {', '.join(_SUFFIXES)}")


def bright(picture: NDArray[Any]) -> NDArray[np.float64]:
    """RGB in 0..1, stretched to its quantiles."""
    low, high = np.quantile(picture, (0.001, 0.999))
    stretched = np.clip((picture - low) / max(high - low, 1e-6), 0, 1)
    return np.array(np.broadcast_to(stretched, (*picture.shape[:2], 3)), np.float64)


def class_colour(k: int) -> tuple[float, float, float]:
    """A colour of its own for each class, told apart also by those who do not see red and green (Okabe and Ito)."""
    wheel = ("000000", "E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00", "CC79A7")
    code = wheel[k] if k < len(wheel) else wheel[1 + (k - 1) % (len(wheel) - 1)]
    return int(code[:2], 16) / 255, int(code[2:4], 16) / 255, int(code[4:], 16) / 255
