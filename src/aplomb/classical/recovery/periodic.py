"""Periodic interference: band reject, and the optimum notch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from aplomb.classical.recovery.base import Floats, Recovery, check_count, check_number, each_plane
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.interference import Interference

__all__ = ["BandReject", "OptimumNotch", "spikes"]

Places = tuple[tuple[float, float], ...]
"""Frequencies (rows, columns) in cycles per pixel."""


def only_interference(forward: ForwardModel) -> str:
    """Why this forward model is no interference; empty if it is and nothing else."""
    if all(isinstance(leaf, Interference) for leaf in forward.operator.leaves()):
        return ""
    return "it needs a forward model of interference and nothing else"


def spikes(plane: Floats, count: int = 8, least: float = 8.0) -> Places:
    """Frequencies of a plane (H, W) that stand out: candidates for interference, the strongest first.

    A spike is larger than all its neighbours and than `least` times the median modulus of those at most 8 steps away;
    what lies within 4 steps of the mean is the picture's. One of each pair f, -f comes back, at most `count`.

    The picture is led to zero at its ends by a Hann window, so that the jump from one end to the other does not count.

    >>> rows, columns = np.mgrid[:64, :64]
    >>> spikes(np.random.default_rng(0).normal(0.5, 0.1, (64, 64)) + 0.3 * np.cos(2 * np.pi * 0.25 * columns))
    ((0.0, 0.25),)
    """
    from scipy.ndimage import maximum_filter, median_filter

    h, w = plane.shape
    window = np.outer(np.hanning(h + 2)[1:-1], np.hanning(w + 2)[1:-1])
    modulus = np.fft.fftshift(np.abs(np.fft.fft2((plane - plane.mean()) * window)))
    around = median_filter(modulus, min(17, h, w), mode="wrap")
    rows, columns = np.mgrid[:h, :w]
    rows, columns = rows - h // 2, columns - w // 2
    half = (columns > 0) | ((columns == 0) & (rows > 0))
    peak = (modulus == maximum_filter(modulus, 5, mode="wrap")) & (modulus > least * around)
    peak &= half & (np.hypot(rows, columns) > 4)
    order = np.argsort(-(modulus / (around + 1e-12))[peak])[:count]
    return tuple((float(r / h), float(c / w)) for r, c in zip(rows[peak][order], columns[peak][order], strict=True))


def gaussian_at(size: tuple[int, ...], frequency: tuple[float, float], spread: tuple[float, float]) -> Floats:
    """A Gaussian around the nearer of +-`frequency` for each entry of ``fft2``; `spread` in steps of the transform."""
    h, w = size
    rows, columns = np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None, :]

    def one(sign: int) -> Floats:
        down, across = rows - sign * frequency[0], columns - sign * frequency[1]
        down, across = (down - np.rint(down)) * h / spread[0], (across - np.rint(across)) * w / spread[1]
        return np.asarray(np.exp(-0.5 * (down**2 + across**2)))

    return np.maximum(one(1), one(-1))


def notch_pass(plane: Floats, places: Places, radius: float) -> Floats:
    """What of a plane (H, W) passes Gaussian notches of standard deviation `radius` at `places`.

    Beyond the ends nothing is known: there the plane is zero about its mean, and near the ends, where the filter sees
    less, its answer is made larger in proportion.
    """
    # a Gaussian of r steps among N frequencies is one of N / (2 pi r) pixels among pixels
    room = tuple(int(np.ceil(3 * n / (2 * np.pi * radius))) for n in plane.shape)
    size = tuple(n + r for n, r in zip(plane.shape, room, strict=True))
    spread = (radius * size[0] / plane.shape[0], radius * size[1] / plane.shape[1])

    def filtered(array: Floats, response: Floats) -> Floats:
        padded = np.fft.ifft2(np.fft.fft2(array, s=size) * response)
        return np.real(padded)[: plane.shape[0], : plane.shape[1]]

    response = np.zeros(size)
    for place in places:
        response = np.maximum(response, gaussian_at(size, place, spread))
    seen = filtered(np.ones(plane.shape), gaussian_at(size, (0.0, 0.0), spread))
    return filtered(plane - plane.mean(), response) / seen


@dataclass(frozen=True)
class _Rejection(Recovery):
    """What works on the spectrum of the measurement around given frequencies."""

    def _fits(self, forward: ForwardModel) -> str:
        return only_interference(forward)

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        waves = tuple(leaf.frequency for leaf in forward.operator.leaves() if isinstance(leaf, Interference))
        return each_plane(lambda plane: self.clean(plane, waves), y)

    def clean(self, plane: npt.ArrayLike, frequencies: Places | None = None) -> Floats:
        """A plane (H, W) without what stands at `frequencies`; None: where `spikes` finds it."""
        array = np.asarray(plane, np.float64)
        places = spikes(array) if frequencies is None else frequencies
        return self._clean(array, places) if places else array.copy()

    def _clean(self, plane: Floats, places: Places) -> Floats:
        raise NotImplementedError


@dataclass(frozen=True)
class BandReject(_Rejection):
    """A Gaussian stop band around the frequency of the interference, in all directions.

    .. math:: H(f) = 1 - \\exp\\Big(-\\Big(\\frac{f^2 - f_0^2}{f\\, b}\\Big)^2\\Big)

    It takes what the picture has at these frequencies, too.

    Parameters
    ----------
    width
        b, in steps of the Fourier transform.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital image processing", 4th ed., 2018, section 5.4.
    """

    width: float = 3.0
    name: ClassVar[str] = "band-reject"

    def __post_init__(self) -> None:
        check_number(self.name, "a width", self.width)

    def _clean(self, plane: Floats, places: Places) -> Floats:
        h, w = plane.shape
        step = 1 / np.sqrt(h * w)
        radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None, :])
        kept = np.ones(plane.shape)
        for place in places:
            middle = float(np.hypot(*place))
            apart = (radius**2 - middle**2) / np.maximum(radius, 1e-12) / (self.width * step)
            kept *= 1 - np.exp(-np.minimum(apart**2, 700))
        kept[0, 0] = 1
        return np.real(np.fft.ifft2(np.fft.fft2(plane) * kept))


@dataclass(frozen=True)
class OptimumNotch(_Rejection):
    """What passes a notch at the interference, times the weight that leaves the least local variance, is taken off.

    .. math:: \\hat f = g - w\\, \\eta, \\qquad
              \\eta = F^{-1}(H_{NP}\\, F g), \\qquad
              w = \\frac{\\overline{g \\eta} - \\bar g\\, \\bar \\eta}{\\overline{\\eta^2} - \\bar \\eta^2}

    H_NP is Gaussian around each spike and its mirror image; bars are means over a window around each pixel, in which w
    is taken as constant: setting the derivative of the variance of f there to zero gives w. Where the notch let through
    what belongs to the picture, w is small, and the picture stays.

    Parameters
    ----------
    radius
        Standard deviation of the notch, in steps of the Fourier transform.
    window
        Side of the window in pixels, odd; longer than a period of the interference.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital image processing", 4th ed., 2018, section 5.4, "Optimum notch filtering".

    Examples
    --------
    >>> columns = np.mgrid[:64, :64][1]
    >>> picture = np.full((64, 64), 0.5)
    >>> disturbed = picture + 0.2 * np.cos(2 * np.pi * 0.125 * columns)
    >>> bool(abs(OptimumNotch().clean(disturbed, ((0.0, 0.125),)) - picture).max() < 0.02)
    True
    """

    radius: float = 2.0
    window: int = 51
    name: ClassVar[str] = "optimum-notch"

    def __post_init__(self) -> None:
        check_number(self.name, "a radius", self.radius, 1e-3)
        check_count(self.name, "a window", self.window, 3)

    def _clean(self, plane: Floats, places: Places) -> Floats:
        from scipy.ndimage import uniform_filter

        def mean(array: Floats) -> Floats:
            return np.asarray(uniform_filter(array, self.window, mode="mirror"))

        noise = notch_pass(plane, places, self.radius)
        scatter = mean(noise**2) - mean(noise) ** 2
        common = mean(plane * noise) - mean(plane) * mean(noise)
        weight = np.divide(common, scatter, out=np.zeros_like(plane), where=scatter > 1e-12)
        return np.asarray(plane - weight * noise)
