"""The error of a restored picture without a reference: Stein's unbiased risk estimate, with an interval.

What is known is the noisy picture y = x + n, the denoiser f and the variance w of the noise at each value. Then

.. math:: \\mathrm{SURE} = \\frac{1}{m} \\sum_i (y_i - f_i(y))^2 - w_i + 2 w_i \\frac{\\partial f_i}{\\partial y_i}

has the same mean as the squared error against the clean x, whatever x is: nothing is assumed of the picture or of the
denoiser, all is assumed of the noise. The sum of derivatives comes from one more pass, on a picture that was pushed
along a random direction. `Level` is the noise, `push` and `judge` what happens before that pass and after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ShapeError

__all__ = ["STEP", "ErrorEstimate", "Level", "estimate_error", "in_words", "judge", "level_spread", "push", "reported"]

Values = NDArray[np.float32]
Doubles = NDArray[np.float64]

STEP = 0.02
"""Length of the push in standard deviations of the noise. A longer one is noise in itself, which a denoiser answers to:
on three pictures of Set12 with noise of 15 and 50, 0.1 made the estimate up to 7 % too large, 0.03 up to 1 %."""

WIDEST = 5.0
"""Decibels between the ends of an interval above which it is refused: the error is then not known within 2.5 dB, which
is more than what lies between a good denoiser and a poor one. It is the width to be expected for an error of `ideal`:
if that of the interval decided, those would be let through whose estimate is too large by chance."""

FEWEST = 1024
"""Values below which the law of large numbers, on which the interval rests, is not to be relied on."""

CLIPPING = 0.2
"""Share of what clipping changes in the estimate that is taken for its standard error: restored pictures stand for the
clean ones there. Chosen on 8-bit crops of Set12, checked on McMaster and with another seed on both."""

SATURATION = 15.0
"""How much the error of an estimated noise level grows with the share of saturated values: to 2.5 times at a tenth.
Read off 8-bit crops of 128 pixels of Set12 and McMaster."""

NORMAL = 1.96
"""Standard errors to either side within which a Gaussian is 95 times of 100."""


def level_spread(sigma: float, values: int) -> float:
    """Standard error of `aplomb.classical.estimate_sigma`, as a share of what it gives, for so many values.

    .. math:: \\sqrt{0.005^2 + (0.4\\, s^{-3/2})^2 + (16\\, s^{-0.7} / \\sqrt{m})^2}

    with s in 8-bit grey levels: what is left on large pictures, what the noise and the texture of photographs add at
    low levels, and what small pictures lose. The constants follow the root mean square of the relative error on crops
    of 128 and 256 pixels of Set12 and of 128 of McMaster with noise of 5 to 50; ``benchmarks/error_estimate.py``
    checks the intervals that come of it on other crops and draws.

    Examples
    --------
    >>> [round(level_spread(s / 255, 512 * 512), 4) for s in (5, 15, 25, 50)]
    [0.0375, 0.0097, 0.0068, 0.0055]
    """
    grey = max(255 * sigma, 0.5)
    return math.hypot(0.005, 0.4 / grey**1.5, 16 / grey**0.7 / math.sqrt(min(values, 2**20)))


@dataclass(frozen=True)
class Level:
    """Noise of variance ``gain x + sigma^2`` where the clean picture is x, in units of the picture.

    Examples
    --------
    >>> Level(sigma=0.1, gain=0.02).variance(np.array([0.0, 0.5]))
    array([0.01, 0.02])
    """

    sigma: float
    gain: float = 0.0
    spread: float = 0.0
    """Standard error of `sigma` as a share of it; 0 where it is known."""
    low: float = -math.inf
    """Limits at which noisy values were clipped."""
    high: float = math.inf

    @classmethod
    def of(cls, noisy: NDArray[Any], sigma: float, *, gain: float = 0.0, estimated: bool = False) -> Level:
        """The noise as it stands in a picture: clipped, where that stays within 0..1 and touches an end."""
        bottom, top = float(noisy.min()), float(noisy.max())
        inside = bottom >= 0 and top <= 1
        low, high = 0.0 if inside and bottom == 0 else -math.inf, 1.0 if inside and top == 1 else math.inf
        saturated = float(np.mean((noisy <= low) | (noisy >= high)))
        spread = level_spread(sigma, noisy.size) * (1 + SATURATION * saturated) if estimated else 0.0
        return cls(sigma, gain, spread, low, high)

    def variance(self, x: NDArray[Any]) -> Doubles:
        """Variance where the clean picture is `x`, before clipping."""
        return self.gain * np.maximum(x.astype(np.float64), 0) + self.sigma**2

    def clipped(self, restored: NDArray[Any]) -> tuple[Doubles, Doubles] | None:
        """Share of the variance that clipping left, and how far it moved the mean; None where nothing was clipped.

        `restored` is the mean of clipped values; the value x in 0..1 that has this mean is looked up, and so are
        variance and mean of noise around it (after Foi 2009).
        """
        if (math.isinf(self.low) and math.isinf(self.high)) or self.sigma <= 0:
            return None
        from aplomb.classical.noise_level.clipping import clipped_gaussian

        before = np.linspace(0, 1, 513)
        after, left = clipped_gaussian(before, self.sigma, self.low, self.high)
        x = np.interp(restored, after, before)
        # darker than clipped noise can be on the mean, or brighter: a mask or a border, which has no noise
        blank = (restored < after[0] / 2) | (1 - restored < (1 - after[-1]) / 2)
        share, shift = np.interp(x, before, left / self.sigma**2), np.interp(x, before, after - before)
        return np.where(blank, 0, share), np.where(blank, 0, shift)


@dataclass(frozen=True)
class ErrorEstimate:
    """The mean squared error of a restored picture, as estimated from the noisy one."""

    mse: float
    """Unbiased, so that it may fall below 0 where it is small beside its standard error; picture's units squared."""
    standard_error: float
    """Of `mse`: from the noise, the probe, the noise level where that is estimated, and clipping."""
    noise: float
    """Mean squared error of the noisy picture itself."""
    ideal: float
    """What `mse` would be of the best of all denoisers, E[x | y], if this were it: mean of w times derivative."""
    psnr: float | None = None
    """In decibels, for a peak of 1; None where the interval is refused."""
    interval: tuple[float, float] | None = None
    """Where the PSNR lies in 95 of 100 cases; None where that is too wide to mean anything."""
    reason: str = ""
    """Why it is refused."""

    @property
    def worse_than_noise(self) -> bool:
        """Whether the error is above that of the noisy picture by more than chance explains."""
        return self.mse - NORMAL * self.standard_error > self.noise > 0


