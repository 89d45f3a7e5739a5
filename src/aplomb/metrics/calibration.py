"""Whether the probabilities of a classifier can be believed, and one number that mends them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput
from aplomb.metrics.classification import Doubles, check_distribution, check_probabilities

__all__ = [
    "Reliability", "expected_calibration_error", "fit_temperature", "negative_log_likelihood", "reliability",
    "tempered",
]  # fmt: skip

_LEAST = np.finfo(np.float64).tiny
"""What a probability of 0 counts as in a logarithm, so that one such value does not make a mean infinite."""


class Reliability(NamedTuple):
    """The reliability curve, (bins,) each; NaN where no picture falls into a bin."""

    confidence: Doubles
    """Mean of the largest probability."""
    accuracy: Doubles
    """Share of right answers."""
    pictures: NDArray[np.int64]


def negative_log_likelihood(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean of -ln of the probability that was given to the true class; 0 is best.

    Raises
    ------
    ShapeError, BadInput
        `probabilities` is not (N, K) with rows that sum to 1, or a label is not in 0..K-1.

    Examples
    --------
    >>> round(negative_log_likelihood([[0.5, 0.5], [0.25, 0.75]], [0, 1]), 4)
    0.4904
    """
    p, t = check_probabilities(probabilities, labels)
    return float(-np.log(np.maximum(p[np.arange(len(t)), t], _LEAST)).mean())


def reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = 15) -> Reliability:
    """The reliability curve: how often answers of a given confidence are right.

    The confidence is the largest probability; bins (i / n, (i + 1) / n] are of equal width.

    Raises
    ------
    ShapeError, BadInput
        As `negative_log_likelihood`; also for fewer bins than one.

    Examples
    --------
    >>> reliability([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]], [0, 1, 1], bins=2).accuracy.round(3)
    array([  nan, 0.667])
    """
    p, t = check_probabilities(probabilities, labels)
    if bins < 1:
        raise BadInput(f"asked for {bins} bins; give 1 or more")
    confidence, right = p.max(axis=1), p.argmax(axis=1) == t
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins).astype(np.int64)

    def mean(values: Any) -> Doubles:
        total = np.bincount(place, values, minlength=bins)
        return np.asarray(np.divide(total, count, out=np.full(bins, np.nan), where=count > 0))

    return Reliability(mean(confidence), mean(right), count)


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = 15) -> float:
    """Mean distance of confidence and accuracy over the bins of `reliability`, weighted by their pictures.

    Raises
    ------
    ShapeError, BadInput
        As `reliability`.

    References
    ----------
    M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI 2015.

    Examples
    --------
    >>> round(expected_calibration_error([[0.9, 0.1], [0.9, 0.1]], [0, 1]), 3)
    0.4
    """
    curve = reliability(probabilities, labels, bins)
    return float(np.nansum(curve.pictures * np.abs(curve.accuracy - curve.confidence)) / curve.pictures.sum())


def fit_temperature(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """The temperature that makes the probabilities of validation pictures most likely (0.01..100).

    Use pictures that were neither trained nor are tested on. Above 1: the method was too sure.

    Raises
    ------
    ShapeError, BadInput
        As `negative_log_likelihood`.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    >>> p = np.tile([[0.99, 0.01]], (4, 1))
    >>> t = fit_temperature(p, [0, 0, 0, 1])
    >>> tempered(p, t)[0].round(2)
    array([0.75, 0.25])
    """
    from scipy.optimize import minimize_scalar

    p, t = check_probabilities(probabilities, labels)
    span = (math.log(0.01), math.log(100))
    found = minimize_scalar(lambda v: negative_log_likelihood(tempered(p, math.exp(v)), t), bounds=span)
    return math.exp(float(found.x))


def tempered(probabilities: ArrayLike, temperature: float) -> Doubles:
    """Probabilities at another temperature; the order of the classes stays.

    .. math:: q_k = p_k^{1/T} / \\sum_j p_j^{1/T} = \\operatorname{softmax}(z / T)_k

    for logits z, which are known from p but for a constant.

    Raises
    ------
    ShapeError, BadInput
        `probabilities` is not (N, K) with rows that sum to 1, or the temperature is not positive.

    Examples
    --------
    >>> tempered([[0.8, 0.2]], 2.0).round(3)
    array([[0.667, 0.333]])
    """
    if not (temperature > 0 and math.isfinite(temperature)):
        raise BadInput(f"asked for the temperature {temperature}; give a positive number")
    z = np.log(np.maximum(check_distribution(probabilities), _LEAST)) / temperature
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))
