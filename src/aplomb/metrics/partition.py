"""How well a picture is divided into regions, whatever their numbers: Rand error, variation of information.

For membranes, whose map is thresholded first, `membrane_rand_error` looks for the best threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput
from aplomb.metrics.counted import Labels, counted, label_array
from aplomb.metrics.ranking import BestThreshold

__all__ = [
    "RandError",
    "VariationOfInformation",
    "cells",
    "membrane_rand_error",
    "rand_error",
    "variation_of_information",
]


class RandError(NamedTuple):
    """Adapted Rand error, 0 for equal partitions, and what it is made of."""

    error: float
    precision: float
    """Of the pairs of pixels in one region of the labels, the share in one of the reference: low if merged."""
    recall: float
    """Of the pairs in one region of the reference, the share in one of the labels: low if split."""


class VariationOfInformation(NamedTuple):
    """Conditional entropies in bits, both 0 for equal partitions."""

    split: float
    """H(labels | reference): what regions that were cut cost."""
    merge: float
    """H(reference | labels): what regions that were joined cost."""

    @property
    def total(self) -> float:
        """Variation of information, the sum: a distance of partitions."""
        return self.split + self.merge


def rand_error(
    labels: ArrayLike, reference: ArrayLike, *, ignore: int | None = 0, mask: ArrayLike | None = None
) -> RandError:
    """Adapted Rand error of a partition, in 0..1: one minus the F1 of pairs of pixels.

    .. math:: e = 1 - \\frac{2 \\sum_{ij} n_{ij} (n_{ij} - 1)}
              {\\sum_i r_i (r_i - 1) + \\sum_j l_j (l_j - 1)}

    with n_ij pixels in region i of the reference and j of the labels, r and l the sizes of the
    regions. Symmetric where every pixel counts.

    Parameters
    ----------
    labels, reference
        Region numbers, integer, of one shape. The label 0 of `labels` is a region like any other.
    ignore
        Where the reference holds this label the pixel does not count; 0 is what lies between cells. None: all
        count.
    mask
        Bool, the field of view: pixels outside do not count.

    Raises
    ------
    ShapeError
        The shapes differ, or no pixel counts.
    BadInput
        Labels that are not whole numbers from 0.

    References
    ----------
    I. Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for
    connectomics", Frontiers in Neuroanatomy 9, 2015. :DOI:`10.3389/fnana.2015.00142`

    Examples
    --------
    >>> merged = rand_error([[1, 1, 1, 1]], [[1, 1, 2, 2]])
    >>> round(merged.error, 3), round(merged.precision, 3), merged.recall
    (0.5, 0.333, 1.0)
    """
    # written out, since scikit-image (0.26) gives precision and recall by each other's name
    found, truth = _regions(labels, reference, ignore, mask)
    joint = _pairs(truth * (found.max() + 1) + found)
    of_labels, of_reference = _pairs(found), _pairs(truth)

    def share(pairs: int, whole: int) -> float:
        return pairs / whole if whole else 1.0  # where there is no pair, none is wrong

    f1 = share(2 * joint, of_labels + of_reference)
    return RandError(1 - f1, share(joint, of_labels), share(joint, of_reference))


def variation_of_information(
    labels: ArrayLike, reference: ArrayLike, *, ignore: int | None = 0, mask: ArrayLike | None = None
) -> VariationOfInformation:
    """Information in bits that one partition lacks of the other: what is split, and what is merged.

    .. math:: \\operatorname{VI} = H(L \\mid R) + H(R \\mid L)

    by `skimage.metrics.variation_of_information`. The total is symmetric where every pixel counts.

    Parameters
    ----------
    labels, reference, ignore, mask
        As `rand_error`.

    Raises
    ------
    ShapeError, BadInput
        As `rand_error`.

    References
    ----------
    M. Meila, "Comparing clusterings: an information based distance", J. Multivariate Analysis 98, 2007.
    :DOI:`10.1016/j.jmva.2006.11.013`

    Examples
    --------
    >>> variation_of_information([[1, 1, 1, 1]], [[1, 1, 2, 2]])
    VariationOfInformation(split=0.0, merge=1.0)
    """
    from skimage.metrics import variation_of_information

    found, truth = _regions(labels, reference, ignore, mask)
    # 0.0 + x turns the -0.0 of an empty sum into 0.0
    split, merge = (0.0 + max(0.0, float(bits)) for bits in variation_of_information(truth, found))
    return VariationOfInformation(split, merge)


def cells(membrane: ArrayLike) -> NDArray[np.int32]:
    """What lies between membranes, numbered: 4-connected regions of the pixels that are no membrane.

    Parameters
    ----------
    membrane
        Bool (H, W), true on membranes, which become 0.

    Examples
    --------
    >>> cells(np.array([[False, True, False]])).tolist()
    [[1, 0, 2]]
    """
    from scipy import ndimage

    return np.asarray(ndimage.label(~np.asarray(membrane, dtype=bool))[0], dtype=np.int32)


def membrane_rand_error(
    probability: ArrayLike,
    reference: ArrayLike,
    thresholds: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    mask: ArrayLike | None = None,
) -> BestThreshold:
    """Smallest adapted Rand error of a membrane map over thresholds, and its threshold.

    At each threshold the `cells` below it are grown over the membranes by a watershed of the probability until
    they meet, so that the width of a membrane costs nothing; then `rand_error` is taken where the reference
    has cells.

    Parameters
    ----------
    probability
        (H, W), that the pixel is membrane, 0..1.
    reference
        (H, W), bool or 0 and 1 (membrane).
    thresholds
        Those to be tried; a pixel is membrane from the threshold on.
    mask
        Bool, the field of view: pixels outside do not count.

    Raises
    ------
    ShapeError
        The shapes differ, are not (H, W), or no pixel counts.
    BadInput
        Values that are not finite, a reference that is all membrane or holds other values, no threshold.

    References
    ----------
    As `rand_error`, whose foreground-restricted Rand score after border thinning this follows.

    Examples
    --------
    >>> wall = np.zeros((8, 9), int); wall[:, 4] = 1
    >>> membrane_rand_error(0.35 * wall, wall)
    BestThreshold(value=0.0, threshold=0.1)
    """
    from skimage.segmentation import watershed

    p, truth = membrane_maps(probability, reference)
    regions = cells(truth > 0)
    if not len(thresholds):
        raise BadInput("asked for the best of no threshold; give at least one in 0..1")
    best = BestThreshold(np.inf, np.nan)
    for threshold in thresholds:
        seeds = cells(p >= threshold)
        found = watershed(p, seeds) if seeds.any() else seeds
        error = rand_error(found, regions, mask=mask).error
        if error < best.value:
            best = BestThreshold(error, float(threshold))
    return best


def membrane_maps(probability: ArrayLike, reference: ArrayLike) -> tuple[NDArray[Any], Labels]:
    """A map of probabilities and its reference of 0 and 1, checked."""
    p, truth = np.asarray(probability), label_array(reference, "reference labels")
    if p.dtype.kind not in "buif" or not np.isfinite(p).all():
        raise BadInput("asked for a map of membrane probabilities, found values that are no finite numbers")
    if p.ndim != 2:
        raise BadInput(f"asked for a map of membrane probabilities (H, W), found the shape {p.shape}")
    counted(p, truth, None)
    if truth.max() > 1:
        raise BadInput(f"asked for a reference of 0 and 1 (membrane), found the label {truth.max()}")
    return p.astype(np.float64), truth


def _pairs(regions: Labels) -> int:
    """Ordered pairs of pixels that lie in one region."""
    sizes = np.unique(regions, return_counts=True)[1]
    return int(np.sum(sizes * (sizes - 1)))


def _regions(
    labels: ArrayLike, reference: ArrayLike, ignore: int | None, mask: ArrayLike | None
) -> tuple[Labels, Labels]:
    """Region numbers of the pixels that count, without gaps."""
    found, truth = label_array(labels, "labels"), label_array(reference, "reference labels")
    keep = counted(found, truth, mask, ignore)
    return np.unique(found[keep], return_inverse=True)[1], np.unique(truth[keep], return_inverse=True)[1]
