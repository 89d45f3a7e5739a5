import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data, io, restoration

from aplomb.classical import estimate_poisson_gaussian, estimate_sigma
from aplomb.classical.noise_level.clipping import clipped_gaussian, unclipped
from aplomb.classical.noise_level.patches import Patches, cut
from aplomb.degrade.noise import Gaussian, PoissonGaussian
from aplomb.errors import BadInput

SIGMAS = (5, 15, 25, 50, 75)
PHOTOGRAPHS = ("camera", "astronaut", "coffee", "chelsea", "coins", "moon")
LARGEST = {5: 2.0, 15: 1.1, 25: 1.1, 50: 0.8, 75: 0.6}
"""Largest mean absolute error on the photographs, in per cent."""
LARGEST_SET12 = {5: 4.0, 15: 1.0, 25: 1.0, 50: 1.0, 75: 1.0}


@cache
def photograph(name):
    """In grey, 0..1, at most 384 x 384."""
    picture = getattr(data, name)() / 255
    return np.ascontiguousarray((picture if picture.ndim == 2 else picture[..., 1])[:384, :384])


def noisy(picture, sigma, seed=0):
    return Gaussian(sigma)(picture, np.random.default_rng(seed))


def mean_error(estimate, pictures, sigma):
    """Mean absolute relative error in per cent."""
    found = [estimate(noisy(picture, sigma / 255, seed)) * 255 for seed, picture in enumerate(pictures)]
    return 100 * np.mean(np.abs(np.array(found) / sigma - 1))


@pytest.mark.parametrize("sigma", SIGMAS)
def test_photographs(sigma):
    assert mean_error(estimate_sigma, map(photograph, PHOTOGRAPHS), sigma) < LARGEST[sigma]


@pytest.mark.parametrize("sigma", [5, 15, 25])
def test_the_wavelet_median_would_not_pass(sigma):
    assert mean_error(restoration.estimate_sigma, map(photograph, PHOTOGRAPHS), sigma) > LARGEST[sigma]


@pytest.mark.skipif("APLOMB_DATA" not in os.environ, reason="needs set12 in the folder APLOMB_DATA")
@pytest.mark.parametrize("sigma", SIGMAS)
def test_set12(sigma):
    files = sorted(Path(os.environ["APLOMB_DATA"], "set12").glob("*.png"))
    pictures = [io.imread(file) / 255 for file in files]
    assert len(pictures) == 12
    assert mean_error(estimate_sigma, pictures, sigma) < LARGEST_SET12[sigma]


