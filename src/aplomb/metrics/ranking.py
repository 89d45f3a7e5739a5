"""How well scores separate two classes, over all thresholds: ROC, precision and recall, the best Dice.

A pixel is taken for the object where its score is at least the threshold; every distinct score is one
threshold, so equal scores are accepted together and nothing depends on their order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput
from aplomb.metrics.counted import counted, label_array

__all__ = ["BestThreshold", "PrecisionRecall", "RocCurve", "average_precision", "best_dice", "precision_recall_curve"]
__all__ += ["roc_area", "roc_curve"]

Floats = NDArray[np.float64]


class RocCurve(NamedTuple):
    """Receiver operating characteristic: T + 1 points from (0, 0) to (1, 1), by falling threshold."""

    false_positive_rate: Floats
    true_positive_rate: Floats
    thresholds: Floats
    """The first is infinite: nothing is accepted."""


class PrecisionRecall(NamedTuple):
    """Precision and recall at each of T thresholds, by falling threshold."""

    precision: Floats
    recall: Floats
    thresholds: Floats


class BestThreshold(NamedTuple):
    """The best value of a figure over thresholds, and the threshold that gives it."""

    value: float
    threshold: float


def roc_curve(scores: ArrayLike, reference: ArrayLike, mask: ArrayLike | None = None) -> RocCurve:
    """Share of the object found against share of the background taken for it, at every threshold.

    Parameters
    ----------
    scores
        Any shape, floating point or integer, finite; larger means rather the object.
    reference
        Bool, or 0 and 1 (the object), of the same shape.
    mask
        Bool, the field of view: pixels outside do not count.

    Raises
    ------
    ShapeError
        The shapes differ, or no pixel counts.
    BadInput
        Scores that are not finite, a reference with other values, or with one class only.

    References
    ----------
    T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006.

    Examples
    --------
    >>> curve = roc_curve([0.9, 0.8, 0.3], [1, 0, 1])
    >>> curve.false_positive_rate.tolist(), curve.true_positive_rate.tolist()
    ([0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0])
    """
    true, false, thresholds = _accepted(scores, reference, mask)
    if false[-1] == 0:
        raise BadInput("asked for an ROC curve, but every pixel of the reference is object; both classes are needed")
    start = np.zeros(1)
    return RocCurve(
        np.concatenate([start, false / false[-1]]),
        np.concatenate([start, true / true[-1]]),
        np.concatenate([[np.inf], thresholds]),
    )


def roc_area(scores: ArrayLike, reference: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Area under the ROC curve, in 0..1: 1 is perfect, 0.5 is chance.

    .. math:: A = P(s_+ > s_-) + \\tfrac12 P(s_+ = s_-)

    for the scores of a random pixel of the object and of a random pixel of the background.

    Parameters
    ----------
    scores, reference, mask
        As `roc_curve`.

    Raises
    ------
    ShapeError, BadInput
        As `roc_curve`.

    References
    ----------
    J. A. Hanley, B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic
    (ROC) curve", Radiology 143, 1982.

    Examples
    --------
    >>> roc_area([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    curve = roc_curve(scores, reference, mask)
    return float(np.trapezoid(curve.true_positive_rate, curve.false_positive_rate))


def precision_recall_curve(scores: ArrayLike, reference: ArrayLike, mask: ArrayLike | None = None) -> PrecisionRecall:
    """Share of the accepted that is object, and share of the object that is accepted, at every threshold.

    Parameters
    ----------
    scores, reference, mask
        As `roc_curve`.

    Raises
    ------
    ShapeError, BadInput
        As `roc_curve`; a reference without background is allowed, one without object is not.

    Examples
    --------
    >>> curve = precision_recall_curve([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0])
    >>> curve.precision.round(2).tolist(), curve.recall.tolist()
    ([1.0, 0.5, 0.67, 0.5], [0.5, 0.5, 1.0, 1.0])
    """
    true, false, thresholds = _accepted(scores, reference, mask)
    return PrecisionRecall(true / (true + false), true / true[-1], thresholds)


def average_precision(scores: ArrayLike, reference: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Mean precision, weighted by how much recall each threshold adds, in 0..1; chance is the object's share.

    .. math:: \\operatorname{AP} = \\sum_t (R_t - R_{t-1}) P_t

    Parameters
    ----------
    scores, reference, mask
        As `precision_recall_curve`.

    Raises
    ------
    ShapeError, BadInput
        As `precision_recall_curve`.

    Examples
    --------
    >>> round(average_precision([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0]), 3)
    0.833
    """
    curve = precision_recall_curve(scores, reference, mask)
    return float(np.sum(np.diff(curve.recall, prepend=0.0) * curve.precision))


def best_dice(scores: ArrayLike, reference: ArrayLike, mask: ArrayLike | None = None) -> BestThreshold:
    """Largest Dice coefficient (F1) of the object over all thresholds, and its threshold.

    .. math:: \\max_t \\frac{2 P_t R_t}{P_t + R_t}

    One minus this is the pixel error of the challenge on membranes of ISBI 2012.

    Parameters
    ----------
    scores, reference, mask
        As `precision_recall_curve`.

    Raises
    ------
    ShapeError, BadInput
        As `precision_recall_curve`.

    References
    ----------
    I. Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for
    connectomics", Frontiers in Neuroanatomy 9, 2015. :DOI:`10.3389/fnana.2015.00142`

    Examples
    --------
    >>> best = best_dice([0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0])
    >>> round(best.value, 3), best.threshold
    (0.8, 0.3)
    """
    true, false, thresholds = _accepted(scores, reference, mask)
    f1 = 2 * true / (true + false + true[-1])
    best = int(np.argmax(f1))
    return BestThreshold(float(f1[best]), float(thresholds[best]))


def _accepted(scores: ArrayLike, reference: ArrayLike, mask: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    """Pixels of the object and of the background with a score of at least each threshold, and the thresholds."""
    s, truth = np.asarray(scores), label_array(reference, "reference labels")
    keep = counted(s, truth, mask)
    s, truth = s[keep], truth[keep]
    if s.dtype.kind not in "buif":
        raise BadInput(f"asked to rank scores, found {s.dtype}; give real numbers")
    if not np.isfinite(s).all():
        raise BadInput(f"asked to rank scores, found {int((~np.isfinite(s)).sum())} of {s.size} NaN or infinite")
    if truth.max() > 1:
        raise BadInput(f"asked for a reference of 0 and 1, found the label {truth.max()}; pick one class first")
    if not truth.any():
        raise BadInput("no pixel of the reference is object; there is nothing to find")
    order = np.argsort(s, kind="stable")[::-1]
    s, truth = s[order], truth[order]
    last = np.concatenate([np.flatnonzero(s[1:] != s[:-1]), [s.size - 1]])  # the last pixel of each score
    true = np.cumsum(truth)[last].astype(np.float64)
    return true, last + 1.0 - true, s[last].astype(np.float64)
