"""What clipping takes from Gaussian noise, and how to give it back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["clipped_gaussian", "unclipped"]

Doubles = npt.NDArray[np.float64]

FAR = 1e3  # stands for a limit at infinity


def clipped_gaussian(mean: Doubles, sigma: float, low: float, high: float) -> tuple[Doubles, Doubles]:
    """Mean and variance of a Gaussian whose values are clipped to low..high.

    .. math:: E[y] = \\mu (\\Phi(b) - \\Phi(a)) + \\sigma (\\varphi(a) - \\varphi(b))
              + l \\Phi(a) + h \\Phi(-b)

    with a = (l - mu) / sigma, b = (h - mu) / sigma, and the second moment about mu likewise.

    References
    ----------
    A. Foi, "Clipped noisy images: Heteroskedastic modeling and practical denoising", Signal Processing 89
    (12), 2009.

    Examples
    --------
    >>> mean, variance = clipped_gaussian(np.array([0.0, 0.5]), 0.1, 0.0, 1.0)
    >>> print(mean.round(3), (variance / 0.01).round(3))  # half of the noise is lost at the limit
    [0.04 0.5 ] [0.341 1.   ]
    """
    from scipy.special import ndtr

    low, high = max(low, -FAR), min(high, FAR)
    a, b = (low - mean) / sigma, (high - mean) / sigma
    below, inside, above = ndtr(a), ndtr(b) - ndtr(a), ndtr(-b)
    bell_a, bell_b = (np.exp(-x * x / 2) / np.sqrt(2 * np.pi) for x in (a, b))
    shift = sigma * (bell_a - bell_b) + (low - mean) * below + (high - mean) * above
    second = sigma**2 * (inside + a * bell_a - b * bell_b)
    second += (low - mean) ** 2 * below + (high - mean) ** 2 * above
    return mean + shift, second - shift**2


def unclipped(variance: float, means: Doubles, low: float, high: float) -> float:
    """Variance of the noise before clipping, from that after it in patches of the given means.

    Solves ``mean over patches of var(clip(N(mu_i, s^2))) = variance`` for s^2, where mu_i is what clipping
    turns into the i-th mean. At most 4 times the variance, as no Gaussian makes a black-and-white picture.

    Examples
    --------
    >>> means, variances = clipped_gaussian(np.linspace(0.1, 0.9, 9), 0.2, 0.0, 1.0)
    >>> print(f"{variances.mean():.4f} {unclipped(variances.mean(), means, 0.0, 1.0):.4f}")
    0.0323 0.0400
    """
    if variance == 0 or (low == -np.inf and high == np.inf):
        return variance
    before = np.linspace(-1, 2, 301)
    found = variance
    for _ in range(50):
        sigma = float(np.sqrt(found))
        after, _ = clipped_gaussian(before, sigma, low, high)
        _, left = clipped_gaussian(np.interp(means, after, before), sigma, low, high)
        step = variance / float(left.mean())
        found = min(found * step, 4 * variance)
        if abs(step - 1) < 1e-3 or found == 4 * variance:
            break
    return found
