"""Segmenters that compare grey values with thresholds: one for the picture, several, or one a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aplomb.classical.segmenter import Floats, Labels, Segmenter, grey
from aplomb.errors import BadInput

__all__ = ["AdaptiveThreshold", "MultiOtsu", "Otsu"]


@dataclass(frozen=True, eq=False)
class Otsu(Segmenter):
    """Dark (0) and bright (1), parted where the variance between both is largest.

    .. math:: t = \\arg\\max_t \\; w_0(t) \\, w_1(t) \\, (\\mu_0(t) - \\mu_1(t))^2

    with the shares w and means of the pixels below and above t, over 256 bins of the picture's range
    (`skimage.filters.threshold_otsu`). RGB becomes luminance; a constant picture is all 0.

    References
    ----------
    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. Systems, Man, and
    Cybernetics 9 (1), 1979.

    Examples
    --------
    >>> Otsu()(np.array([[0.1, 0.2, 0.8, 0.9]])).tolist()
    [[0, 0, 1, 1]]
    """

    name: ClassVar[str] = "otsu"

    def _segment(self, image: Floats, seeds: Labels | None) -> npt.NDArray[Any]:
        from skimage.filters import threshold_otsu

        plane = grey(self.name, image)
        return np.asarray(plane > threshold_otsu(plane))


@dataclass(frozen=True, eq=False)
class MultiOtsu(Segmenter):
    """Classes 0..n from dark to bright, parted at n thresholds where the variance between them is largest.

    .. math:: t_1 < \\dots < t_n = \\arg\\max \\sum_{k=0}^{n} w_k (\\mu_k - \\mu)^2

    over 256 bins of the picture's range (`skimage.filters.threshold_multiotsu`). RGB becomes luminance; a
    picture that fills no more bins than there are classes gets a class a bin.

    Parameters
    ----------
    thresholds
        n, 1 to 3.

    Raises
    ------
    BadInput
        Another number.

    References
    ----------
    P.-S. Liao, T.-S. Chen, P.-C. Chung, "A fast algorithm for multilevel thresholding", J. Information
    Science and Engineering 17 (5), 2001.

    Examples
    --------
    >>> MultiOtsu(2)(np.array([[0.1, 0.12, 0.5, 0.52, 0.9, 0.92]])).tolist()
    [[0, 0, 1, 1, 2, 2]]
    """

    thresholds: int = 2
    name: ClassVar[str] = "multi-otsu"

    def __post_init__(self) -> None:
        if self.thresholds not in (1, 2, 3):
            raise BadInput(f"{self.name} has 1, 2 or 3 thresholds, asked for {self.thresholds!r}")

    def _segment(self, image: Floats, seeds: Labels | None) -> npt.NDArray[Any]:
        from skimage.filters import threshold_multiotsu

        plane = grey(self.name, image)
        low, span = plane.min(), np.ptp(plane)
        bins = np.minimum(np.floor(256 * (plane - low) / (span or 1)), 255)
        filled, place = np.unique(bins, return_inverse=True)
        if len(filled) <= self.thresholds + 1:
            return np.asarray(place.reshape(plane.shape))
        return np.asarray(np.digitize(plane, threshold_multiotsu(plane, classes=self.thresholds + 1), right=True))


@dataclass(frozen=True, eq=False)
class AdaptiveThreshold(Segmenter):
    """Bright (1) where a pixel is above the mean around it, for pictures under uneven light.

    .. math:: l_i = [\\, x_i > (G_s * x)_i + b \\,]

    with a Gaussian of standard deviation s = (size - 1) / 6 (`skimage.filters.threshold_local`). RGB becomes
    luminance; a constant picture is all 0.

    Parameters
    ----------
    size
        Side of the surroundings in pixels, odd, at least 3.
    offset
        b, how much brighter a pixel has to be.

    Raises
    ------
    BadInput
        If the size is even or below 3, or the offset not finite.

    Examples
    --------
    >>> ramp = np.linspace(0, 1, 9)[None] + np.zeros((9, 1))
    >>> ramp[4, 4] += 0.2
    >>> AdaptiveThreshold(5, offset=0.05)(ramp).sum()
    np.int64(1)
    """

    size: int = 51
    offset: float = 0.02
    name: ClassVar[str] = "adaptive-threshold"

    def __post_init__(self) -> None:
        if not (isinstance(self.size, (int, np.integer)) and self.size >= 3 and self.size % 2):
            raise BadInput(f"{self.name} needs an odd size of at least 3 pixels, found {self.size!r}")
        if not np.isfinite(self.offset):
            raise BadInput(f"{self.name} needs a finite offset, found {self.offset!r}")

    def _segment(self, image: Floats, seeds: Labels | None) -> npt.NDArray[Any]:
        from skimage.filters import threshold_local

        plane = grey(self.name, image)
        return np.asarray(plane > threshold_local(plane, self.size) + self.offset)