def estimate_error(
    noisy: ArrayLike,
    denoiser: Callable[[Any], ArrayLike],
    sigma: float | None = None,
    *,
    gain: float = 0.0,
    seed: int = 0,
) -> ErrorEstimate:
    """Mean squared error and PSNR of ``denoiser(noisy)`` against the clean picture that nobody has.

    .. math:: \\frac{1}{m} \\sum_i (y_i - f_i(y))^2 - (g y_i + \\sigma^2)
              + \\frac{2}{m t} \\sum_i p_i \\, (f_i(y + t p) - f_i(y)), \\qquad
              p_i = \\pm \\sqrt{g f_i(y) + \\sigma^2}

    with random signs and t = 0.02. For g = 0 it is Stein's estimate with a Monte-Carlo divergence; for sigma = 0 its
    form for Poisson noise, for both that for a camera, to first order in the gain.

    Parameters
    ----------
    noisy
        Floating point, in the units of `sigma`, usually 0..1; any shape that the denoiser takes.
    denoiser
        Any function that gives an array of the same shape. It is called twice. It should be continuous (a median will
        do, a result that is rounded to 8 bits will not) and give the same for the same input.
    sigma
        Standard deviation of the Gaussian noise. None: estimated, which widens the interval; `noisy` is then a picture
        (H, W) or (H, W, C).
    gain
        g, for noise of variance ``g x + sigma^2``: what one photon adds. 0: the noise does not depend on the picture.
    seed
        Of the random signs.

    Returns
    -------
    ErrorEstimate
        With the PSNR for a peak of 1 and its interval of 95 %, or the reason why there is none.

    Raises
    ------
    BadInput
        Not floating point, NaN or infinity, a negative sigma or gain, a gain without sigma.
    ShapeError
        The denoiser changes the shape, or sigma is to be estimated from what is no picture.

    Notes
    -----
    - The noise must be independent from value to value. Where it was correlated by resizing, demosaicking or JPEG, or
      sigma is too small, the error looks smaller than it is.
    - The interval holds the spread of SURE itself (Bellec and Zhang 2021), that of the probe, the uncertainty of sigma
      where it is estimated (`level_spread`), and a share of what clipping changes.
    - Values that stay within 0..1 and touch an end were clipped there: the noise of dark and bright places is smaller,
      and its mean is not 0. Both are allowed for, taking the restored picture for the mean (after Foi 2009).

    References
    ----------
    C. M. Stein, "Estimation of the mean of a multivariate normal distribution", Annals of Statistics 9 (6), 1981.
    S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE", IEEE Trans. Image Processing 17 (9), 2008. Y. Le Montagner, E. D.
    Angelini, J.-C. Olivo-Marin, "An unbiased risk estimator for image denoising in the presence of mixed
    Poisson-Gaussian noise", IEEE Trans. Image Processing 23 (3), 2014. P. C. Bellec, C.-H. Zhang, "Second-order Stein:
    SURE for SURE and other applications in high-dimensional inference", Annals of Statistics 49 (4), 2021. A. Foi,
    "Clipped noisy images", Signal Processing 89 (12), 2009.

    Examples
    --------
    >>> from skimage.data import camera
    >>> from aplomb.classical import GaussianFilter
    >>> clean = camera()[:256, :256] / 255
    >>> noisy = clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)
    >>> smooth = lambda y: GaussianFilter()(y, 0.1)
    >>> found = estimate_error(noisy, smooth, 0.1)
    >>> truth = 10 * np.log10(1 / np.mean((smooth(noisy) - clean) ** 2))
    >>> bool(found.interval[0] < truth < found.interval[1]), bool(abs(found.psnr - truth) < 0.2)
    (True, True)
    """
    y = np.asarray(noisy)
    if not np.issubdtype(y.dtype, np.floating) or y.size == 0:
        raise BadInput(f"an error estimate needs floating-point values, found {y.dtype} of shape {y.shape}")
    if not np.isfinite(y).all():
        raise BadInput("an error estimate needs finite values, found NaN or infinity; mask or fill them first")
    for what, number in (("sigma", sigma), ("gain", gain)):
        if number is not None and not (math.isfinite(number) and number >= 0):
            raise BadInput(f"{what} is {number}; give a number of 0 or more, in the units of the picture")
    estimated = sigma is None
    if sigma is None:
        if gain:
            raise BadInput("a gain needs sigma, too; aplomb.classical.estimate_poisson_gaussian finds both")
        from aplomb.classical.noise_level import estimate_sigma

        sigma = estimate_sigma(y)
    level = Level.of(y, sigma, gain=gain, estimated=estimated)
    restored = np.asarray(denoiser(y))
    if restored.shape != y.shape:
        raise ShapeError(f"the denoiser makes {restored.shape} of {y.shape}; an error estimate needs the same shape")
    step = push(restored, level, np.random.default_rng(seed)).astype(y.dtype)
    slope = (np.asarray(denoiser(y + STEP * step), np.float64) - restored) / STEP
    return judge(y, restored, step, slope, level)


