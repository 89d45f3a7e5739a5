"""What a segmentation network is trained to give, made from label maps, and objects made from what it gives.

A network of the task "segment" has one of three targets:

- `regions`: the class of every pixel;
- `borders`: background, inside or border of an object, so that objects that touch stay apart;
- `distances`: whether a pixel is of an object, and how far from the object's outside it is.

From the last two, a watershed finds the objects again: it floods from what lies safely inside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ShapeError
from aplomb.io import IGNORE

__all__ = [
    "SMALLEST",
    "Target",
    "border_classes",
    "border_weights",
    "distance_map",
    "instances_from_borders",
    "instances_from_distances",
]

SMALLEST = 10
"""Objects of fewer pixels are taken for noise, unless told otherwise."""

SURE = 0.8
"""Objects of a smaller mean probability are taken for noise, too. On pictures of nuclei that were trained on or chosen
by, 0.8 is worth 0.02 of average precision; 0.9 leaves out real ones."""

Target = Literal["regions", "borders", "distances"]

Window = tuple[slice, slice]


def border_classes(instances: ArrayLike, width: float = 2.0) -> NDArray[np.uint8]:
    """Background 0, inside 1 and border 2 of objects, (H, W).

    The border is what lies within `width` pixels of an object's outside; another object is outside, the frame of the
    picture is not, for the object goes on behind it. An object too thin for that keeps its innermost pixels inside.

    Parameters
    ----------
    instances
        Integers (H, W): 0 background, a number for each object.
    width
        Width of the border in pixels, 1 or more.

    Raises
    ------
    BadInput
        Values that are no numbers of objects, a width below 1.

    References
    ----------
    Chen, Qi, Yu, Heng, "DCAN: deep contour-aware networks for accurate gland segmentation", CVPR 2016.

    Examples
    --------
    >>> border_classes([[0, 0, 0, 0, 0], [7, 7, 7, 8, 8], [7, 7, 7, 8, 8], [7, 7, 7, 8, 8]], width=1)
    array([[0, 0, 0, 0, 0],
           [2, 2, 2, 2, 2],
           [1, 1, 2, 2, 1],
           [1, 1, 2, 2, 1]], dtype=uint8)
    """
    if not width >= 1:
        raise BadInput(f"asked for a border {width} pixels wide; give 1 or more")
    objects = _checked(instances)
    classes = np.zeros(objects.shape, np.uint8)
    for window, inside, distance in _distances(objects):
        core = distance > min(width, math.nextafter(distance.max(), 0))
        classes[window][inside] = np.where(core, 1, 2)[inside]
    return classes


def distance_map(instances: ArrayLike) -> NDArray[np.float32]:
    """Distance of each pixel to its object's outside, in units of the object's largest, (H, W) in 0..1; 0 outside.

    .. math:: d(x) = \\min_{y \\notin O} |x - y| \\, / \\max_{z \\in O} \\min_{y \\notin O} |z - y|, \\qquad x \\in O

    The frame of the picture is not outside; an object without an outside, which fills the picture, has 1 everywhere.

    References
    ----------
    Naylor, Laé, Reyal, Walter, "Segmentation of nuclei in histopathology images by deep regression of the distance
    map", IEEE Trans. Medical Imaging 38, 2019.

    Examples
    --------
    >>> distance_map([[0, 1, 1, 1, 2, 2, 0]])
    array([[0. , 0.5, 1. , 0.5, 1. , 1. , 0. ]], dtype=float32)
    """
    objects = _checked(instances)
    found = np.zeros(objects.shape, np.float32)
    for window, inside, distance in _distances(objects):
        found[window][inside] = (distance / distance.max())[inside]
    return found


def border_weights(labels: ArrayLike, w0: float = 10.0, sigma: float = 5.0) -> NDArray[np.float32]:
    """Weights (H, W) of the U-Net paper, which make a loss look at the gaps between objects.

    .. math:: w(x) = 1 + w_0 \\exp\\left(-\\frac{(d_1(x) + d_2(x))^2}{2 \\sigma^2}\\right)

    outside objects, with the distances to the nearest and to the second nearest of them; 1 inside; 0 where a class map
    (uint8) says `IGNORE`. Objects are connected regions of one value that is not 0, so that a class map and a map of
    instances both do.

    Parameters
    ----------
    labels
        Integers (H, W). Numbers of instances that reach 255 are given in a wider type than uint8.
    w0, sigma
        Height, and width in pixels.

    References
    ----------
    Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015.

    Examples
    --------
    >>> border_weights([[1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]], sigma=1).round(2)
    array([[1.  , 2.35, 1.  , 1.  , 1.  , 1.  , 1.  , 1.  , 1.  , 1.  , 1.  ,  1.  ]], dtype=float32)
    """
    from scipy import ndimage
    from skimage.measure import label

    if not (sigma > 0 and w0 >= 0):
        raise BadInput(f"asked for border weights with w0={w0}, sigma={sigma}; give w0 of 0 or more, sigma above 0")
    values = _checked(labels)
    ignored = (values == IGNORE) & (np.asarray(labels).dtype == np.uint8)
    objects = label(np.where(ignored, 0, values), connectivity=1)
    first, second = np.full((2, *objects.shape), np.inf)
    reach = math.ceil(6 * sigma)  # beyond it the exponential is below 2e-8
    for number, box in enumerate(ndimage.find_objects(objects), start=1):
        window = _around(box, reach)
        distance = ndimage.distance_transform_edt(objects[window] != number)
        near, far = first[window], second[window]
        far[...] = np.minimum(far, np.maximum(near, distance))
        near[...] = np.minimum(near, distance)
    weights = 1 + w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2)) * (objects == 0)
    weights[ignored] = 0
    return np.asarray(weights, np.float32)


def instances_from_borders(probabilities: ArrayLike, smallest: int = SMALLEST, sure: float = SURE) -> NDArray[np.int32]:
    """Objects from the probabilities of background, inside and border, by watershed.

    Seeds are the connected regions where inside is the most probable, and objects grow from them over what is more
    probably inside or border than background. Foreground without a seed is no object.

    Parameters
    ----------
    probabilities
        (3, H, W), summing to 1.
    smallest
        Objects of fewer pixels are left out.
    sure
        Objects whose pixels are foreground with a smaller probability than this, in the mean, are left out.

    Returns
    -------
    instances
        int32 (H, W): 0 background, objects 1, 2, ...

    Examples
    --------
    >>> classes = border_classes([[0, 0, 0, 0, 0], [7, 7, 7, 8, 8], [7, 7, 7, 8, 8], [7, 7, 7, 8, 8]], width=1)
    >>> instances_from_borders(np.eye(3)[classes].transpose(2, 0, 1), smallest=1)
    array([[0, 0, 0, 0, 0],
           [1, 1, 1, 2, 2],
           [1, 1, 1, 2, 2],
           [1, 1, 1, 2, 2]], dtype=int32)
    """
    from skimage.measure import label

    p = np.asarray(probabilities, np.float32)
    if p.ndim != 3 or p.shape[0] != 3:
        raise ShapeError(f"borders are asked for as (3, H, W): background, inside, border; found the shape {p.shape}")
    foreground = p[1] + p[2]
    seeds = label(p.argmax(axis=0) == 1, connectivity=1)
    return _flooded(-p[1], seeds, p[0] < foreground, smallest, foreground, sure)


def instances_from_distances(
    foreground: ArrayLike, distance: ArrayLike, smallest: int = SMALLEST, height: float = 0.3
) -> NDArray[np.int32]:
    """Objects from the probability of an object and the distance to its outside, by watershed.

    Seeds are the peaks of the distance that rise by `height` above the way to a higher one; objects grow from them
    over the foreground.

    Parameters
    ----------
    foreground
        Probability of an object, (H, W).
    distance
        See `distance_map`, (H, W).
    smallest
        Objects of fewer pixels are left out.
    height
        How deep the distance must fall between two objects.

    Returns
    -------
    instances
        int32 (H, W): 0 background, objects 1, 2, ...

    Examples
    --------
    >>> objects = np.array([[0, 1, 1, 1, 2, 2, 2, 0]])
    >>> instances_from_distances(objects > 0, distance_map(objects), smallest=1)
    array([[0, 1, 1, 1, 2, 2, 2, 0]], dtype=int32)
    """
    from skimage.measure import label
    from skimage.morphology import local_maxima, reconstruction

    mask, d = np.asarray(foreground, np.float32) > 0.5, np.asarray(distance, np.float32)
    if mask.ndim != 2 or mask.shape != d.shape:
        raise ShapeError(
            f"foreground and distance are asked for as (H, W) both, found the shapes {mask.shape} and {d.shape}"
        )
    d = np.where(mask, d, 0)
    # outside lies `height` below everything, so that the lowest object still rises above it
    ground = np.pad(np.where(mask, d, -height), 1, constant_values=-height)
    flat = reconstruction(ground - height, ground)[1:-1, 1:-1]
    peaks = local_maxima(np.pad(flat, 1, constant_values=-2 * height))[1:-1, 1:-1]
    return _flooded(-d, label(peaks & mask, connectivity=2), mask, smallest)  # a peak's pixels may touch at corners


def _flooded(
    relief: NDArray[Any],
    seeds: NDArray[Any],
    mask: NDArray[np.bool_],
    smallest: int,
    foreground: NDArray[np.float32] | None = None,
    sure: float = 0.0,
) -> NDArray[np.int32]:
    """Watershed from numbered seeds over `mask`; what is small or doubtful is left out, the rest are numbered."""
    from skimage.segmentation import relabel_sequential, watershed

    objects = watershed(relief, seeds, mask=mask | (seeds > 0))
    sizes = np.bincount(objects.ravel())
    left_out = sizes < smallest
    if foreground is not None:
        left_out |= np.bincount(objects.ravel(), weights=foreground.ravel()) < sure * sizes
    objects[left_out[objects]] = 0
    return np.asarray(relabel_sequential(objects)[0], np.int32)


def _checked(labels: ArrayLike) -> NDArray[np.int64]:
    """Labels as integers (H, W)."""
    values = np.asarray(labels)
    if values.ndim != 2:
        raise ShapeError(f"a label map is asked for as (H, W), found the shape {values.shape}")
    if values.dtype.kind not in "buif" or (values.size and (values.min() < 0 or (values != np.floor(values)).any())):
        raise BadInput(f"a label map holds whole numbers of 0 or more, found {values.dtype}; intensities are no labels")
    return values.astype(np.int64)


def _distances(objects: NDArray[np.int64]) -> Iterator[tuple[Window, NDArray[np.bool_], NDArray[np.float64]]]:
    """Of each object a window, where it lies in that, and the distance there to the nearest pixel that is not its."""
    from scipy import ndimage
    from skimage.segmentation import relabel_sequential

    numbered = relabel_sequential(objects)[0]
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        # one more pixel on each side is enough: what lies beyond is farther away
        window = _around(box, 1)
        inside = numbered[window] == number
        yield window, inside, ndimage.distance_transform_edt(inside) if not inside.all() else np.ones(inside.shape)


def _around(box: Window, reach: int) -> Window:
    rows, columns = (slice(max(0, s.start - reach), s.stop + reach) for s in box)
    return rows, columns
