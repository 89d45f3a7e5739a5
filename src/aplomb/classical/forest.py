"""A random forest on a bank of filters, which learns from a few scribbles, as interactive tools have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aplomb.classical.segmenter import (
    Floats,
    Labels,
    Segmenter,
    check_image,
    need_scikit_learn,
    training_pixels,
)
from aplomb.errors import BadInput, ShapeError
from aplomb.io import IGNORE

__all__ = ["FilterForest", "FittedForest"]

_SAMPLE = 20_000
"""Pixels a class that the trees see at most."""


@dataclass(frozen=True, eq=False)
class FilterForest:
    """Classes of pixels learned from labels or scribbles: filter responses, then a random forest.

    The features of a pixel are the picture smoothed at several scales, its gradient magnitude and the
    eigenvalues of its Hessian (`skimage.feature.multiscale_basic_features`), of each channel, so that the
    direction of a texture is not seen; the classifier is
    `sklearn.ensemble.RandomForestClassifier` with classes of equal weight. Needs the extra ``learn``.

    Parameters
    ----------
    trees
        Number of trees, at least 1.
    largest
        Largest scale, the standard deviation of a Gaussian in pixels, at least 1; the smallest is 0.5, each
        the double of the one before.
    seed
        Of the trees and of the sample of at most 20,000 pixels a class.

    Raises
    ------
    BadInput
        If a parameter is out of its range.

    References
    ----------
    L. Breiman, "Random forests", Machine Learning 45, 2001. S. Berg et al., "ilastik: interactive machine
    learning for (bio)image analysis", Nature Methods 16, 2019.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> picture = rng.normal(0.5, np.repeat([0.02, 0.2], 16), (32, 32))  # quiet on the left
    >>> scribbles = np.full((32, 32), 255)
    >>> scribbles[4:28, 3:6], scribbles[4:28, 26:29] = 0, 1
    >>> fitted = FilterForest(trees=20, largest=4).fit([picture], [scribbles])
    >>> bool(np.mean(fitted(picture) == (np.arange(32) >= 16)) > 0.9)
    True
    """

    trees: int = 100
    largest: float = 8.0
    seed: int = 0
    name: ClassVar[str] = "filter-forest"

    def __post_init__(self) -> None:
        if not (isinstance(self.trees, (int, np.integer)) and self.trees >= 1):
            raise BadInput(f"{self.name} needs at least 1 tree, found {self.trees!r}")
        if not (np.isfinite(self.largest) and self.largest >= 1):
            raise BadInput(f"{self.name} needs a largest scale of at least 1 pixel, found {self.largest!r}")

    def fit(self, images: Sequence[npt.ArrayLike], labels: Sequence[npt.ArrayLike]) -> FittedForest:
        """A forest that knows the classes of these pictures.

        Parameters
        ----------
        images
            One or more, (H, W) or (H, W, C), floating point, 0..1, with the same channels.
        labels
            As many, (H, W): classes from 0, and 255 where nothing is marked.

        Raises
        ------
        BadInput, ShapeError
            They do not fit each other, a class has no pixel, there is one class only, or scikit-learn is not
            installed.
        """
        need_scikit_learn(self.name)
        from sklearn.ensemble import RandomForestClassifier

        pictures, maps, classes = training_pixels(self.name, images, labels)
        features, wanted = [], []
        for picture, marks in zip(pictures, maps, strict=True):
            marked = marks != IGNORE
            features.append(_features(picture, self.largest)[marked])
            wanted.append(marks[marked])
        x, y = np.concatenate(features), np.concatenate(wanted)
        rng = np.random.default_rng(self.seed)
        chosen = [rng.permutation(np.flatnonzero(y == k))[:_SAMPLE] for k in range(classes)]
        kept = np.concatenate(chosen)
        forest = RandomForestClassifier(
            self.trees, class_weight="balanced", min_samples_leaf=2, random_state=self.seed, n_jobs=1
        )
        channels = pictures[0].shape[2] if pictures[0].ndim == 3 else 1
        return FittedForest(forest.fit(x[kept], y[kept]), classes, channels, self.largest)


@dataclass(frozen=True, eq=False)
class FittedForest(Segmenter):
    """What `FilterForest.fit` gives: classes 0..K-1 of pictures with the channels that it learned from."""

    forest: Any = field(repr=False)
    """The fitted `sklearn.ensemble.RandomForestClassifier`."""
    classes: int
    """K."""
    channels: int
    """Channels of the pictures."""
    largest: float
    """Largest scale of the filters in pixels."""
    name: ClassVar[str] = "filter-forest"

    def probabilities(self, image: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """(H, W, K): the share of each class in the leaves that a pixel reaches; raises as the call does."""
        return self._probabilities(check_image(self.name, image))

    def _segment(self, image: Floats, seeds: Labels | None) -> npt.NDArray[Any]:
        return np.asarray(np.argmax(self._probabilities(image), axis=2))

    def _probabilities(self, image: Floats) -> npt.NDArray[np.float32]:
        found = image.shape[2] if image.ndim == 3 else 1
        if found != self.channels:
            raise ShapeError(f"{self.name} learned from {self.channels} channels, found an image with {found}")
        features = _features(image, self.largest)
        rows = [
            self.forest.predict_proba(features[i : i + 64].reshape(-1, features.shape[2])).astype(np.float32)
            for i in range(0, len(features), 64)  # bounds the memory
        ]
        return np.concatenate(rows).reshape(*image.shape[:2], self.classes)


def _features(image: Floats, largest: float) -> npt.NDArray[np.float32]:
    """(H, W, F): responses of the filters."""
    from skimage.feature import multiscale_basic_features

    channels = -1 if image.ndim == 3 else None
    found = multiscale_basic_features(image.astype(np.float32), sigma_max=largest, workers=1, channel_axis=channels)
    return np.asarray(found, dtype=np.float32)
