"""How sure one can be of a score, and of a difference between two methods."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from aplomb.errors import BadInput, ShapeError
from aplomb.metrics.classification import Doubles, check_paired

__all__ = ["Interval", "McNemar", "mcnemar", "mean_interval", "paired_difference", "proportion_interval"]

_FEW = 25
"""Pictures on which two methods differ below which the chi-square law of McNemar's test is not good enough."""


class Interval(NamedTuple):
    """An estimate with the interval that holds the true value with the probability asked for."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


class McNemar(NamedTuple):
    """Probability of a difference as large as found, or larger, if the two methods were equally good."""

    p: float
    only_first: int
    """Pictures that only the first method gets right."""
    only_second: int
    """Pictures that only the second one gets right."""
    exact: bool
    """Whether p is from the binomial law, not from its chi-square limit."""


def proportion_interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Wilson's interval of a proportion, such as an accuracy on `trials` pictures.

    Raises
    ------
    BadInput
        No trial, more successes than trials, or a level outside 0..1.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", J. American
    Statistical Association 22, 1927.

    Examples
    --------
    >>> print(proportion_interval(9900, 10000))
    0.99 (0.9879 to 0.9918)
    """
    from scipy.stats import binomtest

    _level(level)
    if not 0 <= successes <= trials or trials < 1:
        raise BadInput(
            f"asked for an interval of {successes} of {trials}; give 0 to N successes of N trials, N above 0"
        )
    found = binomtest(int(successes), int(trials)).proportion_ci(level, method="wilson")
    return Interval(successes / trials, float(found.low), float(found.high))


def mean_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Mean of a score over seeds, with Student's interval for few normal values.

    .. math:: \\bar x \\pm t_{n-1} \\, s / \\sqrt n

    Raises
    ------
    ShapeError, BadInput
        Fewer than two values, or one that is not finite; a level outside 0..1.

    Examples
    --------
    >>> print(mean_interval([0.98, 0.99, 0.985]))
    0.985 (0.9726 to 0.9974)
    """
    from scipy.stats import t as student

    _level(level)
    x = _numbers(values, "values")
    if len(x) < 2:
        raise BadInput(f"asked for an interval of the mean of {len(x)} value; run two seeds or more")
    half = float(student.ppf((1 + level) / 2, len(x) - 1)) * float(x.std(ddof=1)) / math.sqrt(len(x))
    return Interval(float(x.mean()), float(x.mean()) - half, float(x.mean()) + half)


def mcnemar(first: ArrayLike, second: ArrayLike) -> McNemar:
    """McNemar's test of whether two methods, on the same pictures, differ by more than chance.

    With b pictures that only the first gets right and c that only the second does, p is the probability that
    b + c fair coins fall as unevenly. Exact for fewer than 25 of them, else from the chi-square law of

    .. math:: \\frac{(|b - c| - 1)^2}{b + c}

    Parameters
    ----------
    first, second
        (N,), whether each picture was classified rightly: booleans, as from ``predicted == labels``.

    Raises
    ------
    ShapeError, BadInput
        Different lengths, none at all, or not booleans.

    References
    ----------
    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12, 1947.

    Examples
    --------
    >>> mcnemar([True] * 8 + [False] * 2, [False] * 7 + [True] * 3)
    McNemar(p=0.1796875, only_first=7, only_second=2, exact=True)
    """
    from scipy.stats import binomtest, chi2

    a, b = np.asarray(first), np.asarray(second)
    if a.dtype != bool or b.dtype != bool:
        raise BadInput(f"McNemar's test takes booleans (right or wrong), found {a.dtype} and {b.dtype}")
    check_paired(a, b, "answers of the first method", "of the second")
    only_first, only_second = int((a & ~b).sum()), int((b & ~a).sum())
    different = only_first + only_second
    exact = different < _FEW
    if different == 0:
        p = 1.0
    elif exact:
        p = float(binomtest(only_first, different).pvalue)
    else:
        p = float(chi2.sf((abs(only_first - only_second) - 1) ** 2 / different, 1))
    return McNemar(p, only_first, only_second, exact)


def paired_difference(
    first: ArrayLike, second: ArrayLike, level: float = 0.95, *, samples: int = 9999, seed: int = 0
) -> Interval:
    """Mean of ``first - second`` over pictures, with the percentile interval of the paired bootstrap.

    The pictures are drawn with replacement `samples` times, both methods' scores of a picture together.

    Parameters
    ----------
    first, second
        (N,), the score of each method on each picture (booleans count as 0 and 1), N at least 2.
    seed
        Of the draws; the same seed gives the same interval.

    Raises
    ------
    ShapeError, BadInput
        Different lengths, fewer than two, values that are not finite, a level outside 0..1.

    References
    ----------
    B. Efron and R. J. Tibshirani, "An introduction to the bootstrap", 1993.

    Examples
    --------
    >>> found = paired_difference([0.8, 0.9, 0.7, 0.85], [0.7, 0.85, 0.65, 0.8])
    >>> round(found.value, 4), found.low > 0
    (0.0625, True)
    """
    from scipy.stats import bootstrap

    _level(level)
    a, b = _numbers(first, "first scores"), _numbers(second, "second scores")
    check_paired(a, b, "first scores", "second ones")
    if len(a) < 2:
        raise BadInput("asked for an interval of a difference on one picture; give two pictures or more")
    found = bootstrap(
        (a - b,),
        np.mean,
        n_resamples=samples,
        batch=max(1, 10_000_000 // len(a)),  # bounds the memory
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float((a - b).mean()), float(found.low), float(found.high))


def _numbers(values: ArrayLike, what: str) -> Doubles:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ShapeError(f"{what} must be one row (N,) with at least one entry, found shape {array.shape}")
    if not np.isfinite(array).all():
        raise BadInput(f"{what} hold {int((~np.isfinite(array)).sum())} entries that are NaN or infinite")
    return array


def _level(level: float) -> None:
    if not 0 < level < 1:
        raise BadInput(f"asked for an interval of level {level}; give a probability between 0 and 1, such as 0.95")
