"""Deconvolution with a known point spread function: in the Fourier domain, and Richardson-Lucy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aplomb.classical.recovery.base import Floats, Recovery, check_count, check_number, each_plane
from aplomb.degrade.blur import Blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.radon import Projection
from aplomb.degrade.sample import Mask, Mosaic
from aplomb.layers.pad import Pad
from aplomb.layers.resample import Downsample
from aplomb.operator import Identity, Operator

__all__ = ["ConstrainedLeastSquares", "InverseFilter", "RichardsonLucy", "Wiener", "edge_taper", "only_blur"]

_NON_NEGATIVE = (Blur, Downsample, Identity, Mask, Mosaic, Pad, Projection)

Spectrum = npt.NDArray[np.complex128]


def only_blur(forward: ForwardModel) -> str:
    """Why this forward model is no blur, with a border or without; empty if it is one and nothing else."""
    *before, last = forward.operator.leaves()
    if isinstance(last, Blur) and not last.transposed and [type(leaf) for leaf in before] in ([], [Pad]):
        return ""
    return "it needs a forward model of one blur and nothing else"


class _FourierFilter(Recovery):
    """Deconvolution as a product with one transfer function, pictures being taken as periodic.

    Where the border of the blur is not circular, the measurement is mirrored beyond its ends by the size of the kernel,
    and there led over smoothly from one end to the other. That is a guess, which counts as noise of its own: where
    zeros or nothing lie beyond the ends and the kernel is large, total variation and wavelets, which know the border,
    are better.
    """

    _guess: ClassVar[float] = 0.003

    def _fits(self, forward: ForwardModel) -> str:
        return only_blur(forward)

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        exact = isinstance(forward.operator, Blur) and forward.operator.border == "circular"
        level = sigma if exact else float(np.hypot(sigma, self._guess))
        return through_fourier(y, forward.operator, lambda plane, circular: self._filter(plane, circular, level))

    def _filter(self, plane: Floats, circular: Blur, sigma: float) -> Floats:
        raise NotImplementedError


def through_fourier(y: Floats, operator: Operator, one: Callable[[Floats, Blur], Floats]) -> Floats:
    """The result of `one` on each plane, made periodic, and the blur as a circular one."""
    blur = next(leaf for leaf in operator.leaves() if isinstance(leaf, Blur))
    circular = replace(blur, border="circular")
    if blur.border == "circular":
        return each_plane(lambda plane: one(plane, circular), y)
    kh, kw = blur.size
    lost = [((n - 1) - n // 2, n // 2) if isinstance(operator, Blur) else (0, 0) for n in blur.size]
    room = [(n + before, n + after) for n, (before, after) in zip(blur.size, lost, strict=True)]
    mirrored = np.pad(y, [(0, 0), (0, 0), *room], mode="symmetric")
    whole = each_plane(lambda plane: one(edge_taper(plane, circular), circular), mirrored)
    return whole[:, :, kh:-kh, kw:-kw]


def transfer_of(circular: Blur, size: tuple[int, ...]) -> Spectrum:
    """The transfer function of a circular blur for planes of `size`: (H, W // 2 + 1), complex."""
    impulse = np.zeros((1, 1, *size))
    impulse[..., 0, 0] = 1
    return np.asarray(np.fft.rfft2(circular(impulse)[0, 0]))


def edge_taper(plane: Floats, circular: Blur) -> Floats:
    """The plane, mixed with its circular blur near its ends, so that opposite ends fit each other.

    .. math:: y' = a y + (1 - a) (h * y), \\qquad a_{ij} = (1 - c_i) (1 - d_j)

    with c, d the autocorrelations of the kernel's projections on rows and columns, periodic and 1 at the ends, as
    MATLAB's ``edgetaper`` does.
    """
    blurred = np.asarray(circular(plane[None, None])[0, 0])
    rows, columns = (1 - _autocorrelation(circular.psf.sum(axis=1 - axis), n) for axis, n in enumerate(plane.shape))
    near = np.outer(rows, columns)
    return np.asarray(near * plane + (1 - near) * blurred)


def _autocorrelation(profile: Floats, n: int) -> Floats:
    """Of a profile, periodic in n - 1 steps such that both ends hold the lag 0, with maximum 1."""
    power = np.abs(np.fft.rfft(profile, n - 1)) ** 2
    found = np.fft.irfft(power, n - 1)
    return np.asarray(np.append(found, found[0]) / found[0])


@dataclass(frozen=True)
class InverseFilter(_FourierFilter):
    """Division by the transfer function, where it is large enough: exact without noise, and of little use with it.

    .. math:: X = Y / H \\text{ where } |H| > t, \\quad 0 \\text{ elsewhere}

    Parameters
    ----------
    threshold
        t, above 0. None: ``2 sigma^(2/3)``, at least 1e-6.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital image processing", 4th ed., 2018, section 5.7.
    """

    threshold: float | None = None
    name: ClassVar[str] = "inverse-filter"

    def __post_init__(self) -> None:
        check_number(self.name, "a threshold", self.threshold)

    def _filter(self, plane: Floats, circular: Blur, sigma: float) -> Floats:
        least = max(2 * sigma ** (2 / 3), 1e-6) if self.threshold is None else self.threshold
        transfer = transfer_of(circular, plane.shape)
        passed = np.abs(transfer) > least
        inverse = np.divide(1, transfer, out=np.zeros_like(transfer), where=passed)
        return np.asarray(np.fft.irfft2(inverse * np.fft.rfft2(plane), s=plane.shape))


@dataclass(frozen=True)
class Wiener(_FourierFilter):
    """The linear filter of least mean square error, for pictures whose power falls with frequency.

    .. math:: X = \\frac{\\bar H}{|H|^2 + S_n / S_x} Y, \\qquad S_n = \\sigma^2, \\quad S_x(f) = c\\, |f|^{-p}

    with c such that S_x adds up to the measurement's variance less the noise's. Computed by
    `skimage.restoration.wiener`.

    Parameters
    ----------
    exponent
        p: 2 for pictures whose amplitudes fall as 1 / f.

    References
    ----------
    N. Wiener, "Extrapolation, interpolation and smoothing of stationary time series", 1949. For the power of pictures:
    D. J. Field, "Relations between the statistics of natural images and the response properties of cortical cells", J.
    Optical Society of America A 4 (12), 1987.
    """

    exponent: float = 2.5
    name: ClassVar[str] = "wiener-deconvolution"
    _guess: ClassVar[float] = 0.005

    def __post_init__(self) -> None:
        check_number(self.name, "an exponent", self.exponent)

    def _filter(self, plane: Floats, circular: Blur, sigma: float) -> Floats:
        from skimage.restoration import wiener

        h, w = plane.shape
        frequency = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None, :])
        frequency[0, 0] = 1
        power = frequency**-self.exponent
        power[0, 0] = 0
        both = power.sum() + power[:, 1 : (w + 1) // 2].sum()  # the half of the spectrum that rfft2 leaves out
        signal = max(plane.var() - sigma**2, 0.01 * plane.var(), 1e-12) * h * w * power / both
        signal[0, 0] = np.inf  # the mean is no noise
        ratio = max(sigma, 1e-6) / np.sqrt(signal)
        return np.asarray(wiener(plane, circular.psf, 1.0, reg=ratio.astype(complex), clip=False))


@dataclass(frozen=True)
class ConstrainedLeastSquares(_FourierFilter):
    """The smoothest picture whose blur is as far from the measurement as the noise is.

    .. math:: x = \\arg\\min_u \\|\\Delta u\\|^2 \\text{ with } \\|h * u - y\\|^2 = n \\sigma^2, \\qquad
              X = \\frac{\\bar H}{|H|^2 + \\gamma |P|^2} Y

    with P the transfer function of the Laplacian; gamma is found by bisection on the constraint. Computed by
    `skimage.restoration.wiener`, whose regularisation is the Laplacian.

    Parameters
    ----------
    gamma
        None: from the noise, as above.
    fraction
        Share of the noise's energy that the residual shall have. The picture that was meant leaves a residual of 1; a
        regularised one should leave less, since it fits a part of the noise.

    References
    ----------
    B. R. Hunt, "The application of constrained least squares estimation to image restoration by digital computer", IEEE
    Trans. Computers 22 (9), 1973.
    """

    gamma: float | None = None
    fraction: float = 0.95
    name: ClassVar[str] = "constrained-least-squares"

    def __post_init__(self) -> None:
        check_number(self.name, "a gamma", self.gamma)
        check_number(self.name, "a fraction", self.fraction)

    def _filter(self, plane: Floats, circular: Blur, sigma: float) -> Floats:
        from skimage.restoration import wiener

        gamma = self._gamma(plane, transfer_of(circular, plane.shape), sigma) if self.gamma is None else self.gamma
        return np.asarray(wiener(plane, circular.psf, max(gamma, 1e-12), clip=False))

    def _gamma(self, plane: Floats, transfer: Spectrum, sigma: float) -> float:
        h, w = plane.shape
        rows, columns = np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None, :]
        laplacian = (4 - 2 * np.cos(2 * np.pi * rows) - 2 * np.cos(2 * np.pi * columns)) ** 2
        twice = np.full(transfer.shape, 2.0)  # what rfft2 leaves out mirrors the rest
        twice[:, 0] = 1
        if w % 2 == 0:
            twice[:, -1] = 1
        power = twice * np.abs(np.fft.rfft2(plane)) ** 2 / (h * w)
        wanted = self.fraction * plane.size * sigma**2
        low, high = -12.0, 6.0
        for _ in range(40):
            middle = (low + high) / 2
            share = 10**middle * laplacian
            left = float((power * (share / (np.abs(transfer) ** 2 + share + 1e-300)) ** 2).sum())
            low, high = (middle, high) if left < wanted else (low, middle)
        return float(10**low)


