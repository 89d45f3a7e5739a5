"""The most detailed part of a picture, magnified, by every method: on one page."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.text import decibels, similarity
from aplomb.errors import BadInput, OutputError
from aplomb.io import whole_file

if TYPE_CHECKING:
    from aplomb.comparison.result import Comparison, Example

__all__ = ["GAIN", "captions", "check_suffix", "cut", "detailed", "difference", "draw", "pick", "reduced"]

Region = tuple[int, int, int, int]
"""Top, left, height, width in pixels."""
Bytes = NDArray[np.uint8]


class HasPicture(Protocol):
    """An example of any comparison."""

    @property
    def picture(self) -> str:
        """Name of the picture."""


Shown = TypeVar("Shown", bound=HasPicture)

GAIN = 4
"""By how much differences are enlarged around grey."""
DOTS = 150
PAGE = (1754, 1240)
"""A4 across, in dots."""
PANEL = 288
"""Side of a panel in dots where there is room: three for a pixel of 96."""
GAP, CAPTION, TITLE = 16, 50, 56
"""Dots between panels, below one, and above all."""
OVERVIEW = 640
"""Longest side of the whole picture, reduced, in pixels."""
INK, FAINT, ACCENT = "#1a1a1a", "#5f6670", "#0b6e4f"
SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".webp", ".tif")


def detailed(image: NDArray[Any], side: int) -> Region:
    """The square of `side` pixels with the most detail, or as much of it as fits in the picture.

    Detail is the root of the gradient's magnitude, so that fine texture counts beside a few strong edges,
    summed over the square by a cumulative sum.

    >>> image = np.zeros((64, 64))
    >>> image[40:60, 8:24] = np.random.default_rng(0).random((20, 16))
    >>> top, left, _, _ = detailed(image, 24)
    >>> 32 <= top <= 40 and 0 <= left <= 12
    True
    """
    grey = image.mean(axis=2) if image.ndim == 3 else image
    height, width = min(side, grey.shape[0]), min(side, grey.shape[1])
    detail = np.zeros(grey.shape, np.float32)
    detail[1:-1, 1:-1] = np.sqrt(
        np.hypot(grey[2:, 1:-1] - grey[:-2, 1:-1], grey[1:-1, 2:] - grey[1:-1, :-2], dtype=np.float32)
    )
    total = np.pad(detail, ((1, 0), (1, 0))).cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    inside = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(np.argmax(inside), inside.shape)
    return int(top), int(left), height, width


def cut(image: NDArray[Any], region: Region) -> NDArray[Any]:
    """A copy of the region that cannot be written to; (H, W, 1) becomes (H, W)."""
    top, left, height, width = region
    part = image[top : top + height, left : left + width].copy()
    part = part[..., 0] if part.ndim == 3 and part.shape[2] == 1 else part
    part.flags.writeable = False
    return part


def reduced(image: Bytes) -> Bytes:
    """The picture by means of blocks, at most `OVERVIEW` pixels on its longer side."""
    step = math.ceil(max(image.shape[:2]) / OVERVIEW)
    tall, wide = (min(step, n) for n in image.shape[:2])
    rows, columns = image.shape[0] // tall, image.shape[1] // wide
    part = image[: rows * tall, : columns * wide].reshape(rows, tall, columns, wide, -1)
    small = np.rint(part.mean(axis=(1, 3), dtype=np.float32)).astype(np.uint8)
    return cut(small, (0, 0, rows, columns))


def difference(crop: Bytes, clean: Bytes) -> Bytes:
    """(crop - clean) enlarged by `GAIN` around middle grey."""
    enlarged: Bytes = np.clip(128 + GAIN * (crop.astype(np.int16) - clean), 0, 255).astype(np.uint8)
    return enlarged


def pick(examples: Sequence[Shown], picture: str | int) -> Shown:
    """The example of that name or number. Raises BadInput if there is none."""
    names = [example.picture for example in examples]
    if isinstance(picture, str) and picture in names:
        return examples[names.index(picture)]
    if isinstance(picture, int) and -len(names) <= picture < len(names):
        return examples[picture]
    raise BadInput(f"asked for the example {picture!r}, kept are {', '.join(names) or 'none'}")


def captions(comparison: Comparison, example: Example) -> list[tuple[str, str, bool]]:
    """Every panel in the order of the rows: name, numbers, whether its PSNR is the highest."""
    order = [row.method for row in comparison.rows if row.method in example.crops]
    found = {name: comparison.score(name, example.picture) for name in order}
    values = [score.psnr for score in found.values() if score is not None and score.kind != "input"]
    top = max(values, default=math.nan)
    panels = [("clean", "", False)]
    for name, score in found.items():
        if score is not None:
            ssim = "" if math.isnan(score.ssim) else f" · SSIM {similarity(score.ssim)}"
            first = score.kind != "input" and score.psnr == top
            panels.append((name, f"{decibels(score.psnr)} dB{ssim}", first))
    return panels


def check_suffix(path: str | os.PathLike[str]) -> None:
    """Raise OutputError for a suffix that figures are not written with."""
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in SUFFIXES:
        raise OutputError(
            f"{path}: a figure is not written as {suffix or 'a file without suffix'!r}; "
            f"give one of {', '.join(SUFFIXES)}"
        )


def draw(
    comparison: Comparison, path: str | os.PathLike[str], picture: str | int = 0, *, differences: bool = False
) -> None:
    """Draw one example, see `Comparison.figure`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    check_suffix(path)
    example = pick(comparison.examples, picture)
    panels = captions(comparison, example)
    side, columns = _layout(len(panels) + 1)
    rows = math.ceil((len(panels) + 1) / columns)
    # whole dots for a pixel, so that pixels are seen as they are; the overview takes what room there is
    clean, overview = example.crops["clean"].shape[:2], example.overview.shape[:2]
    zoom = max(1, side // max(clean))
    small = side / max(overview)
    deep = math.ceil(min(side, max(zoom * clean[0], small * overview[0])))
    width = columns * side + (columns + 1) * GAP
    height = TITLE + rows * (deep + CAPTION) + GAP
    figure = Figure(figsize=(width / DOTS, height / DOTS), dpi=DOTS, facecolor="white")
    FigureCanvasAgg(figure)
    what = f"differences to the clean picture, {GAIN} times enlarged around grey" if differences else "magnified part"
    title = f"{example.picture}: {comparison.noise}"
    figure.text(
        GAP / width,
        1 - 22 / height,
        _short(title, width / 11),
        fontsize=10,
        weight="bold",
        color=INK,
        va="center",
    )
    figure.text(GAP / width, 1 - 42 / height, _place(example, what), fontsize=7.5, color=FAINT, va="center")

    def panel(number: int, image: Bytes, magnified: bool, name: str, numbers: str, first: bool) -> Any:
        row, column = divmod(number, columns)
        left, top = GAP + column * (side + GAP), TITLE + row * (deep + CAPTION)
        tall, wide = (max(1, min(side, round((zoom if magnified else small) * n))) for n in image.shape[:2])
        x, y = left + (side - wide) // 2, top + (deep - tall) // 2
        axes = figure.add_axes((x / width, 1 - (y + tall) / height, wide / width, tall / height))
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, aspect="auto",
                    interpolation="nearest" if magnified else "antialiased")  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        for edge in axes.spines.values():
            edge.set(edgecolor=ACCENT if first else "#c4c8ce", linewidth=1.6 if first else 0.6)
        ink = ACCENT if first else INK
        for line, text, size, weight in ((12, name, 7.5, "bold"), (29, numbers, 7, "normal")):
            place = ((left + side / 2) / width, 1 - (top + deep + line) / height)
            figure.text(
                *place,
                _short(text, side / 7.5),
                fontsize=size,
                weight=weight,
                color=ink,
                ha="center",
                va="center",
            )
        return axes

    whole = panel(0, example.overview, False, "whole picture", f"{example.size[1]} x {example.size[0]} pixels", False)
    if example.region[2:] != example.size:
        _frame(whole, example)
    for number, (name, numbers, first) in enumerate(panels, 1):
        crop = example.crops[name]
        shown = difference(crop, example.crops["clean"]) if differences and name != "clean" else crop
        panel(number, shown, True, name, numbers, first)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=DOTS)


