"""Pictures of any size through a network, in tiles that change nothing.

The network itself says how: its total stride is the lattice on which tiles may start, its halo the number of pixels
around a tile that the result inside depends on. A picture is padded once, by reflection, to a multiple of the stride;
tiles are cut from that, all of one size, and what they compute beside a cut is thrown away. So every pixel that is
kept was computed from the same neighbours as in one pass over the whole picture.

A network of valid convolutions gives less than it is given. The picture is then mirrored once at its border by as much
as the network eats, and each tile is cut with what the network eats around it (the overlap-tiles of the U-Net paper).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aplomb.errors import BadInput
from aplomb.layers.pad import NO_PADS, Pads

Values = NDArray[np.float32]
Progress = Callable[[int, int], None]

SIDE = 1536
"""Usual side of a tile: larger ones are no faster (``benchmarks/tiles.py``)."""

OVERHEAD = 3.0
"""Memory of an engine over the values that have to be alive, measured by ``benchmarks/tiles.py``."""


@dataclass(frozen=True)
class Plan:
    """Tiles of `height` x `width` pixels on a picture that is padded to `padded`; `batch` pictures at a time."""

    padded: tuple[int, int]
    height: int
    width: int
    batch: int
    halo: int
    border: Pads = NO_PADS
    """Pixels around a tile that the network takes and does not give back."""
    factor: int = 1
    """Pixels that the network makes of one, on each axis."""

    def tiles(self) -> list[tuple[slice, slice]]:
        """Where tiles lie in the padded picture, without their border."""
        rows, columns = (self._starts(axis) for axis in (0, 1))
        return [(slice(y, y + self.height), slice(x, x + self.width)) for y in rows for x in columns]

    def _starts(self, axis: int) -> list[int]:
        size, tile = self.padded[axis], (self.height, self.width)[axis]
        if tile >= size:
            return [0]
        # the last tile ends with the picture, so that all are of one size
        return [*range(0, size - tile, tile - 2 * self.halo), size - tile]

    def kept(self, tile: tuple[slice, slice]) -> tuple[slice, slice]:
        """The part of a tile that is right: all but the halo beside a cut (the border of the picture is no cut)."""
        keep = []
        for where, size in zip(tile, self.padded, strict=True):
            start = where.start + (self.halo if where.start > 0 else 0)
            stop = where.stop - (self.halo if where.stop < size else 0)
            keep.append(slice(start, stop))
        return keep[0], keep[1]


def plan(
    shape: tuple[int, int, int, int],
    *,
    halo: int | None,
    multiple: int,
    values_per_pixel: float,
    memory: float,
    side: int = SIDE,
    border: Pads = NO_PADS,
) -> Plan:
    """Tiles for pictures of `shape` (N, C, H, W), so that an engine needs at most `memory` bytes.

    Raises BadInput if even the smallest tile would need more.

    >>> p = plan((1, 1, 1000, 1000), halo=88, multiple=8, values_per_pixel=40, memory=1e9)
    >>> p.padded, p.height, len(p.tiles())
    ((1000, 1000), 1000, 1)
    """
    n, _, *sizes = shape
    above, beside = (sum(pads) for pads in border)
    padded = tuple(-(-size // multiple) * multiple for size in sizes)
    pixel = 4 * max(values_per_pixel, 1.0) * OVERHEAD
    room = int(memory / pixel)
    if halo is None:  # one pass, whatever it takes
        _enough((padded[0] + above) * (padded[1] + beside), room, pixel)
        return Plan((padded[0], padded[1]), padded[0], padded[1], 1, 0, border)
    halo = -(-halo // multiple) * multiple
    least = 2 * halo + multiple
    side = max(least, min(side, int(room**0.5) - max(above, beside)))
    height, width = (_even(size, side, halo, multiple) for size in padded)
    pixels = (height + above) * (width + beside)
    _enough(pixels, room, pixel)
    batch = max(1, min(n, room // pixels, SIDE**2 // pixels))
    return Plan((padded[0], padded[1]), height, width, batch, halo, border)


def _even(size: int, side: int, halo: int, multiple: int) -> int:
    """Size of the fewest equal tiles of at most `side` pixels that cover `size` pixels."""
    if size <= side:
        return size
    inner = max(multiple, (side - 2 * halo) // multiple * multiple)
    count = -(-(size - 2 * halo) // inner)
    return -(-(size - 2 * halo) // (count * multiple)) * multiple + 2 * halo


def _enough(pixels: int, room: int, pixel: float) -> None:
    if pixels > room:
        raise BadInput(
            f"the smallest tile of this network needs {pixels * pixel / 2**20:.0f} MB, the limit is "
            f"{room * pixel / 2**20:.0f} MB; give more with --memory"
        )


def apply(
    network: Callable[[Values], Values],
    x: Values,
    layout: Plan,
    *,
    extra: Values | None = None,
    progress: Progress | None = None,
) -> Values:
    """`network` on the pictures `x`, (N, C, H, W), tile by tile.

    `extra`, (N, E), holds numbers that enter as E constant channels (a noise level). `network` gives back as many
    pixels as it takes, less the border, and perhaps a few behind them, which are left out; or `layout.factor` times as
    many on each axis.
    `progress` is called with the tiles done and the tiles in all.
    """
    n, _, height, width = x.shape
    (top, below), (left, beside) = layout.border
    pads = (top, below + layout.padded[0] - height), (left, beside + layout.padded[1] - width)
    if pads != NO_PADS:
        # a picture smaller than its padding is reflected again and again
        x = np.pad(x, ((0, 0), (0, 0), *pads), mode="reflect")
    result: Values | None = None
    tiles = layout.tiles()
    batches = list(_batches(n, layout.batch))
    for done, (pictures, tile) in enumerate((b, t) for b in batches for t in tiles):
        rows, columns = tile
        part = x[pictures][:, :, rows.start : rows.stop + top + below, columns.start : columns.stop + left + beside]
        if extra is not None:
            maps = extra[pictures][:, :, None, None] * np.ones((1, 1, *part.shape[2:]), np.float32)
            part = np.concatenate([part, maps.astype(np.float32)], axis=1)
        y = network(part)
        f = layout.factor
        if result is None:
            result = np.empty((n, y.shape[1], f * height, f * width), np.float32)
        rows, columns = layout.kept(tile)
        inner = y[
            :,
            :,
            f * (rows.start - tile[0].start) : f * (rows.stop - tile[0].start),
            f * (columns.start - tile[1].start) : f * (columns.stop - tile[1].start),
        ]
        target = result[
            pictures, :, f * rows.start : f * rows.stop, f * columns.start : f * columns.stop
        ]  # cut off by the picture's own size: the padding is not kept
        target[...] = inner[:, :, : target.shape[2], : target.shape[3]]
        if progress is not None:
            progress(done + 1, len(batches) * len(tiles))
    assert result is not None
    return result


def _batches(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def free_memory() -> float:
    """Bytes of memory that are free now."""
    import psutil

    return float(psutil.virtual_memory().available)
