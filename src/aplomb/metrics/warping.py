"""Warping error: what is wrong with a membrane map once membranes may be shifted but not cut or joined.

A pixel is *simple* when flipping it changes no topology: neither splits nor joins nor makes nor removes a
cell (4-connected) or a piece of membrane (8-connected). That shows in its 3 x 3 neighbourhood, so a table of
256 entries holds the answer. Pixels two steps apart do not see each other; hence a whole quarter of the
picture (rows and columns of one parity) may be flipped at a time, which is the same as one after the other.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput
from aplomb.metrics.partition import membrane_maps

__all__ = ["warp", "warping_error"]

Bools = NDArray[np.bool_]

_AROUND = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
"""The eight neighbours, in a circle; bit b of a code stands for the b-th."""


def warping_error(labels: ArrayLike, reference: ArrayLike, reach: float = 20.0, mask: ArrayLike | None = None) -> float:
    """Share of the pixels that still differ after the reference was warped towards the labels, in 0..1.

    .. math:: e = \\frac1n \\min_{W \\triangleleft R} \\#\\{p : W_p \\ne L_p\\}

    over the maps W that come from the reference R by flipping simple points no farther than `reach` from a
    border of the reference. The minimum is sought greedily, as in the paper (`warp`): only pixels that differ
    are flipped, none twice. So it is a local one and the error an upper bound: a wall is followed where it
    overlaps or touches its counterpart, not where both lie apart. Not symmetric.

    Parameters
    ----------
    labels, reference
        (H, W), bool or 0 and 1 (membrane). Cells are 4-connected, membranes 8-connected, and the picture is
        framed by membrane, so that a wall may slide along its border but not come off it.
    reach
        How far a border may move, in pixels; the frame is one. 20 is usual for the slices of ISBI 2012.
    mask
        Bool, the field of view: pixels outside are warped, but not counted.

    Raises
    ------
    ShapeError
        The shapes differ, or no pixel counts.
    BadInput
        Other values than 0 and 1, another number of axes, a negative reach.

    References
    ----------
    V. Jain et al., "Boundary learning by optimization with topological constraints", CVPR 2010.
    :DOI:`10.1109/CVPR.2010.5539950`

    Examples
    --------
    >>> wall = np.zeros((9, 9), int); wall[:, 4] = 1
    >>> gap = wall.copy(); gap[3] = 0
    >>> warping_error(np.roll(wall, 1, axis=1), wall)  # shifted: the same cells
    0.0
    >>> round(81 * warping_error(gap, wall), 6)  # broken: one pixel is missing
    1.0
    """
    from aplomb.metrics.counted import counted, label_array

    found = label_array(labels, "labels")
    if found.max() > 1:
        raise BadInput(f"asked for labels of 0 and 1 (membrane), found the label {found.max()}")
    truth = membrane_maps(found, reference)[1]
    keep = counted(found, truth, mask)
    warped = warp(truth > 0, found > 0, reach)
    return float(np.mean((warped != (found > 0))[keep]))


def warp(source: Bools, target: Bools, reach: float = math.inf) -> Bools:
    """`source`, moved towards `target` by flips of simple points until none is left that brings it nearer.

    Parameters
    ----------
    source, target
        Bool (H, W), true on membranes.
    reach
        A pixel may be flipped if it is no farther than this, in pixels, from a border of the source.

    Raises
    ------
    BadInput
        The reach is negative.

    Examples
    --------
    >>> wall, broken = np.array([[False, True, False, False]] * 3), np.array([[False, False, True, False]] * 3)
    >>> broken[1] = False
    >>> warp(wall, broken).astype(int).tolist()  # as near as a wall without a hole comes
    [[0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    """
    from scipy import ndimage

    if not reach >= 0:
        raise BadInput(f"asked for a reach of {reach} pixels; give 0 or more")
    current = np.pad(source, 1, constant_values=True)
    if source.all():  # no cell: no flip is allowed, and there is no border to measure from
        return source.copy()
    inside, outside = ndimage.distance_transform_edt(current), ndimage.distance_transform_edt(~current)
    near = np.maximum(inside, outside)[1:-1, 1:-1] <= reach
    rows, columns = np.nonzero((source != target) & near)
    table = _simple()
    while len(rows):
        flipped = np.zeros(len(rows), bool)
        for parity in range(4):
            turn = np.flatnonzero((rows % 2 == parity // 2) & (columns % 2 == parity % 2))
            r, c = rows[turn] + 1, columns[turn] + 1
            code = np.zeros(len(turn), np.int64)
            for bit, (down, right) in enumerate(_AROUND):
                code |= current[r + down, c + right].astype(np.int64) << bit
            simple = table[code]
            current[r[simple], c[simple]] ^= True
            flipped[turn[simple]] = True
        if not flipped.any():
            break
        rows, columns = rows[~flipped], columns[~flipped]
    return current[1:-1, 1:-1]


@functools.cache
def _simple() -> Bools:
    """Whether the middle of each of the 256 neighbourhoods is simple.

    It is when exactly one 8-connected piece of membrane touches it, and exactly one 4-connected piece of cell,
    both counted without it in its neighbourhood.
    """
    from scipy import ndimage

    table = np.zeros(256, bool)
    for code in range(256):
        membrane = np.zeros((3, 3), bool)
        for bit, (down, right) in enumerate(_AROUND):
            membrane[1 + down, 1 + right] = bool(code >> bit & 1)
        cell = ~membrane
        cell[1, 1] = False
        pieces = ndimage.label(membrane, structure=np.ones((3, 3)))[1]
        parts = ndimage.label(cell)[0]
        touching = {int(parts[1 + down, 1 + right]) for down, right in _AROUND if down == 0 or right == 0} - {0}
        table[code] = pieces == 1 and len(touching) == 1
    table.setflags(write=False)
    return table
