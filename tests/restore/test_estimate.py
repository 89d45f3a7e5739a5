"""The error without a reference, held against the error with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import camera

import aplomb
from aplomb.classical import GaussianFilter, WaveletShrinkage
from aplomb.degrade.noise import noise
from aplomb.errors import BadInput, ShapeError
from aplomb.restore.estimate import FEWEST, STEP, Level, estimate_error, judge, push

CLEAN = camera()[100:292, 150:342] / 255
Array = NDArray[Any]


def drawn(sigma: float, seed: int) -> Array:
    return np.asarray(CLEAN + np.random.default_rng(seed).normal(0, sigma, CLEAN.shape))


def shrink(factor: float) -> Callable[[Array], Array]:
    return lambda y: factor * y + (1 - factor) * 0.4


@pytest.mark.parametrize("sigma", [5 / 255, 25 / 255])
@pytest.mark.parametrize(
    "denoiser",
    [shrink(0.2), shrink(1.0), lambda y: GaussianFilter()(y, 0.1), lambda y: WaveletShrinkage()(y, 0.05)],
    ids=["shrink", "identity", "gaussian", "wavelet"],
)
def test_the_estimate_scatters_around_the_truth_as_it_says(sigma: float, denoiser: Callable[[Array], Array]) -> None:
    """Over 12 draws: no bias, and a spread that is neither above the standard error nor far below it."""
    scores = []
    for seed in range(12):
        y = drawn(sigma, seed)
        found = estimate_error(y, denoiser, sigma, seed=seed)
        scores.append((found.mse - np.mean((denoiser(y) - CLEAN) ** 2)) / found.standard_error)
    assert abs(np.mean(scores)) < 0.8
    assert 0.4 < np.std(scores) < 1.6


def test_the_spread_without_a_probe_is_that_of_theory() -> None:
    """For a constant result, SURE is |y - c|^2 / m - s^2, whose variance is 4 s^2 |x - c|^2 / m^2 + 2 s^4 / m."""
    s, c = 0.1, 0.4
    found = estimate_error(drawn(s, 0), lambda y: np.full_like(y, c), s)
    expected = np.sqrt((4 * s**2 * np.mean((CLEAN - c) ** 2) + 2 * s**4) / CLEAN.size)
    assert found.standard_error == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("gain", "read"), [(0.01, 0.0), (0.02, 0.03)])
def test_noise_that_grows_with_the_light(gain: float, read: float) -> None:
    kind = noise("poisson", peak=1 / gain) if read == 0 else noise("poisson-gaussian", gain=gain, read_noise=read)
    smooth: Callable[[Array], Array] = lambda y: GaussianFilter()(y, 0.1)  # noqa: E731
    scores = []
    for seed in range(12):
        y = kind(CLEAN, np.random.default_rng(seed))
        found = estimate_error(y, smooth, read, gain=gain, seed=seed)
        scores.append((found.mse - np.mean((smooth(y) - CLEAN) ** 2)) / found.standard_error)
    assert abs(np.mean(scores)) < 1
    assert np.std(scores) < 2
    wrong = estimate_error(y, smooth, np.sqrt(read**2 + gain), gain=0)
    assert abs(wrong.mse - found.mse) > 3 * found.standard_error, "the dependence on the light matters"


def test_an_estimated_level_widens_the_interval() -> None:
    y = drawn(0.1, 1)
    smooth: Callable[[Array], Array] = lambda y: GaussianFilter()(y, 0.1)  # noqa: E731
    known, blind = estimate_error(y, smooth, 0.1), estimate_error(y, smooth)
    assert blind.standard_error > 1.3 * known.standard_error
    assert known.interval is not None
    assert known.interval[0] < known.psnr < known.interval[1]  # type: ignore[operator]


def test_pixels_that_were_clipped_are_allowed_for() -> None:
    """Without that the estimate is far too small: part of the noise is not there."""
    sigma = 25 / 255
    y = np.clip(drawn(sigma, 0), 0, 1)
    smooth: Callable[[Array], Array] = lambda y: GaussianFilter()(y, 0.1)  # noqa: E731
    truth = np.mean((smooth(y) - CLEAN) ** 2)
    found = estimate_error(y, smooth, sigma)
    assert abs(found.mse - truth) < 2 * found.standard_error
    step = push(smooth(y), Level(sigma), np.random.default_rng(0))
    slope = (smooth(y + STEP * step) - smooth(y)) / STEP
    naive = judge(y, smooth(y), step, slope, Level(sigma))
    assert abs(naive.mse - truth) > 3 * abs(found.mse - truth)
    masked = np.where(np.arange(192) < 96, y, 0)
    assert Level.of(masked, sigma).clipped(np.array([0.0]))[0] == 0, "a mask has no noise"  # type: ignore[index]


def test_it_is_refused_where_it_means_nothing() -> None:
    rng = np.random.default_rng(0)
    few = estimate_error(rng.normal(0.5, 0.1, (8, 8)), shrink(0.5), 0.1)
    assert (few.psnr, few.interval) == (None, None)
    assert str(FEWEST) in few.reason
    flat = estimate_error(rng.normal(0.5, 0.1, (64, 64)), lambda y: np.full_like(y, 0.5), 0.1)
    assert flat.psnr is None
    assert "chance" in flat.reason
    shift = 0.0325  # an error that is between two and six of its standard errors
    wide = estimate_error(rng.normal(0.5, 0.1, (40, 40)), lambda y: np.full_like(y, 0.5 + shift), 0.1)
    assert wide.psnr is None
    assert "wide" in wide.reason
    less = estimate_error(rng.normal(0.5, 0.1, (64, 64)), lambda y: GaussianFilter()(y, 0.1), 0.2)
    assert "less noise" in less.reason
    none = estimate_error(np.full((64, 64), 0.5), shrink(0.5), 0.0)
    assert "no noise" in none.reason


def test_a_result_that_is_worse_than_the_noise_is_told() -> None:
    y = drawn(0.02, 0)
    assert estimate_error(y, shrink(0.2), 0.02).worse_than_noise
    assert not estimate_error(y, lambda y: GaussianFilter()(y, 0.02), 0.05).worse_than_noise


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((np.zeros((8, 8), int), shrink(1), 0.1), BadInput, "floating"),
        ((np.full((8, 8), np.nan), shrink(1), 0.1), BadInput, "NaN"),
        ((np.zeros((8, 8)), shrink(1), -0.1), BadInput, "sigma is -0.1"),
        ((np.zeros((8, 8)), lambda y: y[1:], 0.1), ShapeError, "same shape"),
    ],
)
def test_what_is_refused(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        estimate_error(*arguments)
    with pytest.raises(BadInput, match="gain needs sigma"):
        aplomb.estimate_error(np.zeros((8, 8)), shrink(1), gain=0.1)
