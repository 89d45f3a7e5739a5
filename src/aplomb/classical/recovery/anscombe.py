"""Photon noise by a variance-stabilising transform, any Gaussian denoiser, and the exact unbiased inverse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aplomb.classical.recovery.base import Floats, Recovery
from aplomb.classical.restore import BM3D
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.noise import Poisson
from aplomb.operator import Identity

__all__ = ["Anscombe", "stabilised", "unbiased_inverse"]

LARGEST = 400.0
"""Mean counts above it are inverted by the series, whose error is then below 1e-6."""


def stabilised(counts: npt.ArrayLike) -> Floats:
    """Anscombe's transform 2 sqrt(k + 3/8) of counts, whose noise has a standard deviation of nearly 1.

    >>> counts = np.random.default_rng(0).poisson(20, 100_000)
    >>> round(float(stabilised(counts).std()), 2)
    1.0
    """
    return 2 * np.sqrt(np.maximum(np.asarray(counts, np.float64), 0) + 3 / 8)


def unbiased_inverse(values: npt.ArrayLike) -> Floats:
    """The mean count whose transformed counts have the mean `values`: E[2 sqrt(k + 3/8)] inverted, exactly.

    The plain inverse (values / 2)^2 - 3/8 is too small where light is faint, since the mean of roots is not the root of
    the mean. Below the transform of no light, 2 sqrt(3/8), it is 0.

    References
    ----------
    M. Makitalo, A. Foi, "Optimal inversion of the Anscombe transformation in low-count Poisson image denoising", IEEE
    Trans. Image Processing 20 (1), 2011.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(0.5, 1_000_000)
    >>> mean = stabilised(counts).mean()
    >>> print(f"{unbiased_inverse(mean):.2f} {(mean / 2) ** 2 - 3 / 8:.2f}")
    0.50 0.38
    """
    values = np.asarray(values, np.float64)
    means, transformed = _table()
    safe = np.maximum(values, transformed[-1])
    # Makitalo and Foi's closed form, IEEE Trans. Image Processing 20 (9), 2011, has the same first terms
    series = safe**2 / 4 - 1 / 8 + np.sqrt(3 / 2) / 4 / safe - 11 / 8 / safe**2 + 5 / 8 * np.sqrt(3 / 2) / safe**3
    found: Floats = np.where(values > transformed[-1], series, np.interp(values, transformed, means))
    return found


@cache
def _table() -> tuple[Floats, Floats]:
    """Mean counts, and the mean of their transform: sum_k 2 sqrt(k + 3/8) e^-m m^k / k!."""
    from scipy.stats import poisson

    means = np.concatenate([[0.0], np.geomspace(1e-4, LARGEST, 3000)])
    counts = np.arange(int(LARGEST + 12 * np.sqrt(LARGEST)))
    return means, poisson.pmf(counts[None], means[:, None]) @ stabilised(counts)


_BM3D = BM3D()


@dataclass(frozen=True)
class Anscombe(Recovery):
    """Counted light without blur: its noise is made Gaussian, removed, and the picture transformed back without bias.

    .. math:: x = \\frac1p\\, I\\big(d(2 \\sqrt{p y + 3/8},\\ 1)\\big), \\qquad I^{-1}(m) = E[2 \\sqrt{k + 3/8}],\\
              k \\sim \\mathrm{Poisson}(m)

    with the peak p of the forward model's Poisson noise. Each picture is denoised with its channels together.

    Parameters
    ----------
    denoiser
        d, called with a picture (H, W) or (H, W, C) in 0..1 and the level of its noise: one of
        `aplomb.classical.BASELINES`, or a function.

    References
    ----------
    F. J. Anscombe, "The transformation of Poisson, binomial and negative-binomial data", Biometrika 35, 1948. M.
    Makitalo, A. Foi, "Optimal inversion of the Anscombe transformation in low-count Poisson image denoising", IEEE
    Trans. Image Processing 20 (1), 2011.

    Examples
    --------
    >>> from aplomb.classical import GaussianFilter
    >>> from aplomb.operator import identity
    >>> forward = ForwardModel(identity, Poisson(4))
    >>> y = forward.simulate(np.full((1, 1, 64, 64), 0.2), np.random.default_rng(0))
    >>> x = Anscombe(GaussianFilter())(y, forward)
    >>> print(f"{y.std():.2f} {x.std():.2f} {x.mean():.2f}")
    0.22 0.04 0.20
    """

    denoiser: Callable[[Any, float], Any] = _BM3D
    name: ClassVar[str] = "anscombe"

    def _fits(self, forward: ForwardModel) -> str:
        if isinstance(forward.operator, Identity) and isinstance(forward.noise, Poisson):
            return ""
        return "it needs a forward model of Poisson noise and nothing else"

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        noise = forward.noise
        assert isinstance(noise, Poisson)
        return np.stack([self._picture(noise.peak * picture) / noise.peak for picture in y])

    def _picture(self, counts: Floats) -> Floats:
        values = stabilised(counts)
        low, high = float(values.min()), float(values.max())
        span = max(high - low, 1.0)
        picture = np.moveaxis((values - low) / span, 0, -1)
        grey = picture.shape[-1] == 1
        found = np.asarray(self.denoiser(picture[..., 0] if grey else picture, 1 / span), np.float64)
        planes = found[None] if grey else np.moveaxis(found, -1, 0)
        return unbiased_inverse(planes * span + low)
