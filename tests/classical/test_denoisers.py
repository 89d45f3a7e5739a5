import importlib.util
import sys
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from aplomb.classical import (
    BASELINES,
    BM3D,
    AdaptiveMedian,
    Bilateral,
    GaussianFilter,
    HighPassClip,
    MeanFilter,
    MedianFilter,
    TotalVariation,
    WaveletShrinkage,
    Wiener,
    average,
)
from aplomb.degrade.noise import Gaussian, SaltAndPepper
from aplomb.errors import BadInput
from aplomb.metrics import psnr

METHODS = [
    pytest.param(
        method,
        id=name,
        marks=pytest.mark.skipif(
            name == "bm3d" and importlib.util.find_spec("bm3d") is None, reason="needs the package bm3d"
        ),
    )
    for name, method in BASELINES.items()
]
PHOTOGRAPHS = ("camera", "astronaut", "chelsea", "coffee")


@cache
def photograph(name, side=128):
    picture = getattr(data, name)()[60 : 60 + side, 150 : 150 + side] / 255
    return np.ascontiguousarray(picture if picture.ndim == 2 else picture[..., 1])


def noisy(picture, sigma, seed=0):
    return Gaussian(sigma)(picture, np.random.default_rng(seed))


def quality(image, picture):
    return psnr(image, picture, peak=1)


@pytest.mark.parametrize("method", METHODS)
def test_every_baseline_removes_noise(method):
    picture = photograph("camera", 96)
    y = noisy(picture, 25 / 255)
    assert quality(method(y, 25 / 255), picture) > quality(y, picture) + 1


@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_the_ancestor_beats_median_and_gaussian(sigma):
    """Row A6: the document's fixed filters on each picture, those that adapt to sigma on average."""
    fixed, adapting = (GaussianFilter(1), MedianFilter(7)), (GaussianFilter(), MedianFilter(), MeanFilter())
    gains = []
    for seed, name in enumerate(PHOTOGRAPHS):
        picture = photograph(name)
        y = noisy(picture, sigma / 255, seed)
        ancestor = quality(HighPassClip()(y, sigma / 255), picture)
        for other in fixed:
            assert ancestor > quality(other(y, sigma / 255), picture), (name, other)
        gains.append([ancestor - quality(other(y, sigma / 255), picture) for other in adapting])
    assert np.mean(gains, axis=0).min() > {15: 1.0, 25: 0.5, 50: 0.05}[sigma]


def test_the_better_methods_are_better():
    """At sigma 25 on average: window filters < shrinkage and variation < similar patches."""
    levels = [
        ["mean", "gaussian", "median"],
        ["total-variation", "wavelet", "high-pass-clip"],
        ["non-local-means"],
    ]
    pictures = [photograph(name) for name in PHOTOGRAPHS]
    mean = {
        name: np.mean([quality(BASELINES[name](noisy(p, 0.1, i), 0.1), p) for i, p in enumerate(pictures)])
        for level in levels
        for name in level
    }
    for worse, better in pairwise(levels):
        assert max(mean[name] for name in worse) < min(mean[name] for name in better), mean


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("shape", "dtype"), [((20, 31), np.float16), ((20, 31, 3), np.float32), ((20, 31), np.float64)]
)
def test_shape_and_dtype_stay(method, shape, dtype):
    y = noisy(np.full(shape, 0.5), 0.1).astype(dtype)
    before = y.copy()
    x = method(y, 0.1)
    assert x.shape == shape
    assert x.dtype == dtype
    assert np.isfinite(x).all()
    assert np.array_equal(y, before)
    assert not np.shares_memory(x, y)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 5), (8, 8), (5, 40, 1), (9, 10, 2)])