def push(restored: NDArray[Any], level: Level, rng: np.random.Generator) -> Values:
    """Direction of the probe: one standard deviation of the noise at each value, up or down at random."""
    signs = 2 * rng.integers(0, 2, restored.shape, np.int8) - 1
    return np.asarray(np.sqrt(level.variance(restored)) * signs, np.float32)


def judge(
    noisy: NDArray[Any], restored: NDArray[Any], step: NDArray[Any], slope: NDArray[Any], level: Level
) -> ErrorEstimate:
    """The estimate from `restored` and from `slope`, the derivative of the denoiser along `step` (see `push`)."""
    y, f = (a.astype(np.float64).ravel() for a in (noisy, restored))
    p, q = (a.astype(np.float64).ravel() for a in (step, slope))
    m = y.size
    seen = level.gain * y + level.sigma**2  # its mean is that of the variance, whatever x is
    w = p * p
    total = w + 0.0
    known = (y - f) ** 2 - seen + 2 * p * q
    clipped = level.clipped(f)
    shift = np.zeros(1)
    plain = float(known.mean())
    if clipped is not None:
        left, shift = clipped
        known = (y - f) ** 2 - left * seen + 2 * left * p * q + shift**2
        w, total = left * w, left * w + shift**2
        p, q = np.sqrt(left) * p, np.sqrt(left) * q
    mse, ideal = float(known.mean()), float(np.mean(p * q + shift**2))
    # E (SURE - error)^2 m^2 = sum of 4 w (y - f)^2 - 2 w^2, + 4 tr(W J W J) (Bellec and Zhang), where the trace is at
    # most the sum of w q^2 on the mean; a probe with random signs adds at most 8 (sum of w q^2 - sum of (w J_ii)^2)
    answer, diagonal = float(np.mean(w * q * q)), float(np.mean(p * q))
    own = float(np.mean(4 * w * (y - f) ** 2 - 2 * w * w)) + 4 * answer + 8 * max(answer - diagonal**2, 0.0)
    own = max(own, float(np.mean(w * w))) / m  # it is 2 w^2 for the best of all denoisers
    by_level = 2 * level.spread * abs(float(np.mean(w)) - 2 * diagonal)
    by_clipping = CLIPPING * abs(mse - plain)
    error = math.sqrt(own + by_level**2 + by_clipping**2)
    return reported(mse, error, float(total.mean()), ideal, m)