@dataclass(frozen=True)
class RichardsonLucy(Recovery):
    """The most likely picture for counted light, by its fixed point; stopped early, before it fits the noise.

    .. math:: x_{k+1} = \\frac{x_k}{D^T 1} \\, D^T \\Big( \\frac{y}{D x_k} \\Big)

    It keeps pictures non-negative and what D* 1 weighs constant. `skimage.restoration.richardson_lucy` puts zeros
    beyond the ends; here D and its adjoint know their border.

    Parameters
    ----------
    iterations
        None: ``0.9 / sigma`` times the mean of y, from 5 to 300.

    References
    ----------
    W. H. Richardson, "Bayesian-based iterative method of image restoration", J. Optical Society of America 62 (1),
    1972. L. B. Lucy, "An iterative technique for the rectification of observed distributions", Astronomical J. 79,
    1974.
    """

    iterations: int | None = None
    name: ClassVar[str] = "richardson-lucy"

    def __post_init__(self) -> None:
        check_count(self.name, "iterations", self.iterations)

    def _fits(self, forward: ForwardModel) -> str:
        if not any(isinstance(leaf, (Blur, Projection)) for leaf in forward.operator.leaves()):
            return "it needs a forward model with blur or projections"
        strange = [leaf for leaf in forward.operator.leaves() if not isinstance(leaf, _NON_NEGATIVE)]
        return (
            f"it needs a forward model without negative weights, as blur, masks and projections; found {strange[0]!r}"
            if strange
            else ""
        )

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        forth, back = forward.operator, forward.operator.adjoint()
        y = np.maximum(y, 0)
        count = self.iterations or round(min(max(0.9 * float(y.mean()) / max(sigma, 1e-9), 5), 300))
        weight = back(np.ones_like(y))
        seen = weight > 1e-9
        x: Any = np.full(weight.shape, max(float(y.sum() / weight.sum()), 1e-12))
        for _ in range(count):
            factor = back(y / np.maximum(forth(x), 1e-12))
            x = x * np.divide(factor, weight, out=np.ones_like(x), where=seen)
        return np.asarray(x)