@pytest.mark.parametrize(
    ("side", "tolerance"), [(12, 0.05), (24, 0.04), (40, 0.03), (64, 0.02), (128, 0.01), (1200, 0.01)]
)
def test_pure_noise_is_found_without_bias(side, tolerance):
    """The small estimate, that by patches, and that by tiles."""
    seeds = range(max(1, min(40, 4000 // side)))
    found = [estimate_sigma(noisy(np.full((side, side), 0.5), 0.1, seed)) for seed in seeds]
    assert np.mean(found) == pytest.approx(0.1, rel=tolerance)


@pytest.mark.parametrize("sigma", [10, 25, 50, 75])
def test_clipped_8_bit_pictures(sigma):
    def stored(picture):
        return estimate_sigma(np.round(255 * picture.clip(0, 1)) / 255)

    assert mean_error(stored, map(photograph, PHOTOGRAPHS), sigma) < 1.8


def test_colour_is_the_root_mean_square_of_the_channels():
    picture = noisy(data.astronaut()[:200, :200] / 255, 0.1)
    channels = [estimate_sigma(picture[..., c]) for c in range(3)]
    assert estimate_sigma(picture) == pytest.approx(np.sqrt(np.mean(np.square(channels))))
    assert estimate_sigma(picture) == pytest.approx(0.1, rel=0.02)
    opaque = np.concatenate([picture, np.ones((200, 200, 1))], axis=2)
    assert estimate_sigma(opaque) == pytest.approx(estimate_sigma(picture))


def test_precision_and_repetition():
    picture = noisy(photograph("camera"), 0.1)
    assert estimate_sigma(picture) == estimate_sigma(picture.copy())
    assert estimate_sigma(picture.astype(np.float32)) == pytest.approx(estimate_sigma(picture), rel=1e-3)


@given(st.floats(0.01, 1e4), st.floats(-100, 100))
def test_scale_and_offset(scale, offset):
    """The units of the picture do not matter."""
    picture = noisy(photograph("coins")[:64, :64], 0.1)
    expected = scale * estimate_sigma(picture)
    assert estimate_sigma(scale * (picture + offset)) == pytest.approx(expected, rel=1e-4)


def test_low_noise_survives_float32():
    picture = noisy(np.full((128, 128), 0.9), 1e-4).astype(np.float32)
    assert estimate_sigma(picture) == pytest.approx(1e-4, rel=0.03)


@pytest.mark.parametrize(
    "picture",
    [
        np.full((64, 64), 0.3),
        np.zeros((64, 64, 3)),
        np.array([[0.5]]),
        np.array([[0.1, 0.9], [0.2, 0.3]]),
        np.random.default_rng(0).random((2, 100)),
    ],
    ids=["constant", "black", "1x1", "2x2", "2x100"],
)
def test_nothing_to_measure(picture):
    assert estimate_sigma(picture) == 0.0


def test_pictures_without_noise():
    assert estimate_sigma(data.shepp_logan_phantom()) < 0.5 / 255
    assert estimate_sigma(np.add.outer(np.arange(64.0), np.arange(64.0)) / 200) < 1e-6
    assert estimate_sigma(photograph("camera")) < 1.5 / 255  # what the camera brought


@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_a_mask_is_left_out(fill):
    picture = noisy(photograph("camera"), 0.1)
    picture[:250] = fill
    assert estimate_sigma(picture) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("shape", [(3, 3), (6, 6), (7, 7), (7, 500), (13, 40), (3, 1000), (1100, 14)])
def test_awkward_sizes(shape):
    found = estimate_sigma(noisy(np.full(shape, 0.5), 0.1))
    assert 0.02 < found < 0.25
    gain, read_noise = estimate_poisson_gaussian(noisy(np.full(shape, 0.5), 0.1))
    assert gain >= 0
    assert 0 <= read_noise < 0.25


def test_the_cut_takes_what_it_says():
    """Of pure noise, `level` stays, and what stays is white after whitening."""
    patches = Patches.of(np.random.default_rng(0).normal(0.0, 1.0, (500, 500)))
    for level in (0.9, 0.99):
        limit, whiten = cut(level)
        passed = np.flatnonzero(patches.texture < limit)
        assert len(passed) / len(patches.texture) == pytest.approx(level, abs=0.007)
        covariance = whiten.T @ patches.covariance(passed) @ whiten
        assert np.allclose(covariance, np.eye(48), atol=0.025)


@given(st.floats(-0.3, 1.3), st.floats(0.02, 0.5))
def test_law_of_the_clipped_gaussian(mean, sigma):
    y = np.clip(mean + sigma * np.random.default_rng(0).standard_normal(40_000), 0, 1)
    first, second = clipped_gaussian(np.array([mean]), sigma, 0.0, 1.0)
    assert first[0] == pytest.approx(y.mean(), abs=0.01)
    assert second[0] == pytest.approx(y.var(), abs=0.01)
    one_side, _ = clipped_gaussian(np.array([mean]), sigma, 0.0, np.inf)
    assert one_side[0] == pytest.approx(np.maximum(y, 0).mean(), abs=0.05) or mean + 3 * sigma > 1


@given(st.floats(0.02, 0.3))
def test_unclipping_undoes_clipping(sigma):
    means, variances = clipped_gaussian(np.linspace(0.05, 0.95, 19), sigma, 0.0, 1.0)
    assert unclipped(variances.mean(), means, 0.0, 1.0) == pytest.approx(sigma**2, rel=0.01)
    assert unclipped(0.01, means, -np.inf, np.inf) == 0.01


@pytest.mark.parametrize(("gain", "read_noise"), [(0.01, 0.02), (0.05, 0.02), (0.002, 0.05), (0.02, 0.0)])
def test_poisson_gaussian(gain, read_noise):
    """The noise at three intensities, which is what the two numbers are for."""
    at = np.array([0.2, 0.5, 0.8])
    kind = PoissonGaussian(gain, read_noise)
    for seed, name in enumerate(("camera", "coins", "chelsea")):
        found = estimate_poisson_gaussian(kind(photograph(name), np.random.default_rng(seed)))
        assert np.allclose(PoissonGaussian(*found).variance(at), kind.variance(at), rtol=0.2)
        assert found[0] == pytest.approx(gain, rel=0.25, abs=0.001)


def test_gaussian_noise_has_no_gain():
    gain, read_noise = estimate_poisson_gaussian(noisy(photograph("camera"), 0.1))
    assert gain < 0.001
    assert read_noise == pytest.approx(0.1, rel=0.03)


def test_one_intensity_cannot_tell_gain_from_read_noise():
    gain, read_noise = estimate_poisson_gaussian(noisy(np.full((200, 200), 0.5), 0.1))
    assert gain * 0.5 + read_noise**2 == pytest.approx(0.01, rel=0.05)
    assert estimate_poisson_gaussian(np.full((50, 50), 0.2)) == (0.0, 0.0)


@pytest.mark.parametrize("estimate", [estimate_sigma, estimate_poisson_gaussian])
@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((8, 8), np.uint8), "floating point, found uint8"),
        (np.zeros(8), r"found shape \(8,\)"),
        (np.zeros((0, 8)), r"found shape \(0, 8\)"),
        (np.zeros((2, 8, 8, 3)), "found shape"),
        (np.full((8, 8), np.nan), "NaN"),
    ],
)
def test_refusals(estimate, picture, message):
    with pytest.raises(BadInput, match=message):
        estimate(picture)