def reported(mse: float, error: float, noise: float, ideal: float, m: int) -> ErrorEstimate:
    """With decibels and interval, or without and with the reason."""
    low, high = mse - NORMAL * error, mse + NORMAL * error
    ratio = 10 ** (WIDEST / 10)
    share = (ratio - 1) / (ratio + 1)  # of the middle, to either side, in an interval of that width
    reason = ""
    if noise == 0:
        reason = "no noise was found, and without noise there is nothing to judge by"
    elif m < FEWEST:
        reason = f"it has only {m} values, and {FEWEST} are needed"
    elif high < 0:
        reason = "there is less noise in the picture than sigma says"
    elif low <= 0:
        reason = "it does not differ from 0 by more than chance"
    # the second condition: far above what chance makes of an error that is ideal
    elif NORMAL * error > share * ideal and high > 2 * low:
        reason = f"its 95 % interval would be more than {WIDEST:g} dB wide"
    if reason:
        return ErrorEstimate(mse, error, noise, ideal, reason=reason)
    psnr, worst, best = (-10 * math.log10(value) for value in (mse, high, low))
    return ErrorEstimate(mse, error, noise, ideal, psnr, (worst, best))


def in_words(errors: Sequence[ErrorEstimate]) -> str:
    """PSNR and interval of one picture, or their range over several; empty if none of them is known.

    >>> in_words([ErrorEstimate(1e-3, 3e-5, 1e-2, 1e-3, 30.0, (29.7, 30.3))])
    '30.0 dB PSNR (95 % interval 29.7 to 30.3)'
    """
    known = [(e.psnr, *e.interval) for e in errors if e.psnr is not None and e.interval is not None]
    if not known:
        return ""
    middle, worst, best = zip(*known, strict=True)
    several = len(known) > 1
    shown = f"{min(middle):.1f}" + (f" to {max(middle):.1f}" if several else "")
    return f"{shown} dB PSNR (95 % interval{'s' if several else ''} {min(worst):.1f} to {max(best):.1f})"
