import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aplomb.degrade.noise import (
    NOISES,
    Gaussian,
    Poisson,
    PoissonGaussian,
    SaltAndPepper,
    Speckle,
    noise,
)
from aplomb.errors import BadInput

MAKERS = [
    Gaussian(0.1),
    Poisson(30),
    PoissonGaussian(0.01, 0.03),
    PoissonGaussian(0, 0.03),
    SaltAndPepper(0.35),
    Speckle(0.2),
]
COUNT = 200_000


def draw(kind, x, seed=0):
    return kind(np.full(COUNT, x), np.random.default_rng(seed))


@pytest.mark.parametrize("kind", MAKERS, ids=repr)
@pytest.mark.parametrize("x", [0.0, 0.02, 0.5, 1.0])
def test_variance_is_what_theory_says(kind, x):
    y = draw(kind, x)
    fourth = np.mean((y - y.mean()) ** 4)
    spread = np.sqrt(max(fourth - y.var() ** 2, 0) / COUNT)  # standard error of a sample variance
    assert y.var() == pytest.approx(float(kind.variance(x)), abs=5 * spread + 1e-12)


@pytest.mark.parametrize("kind", MAKERS, ids=repr)
@pytest.mark.parametrize("x", [0.0, 0.02, 0.5, 1.0])
def test_mean_is_what_theory_says(kind, x):
    """All are centred on the image but salt and pepper, which moves it towards one half."""
    expected = 0.65 * x + 0.35 / 2 if isinstance(kind, SaltAndPepper) else x
    error = 5 * np.sqrt(float(kind.variance(x)) / COUNT)
    assert draw(kind, x).mean() == pytest.approx(expected, abs=error + 1e-12)


def test_counts_are_whole_multiples_of_the_gain():
    counts = draw(Poisson(30), 0.4) * 30
    assert np.allclose(counts, np.round(counts), atol=1e-9)
    counts = draw(PoissonGaussian(0.05, 0), 0.4) / 0.05
    assert np.allclose(counts, np.round(counts), atol=1e-9)


def test_poisson_gaussian_contains_both_others():
    x = np.linspace(0, 1, 11)
    assert np.allclose(PoissonGaussian(1 / 30, 0).variance(x), Poisson(30).variance(x))
    assert np.allclose(PoissonGaussian(0, 0.1).variance(x), Gaussian(0.1).variance(x))


@given(st.sampled_from(MAKERS), st.integers(0, 2**32 - 1))
def test_the_same_seed_gives_the_same_noise_in_every_precision(kind, seed):
    image = np.random.default_rng(1).random((5, 6, 3)).astype(np.float32)
    before = image.copy()
    first = kind(image, np.random.default_rng(seed))
    assert np.array_equal(first, kind(image, np.random.default_rng(seed)))
    assert np.array_equal(image, before)
    double = kind(image.astype(np.float64), np.random.default_rng(seed))
    assert first.dtype == np.float32
    assert double.dtype == np.float64
    assert np.allclose(first, double, atol=1e-6)


@pytest.mark.parametrize("kind", MAKERS, ids=repr)
def test_another_seed_gives_other_noise(kind):
    image = np.full((20, 20), 0.5)
    assert not np.array_equal(kind(image, np.random.default_rng(0)), kind(image, np.random.default_rng(1)))


@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 3), (4, 5, 3), (2, 3, 4, 5)])
@pytest.mark.parametrize("kind", MAKERS, ids=repr)
def test_any_shape(kind, shape):
    y = kind(np.full(shape, 0.5), np.random.default_rng(0))
    assert y.shape == shape
    assert kind.variance(np.full(shape, 0.5)).shape == shape


@pytest.mark.parametrize("kind", MAKERS, ids=repr)
def test_channels_draw_their_own_noise(kind):
    y = kind(np.full((300, 300, 2), 0.5), np.random.default_rng(0)).reshape(-1, 2)
    assert abs(np.corrcoef(y.T)[0, 1]) < 0.02


@pytest.mark.parametrize("kind", [Gaussian(0.2), PoissonGaussian(0.05, 0.1), Speckle(0.4)], ids=repr)
def test_nothing_is_clipped(kind):
    assert draw(kind, 1.0).max() > 1
    if not isinstance(kind, Speckle):
        assert draw(kind, 0.0).min() < 0


def test_salt_and_pepper_touches_only_its_share():
    image = np.full((500, 500), 0.3)
    y = SaltAndPepper(0.35)(image, np.random.default_rng(0))
    assert set(np.unique(y)) == {0.0, 0.3, 1.0}
    assert np.mean(y == 0) == pytest.approx(0.175, abs=0.004)
    assert np.mean(y == 1) == pytest.approx(0.175, abs=0.004)
    assert np.array_equal(SaltAndPepper(0)(image, np.random.default_rng(0)), image)


def test_by_name():
    assert noise("gaussian", sigma=25 / 255) == Gaussian(25 / 255)
    assert noise("poisson", peak=4) == Poisson(4.0)
    assert noise("salt-and-pepper", fraction=0.1) == SaltAndPepper(0.1)
    assert [kind.name for kind in NOISES.values()] == list(NOISES)


@pytest.mark.parametrize(
    ("name", "numbers", "message"),
    [
        ("rain", {}, "'rain', known are: gaussian, poisson"),
        ("gaussian", {}, "takes sigma; found nothing"),
        ("gaussian", {"peak": 3}, "takes sigma; found peak"),
        ("poisson-gaussian", {"gain": 3}, "takes gain, read_noise; found gain"),
        ("gaussian", {"sigma": -1}, "sigma of at least 0, found -1"),
        ("gaussian", {"sigma": float("nan")}, "found nan"),
        ("gaussian", {"sigma": "25"}, "found '25'"),
        ("gaussian", {"sigma": True}, "found True"),
        ("poisson", {"peak": 0}, "peak above 0, found 0"),
        ("salt-and-pepper", {"fraction": 1.5}, "at most 1, found 1.5"),
        ("poisson-gaussian", {"gain": -0.1, "read_noise": 0}, "gain of at least 0"),
        ("poisson-gaussian", {"gain": 0.1, "read_noise": float("inf")}, "read_noise of at least 0"),
    ],
)
def test_numbers_are_checked(name, numbers, message):
    with pytest.raises(BadInput, match=message):
        noise(name, **numbers)


@pytest.mark.parametrize(
    ("kind", "image", "message"),
    [
        (Gaussian(0.1), np.zeros((2, 2), np.uint8), "floating point, found uint8"),
        (Gaussian(0.1), np.array([0.5, np.nan]), "NaN"),
        (Poisson(10), np.array([0.5, -0.1]), "at least 0, found -0.1"),
        (PoissonGaussian(0.1, 0), np.array([-0.1]), "at least 0, found -0.1"),
        (Poisson(1e20), np.ones(3), "cannot count 1e\\+20 photons"),
    ],
)
def test_images_are_checked(kind, image, message):
    with pytest.raises(BadInput, match=message):
        kind(image, np.random.default_rng(0))


def test_a_seed_is_no_generator():
    with pytest.raises(BadInput, match="found int"):
        Gaussian(0.1)(np.zeros(3), 0)


def test_noises_are_values():
    assert Gaussian(0.1) == Gaussian(0.1)
    assert len({Gaussian(0.1), Gaussian(0.1), Speckle(0.1)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        Gaussian(0.1).sigma = 0.2
