"""How well the classes of pixels are told: the confusion matrix, and what is read from it.

Confusion matrices of several pictures are added, and the figures of the set are read from the sum::

    total = sum(confusion_matrix(labels, truth, classes=2) for labels, truth in pairs)
    mean_iou(total)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ShapeError
from aplomb.metrics.counted import counted, label_array

__all__ = ["confusion_matrix", "dice", "iou", "mean_dice", "mean_iou", "pixel_error"]

Floats = NDArray[np.float64]

_MOST_CLASSES = 4096
"""Beyond this a label map is taken for one of instances, or of grey values."""


def confusion_matrix(
    labels: ArrayLike,
    reference: ArrayLike,
    classes: int | None = None,
    *,
    ignore: int | None = 255,
    mask: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Pixels by class: the row is the class of the reference, the column the one that was found.

    .. math:: C_{ij} = \\#\\{p : r_p = i, \\; l_p = j\\}

    Parameters
    ----------
    labels, reference
        Class indices 0..K-1, integer or bool, of one shape.
    classes
        K. By default the largest label that counts, plus one; give it where pictures are to be added.
    ignore
        Where the reference holds this label the pixel does not count. None: all labels are classes.
    mask
        Bool, the field of view: pixels outside do not count.

    Returns
    -------
    confusion
        (K, K), int64; its sum is the number of pixels that count.

    Raises
    ------
    ShapeError
        The shapes differ, or no pixel counts.
    BadInput
        Labels that are not whole numbers from 0 below K.

    Examples
    --------
    >>> confusion_matrix([[0, 1, 1, 0]], [[0, 1, 0, 255]]).tolist()
    [[1, 1], [0, 1]]
    """
    found, truth = label_array(labels, "labels"), label_array(reference, "reference labels")
    keep = counted(found, truth, mask, ignore)
    found, truth = found[keep], truth[keep]
    largest = int(max(found.max(), truth.max()))
    k = largest + 1 if classes is None else classes
    if k < 1 or largest >= k:
        raise BadInput(f"asked for {k} classes, found the label {largest}; labels go from 0 to the classes minus 1")
    if k > _MOST_CLASSES:
        raise BadInput(f"found the label {largest}: a map of instances or of grey values, not of classes")
    return np.bincount(truth * k + found, minlength=k * k).reshape(k, k)


def iou(confusion: ArrayLike) -> Floats:
    """Intersection over union (Jaccard index) of each class, in 0..1; NaN for a class that is in neither map.

    .. math:: \\operatorname{IoU}_k = \\frac{C_{kk}}{\\sum_j C_{kj} + \\sum_i C_{ik} - C_{kk}}

    Parameters
    ----------
    confusion
        (K, K), of `confusion_matrix`.

    Raises
    ------
    ShapeError, BadInput
        It is not square, holds negative numbers, or counts nothing.

    Examples
    --------
    >>> iou([[1, 1], [0, 1]]).tolist()
    [0.5, 0.5]
    """
    both, found, truth = _areas(confusion)
    return _ratio(both, found + truth - both)


def mean_iou(confusion: ArrayLike) -> float:
    """Mean of `iou` over the classes that are in one of the maps.

    Examples
    --------
    >>> mean_iou([[2, 0, 0], [0, 1, 1], [0, 0, 0]])
    0.5
    """
    return float(np.nanmean(iou(confusion)))


def dice(confusion: ArrayLike) -> Floats:
    """Dice coefficient (F1) of each class, in 0..1; NaN for a class that is in neither map.

    .. math:: \\operatorname{Dice}_k = \\frac{2 C_{kk}}{\\sum_j C_{kj} + \\sum_i C_{ik}}
              = \\frac{2 \\operatorname{IoU}_k}{1 + \\operatorname{IoU}_k}

    Parameters
    ----------
    confusion
        (K, K), of `confusion_matrix`.

    Raises
    ------
    ShapeError, BadInput
        As `iou`.

    References
    ----------
    L. R. Dice, "Measures of the amount of ecologic association between species", Ecology 26 (3), 1945.

    Examples
    --------
    >>> dice([[1, 1], [0, 1]]).round(3).tolist()
    [0.667, 0.667]
    """
    both, found, truth = _areas(confusion)
    return _ratio(2 * both, found + truth)


def mean_dice(confusion: ArrayLike) -> float:
    """Mean of `dice` over the classes that are in one of the maps.

    Examples
    --------
    >>> round(mean_dice([[2, 0], [0, 3]]), 3)
    1.0
    """
    return float(np.nanmean(dice(confusion)))


def pixel_error(confusion: ArrayLike) -> float:
    """Share of the pixels with the wrong class, in 0..1.

    .. math:: e = 1 - \\frac{\\sum_k C_{kk}}{\\sum_{ij} C_{ij}}

    The challenge on membranes of ISBI 2012 calls ``1 - best_dice(...).value`` by this name.

    Parameters
    ----------
    confusion
        (K, K), of `confusion_matrix`.

    Raises
    ------
    ShapeError, BadInput
        As `iou`.

    Examples
    --------
    >>> pixel_error([[2, 1], [0, 1]])
    0.25
    """
    both, found, _ = _areas(confusion)
    return float(1 - both.sum() / found.sum())


def _areas(confusion: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Pixels of each class in both maps, in the labels, and in the reference."""
    matrix = np.asarray(confusion)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ShapeError(f"asked for a confusion matrix (K, K), found the shape {matrix.shape}")
    if matrix.dtype.kind not in "uif" or not np.isfinite(matrix).all() or (matrix < 0).any():
        raise BadInput("asked for a confusion matrix, found values that are no counts; see confusion_matrix")
    if not matrix.any():
        raise BadInput("the confusion matrix counts no pixel")
    counts = matrix.astype(np.float64)
    return np.diagonal(counts), counts.sum(axis=0), counts.sum(axis=1)


def _ratio(part: Floats, whole: Floats) -> Floats:
    ratio = np.full(len(whole), np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
