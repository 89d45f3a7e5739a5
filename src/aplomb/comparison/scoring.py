"""How good one segmentation of one picture is, in the figures that stand in the table."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.recognition import Column
from aplomb.comparison.references import Truth
from aplomb.errors import BadInput
from aplomb.metrics import (
    average_precision,
    best_dice,
    dice,
    instance_precision,
    iou,
    match_instances,
    membrane_rand_error,
    panoptic_quality,
    pixel_error,
    roc_area,
    warping_error,
)

__all__ = [
    "Truth",
    "confusion",
    "matched",
    "object_columns",
    "region_columns",
    "score_objects",
    "score_regions",
]

FEW = 3
"""Of more classes than these the IoU of each stands on the page only."""


def region_columns(classes: Sequence[str], membrane: int | None) -> tuple[Column, ...]:
    """The figures for maps of classes; `membrane` is the class of membranes, if there is one."""
    columns = [Column("mean_iou", "mean IoU")]
    columns += [Column(f"iou_{k}", f"IoU {name}", minor=len(classes) > FEW) for k, name in enumerate(classes)]
    columns += [Column("dice", "Dice"), Column("pixel_error", "pixel error", lower=True)]
    if len(classes) == 2:
        columns += [Column("roc_area", "ROC area"), Column("average_precision", "AP")]
    if membrane is not None:
        columns += [
            Column("isbi_error", "1 - best Dice of cells", lower=True),
            Column("rand_error", "Rand error", lower=True),
            Column("warping_error", "warping error", lower=True),
        ]
    return tuple(columns)


def object_columns() -> tuple[Column, ...]:
    """The figures for maps of objects."""
    return (
        Column("ap_50", "AP 0.5"),
        Column("mean_ap", "AP 0.5:0.95"),
        Column("panoptic_quality", "PQ"),
        Column("count_error", "count error", lower=True),
    )


def matched(labels: NDArray[Any], truth: Truth, classes: int) -> NDArray[np.int64]:
    """Labels whose numbers mean nothing, as the classes that they fit best.

    The assignment of labels to classes, one to one, with the most pixels that agree (the Hungarian method); labels
    that are left over become the class K, which is none.

    >>> truth = Truth(np.array([[0, 0, 1, 1]]), np.ones((1, 4), bool))
    >>> matched(np.array([[7, 7, 2, 3]]), truth, 2).tolist()
    [[0, 0, 1, 2]]
    """
    from scipy.optimize import linear_sum_assignment

    values, index = np.unique(labels, return_inverse=True)
    index = index.reshape(labels.shape)
    both = np.bincount(
        (truth.labels.astype(np.int64) * len(values) + index)[truth.mask], minlength=classes * len(values)
    ).reshape(classes, len(values))
    rows, columns = linear_sum_assignment(both, maximize=True)
    name = np.full(len(values), classes)
    name[columns] = rows
    return np.asarray(name[index])


def confusion(labels: NDArray[Any], truth: Truth, classes: int) -> NDArray[np.int64]:
    """Pixels by class, (K, K + 1): the true class, the one found; the last column is for what is none of them.

    Raises BadInput for a map of another size, or labels that are no numbers of classes.
    """
    if labels.shape != truth.labels.shape:
        raise BadInput(f"it made {labels.shape} of a picture of {truth.labels.shape} pixels")
    if labels.dtype.kind not in "bui" or labels.min() < 0:
        raise BadInput(f"it made {labels.dtype} from {labels.min()}, asked for classes from 0")
    found = np.minimum(labels[truth.mask].astype(np.int64), classes)
    wide = truth.labels[truth.mask].astype(np.int64) * (classes + 1) + found
    return np.bincount(wide, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def score_regions(
    counts: NDArray[np.int64],
    labels: NDArray[Any],
    probabilities: NDArray[Any] | None,
    truth: Truth,
    membrane: int | None,
) -> dict[str, float]:
    """The figures of one map of classes, with its confusion matrix `counts`."""
    classes = len(counts)
    square = np.vstack([counts, np.zeros((1, classes + 1), np.int64)])  # nothing is truly of no class
    each, both = iou(square)[:classes], dice(square)[:classes]
    values = {"mean_iou": float(np.nanmean(each)), "dice": float(np.nanmean(both)), "pixel_error": pixel_error(square)}
    values |= {f"iou_{k}": float(value) for k, value in enumerate(each)}
    if classes == 2 and probabilities is not None and len(probabilities) == 2:
        is_last = (truth.labels == 1) & truth.mask
        with contextlib.suppress(BadInput):  # one class only, so that there is nothing to rank
            values["roc_area"] = roc_area(probabilities[1], is_last, truth.mask)
            values["average_precision"] = average_precision(probabilities[1], is_last, truth.mask)
    if membrane is not None:
        wall, true_wall = labels == membrane, (truth.labels == membrane) & truth.mask
        likely = wall.astype(np.float64) if probabilities is None else probabilities[membrane]
        with contextlib.suppress(BadInput):  # a picture without any cell
            values["isbi_error"] = 1 - best_dice(1 - likely, (truth.labels != membrane) & truth.mask, truth.mask).value
            values["rand_error"] = membrane_rand_error(likely, true_wall, mask=truth.mask).value
        values["warping_error"] = warping_error(wall, true_wall, mask=truth.mask)
    return values


def score_objects(labels: NDArray[Any], truth: Truth) -> dict[str, float]:
    """The figures of one map of objects. Raises BadInput for a map of another size, or without numbers."""
    if labels.shape != truth.labels.shape:
        raise BadInput(f"it made {labels.shape} of a picture of {truth.labels.shape} pixels")
    true = np.where(truth.mask, truth.labels, 0)
    precision = instance_precision(labels, true, mask=truth.mask)
    matching = match_instances(labels, true, mask=truth.mask)
    return {
        "ap_50": float(precision[0]),
        "mean_ap": float(precision.mean()),
        "panoptic_quality": panoptic_quality(matching).quality,
        "count_error": abs(matching.found - matching.present) / max(matching.present, 1),
    }
