"""What every method finds in one picture, painted over it, with the true borders: for figures and pages."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.figure import check_suffix, pick
from aplomb.io import whole_file
from aplomb.recognise.overlay import bright, class_colour

if TYPE_CHECKING:
    from aplomb.comparison.segmentation import Example, SegmentationComparison

__all__ = ["draw", "key", "panels"]

Bytes = NDArray[np.uint8]

LONGEST = 400
"""Longest side of a painted picture in pixels; larger ones are thinned out."""
FOUND, TRUE = (1.0, 0.55, 0.0), (0.25, 0.75, 1.0)
"""Colours of outlines of objects."""


def key(comparison: SegmentationComparison) -> str:
    """What the colours mean, in one sentence."""
    if comparison.target != "regions":
        return "Outlines of the true objects in blue, of those that were found in orange over them."
    return "True borders in white; the first class as the picture has it, the others coloured."


def panels(comparison: SegmentationComparison, example: Example) -> list[tuple[str, str, Bytes]]:
    """Name, figure in words, and painted picture (H, W, 3): of the reference, then of every method, worst first."""
    objects, column = comparison.target != "regions", comparison.columns[0]
    found = {(s.method, s.sample): s.values for s in reversed(comparison.scores)}
    drawn = [("reference", "", _painted(example, None, objects))]
    for row in comparison.rows:
        if row.method in example.labels:
            value = found[row.method, example.picture].get(column.key, math.nan)
            painted = _painted(example, example.labels[row.method], objects)
            drawn.append((row.method, f"{column.title} {value:.3f}", painted))
    return drawn


def _painted(example: Example, labels: NDArray[Any] | None, objects: bool) -> Bytes:
    from skimage.segmentation import find_boundaries

    step = math.ceil(max(example.image.shape[:2]) / LONGEST)
    image, true, mask = (np.asarray(a)[::step, ::step] for a in (example.image, *example.truth))
    shown = bright(image if image.ndim == 3 else image[..., None])
    found = true if labels is None else labels[::step, ::step]
    if not objects:
        for k in np.unique(found[found > 0]):
            shown[found == k] = 0.6 * shown[found == k] + 0.4 * np.array(class_colour(int(k)))
    shown[mask == 0] *= 0.4
    shown[find_boundaries(true, mode="inner") & mask] = TRUE if objects else 1.0
    if objects and labels is not None:
        shown[find_boundaries(found, mode="inner")] = FOUND
    return np.rint(255 * shown).astype(np.uint8)


def draw(comparison: SegmentationComparison, path: str | os.PathLike[str], picture: str | int = 0) -> None:
    """Draw one example, see `SegmentationComparison.figure`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    check_suffix(path)
    example = pick(comparison.examples, picture)
    drawn = panels(comparison, example)
    columns = min(len(drawn), 4)
    rows = math.ceil(len(drawn) / columns)
    tall, wide = drawn[0][2].shape[:2]
    figure = Figure(figsize=(3 * columns, rows * (3 * min(tall / wide, 2) + 0.5) + 0.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{example.picture}. {key(comparison)}", fontsize=8)
    for number, (name, words, painted) in enumerate(drawn, 1):
        axes = figure.add_subplot(rows, columns, number)
        axes.set_axis_off()
        axes.imshow(painted, interpolation="nearest")
        axes.set_title(f"{name}\n{words}" if words else name, fontsize=8)
    with whole_file(path) as temporary:
        figure.savefig(temporary)