def test_awkward_shapes(method, shape):
    y = noisy(np.full(shape, 0.5), 0.1)
    x = method(y, 0.1)
    assert x.shape == shape
    assert np.isfinite(x).all()
    assert x.min() >= y.min() - 0.05
    assert x.max() <= y.max() + 0.05


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_rescaled_or_clipped(method):
    """A constant added before is a constant added after, also below 0 and above 1."""
    y = noisy(photograph("camera", 48), 0.1)
    expected = method(y, 0.1)
    for offset in (-1.0, 0.7):
        assert np.allclose(method(y + offset, 0.1) - offset, expected, atol=2e-3), offset


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_stays(method):
    for value in (-0.5, 0.0, 1.5):
        assert np.allclose(method(np.full((24, 24), value), 0.1), value, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_no_noise_no_change(method):
    y = photograph("camera", 32)
    if method.uses_sigma:
        assert np.array_equal(method(y, 0.0), y)
    else:
        assert np.array_equal(method(y, 0.0), method(y, 0.5))


@pytest.mark.parametrize(
    "method",
    [MeanFilter(), GaussianFilter(), MedianFilter(), AdaptiveMedian(), HighPassClip(), Wiener(), Bilateral()],
    ids=lambda method: method.name,
)
def test_mirrored_in_mirrored_out(method):
    y = noisy(photograph("camera", 40), 0.1)
    x = method(y, 0.1)
    for turned in (np.flipud, np.fliplr, np.transpose):
        assert np.allclose(method(turned(y), 0.1), turned(x), atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_colour_is_restored(method):
    picture = data.astronaut()[60:124, 150:214] / 255
    y = noisy(picture, 0.1)
    assert quality(method(y, 0.1), picture) > quality(y, picture) + 1


@pytest.mark.parametrize(
    "method", [Wiener(), WaveletShrinkage(), TotalVariation(), HighPassClip(), Bilateral()], ids=repr
)
def test_borders_are_no_worse_than_twice_the_inside(method):
    y = noisy(np.full((128, 128), 0.5), 0.1)
    error = np.abs(method(y, 0.1) - 0.5)
    inside = error[4:-4, 4:-4]
    border = (error.sum() - inside.sum()) / (error.size - inside.size)
    assert border < 2 * inside.mean()


def test_adaptive_median_beats_the_median_on_salt_and_pepper():
    for seed, name in enumerate(PHOTOGRAPHS):
        picture = photograph(name)
        y = SaltAndPepper(0.35)(picture, np.random.default_rng(seed))
        adaptive, plain = (quality(method(y, 0.0), picture) for method in (AdaptiveMedian(), MedianFilter(5)))
        assert adaptive > plain + 1, name


def adaptive_median_by_loops(y, largest):
    x = np.empty_like(y)
    for i, j in np.ndindex(y.shape):
        for size in range(3, largest + 1, 2):
            padded = np.pad(y, size // 2, mode="reflect")
            window = np.sort(padded[i : i + size, j : j + size].ravel())
            a, m, b = window[0], window[len(window) // 2], window[-1]
            x[i, j] = y[i, j] if a < m < b and a < y[i, j] < b else m
            if a < m < b:
                break
    return x


@settings(max_examples=20)
@given(st.integers(0, 1000), st.sampled_from([3, 5, 9]), st.floats(0, 0.9), st.integers(4, 11))
def test_adaptive_median_is_what_the_loops_say(seed, largest, fraction, height):
    rng = np.random.default_rng(seed)
    y = SaltAndPepper(fraction)(rng.integers(0, 5, (height, 6)) / 8, rng)
    assert np.array_equal(AdaptiveMedian(largest)(y, 0.0), adaptive_median_by_loops(y, largest))


@pytest.mark.parametrize("size", [3, 5])
def test_between_the_image_and_its_mean(size):
    """The two ends of the ancestor: clip at 0 takes nothing, no clipping leaves the mean, twice."""
    y = noisy(photograph("camera", 40), 0.1)
    assert np.array_equal(HighPassClip(size, strength=0)(y, 0.1), y)
    mean = MeanFilter(size)
    smooth = mean(mean(y, 0.1), 0.1)
    margin = slice(size, -size)
    assert np.allclose(HighPassClip(size, strength=1e6)(y, 0.1)[margin, margin], smooth[margin, margin])


def test_ignored_sigma():
    y = noisy(photograph("camera", 40), 0.1)
    for method in (MeanFilter(5), GaussianFilter(1.5), MedianFilter(3), AdaptiveMedian()):
        assert not method.uses_sigma
        assert np.array_equal(method(y, 0.01), method(y, 0.3))
        assert not np.array_equal(method(y, 0.0), y)


@pytest.mark.parametrize("count", [4, 16, 64])
def test_averaging_lowers_noise_by_the_root_of_the_count(count):
    picture = photograph("camera")
    stack = np.stack([noisy(picture, 0.1, seed) for seed in range(count)])
    error = average(stack) - picture
    assert error.std() == pytest.approx(0.1 / np.sqrt(count), rel=0.03)


def test_averaging_keeps_the_kind():
    stack = np.random.default_rng(0).random((5, 4, 3, 3)).astype(np.float32)
    assert average(stack).dtype == np.float32
    assert np.allclose(average(stack), stack.mean(0), atol=1e-6)
    with pytest.raises(BadInput, match="found uint8"):
        average(np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(BadInput, match=r"found shape \(3, 3\)"):
        average(np.zeros((3, 3)))


def test_the_registry():
    assert [method.name for method in BASELINES.values()] == list(BASELINES)
    assert list(BASELINES)[:4] == ["mean", "gaussian", "median", "adaptive-median"]
    assert len(BASELINES) == 11


@pytest.mark.parametrize(
    ("image", "sigma", "message"),
    [
        (np.zeros((4, 4), np.uint8), 0.1, "floating point, found uint8"),
        (np.zeros(4), 0.1, r"found shape \(4,\)"),
        (np.zeros((4, 0)), 0.1, r"found shape \(4, 0\)"),
        (np.full((4, 4), np.inf), 0.1, "NaN or infinity"),
        (np.zeros((4, 4)), -0.1, "found -0.1"),
        (np.zeros((4, 4)), np.nan, "found nan"),
        (np.zeros((4, 4)), np.array([0.1, 0.2]), "one noise level"),
    ],
)
def test_calls_are_checked(image, sigma, message):
    for method in BASELINES.values():
        with pytest.raises(BadInput, match=message):
            method(image, sigma)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MeanFilter(4),
        lambda: MedianFilter(0),
        lambda: GaussianFilter(-1),
        lambda: AdaptiveMedian(1),
        lambda: HighPassClip(2),
        lambda: HighPassClip(5, strength=-1),
    ],
)
def test_parameters_are_checked(make):
    with pytest.raises(BadInput, match="needs"):
        make()


def test_bm3d_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(BadInput, match=r"aplomb\[bm3d\]"):
        BM3D()(np.zeros((32, 32)), 0.1)
