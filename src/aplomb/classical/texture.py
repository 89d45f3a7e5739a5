"""Textures told apart by hand-made features: filter bank, rectification, smoothing, a decision per pixel.

All but the last step is an expression of the algebra, and with a decision that is linear the whole is: a small
network whose weights nobody trained, which can be read as a table, certified and frozen as any other.
"""

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
    grey,
    need_scikit_learn,
    training_pixels,
)
from aplomb.errors import BadInput
from aplomb.io import IGNORE
from aplomb.layers.activation import relu, softmax
from aplomb.layers.conv import Conv
from aplomb.layers.pad import pad
from aplomb.operator import Operator, chain, identity, stack

__all__ = ["FittedTextures", "TextureDiscriminator", "laws_filters", "texture_energies"]

_VECTORS = np.array([[1, 4, 6, 4, 1], [-1, -2, 0, 2, 1], [-1, 0, 2, 0, -1], [1, -4, 6, -4, 1]]) / [[16], [6], [4], [16]]
"""Laws' level, edge, spot and ripple, with absolute values that sum to 1."""

_SAMPLE = 20_000
"""Pixels that the clusters are found with."""


def laws_filters() -> npt.NDArray[np.float32]:
    """Laws' 15 texture filters of 5 x 5 pixels: products of level, edge, spot and ripple, all of mean 0.

    .. math:: h_{ab}(i, j) = v_a(i) \\, v_b(j), \\qquad (a, b) \\ne (\\text{level}, \\text{level})

    Returns
    -------
    filters
        (15, 5, 5), float32.

    References
    ----------
    K. I. Laws, "Textured image segmentation", University of Southern California, report USCIPI 940, 1980.

    Examples
    --------
    >>> filters = laws_filters()
    >>> filters.shape, bool(np.abs(filters.sum((1, 2))).max() < 1e-6)
    ((15, 5, 5), True)
    """
    products = np.einsum("ai,bj->abij", _VECTORS, _VECTORS).reshape(-1, 5, 5)
    return np.asarray(products[1:], dtype=np.float32)


def texture_energies(scales: Sequence[int] = (1, 2, 4), levels: int = 4) -> Operator:
    """How strongly each filter answers around each pixel: a picture (N, 1, H, W) to channels (N, 15 S, H, W).

    .. math:: e_{sk} = G * |h_k^{(s)} * x|

    with `laws_filters` dilated by each scale s, and G a Gaussian made of `levels` kernels (1, 4, 6, 4, 1) / 16 down
    and across, dilated by 1, 2, 4, ...: its variance is 1 + 4 + 16 + ... . Borders are repeated.

    Parameters
    ----------
    scales
        S dilations of the filters, in pixels, at least 1.
    levels
        Steps of the smoothing, at least 1; 4 give a standard deviation of 9.2 pixels, 5 of 18.5.

    Examples
    --------
    >>> energies = texture_energies()
    >>> energies.output_shape((1, 1, 64, 64)), energies.span((0, 1))
    ((1, 45, 64, 64), (-38, 39))
    >>> bool(np.abs(energies(np.full((1, 1, 9, 9), 0.5))).max() < 1e-6)  # no texture
    True
    """
    filters = laws_filters()[:, None]
    bank = stack(*[chain(pad(2 * s, "replicate"), Conv(filters, None, dilation=(s, s))) for s in scales])
    absolute = relu + chain(-1.0 * identity, relu)  # |x| = max(x, 0) + max(-x, 0)
    return chain(bank, absolute, *[_smooth(len(filters) * len(scales), 2**level) for level in range(levels)])


def _smooth(channels: int, step: int) -> Operator:
    """The kernel (1, 4, 6, 4, 1) / 16, dilated by `step`, down and across each channel."""
    down = np.broadcast_to(_VECTORS[0].astype(np.float32)[:, None], (channels, 1, 5, 1)).copy()
    return chain(
        pad(2 * step, "replicate"),
        Conv(down, None, dilation=(step, 1), groups=channels),
        Conv(down.swapaxes(2, 3).copy(), None, dilation=(1, step), groups=channels),
    )


