"""Segmenters that look at each pixel's colour alone and find the classes by themselves (scikit-learn)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aplomb.classical.segmenter import Floats, Labels, Segmenter, check_image, need_scikit_learn
from aplomb.errors import BadInput

__all__ = ["ColourGaussians", "ColourKMeans"]

_SAMPLE = 20_000
"""Pixels that the clusters are found with; all pixels are then given to them."""


@dataclass(frozen=True, eq=False)
class _ColourClusters(Segmenter):
    classes: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not (isinstance(self.classes, (int, np.integer)) and 2 <= self.classes <= 64):
            raise BadInput(f"{self.name} finds 2 to 64 classes, asked for {self.classes!r}")

    def _segment(self, image: Floats, seeds: Labels | None) -> npt.NDArray[Any]:
        return np.asarray(np.argmax(self._probabilities(image), axis=2))

    def _probabilities(self, image: Floats) -> npt.NDArray[Any]:
        """(H, W, K): of each class, from dark to bright."""
        need_scikit_learn(self.name)
        colours = _colours(image)
        distinct = np.unique(colours, axis=0)
        if len(distinct) <= self.classes:  # nothing to be found: a class a colour
            members = (colours[:, None] == distinct).all(axis=2).astype(np.float64)
            members = np.pad(members, ((0, 0), (0, self.classes - len(distinct))))
        else:
            rng = np.random.default_rng(self.seed)
            sample = colours if len(colours) <= _SAMPLE else rng.choice(colours, _SAMPLE, replace=False)
            members = self._members(sample, colours)
        weights = np.maximum(members.sum(axis=0), 1e-12)
        brightness = (members * colours[:, :1]).sum(axis=0) / weights
        brightness[members.sum(axis=0) == 0] = np.inf  # empty classes come last
        return members[:, np.argsort(brightness, kind="stable")].reshape(*image.shape[:2], self.classes)

    @abstractmethod
    def _members(self, sample: Floats, colours: Floats) -> npt.NDArray[Any]:
        """(pixels, K): how much each pixel belongs to each cluster found in the sample."""


@dataclass(frozen=True, eq=False)
class ColourKMeans(_ColourClusters):
    """Classes 0..K-1 by k-means on the colours, from dark to bright.

    .. math:: \\min_{\\mu, k} \\sum_i |x_i - \\mu_{k(i)}|^2

    RGB is taken to CIELAB, clipped to 0..1 before, where distances are near to what is seen; other numbers of
    channels are used as they are. `sklearn.cluster.KMeans` on at most 20,000 pixels. A picture with no more
    colours than classes gets a class a colour. Needs the extra ``learn``.

    Parameters
    ----------
    classes
        K, 2 to 64.
    seed
        Of the first centres and of the sample.

    Raises
    ------
    BadInput
        Another number of classes, or scikit-learn is not installed.

    References
    ----------
    S. P. Lloyd, "Least squares quantization in PCM", IEEE Trans. Information Theory 28 (2), 1982.

    Examples
    --------
    >>> ColourKMeans(3)(np.array([[0.9, 0.1, 0.12, 0.5, 0.52, 0.92]])).tolist()
    [[2, 0, 0, 1, 1, 2]]
    """

    name: ClassVar[str] = "colour-k-means"

    def _members(self, sample: Floats, colours: Floats) -> npt.NDArray[Any]:
        from sklearn.cluster import KMeans

        found = KMeans(self.classes, n_init=3, random_state=self.seed).fit(sample)
        return np.asarray(np.eye(self.classes)[found.predict(colours)])


@dataclass(frozen=True, eq=False)
class ColourGaussians(_ColourClusters):
    """Classes 0..K-1 by a mixture of Gaussians of the colours, from dark to bright.

    .. math:: p(x) = \\sum_k \\pi_k \\, \\mathcal N(x; \\mu_k, \\Sigma_k)

    by expectation maximisation (`sklearn.mixture.GaussianMixture`); otherwise as `ColourKMeans`. Needs the
    extra ``learn``.

    Parameters
    ----------
    classes
        K, 2 to 64.
    seed
        Of the first centres and of the sample.

    Raises
    ------
    BadInput
        Another number of classes, or scikit-learn is not installed.

    References
    ----------
    A. P. Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from incomplete data via the EM algorithm",
    J. Royal Statistical Society B 39 (1), 1977.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> halves = np.repeat([[0.3] * 8 + [0.7] * 8], 8, axis=0) + rng.normal(0, 0.02, (8, 16))
    >>> ColourGaussians(2)(halves)[0].tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    """

    name: ClassVar[str] = "colour-gaussians"

    def probabilities(self, image: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """(H, W, K): how likely each class is at each pixel; raises as the call does."""
        return self._probabilities(check_image(self.name, image)).astype(np.float32)

    def _members(self, sample: Floats, colours: Floats) -> npt.NDArray[Any]:
        from sklearn.mixture import GaussianMixture

        # a floor of the variance that is small beside the whole, so that flat classes stay possible
        floor = max(1e-9, 1e-4 * float(sample.var(axis=0).max()))
        found = GaussianMixture(self.classes, reg_covar=floor, random_state=self.seed, max_iter=200).fit(sample)
        return np.asarray(found.predict_proba(colours))


def _colours(image: Floats) -> Floats:
    """(pixels, C), the first channel being brightness where there is one."""
    from skimage.color import rgb2lab

    if image.ndim == 3 and image.shape[2] == 3:
        image = rgb2lab(np.clip(image, 0, 1))
    return np.asarray(image.reshape(image.shape[0] * image.shape[1], -1))
