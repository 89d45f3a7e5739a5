"""How well objects are found one by one: matching by overlap, F1, average precision, panoptic quality.

An object that was found and one of the reference match when their intersection over union is above a
threshold of at least 0.5. Then no object can match two others, so the matching is unique and needs no search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput
from aplomb.metrics.counted import counted, label_array

__all__ = [
    "IOU_THRESHOLDS",
    "Matching",
    "PanopticQuality",
    "instance_precision",
    "match_instances",
    "panoptic_quality",
]

IOU_THRESHOLDS: tuple[float, ...] = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""The thresholds of the Data Science Bowl 2018."""


@dataclass(frozen=True, eq=False)
class Matching:
    """Which objects match, and how many do not.

    Examples
    --------
    >>> match_instances([[1, 1, 0, 2]], [[7, 7, 0, 0]])
    Matching(true_positives=1, false_positives=1, false_negatives=0, f1=0.667)
    """

    pairs: NDArray[np.int64] = field(repr=False)
    """(M, 2): the number among the labels, the number in the reference."""
    iou: NDArray[np.float64] = field(repr=False)
    """(M,): intersection over union of each pair."""
    found: int
    """Objects among the labels."""
    present: int
    """Objects in the reference."""

    @property
    def true_positives(self) -> int:
        """Objects that match."""
        return len(self.iou)

    @property
    def false_positives(self) -> int:
        """Objects among the labels that match none."""
        return self.found - self.true_positives

    @property
    def false_negatives(self) -> int:
        """Objects of the reference that match none."""
        return self.present - self.true_positives

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN), in 0..1; 1 if there is no object at all."""
        return _share(2 * self.true_positives, self.found + self.present)

    @property
    def precision(self) -> float:
        """TP / (TP + FP + FN), in 0..1, which the Data Science Bowl calls average precision."""
        return _share(self.true_positives, self.found + self.present - self.true_positives)

    def __repr__(self) -> str:
        counts = f"true_positives={self.true_positives}, false_positives={self.false_positives}"
        return f"Matching({counts}, false_negatives={self.false_negatives}, f1={self.f1:.3g})"


class PanopticQuality(NamedTuple):
    """Panoptic quality and its factors, each in 0..1."""

    quality: float
    """PQ = SQ RQ."""
    segmentation: float
    """SQ: mean IoU of the pairs; 0 if there is none, 1 if there is no object at all."""
    recognition: float
    """RQ: F1 of the objects."""


def match_instances(
    labels: ArrayLike, reference: ArrayLike, threshold: float = 0.5, mask: ArrayLike | None = None
) -> Matching:
    """Pairs of objects whose intersection over union is above a threshold.

    .. math:: \\operatorname{IoU}(A, B) = \\frac{|A \\cap B|}{|A \\cup B|} > t

    Parameters
    ----------
    labels, reference
        Object numbers from 1, 0 for the background, integer, of one shape.
    threshold
        t, in 0.5..1 (1 excluded).
    mask
        Bool: pixels outside do not count, and objects without a pixel inside do not exist.

    Raises
    ------
    ShapeError
        The shapes differ, or no pixel counts.
    BadInput
        Labels that are not whole numbers from 0, or another threshold.

    Examples
    --------
    >>> matching = match_instances([[1, 1, 1, 0, 2]], [[5, 5, 0, 0, 9]])
    >>> matching.pairs.tolist(), matching.iou.round(2).tolist()
    ([[1, 5], [2, 9]], [0.67, 1.0])
    """
    _check(threshold)
    pairs, iou, found, present = _overlaps(labels, reference, mask)
    above = iou > threshold
    return Matching(pairs[above], iou[above], found, present)


def instance_precision(
    labels: ArrayLike,
    reference: ArrayLike,
    thresholds: Sequence[float] = IOU_THRESHOLDS,
    mask: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """TP / (TP + FP + FN) at each threshold of IoU; its mean is the score of the Data Science Bowl 2018.

    .. math:: \\operatorname{AP}_t = \\frac{TP_t}{TP_t + FP_t + FN_t}

    The score of a set of pictures is the mean over the pictures.

    Parameters
    ----------
    labels, reference, mask
        As `match_instances`.
    thresholds
        T of them, each as there.

    Returns
    -------
    precision
        (T,), in 0..1; 1 if there is no object at all.

    Raises
    ------
    ShapeError, BadInput
        As `match_instances`.

    References
    ----------
    J. C. Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl",
    Nature Methods 16, 2019. :DOI:`10.1038/s41592-019-0612-7`

    Examples
    --------
    >>> instance_precision([[1, 1, 1, 0, 2]], [[5, 5, 0, 0, 9]], thresholds=(0.5, 0.75)).round(2).tolist()
    [1.0, 0.33]
    """
    for threshold in thresholds:
        _check(threshold)
    pairs, iou, found, present = _overlaps(labels, reference, mask)
    return np.array([Matching(pairs[iou > t], iou[iou > t], found, present).precision for t in thresholds])


def panoptic_quality(*matchings: Matching) -> PanopticQuality:
    """Panoptic quality of one class over one or more pictures, whose objects are counted together.

    .. math:: \\operatorname{PQ} = \\frac{\\sum_{TP} \\operatorname{IoU}}{TP + \\frac12 FP + \\frac12 FN}

    Parameters
    ----------
    matchings
        One a picture, of `match_instances` with the threshold 0.5.

    Raises
    ------
    BadInput
        If there is none.

    References
    ----------
    A. Kirillov et al., "Panoptic segmentation", CVPR 2019.

    Examples
    --------
    >>> scores = panoptic_quality(match_instances([[1, 1, 0, 2]], [[7, 7, 0, 0]]))
    >>> round(scores.quality, 3), scores.segmentation, round(scores.recognition, 3)
    (0.667, 1.0, 0.667)
    """
    if not matchings:
        raise BadInput("asked for the panoptic quality of no picture; give one matching or more")
    matched = sum(matching.true_positives for matching in matchings)
    objects = sum(matching.found + matching.present for matching in matchings)
    segmentation = _share(sum(float(matching.iou.sum()) for matching in matchings), matched, objects > 0)
    recognition = _share(2 * matched, objects)
    return PanopticQuality(segmentation * recognition, segmentation, recognition)


def _share(part: float, whole: float, wanting: bool = False) -> float:
    """Part over whole; where the whole is nothing, 0 if something is wanting, otherwise 1."""
    return float(part / whole) if whole else 1.0 - float(wanting)


def _check(threshold: float) -> None:
    if not 0.5 <= threshold < 1:
        raise BadInput(f"asked to match from an IoU of {threshold}; give 0.5 or more and less than 1")


def _overlaps(
    labels: ArrayLike, reference: ArrayLike, mask: ArrayLike | None
) -> tuple[NDArray[np.int64], NDArray[np.float64], int, int]:
    """All pairs of objects that share a pixel, their IoU, and the number of objects on either side."""
    found, truth = label_array(labels, "labels"), label_array(reference, "reference labels")
    keep = counted(found, truth, mask)
    f_numbers, f_index, f_sizes = _numbered(found[keep])
    r_numbers, r_index, r_sizes = _numbered(truth[keep])
    both, shared = np.unique(f_index * len(r_numbers) + r_index, return_counts=True)
    f, r = both // len(r_numbers), both % len(r_numbers)
    objects = (f_numbers[f] > 0) & (r_numbers[r] > 0)
    f, r, shared = f[objects], r[objects], shared[objects]
    pairs = np.stack([f_numbers[f], r_numbers[r]], axis=1)
    iou = shared / (f_sizes[f] + r_sizes[r] - shared)
    return pairs, iou, int((f_numbers > 0).sum()), int((r_numbers > 0).sum())


def _numbered(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The distinct labels, the index of each pixel's among them, and their sizes."""
    return np.unique(labels, return_inverse=True, return_counts=True)