@dataclass(frozen=True, eq=False)
class TextureDiscriminator(Segmenter):
    """Classes of pixels by texture, whatever their grey level: found by itself, or learned by `fit`.

    The features are `texture_energies`. Called without `fit`, k-means finds `classes` clusters of them, each
    feature divided by the square root of its standard deviation over the picture (a compromise:
    undivided, the strong filters decide alone; divided by all of it, those that answer to borders only), ordered
    from weak to strong texture (extra ``learn``). RGB becomes luminance.

    Parameters
    ----------
    classes
        Clusters to be found, 2 to 64; `fit` takes their number from the labels.
    scales, levels
        As `texture_energies`.
    seed
        Of the first centres, and of the sample of 20,000 pixels.

    Raises
    ------
    BadInput
        If a parameter is out of its range.

    References
    ----------
    M. Unser, M. Eden, "Multiresolution feature extraction and selection for texture segmentation", IEEE
    Trans. Pattern Analysis and Machine Intelligence 11 (7), 1989.

    Examples
    --------
    >>> rows, columns = np.mgrid[:64, :64]
    >>> stripes = np.where(columns < 32, np.sin(rows), np.sin(columns)) / 4 + 0.5  # of the same mean
    >>> labels = TextureDiscriminator(levels=3)(stripes)
    >>> len(np.unique(labels[:, :24])), len(np.unique(labels[:, 40:])), labels[9, 9] != labels[9, 54]
    (1, 1, np.True_)
    """

    classes: int = 2
    scales: tuple[int, ...] = (1, 2, 4)
    levels: int = 4
    seed: int = 0
    name: ClassVar[str] = "texture"

    def __post_init__(self) -> None:
        if not (isinstance(self.classes, (int, np.integer)) and 2 <= self.classes <= 64):
            raise BadInput(f"{self.name} finds 2 to 64 classes, asked for {self.classes!r}")
        if not self.scales or not all(isinstance(s, (int, np.integer)) and s >= 1 for s in self.scales):
            raise BadInput(f"{self.name} needs scales of whole pixels from 1, found {self.scales!r}")
        if not (isinstance(self.levels, (int, np.integer)) and 1 <= self.levels <= 8):
            raise BadInput(f"{self.name} smooths in 1 to 8 levels, asked for {self.levels!r}")

    def fit(self, images: Sequence[npt.ArrayLike], labels: Sequence[npt.ArrayLike]) -> FittedTextures:
        """Linear discriminant analysis of the energies: one network from picture to probabilities.

        .. math:: p_k \\propto \\pi_k \\exp\\left(\\mu_k^T S^{-1} e - \\tfrac12 \\mu_k^T S^{-1} \\mu_k\\right)

        with the means of the classes and the covariance S within them, to whose diagonal a thousandth of
        itself is added; all classes are taken as equally frequent.

        Parameters
        ----------
        images
            One or more, (H, W) or RGB, floating point, 0..1.
        labels
            As many, (H, W): classes from 0, and 255 where nothing is marked.

        Raises
        ------
        BadInput, ShapeError
            They do not fit each other, a class has no pixel, there is one class only, or there is no texture
            at all.

        References
        ----------
        R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7, 1936.
        """
        pictures, maps, classes = training_pixels(self.name, images, labels)
        energies = texture_energies(self.scales, self.levels)
        features, wanted = [], []
        for picture, marks in zip(pictures, maps, strict=True):
            marked = marks != IGNORE
            features.append(_channels_last(energies, grey(self.name, picture))[marked])
            wanted.append(marks[marked])
        x, y = np.concatenate(features), np.concatenate(wanted)
        means = np.stack([x[y == k].mean(axis=0) for k in range(classes)])
        within = x - means[y]
        covariance = within.T @ within / len(x)
        if not (np.diagonal(covariance) > 1e-12).any():
            raise BadInput(f"{self.name} found no texture in the pictures: every filter answers alike everywhere")
        # means apart and no spread within is possible too, hence a floor that every channel shares
        ridge = 1e-3 * np.diagonal(covariance) + 1e-9 * np.trace(covariance)
        weight = np.linalg.solve(covariance + np.diag(ridge), means.T).T
        bias = -0.5 * np.sum(weight * means, axis=1)
        decision = Conv(weight[:, :, None, None].astype(np.float32), bias.astype(np.float32))
        return FittedTextures(chain(energies, decision, softmax), classes)

    def _segment(self, image: Floats, seeds: Labels | None) -> npt.NDArray[Any]:
        need_scikit_learn(self.name)
        from sklearn.cluster import KMeans

        features = _channels_last(texture_energies(self.scales, self.levels), grey(self.name, image))
        x = features.reshape(-1, features.shape[2])
        spread = x.std(axis=0)
        x = x / np.sqrt(np.where(spread > 1e-9, spread, np.inf))  # what does not vary says nothing
        sample = x if len(x) <= _SAMPLE else np.random.default_rng(self.seed).choice(x, _SAMPLE, replace=False)
        if len(np.unique(sample, axis=0)) < self.classes:
            return np.zeros(image.shape[:2], np.int32)
        found = KMeans(self.classes, n_init=3, random_state=self.seed).fit(sample)
        order = np.argsort(np.argsort(found.cluster_centers_.sum(axis=1), kind="stable"))
        return np.asarray(order[found.predict(x)].reshape(image.shape[:2]))


@dataclass(frozen=True, eq=False)
class FittedTextures(Segmenter):
    """What `TextureDiscriminator.fit` gives: classes 0..K-1 by one expression of the algebra."""

    operator: Operator = field(repr=False)
    """From a picture (N, 1, H, W) to probabilities (N, K, H, W); it can be frozen."""
    classes: int
    """K."""
    name: ClassVar[str] = "texture"

    def probabilities(self, image: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """(H, W, K): how likely each class is at each pixel; raises as the call does."""
        return _channels_last(self.operator, grey(self.name, check_image(self.name, image))).astype(np.float32)

    def _segment(self, image: Floats, seeds: Labels | None) -> npt.NDArray[Any]:
        return np.asarray(np.argmax(_channels_last(self.operator, grey(self.name, image)), axis=2))


def _channels_last(operator: Operator, plane: Floats) -> Floats:
    """The operator's channels (H, W, C) of one grey picture."""
    result = operator(plane[None, None].astype(np.float32))[0]
    return np.moveaxis(np.asarray(result, dtype=np.float64), 0, -1)
