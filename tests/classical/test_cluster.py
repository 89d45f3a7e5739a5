"""Clusters that are known are found again, by the methods that can."""

import sys

import numpy as np
import pytest

from aplomb.classical.cluster import CLUSTERERS, DBSCAN, Agglomerative, GaussianMixture, KMeans
from aplomb.classical.features import features
from aplomb.errors import BadInput, ShapeError

pytest.importorskip("sklearn")

from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score as agreement

BLOBS, WHICH = make_blobs(200, centers=[(0, 0), (8, 0), (0, 8)], random_state=0)
MOONS, SIDE = make_moons(300, noise=0.05, random_state=0)


@pytest.mark.parametrize("method", [KMeans(3), GaussianMixture(3), Agglomerative(3), DBSCAN(1.5)], ids=lambda m: m.name)
def test_blobs_are_found(method):
    assert agreement(WHICH, method(BLOBS)) > 0.95
    np.testing.assert_array_equal(method(BLOBS), method(BLOBS))


@pytest.mark.parametrize(
    ("method", "can"),
    [(KMeans(2), False), (GaussianMixture(2), False), (Agglomerative(2, "single"), True), (DBSCAN(0.2), True)],
    ids=lambda m: getattr(m, "name", m),
)
def test_only_methods_that_follow_density_find_moons(method, can):
    score = agreement(SIDE, method(MOONS))
    assert score == 1 if can else score < 0.9


def test_gaussians_of_different_width_need_a_mixture():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, (3, 0.3), (200, 2)), rng.normal((0, 3), (3, 0.3), (200, 2))])
    truth = np.repeat([0, 1], 200)
    assert agreement(truth, GaussianMixture(2)(points)) > 0.95 > 0.5 > agreement(truth, KMeans(2)(points))


def test_pictures_are_clustered_by_their_features():
    rng = np.random.default_rng(0)
    stripes, noise = np.zeros((10, 16, 16)), rng.random((10, 16, 16))
    stripes[:, ::4] = 1
    x = features(np.concatenate([stripes + rng.normal(0, 0.05, stripes.shape), noise]), ["haralick"]).values
    assert agreement(np.repeat([0, 1], 10), KMeans(2)((x - x.mean(0)) / x.std(0))) == 1


def test_lonely_points_belong_to_no_cluster():
    assert DBSCAN(1.5)(np.concatenate([BLOBS, [[50.0, 50.0]]]))[-1] == -1


@pytest.mark.parametrize("make", CLUSTERERS.values(), ids=CLUSTERERS)
def test_bad_points_are_refused_in_one_line(make, monkeypatch):
    for points, words in (
        (np.zeros(3), "found shape"),
        (np.zeros((0, 2)), "found shape"),
        ([[np.nan, 1.0], [0, 0]], "1 of 2"),
    ):
        with pytest.raises((BadInput, ShapeError), match=words):
            make()(points)
    for module in ("sklearn", "sklearn.cluster", "sklearn.mixture"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadInput, match=r"pip install 'aplomb\[learn\]'"):
        make()(np.zeros((4, 2)))


@pytest.mark.parametrize(
    "call",
    [
        lambda: KMeans(0), lambda: KMeans(5)(np.eye(3)), lambda: GaussianMixture(0), lambda: Agglomerative(0),
        lambda: Agglomerative(2, "near"), lambda: DBSCAN(0), lambda: DBSCAN(1, 0),
    ],
)  # fmt: skip
def test_bad_parameters_are_refused(call):
    with pytest.raises(BadInput, match=r"needs|knows|asked"):
        call()
