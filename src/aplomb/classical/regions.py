"""Segmenters that spread from seeds: region growing, watersheds, random walks.

Seeds are the user's, as clicks or scribbles, or found in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aplomb.classical.segmenter import Floats, Labels, Segmenter, check_image, check_seeds, grey
from aplomb.errors import BadInput

__all__ = ["OtsuWatershed", "RandomWalker", "RegionGrowing", "Watershed"]


@dataclass(frozen=True, eq=False)
class RegionGrowing(Segmenter):
    """Regions 1..R of pixels near the mean of their region; 0 for pixels in none.

    A pixel x_i that touches region r (4 neighbours) joins if

    .. math:: \\sqrt{\\tfrac1C |x_i - \\mu_r|^2} < t

    with the running mean of the region. Growth goes in waves: all pixels along the borders are judged by the
    means at the beginning of the wave, one that could join several regions takes the nearest mean, and it ends
    when nobody joins. So the result depends on no order of scanning.

    Without seeds, regions begin one after the other, each at the flattest pixel left (the smallest gradient
    of a smoothed picture, of those that are smallest around) and grow until they are done. Any number of
    channels.

    Parameters
    ----------
    tolerance
        t, in the units of the image, above 0.

    Raises
    ------
    BadInput
        If the tolerance is not positive.

    References
    ----------
    R. Adams, L. Bischof, "Seeded region growing", IEEE Trans. Pattern Analysis and Machine Intelligence
    16 (6), 1994.

    Examples
    --------
    >>> RegionGrowing(0.15)(np.array([[0.1, 0.2, 0.6, 0.9, 0.8]]), seeds=[(0, 0), (0, 4)]).tolist()
    [[1, 1, 0, 2, 2]]
    """

    tolerance: float = 0.1
    name: ClassVar[str] = "region-growing"
    takes_seeds: ClassVar[bool] = True
    numbers_regions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_positive(self.name, "tolerance", self.tolerance)

    def _segment(self, image: Floats, seeds: Labels | None) -> npt.NDArray[Any]:
        height, width = image.shape[:2]
        # a frame that belongs to nobody saves every look for the border; flat indices then are neighbours
        values = np.pad(image.reshape(height, width, -1), ((1, 1), (1, 1), (0, 0))).reshape(-1, image[0, 0].size)
        marks = np.zeros((height, width), np.int64) if seeds is None else seeds.astype(np.int64)
        labels: npt.NDArray[np.int64] = np.pad(marks, 1, constant_values=-1)
        steps = np.array([-labels.shape[1], -1, 1, labels.shape[1]])
        flat = labels.reshape(-1)
        if seeds is not None:
            self._grow(values, flat, np.flatnonzero(flat > 0), steps)
        else:
            number = 0
            for row, column in _flat_places(image):
                start = (row + 1) * labels.shape[1] + column + 1
                if flat[start] == 0:
                    number += 1
                    flat[start] = number
                    self._grow(values, flat, np.array([start]), steps)
        return labels[1:-1, 1:-1]

    def _grow(self, values: Floats, labels: npt.NDArray[Any], members: npt.NDArray[Any], steps: Any) -> None:
        """Let the regions of `members` grow, in place."""
        numbers, index = np.unique(labels[members], return_inverse=True)
        counts = np.bincount(index).astype(np.float64)
        sums = np.stack([np.bincount(index, column) for column in values[members].T], axis=1)
        pixels, regions = np.zeros(0, np.int64), np.zeros(0, np.int64)
        while len(members):
            # all pairs of a free pixel and a region that touches it: the old ones still free, and the new ones
            pixels = np.concatenate([pixels, (members[:, None] + steps).reshape(-1)])
            regions = np.concatenate([regions, np.repeat(index, len(steps))])
            free = labels[pixels] == 0
            pairs = np.unique(pixels[free] * len(numbers) + regions[free])
            pixels, regions = pairs // len(numbers), pairs % len(numbers)
            apart = np.sqrt(np.mean(np.square(values[pixels] - (sums / counts[:, None])[regions]), axis=1))
            near = np.flatnonzero(apart < self.tolerance)
            near = near[np.lexsort((regions[near], apart[near], pixels[near]))]
            near = near[np.diff(pixels[near], prepend=-1) > 0]  # of each pixel the nearest region
            members, index = pixels[near], regions[near]
            labels[members] = numbers[index]
            counts += np.bincount(index, minlength=len(numbers))
            for channel, column in enumerate(values[members].T):
                sums[:, channel] += np.bincount(index, column, minlength=len(numbers))


@dataclass(frozen=True, eq=False)
class Watershed(Segmenter):
    """Regions 1..R that meet on the ridges of the gradient; every pixel is in one.

    The gradient magnitude (Sobel, of the picture smoothed by `width`) is flooded from the seeds
    (`skimage.segmentation.watershed`); without seeds from its minima, at least `distance` apart. RGB becomes
    luminance.

    Parameters
    ----------
    width
        Standard deviation of the smoothing in pixels, at least 0.
    distance
        Smallest distance of two minima in pixels, at least 1.

    Raises
    ------
    BadInput
        If a parameter is out of its range.

    References
    ----------
    L. Vincent, P. Soille, "Watersheds in digital spaces: an efficient algorithm based on immersion
    simulations", IEEE Trans. Pattern Analysis and Machine Intelligence 13 (6), 1991.

    Examples
    --------
    >>> step = np.repeat([[0.0] * 5 + [1.0] * 5], 6, axis=0)
    >>> Watershed(width=0)(step, seeds=[(3, 1), (3, 8)])[0].tolist()
    [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]
    """

    width: float = 1.0
    distance: int = 8
    name: ClassVar[str] = "watershed"
    takes_seeds: ClassVar[bool] = True
    numbers_regions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_width(self.name, self.width)
        _check_distance(self.name, self.distance)

    def _segment(self, image: Floats, seeds: Labels | None) -> npt.NDArray[Any]:
        from skimage.feature import peak_local_max
        from skimage.segmentation import watershed

        slope = _gradient(grey(self.name, image), self.width)
        if seeds is None:
            places = peak_local_max(slope.max() - slope, min_distance=self.distance, exclude_border=False)
            if not len(places):  # flat everywhere
                return np.ones(slope.shape, np.int32)
            seeds = check_seeds(self.name, places, slope.shape)
        return np.asarray(watershed(slope, seeds))


@dataclass(frozen=True, eq=False)
class OtsuWatershed(Segmenter):
    """Bright objects 1..R on a dark ground (0), those that touch parted at their waists.

    Otsu's threshold of the smoothed picture gives the foreground, whose holes are filled; the distance of its
    pixels to the ground has a peak in each object, and a watershed from the peaks shares the foreground. RGB
    becomes luminance. Pass ``1 - image`` for dark objects. With seeds, these are the objects.

    Parameters
    ----------
    distance
        Smallest distance of two centres in pixels, at least 1: about the radius of a small object.
    smallest
        Objects with fewer pixels are ground.
    width
        Standard deviation of the smoothing in pixels, at least 0.

    Raises
    ------
    BadInput
        If a parameter is out of its range.

    References
    ----------
    N. Malpica et al., "Applying watershed algorithms to the segmentation of clustered nuclei", Cytometry 28,
    1997.

    Examples
    --------
    >>> rows, columns = np.mgrid[:40, :60]
    >>> discs = (np.hypot(rows - 20, columns - 20) < 11) | (np.hypot(rows - 20, columns - 38) < 11)
    >>> OtsuWatershed()(discs.astype(float)).max()
    np.int32(2)
    """

    distance: int = 6
    smallest: int = 20
    width: float = 1.0
    name: ClassVar[str] = "otsu-watershed"
    takes_seeds: ClassVar[bool] = True
    numbers_regions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_distance(self.name, self.distance)
        if not self.smallest >= 0:
            raise BadInput(f"{self.name} needs a smallest size of at least 0 pixels, found {self.smallest!r}")
        _check_width(self.name, self.width)

    def _segment(self, image: Floats, seeds: Labels | None) -> npt.NDArray[Any]:
        from scipy import ndimage
        from skimage.feature import peak_local_max
        from skimage.filters import threshold_otsu
        from skimage.segmentation import watershed

        plane = ndimage.gaussian_filter(grey(self.name, image), self.width)
        front = ndimage.binary_fill_holes(plane > threshold_otsu(plane))
        pieces = ndimage.label(front)[0]
        front &= np.bincount(pieces.reshape(-1))[pieces] >= self.smallest
        pieces = ndimage.label(front)[0]
        height = ndimage.gaussian_filter(ndimage.distance_transform_edt(np.pad(front, 1))[1:-1, 1:-1], 1.0)
        if seeds is None:
            places = peak_local_max(height, min_distance=self.distance, labels=pieces, exclude_border=False)
            if not len(places):
                return np.zeros(plane.shape, np.int32)
            seeds = check_seeds(self.name, places, plane.shape)
        return np.asarray(watershed(-height, seeds, mask=front))


@dataclass(frozen=True, eq=False)
class RandomWalker(Segmenter):
    """Each pixel gets the seed that a random walk from it is most likely to reach first.

    .. math:: w_{ij} = \\exp\\left(-\\frac{\\beta |x_i - x_j|^2}{10 \\operatorname{std}(x)}\\right)

    is how easily it steps from a pixel to its neighbour (`skimage.segmentation.random_walker`). Without seeds:
    0 from the pixels darker than the mean of Otsu's dark class, 1 from those brighter than the mean of the
    bright one. Any number of channels; a constant picture without seeds is all 0.

    Parameters
    ----------
    beta
        Above 0; the larger, the less it crosses edges.

    Raises
    ------
    BadInput
        If beta is not positive; a constant picture with seeds.

    References
    ----------
    L. Grady, "Random walks for image segmentation", IEEE Trans. Pattern Analysis and Machine Intelligence
    28 (11), 2006.

    Examples
    --------
    >>> step = np.repeat([[0.0] * 4 + [1.0] * 4], 4, axis=0)
    >>> RandomWalker()(step, seeds=[(1, 0), (1, 7)])[0].tolist()
    [1, 1, 1, 1, 2, 2, 2, 2]
    """

    beta: float = 130.0
    name: ClassVar[str] = "random-walker"
    takes_seeds: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_positive(self.name, "beta", self.beta)

    def probabilities(self, image: npt.ArrayLike, seeds: npt.ArrayLike | None = None) -> npt.NDArray[np.float32]:
        """(H, W, K): how likely each of the K seed numbers, in rising order, is reached first; errors as the call."""
        checked = check_image(self.name, image)
        given = None if seeds is None else check_seeds(self.name, seeds, checked.shape[:2])
        return self._walk(checked, given)[0].astype(np.float32)

    def _segment(self, image: Floats, seeds: Labels | None) -> npt.NDArray[Any]:
        reached, numbers = self._walk(image, seeds)
        return np.asarray(numbers[np.argmax(reached, axis=2)])

    def _walk(self, image: Floats, seeds: Labels | None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        from skimage.segmentation import random_walker

        automatic = seeds is None
        if seeds is None:
            if image.min() == image.max():
                return np.tile([1.0, 0.0], (*image.shape[:2], 1)), np.arange(2)
            seeds = _dark_and_bright(grey(self.name, image))
        elif image.min() == image.max():
            raise BadInput(f"{self.name} found a constant picture: there is no border to find between seeds")
        numbers, place = np.unique(seeds[seeds > 0], return_inverse=True)
        if len(numbers) == 1:
            return np.ones((*image.shape[:2], 1)), numbers
        marks = np.zeros(seeds.shape, np.int32)
        marks[seeds > 0] = place + 1
        if (marks > 0).all():
            reached = np.eye(len(numbers))[marks - 1]
        else:
            channels = -1 if image.ndim == 3 else None
            walked = random_walker(image, marks, self.beta, tol=1e-5, return_full_prob=True, channel_axis=channels)
            reached = np.moveaxis(walked, 0, -1)
        return reached, numbers - 1 if automatic else numbers


def _check_positive(name: str, what: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise BadInput(f"{name} needs a {what} above 0, found {value!r}")


def _check_width(name: str, width: float) -> None:
    if not (np.isfinite(width) and width >= 0):
        raise BadInput(f"{name} needs a width of at least 0 pixels, found {width!r}")


def _check_distance(name: str, distance: int) -> None:
    if not (isinstance(distance, (int, np.integer)) and distance >= 1):
        raise BadInput(f"{name} needs a distance of at least 1 pixel, found {distance!r}")


def _gradient(plane: Floats, width: float) -> Floats:
    """Gradient magnitude of the smoothed plane."""
    from scipy import ndimage
    from skimage.filters import sobel

    smooth = ndimage.gaussian_filter(plane, width) if width else plane
    return np.asarray(sobel(smooth))


def _flat_places(image: Floats) -> npt.NDArray[np.int64]:
    """Where regions may begin: minima of the gradient, at least 3 pixels apart, flattest first."""
    from skimage.feature import peak_local_max

    planes = image.reshape(*image.shape[:2], -1)
    slope = np.sqrt(sum(np.square(_gradient(plane, 1.0)) for plane in np.moveaxis(planes, -1, 0)))
    places = peak_local_max(slope.max() - slope, min_distance=3, exclude_border=False)
    # a flat picture has no peak; the middle is as good as any
    return places if len(places) else np.array([[slope.shape[0] // 2, slope.shape[1] // 2]])


def _dark_and_bright(plane: Floats) -> Labels:
    """Scribbles: 1 on what is surely dark, 2 on what is surely bright."""
    from skimage.filters import threshold_otsu

    bright = plane > threshold_otsu(plane)
    seeds = np.zeros(plane.shape, np.int32)
    seeds[plane <= plane[~bright].mean()] = 1
    seeds[plane >= plane[bright].mean()] = 2
    return seeds
