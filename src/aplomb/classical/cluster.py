"""Clusters of pictures without labels: thin calls of scikit-learn on vectors of features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aplomb.errors import BadInput, ShapeError

__all__ = ["CLUSTERERS", "DBSCAN", "Agglomerative", "Clusterer", "GaussianMixture", "KMeans"]

Doubles = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clusterer(ABC):
    """What all share: ``method(points)`` gives the number of each point's cluster, 0.., or -1 for none."""

    name: ClassVar[str]

    def __call__(self, points: npt.ArrayLike) -> Labels:
        """The cluster of each point, (N,).

        Parameters
        ----------
        points
            (N, F), such as ``features(images).values``. Columns that were measured in different units are
            standardised first by the caller: ``(x - x.mean(0)) / x.std(0)``.

        Raises
        ------
        ShapeError
            `points` is not (N, F) or has fewer points than clusters.
        BadInput
            A value is NaN or infinite, or scikit-learn is not installed.
        """
        x = np.asarray(points, np.float64)
        if x.ndim != 2 or x.size == 0:
            raise ShapeError(f"{self.name} takes points (N, F), found shape {x.shape}; of pictures take features first")
        if not np.isfinite(x).all():
            raise BadInput(
                f"{self.name}: {int((~np.isfinite(x).all(axis=1)).sum())} of {len(x)} points hold NaN or infinity"
            )
        if (wanted := getattr(self, "clusters", 1)) > len(x):
            raise ShapeError(f"{self.name} asked for {wanted} clusters of {len(x)} points; give more points")
        try:
            return np.asarray(self._estimator().fit_predict(x), np.int64)
        except ImportError:
            raise BadInput(f"{self.name} needs scikit-learn: pip install 'aplomb[learn]'") from None

    @abstractmethod
    def _estimator(self) -> Any:
        """The estimator of scikit-learn."""


def _check_clusters(name: str, clusters: int) -> None:
    if clusters < 1:
        raise BadInput(f"{name} needs 1 cluster or more, found {clusters}")


@dataclass(frozen=True)
class KMeans(Clusterer):
    """Clusters with the least sum of squared distances to their means (Lloyd, best of 10 starts).

    Parameters
    ----------
    clusters
        How many.
    seed
        Of the starts.

    References
    ----------
    S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Information Theory 28, 1982.

    Examples
    --------
    >>> found = KMeans(2)([[0.0], [0.1], [5.0]])
    >>> found[0] == found[1] != found[2]
    np.True_
    """

    clusters: int = 2
    seed: int = 0
    name: ClassVar[str] = "k-means"

    def __post_init__(self) -> None:
        _check_clusters(self.name, self.clusters)

    def _estimator(self) -> Any:
        from sklearn.cluster import KMeans as Lloyd

        return Lloyd(self.clusters, n_init=10, random_state=self.seed)


@dataclass(frozen=True)
class GaussianMixture(Clusterer):
    """Clusters as Gaussians of any covariance, fitted by expectation maximisation (best of 5 starts).

    Parameters
    ----------
    clusters
        How many.
    seed
        Of the starts.

    References
    ----------
    A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum likelihood from incomplete data via the EM
    algorithm", J. Royal Statistical Society B 39, 1977.

    Examples
    --------
    >>> found = GaussianMixture(2)([[0.0], [0.1], [5.0], [5.1]])
    >>> found[0] == found[1] != found[2]
    np.True_
    """

    clusters: int = 2
    seed: int = 0
    name: ClassVar[str] = "gaussian-mixture"

    def __post_init__(self) -> None:
        _check_clusters(self.name, self.clusters)

    def _estimator(self) -> Any:
        from sklearn.mixture import GaussianMixture as Mixture

        return Mixture(self.clusters, n_init=5, random_state=self.seed)


@dataclass(frozen=True)
class Agglomerative(Clusterer):
    """Clusters merged from single points, each time the two that lie nearest (hierarchical clustering).

    Parameters
    ----------
    clusters
        How many are left.
    linkage
        What near means: "ward" (least growth of the variance), "average", "complete" or "single" (the two
        nearest points, which follows curved clusters).

    References
    ----------
    J. H. Ward, "Hierarchical grouping to optimize an objective function", J. American Statistical
    Association 58, 1963.

    Examples
    --------
    >>> found = Agglomerative(2)([[0.0], [0.1], [5.0]])
    >>> found[0] == found[1] != found[2]
    np.True_
    """

    clusters: int = 2
    linkage: str = "ward"
    name: ClassVar[str] = "agglomerative"

    def __post_init__(self) -> None:
        _check_clusters(self.name, self.clusters)
        if self.linkage not in ("ward", "average", "complete", "single"):
            raise BadInput(f"{self.name} knows the linkages ward, average, complete and single, found {self.linkage!r}")

    def _estimator(self) -> Any:
        from sklearn.cluster import AgglomerativeClustering

        return AgglomerativeClustering(self.clusters, linkage=self.linkage)


@dataclass(frozen=True)
class DBSCAN(Clusterer):
    """Clusters as places where points lie dense, of any shape and number; lonely points get -1.

    Parameters
    ----------
    radius
        Distance, in the units of the points, within which another point is a neighbour.
    neighbours
        How many neighbours, itself included, make a point one of the inside of a cluster.

    References
    ----------
    M. Ester, H.-P. Kriegel, J. Sander and X. Xu, "A density-based algorithm for discovering clusters in large
    spatial databases with noise", KDD 1996.

    Examples
    --------
    >>> DBSCAN(radius=1, neighbours=2)([[0.0], [0.1], [5.0]])
    array([ 0,  0, -1])
    """

    radius: float = 0.5
    neighbours: int = 5
    name: ClassVar[str] = "dbscan"

    def __post_init__(self) -> None:
        if not (self.radius > 0 and np.isfinite(self.radius)) or self.neighbours < 1:
            raise BadInput(
                f"{self.name} needs a radius above 0 and 1 neighbour or more, found {self.radius} and {self.neighbours}"
            )

    def _estimator(self) -> Any:
        from sklearn.cluster import DBSCAN as Dense

        return Dense(eps=self.radius, min_samples=self.neighbours)


CLUSTERERS: dict[str, type[Clusterer]] = {
    method.name: method for method in (KMeans, GaussianMixture, Agglomerative, DBSCAN)
}
"""Methods by name; each is made with its parameters and then called with points."""
