"""How good a classification is.

Classes are numbered 0..K-1; `labels` (N,) are the true ones, `probabilities` (N, K) have rows that sum to 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ShapeError
from aplomb.metrics.segmentation import confusion_matrix

__all__ = [
    "ClassScores", "accuracy", "check_distribution", "check_labels", "check_paired", "check_probabilities",
    "class_scores", "top_k",
]  # fmt: skip

Doubles = NDArray[np.float64]


class ClassScores(NamedTuple):
    """Scores of each class, (K,) each; `support` is how many pictures are of that class."""

    precision: Doubles
    recall: Doubles
    f1: Doubles
    support: NDArray[np.int64]


def accuracy(predicted: ArrayLike, labels: ArrayLike) -> float:
    """Share of the pictures whose predicted class is the true one.

    Raises
    ------
    ShapeError, BadInput
        Different numbers of predictions and labels, none at all, or no whole numbers from 0.

    Examples
    --------
    >>> accuracy([0, 1, 2, 2], [0, 1, 2, 1])
    0.75
    """
    p, t = check_labels(predicted, "predictions"), check_labels(labels)
    check_paired(p, t, "predictions", "labels")
    return float((p == t).mean())


def top_k(probabilities: ArrayLike, labels: ArrayLike, k: int = 5) -> float:
    """Share of the pictures whose true class is among the `k` most probable ones.

    Of classes that are equally probable the one with the lower number counts as more probable.

    Raises
    ------
    ShapeError, BadInput
        As `negative_log_likelihood`; also if `k` is not in 1..K.

    Examples
    --------
    >>> top_k([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], [1, 0], k=2)
    0.5
    """
    p, t = check_probabilities(probabilities, labels)
    if not 1 <= k <= p.shape[1]:
        raise BadInput(f"asked for the {k} most probable of {p.shape[1]} classes; give k from 1 to {p.shape[1]}")
    order = np.argsort(-p, axis=1, kind="stable")[:, :k]
    return float((order == t[:, None]).any(axis=1).mean())


def class_scores(predicted: ArrayLike, labels: ArrayLike, classes: int | None = None) -> ClassScores:
    """Precision, recall and F1 of each class.

    .. math:: P = \\frac{TP}{TP + FP}, \\quad R = \\frac{TP}{TP + FN}, \\quad F_1 = \\frac{2 P R}{P + R}

    0 where a quotient is 0 / 0 (a class that never occurs, or is never given).

    Raises
    ------
    ShapeError, BadInput
        As `accuracy`; also for a class that is not below `classes`.

    Examples
    --------
    >>> class_scores([0, 1, 1], [0, 0, 1]).recall
    array([0.5, 1. ])
    """
    p, t = check_labels(predicted, "predictions"), check_labels(labels)
    check_paired(p, t, "predictions", "labels")
    matrix = confusion_matrix(p, t, classes, ignore=None)
    hits, given, support = np.diag(matrix).astype(float), matrix.sum(axis=0), matrix.sum(axis=1)

    def share(part: Doubles, whole: Any) -> Doubles:
        return np.asarray(np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0))

    return ClassScores(share(hits, given), share(hits, support), share(2 * hits, given + support), support)


def check_labels(values: ArrayLike, what: str = "labels") -> NDArray[np.int64]:
    """Classes as whole numbers from 0, (N,), or an error that names `what`."""
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise ShapeError(f"{what} must be one row (N,) with at least one entry, found shape {array.shape}")
    if array.dtype.kind not in "iu" or array.min() < 0:
        found = f"{array.dtype}" if array.dtype.kind not in "iu" else f"{array.min()}"
        raise BadInput(f"{what} must be whole numbers from 0, found {found}")
    return array.astype(np.int64)


def check_paired(a: NDArray[Any], b: NDArray[Any], first: str, second: str) -> None:
    """Refuse two rows that are not of one length."""
    if a.shape != b.shape or a.ndim != 1 or a.size == 0:
        raise ShapeError(f"found {a.shape} {first} and {b.shape} {second}; give one of each per picture, in one row")


def check_distribution(probabilities: ArrayLike) -> Doubles:
    """Probabilities (N, K) in float64, or an error."""
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or p.shape[0] == 0 or p.shape[1] < 2:
        raise ShapeError(f"probabilities must be (N, K), K at least 2, found shape {p.shape}")
    if not np.isfinite(p).all() or p.min() < 0 or abs(p.sum(axis=1) - 1).max() > 1e-3:
        raise BadInput("probabilities must be 0 or more with rows that sum to 1; take the softmax of logits first")
    return p


def check_probabilities(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Doubles, NDArray[np.int64]]:
    """Probabilities (N, K) and labels (N,) that fit each other, or an error."""
    p, t = check_distribution(probabilities), check_labels(labels)
    if len(p) != len(t):
        raise ShapeError(f"found {len(p)} rows of probabilities and {len(t)} labels; give one of each per picture")
    if t.max() >= p.shape[1]:
        raise BadInput(f"found the label {t.max()} with probabilities of {p.shape[1]} classes, 0 to {p.shape[1] - 1}")
    return p, t
