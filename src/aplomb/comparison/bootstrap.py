"""Intervals of means over pictures and seeds, both drawn anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from aplomb.metrics import Interval

__all__ = ["mean_over"]

DRAWS = 4999
LEVEL = 0.95


def mean_over(values: ArrayLike) -> Interval:
    """Mean of scores with the 95 % percentile interval of the bootstrap over pictures and over seeds.

    Pictures and seeds are drawn with replacement, each by itself, and the mean is taken over their pairs. For the
    difference of two methods give the differences: then both methods meet the same pictures, and it is paired.

    Parameters
    ----------
    values
        (seeds, pictures); NaN where there is no score.

    Returns
    -------
    interval
        Its ends are NaN where a single score leaves nothing to draw.

    References
    ----------
    B. Efron and R. J. Tibshirani, "An introduction to the bootstrap", 1993.

    Examples
    --------
    >>> found = mean_over([[0.7, 0.8, 0.9, 0.8]])
    >>> round(found.value, 3), 0.7 <= found.low < 0.8 < found.high <= 0.9
    (0.8, True)
    >>> mean_over([[0.5]])
    Interval(value=0.5, low=nan, high=nan)
    """
    x = np.atleast_2d(np.asarray(values, np.float64))
    there = ~np.isnan(x)
    if not there.any():
        return Interval(np.nan, np.nan, np.nan)
    mean = float(x[there].mean())
    if there.sum() < 2:
        return Interval(mean, np.nan, np.nan)
    rng = np.random.default_rng(0)  # the same scores, the same interval
    seeds, pictures = (rng.multinomial(n, np.full(n, 1 / n), DRAWS) for n in x.shape)
    sums = np.einsum("bs,sp,bp->b", seeds, np.where(there, x, 0), pictures)
    counts = np.einsum("bs,sp,bp->b", seeds, there.astype(np.float64), pictures)
    low, high = np.quantile(sums[counts > 0] / counts[counts > 0], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(mean, float(low), float(high))