def _layout(panels: int) -> tuple[int, int]:
    """Side of a panel and number of columns: the largest that fit on a page, and no row nearly empty."""
    for side in (PANEL + PANEL // 3, PANEL, PANEL * 2 // 3, PANEL // 3):
        columns = (PAGE[0] - GAP) // (side + GAP)
        rows = (PAGE[1] - TITLE - GAP) // (side + CAPTION)
        if panels <= columns * rows or side == PANEL // 3:
            break
    rows = math.ceil(panels / columns)
    return side, math.ceil(panels / rows)


def _frame(axes: Any, example: Example) -> None:
    """Where in the whole picture the part lies."""
    from matplotlib.patches import Rectangle

    top, left, height, width = example.region
    y, x = (small / large for small, large in zip(example.overview.shape[:2], example.size, strict=True))
    corner = (left * x - 0.5, top * y - 0.5)
    for colour, line in (("white", 2.4), ("#d1495b", 1.2)):
        axes.add_patch(Rectangle(corner, width * x, height * y, fill=False, edgecolor=colour, linewidth=line))


def _place(example: Example, what: str) -> str:
    top, left, height, width = example.region
    place = f"{width} x {height} pixels from column {left}, row {top}"
    return f"{what}: {place}; PSNR and SSIM are those of the whole picture"


def _short(text: str, letters: float) -> str:
    """The text, or its beginning and end if it is longer than so many letters."""
    keep = max(7, int(letters))
    return text if len(text) <= keep else f"{text[: keep // 2 - 1]}…{text[-(keep - keep // 2) :]}"
