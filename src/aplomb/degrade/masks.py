"""Masks to inpaint under: pixels lost at random, scratches, regions, letters. Each is (H, W), True where seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aplomb.errors import BadInput

__all__ = ["lettering", "random_pixels", "regions", "scratches"]

Bools = npt.NDArray[np.bool_]


def random_pixels(shape: tuple[int, int], fraction: float, seed: int = 0) -> Bools:
    """Every pixel is seen with probability `fraction`, above 0 and at most 1.

    >>> random_pixels((500, 500), 0.2).mean().round(2)
    np.float64(0.2)
    """
    if not 0 < fraction <= 1:
        raise BadInput(f"random mask that sees {fraction} of the pixels asked for; give a share above 0 and up to 1")
    return np.random.default_rng(seed).random(_sizes(shape)) < fraction


def scratches(shape: tuple[int, int], count: int = 10, width: float = 2.0, seed: int = 0) -> Bools:
    """`count` straight lines of `width` pixels, from anywhere to anywhere, are not seen.

    >>> scratches((64, 64), count=1, width=3).all(axis=1).any()
    np.True_
    """
    h, w = _sizes(shape)
    if count < 0 or not width > 0:
        raise BadInput(f"{count} scratches of width {width} asked for; give a number and a width above 0")
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w]
    seen = np.ones((h, w), np.bool_)
    for _ in range(count):
        start, end = rng.uniform((0, 0), (h, w), (2, 2))
        along = end - start
        # the distance to the segment: to the nearest of its points
        at = np.clip(((y - start[0]) * along[0] + (x - start[1]) * along[1]) / max(along @ along, 1e-9), 0, 1)
        seen &= np.hypot(y - start[0] - at * along[0], x - start[1] - at * along[1]) > width / 2
    return seen


def regions(shape: tuple[int, int], count: int = 5, size: int = 16, seed: int = 0) -> Bools:
    """`count` squares of `size` pixels, anywhere within the picture, are not seen.

    >>> int((~regions((64, 64), count=1, size=8)).sum())
    64
    """
    h, w = _sizes(shape)
    if count < 0 or not 0 < size <= min(h, w):
        raise BadInput(f"{count} regions of {size} pixels asked for in {h} x {w}; give sizes that fit in")
    rng = np.random.default_rng(seed)
    seen = np.ones((h, w), np.bool_)
    for _ in range(count):
        y, x = rng.integers(0, h - size + 1), rng.integers(0, w - size + 1)
        seen[y : y + size, x : x + size] = False
    return seen


def lettering(shape: tuple[int, int], text: str = "Aplomb", size: float = 16.0) -> Bools:
    """Lines of `text`, letters about `size` pixels high and filled, are not seen all over the picture.

    >>> mask = lettering((48, 64), "text", size=12)
    >>> bool(mask.any() and not mask.all())
    True
    """
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    h, w = _sizes(shape)
    if not text.strip() or not size > 0:
        raise BadInput(f"lettering {text!r} of {size} pixels asked for; give some letters and a size above 0")
    once = TextPath((0, 0), text + " ", size=size)
    times = 1 + int(w / max(once.get_extents().width, 1))
    line = TextPath((0, 0), (text + " ") * times, size=size)
    pixels = np.stack(np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5), -1).reshape(-1, 2)
    hidden = np.zeros(h * w, np.bool_)
    for baseline in np.arange(1.2 * size, h + size, 1.5 * size):
        vertices = line.vertices * (1, -1) + (0, baseline)  # rows are counted down, letters drawn up
        hidden |= Path(vertices, line.codes).contains_points(pixels)
    return ~hidden.reshape(h, w)


def _sizes(shape: tuple[int, int]) -> tuple[int, int]:
    if len(shape) != 2 or min(shape) < 1:
        raise BadInput(f"a mask for a picture of shape {tuple(shape)} asked for; give (height, width)")
    return int(shape[0]), int(shape[1])
