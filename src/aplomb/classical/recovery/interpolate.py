"""Interpolation: pictures with more pixels, and with all three colours at each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from aplomb.classical.recovery.base import Floats, Recovery
from aplomb.degrade.blur import Blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.sample import Bicubic, Mosaic
from aplomb.layers.pad import Pad
from aplomb.layers.resample import Downsample

__all__ = ["BicubicUpsampling", "BilinearDemosaicking", "MalvarDemosaicking", "keys"]


def keys(n: int, factor: int, offset: float) -> Floats:
    """(factor n, n): cubic interpolation of n samples at pixels k, which lie at (k - offset) / factor.

    Keys' kernel with a = -1/2 (exact for quadratics), picture mirrored at its ends.

    >>> keys(3, 2, 0.0)[2], keys(4, 2, 0.0)[3].tolist()
    (array([0., 1., 0.]), [-0.0625, 0.5625, 0.5625, -0.0625])
    """
    at = (np.arange(n * factor) - offset) / factor
    first = np.floor(at).astype(int) - 1
    matrix = np.zeros((n * factor, n))
    for i in range(4):
        place = first + i
        d = np.abs(at - place)
        near = 1.5 * d**3 - 2.5 * d**2 + 1
        far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
        mirrored = place % (2 * n)
        np.add.at(
            matrix, (np.arange(n * factor), np.minimum(mirrored, 2 * n - 1 - mirrored)), np.where(d <= 1, near, far)
        )
    return matrix


@dataclass(frozen=True)
class BicubicUpsampling(Recovery):
    """Cubic interpolation between the pixels that were kept: the usual start of super-resolution.

    Keys' kernel with a = -1/2, as MATLAB's ``imresize``. Pixels of ``downsample(m)`` lie at 0, m, 2 m, ..., those of
    ``bicubic(m)`` in the middle of m x m pixels; a blur before is not undone, noise is not removed.

    References
    ----------
    R. G. Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. Acoustics, Speech and Signal
    Processing 29 (6), 1981.
    """

    name: ClassVar[str] = "bicubic"

    def _fits(self, forward: ForwardModel) -> str:
        kinds = [type(leaf) for leaf in forward.operator.leaves()]
        if kinds[-1] in (Downsample, Bicubic) and set(kinds[:-1]) <= {Blur, Pad}:
            return ""
        return "it needs a forward model that ends in downsample or bicubic, with nothing but blur before"

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        leaf = list(forward.operator.leaves())[-1]
        assert isinstance(leaf, (Downsample, Bicubic))
        offset = 0.0 if isinstance(leaf, Downsample) else (leaf.factor - 1) / 2
        rows, columns = (keys(n, leaf.factor, offset) for n in y.shape[2:])
        return np.asarray(rows @ y @ columns.T)


class _Demosaicking(Recovery):
    """Colours of a Bayer mosaic from convolutions; the picture is mirrored such that the mosaic goes on."""

    def _fits(self, forward: ForwardModel) -> str:
        return "" if isinstance(forward.operator, Mosaic) else "it needs a forward model of one mosaic and nothing else"

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        leaf = forward.find(Mosaic)
        assert leaf is not None
        return np.stack([self._colours(picture[0], leaf.pattern) for picture in y])

    def _colours(self, plane: Floats, pattern: str) -> Floats:
        raise NotImplementedError


def sites(pattern: str, size: tuple[int, ...]) -> dict[str, Floats]:
    """Where each colour of a pattern as "RGGB" is measured: (H, W) of 0 and 1, by its letter."""
    found = {letter: np.zeros(size) for letter in "RGB"}
    for i, letter in enumerate(pattern):
        found[letter][i // 2 :: 2, i % 2 :: 2] = 1
    return found


def _convolve(plane: Floats, kernel: Floats) -> Floats:
    from scipy.ndimage import correlate

    return np.asarray(correlate(plane, kernel, mode="mirror"))


@dataclass(frozen=True)
class BilinearDemosaicking(_Demosaicking):
    """Each colour by itself: the mean of the two or four nearest pixels that measured it."""

    name: ClassVar[str] = "bilinear-demosaicking"

    def _colours(self, plane: Floats, pattern: str) -> Floats:
        triangle = np.array([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
        cross = np.array([[0.0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
        measured = sites(pattern, plane.shape)
        return np.stack([_convolve(plane * measured[c], cross if c == "G" else triangle) for c in "RGB"])


@dataclass(frozen=True)
class MalvarDemosaicking(_Demosaicking):
    """Bilinear, corrected by the Laplacian of the colour that was measured: one linear filter of 5 x 5 for each case.

    .. math:: \\hat g = \\hat g_{bilinear} + \\alpha \\Delta_r, \\qquad \\alpha = \\tfrac12
              \\text{ (green)}, \\tfrac58 \\text{ (red, blue at green)}, \\tfrac34 \\text{ (red at blue, blue at red)}

    References
    ----------
    H. S. Malvar, L. He, R. Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images",
    ICASSP 2004.
    """

    name: ClassVar[str] = "malvar-demosaicking"

    def _colours(self, plane: Floats, pattern: str) -> Floats:
        measured = sites(pattern, plane.shape)
        at_cross, in_row, in_column, at_corners = (_convolve(plane, kernel) for kernel in _MALVAR)
        green = np.where(measured["G"], plane, at_cross)
        found = {"G": green}
        for colour, other in (("R", "B"), ("B", "R")):
            same_row = np.asarray(measured[colour].any(axis=1))[:, None] & (measured["G"] > 0)
            beside = np.where(same_row, in_row, in_column)
            found[colour] = np.select([measured[colour] > 0, measured[other] > 0], [plane, at_corners], beside)
        return np.stack([found[c] for c in "RGB"])


_CROSS = np.array([[0, 0, -2, 0, 0], [0, 0, 4, 0, 0], [-2, 4, 8, 4, -2], [0, 0, 4, 0, 0], [0, 0, -2, 0, 0]]) / 16
_ROW = np.array([[0, 0, 1, 0, 0], [0, -2, 0, -2, 0], [-2, 8, 10, 8, -2], [0, -2, 0, -2, 0], [0, 0, 1, 0, 0]]) / 16
_CORNERS = np.array([[0, 0, -3, 0, 0], [0, 4, 0, 4, 0], [-3, 0, 12, 0, -3], [0, 4, 0, 4, 0], [0, 0, -3, 0, 0]]) / 16
_MALVAR = (_CROSS, _ROW, _ROW.T, _CORNERS)
"""Green at red or blue; red at green with red neighbours in the row, in the column; red at blue and blue at red."""
