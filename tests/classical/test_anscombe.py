"""Photon noise: Anscombe's transform, its exact unbiased inverse, and the denoiser between them."""

import numpy as np
import pytest
from scipy.stats import poisson
from skimage import data

from aplomb.classical import BM3D, GaussianFilter
from aplomb.classical.recovery import Anscombe
from aplomb.classical.recovery.anscombe import LARGEST, stabilised, unbiased_inverse
from aplomb.degrade.blur import blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.noise import Gaussian, Poisson
from aplomb.degrade.psf import gaussian
from aplomb.errors import BadInput
from aplomb.metrics import psnr
from aplomb.operator import identity

PICTURE = np.ascontiguousarray(data.camera()[100:164, 180:244])[None, None] / 255


@pytest.mark.parametrize("mean", [0.0, 0.03, 0.4, 2.5, 40, LARGEST * 0.99, LARGEST * 1.01, 2000])
def test_the_inverse_undoes_the_mean_of_the_transform(mean):
    counts = np.arange(int(mean + 12 * np.sqrt(mean + 9)))
    transformed = (poisson.pmf(counts, mean) * 2 * np.sqrt(counts + 0.375)).sum()
    assert unbiased_inverse(transformed) == pytest.approx(mean, rel=2e-5, abs=1e-6)


def test_the_inverse_rises_and_begins_at_no_light():
    values = np.linspace(0, 60, 5000)
    found = unbiased_inverse(values)
    assert (np.diff(found) >= -1e-9).all()
    assert (found[values < 2 * np.sqrt(3 / 8)] == 0).all()


def test_noise_is_stabilised():
    for mean in (4, 20, 100):
        assert stabilised(np.random.default_rng(0).poisson(mean, 100_000)).std() == pytest.approx(1, abs=0.06)


def test_means_are_kept_where_light_is_faint():
    # a denoiser that averages everything leaves nothing but the bias
    def mean(image, sigma):
        return np.full_like(image, image.mean())

    for peak in (0.3, 1, 5):
        forward = ForwardModel(identity, Poisson(peak))
        y = forward.simulate(np.full((1, 1, 200, 200), 0.8), np.random.default_rng(0))
        assert Anscombe(mean)(y, forward).mean() == pytest.approx(y.mean(), rel=0.02)


def test_the_denoiser_gets_the_level_of_the_noise_in_its_range():
    asked = []

    def listen(image, sigma):
        asked.append((image.min(), image.max(), image.shape, sigma * np.ptp(stabilised(10 * y))))
        return image

    forward = ForwardModel(identity, Poisson(10))
    y = forward.simulate(np.repeat(PICTURE, 3, axis=1), np.random.default_rng(0))
    x = Anscombe(listen)(y, forward)
    assert asked == [(0, 1, (64, 64, 3), pytest.approx(1))]
    assert x.shape == y.shape
    assert abs(x - y).max() < 0.04  # untouched, but for what the inverse adds: at most a quarter of a count and 1/8


def test_it_is_better_than_the_same_denoiser_that_takes_the_noise_to_be_the_same_everywhere():
    forward = ForwardModel(identity, Poisson(4))
    y = forward.simulate(PICTURE, np.random.default_rng(0))
    found = psnr(Anscombe(GaussianFilter())(y, forward), PICTURE, peak=1)
    assert found > psnr(y, PICTURE, peak=1) + 8
    blind = BM3D()(y[0, 0], float(np.sqrt(y.mean() / 4)))
    assert psnr(Anscombe()(y, forward), PICTURE, peak=1) > psnr(blind, PICTURE[0, 0], peak=1) + 0.2


def test_other_noise_and_blur_are_refused():
    for forward in (ForwardModel(identity, Gaussian(0.1)), ForwardModel(blur(gaussian(1.0)), Poisson(4))):
        with pytest.raises(BadInput, match="anscombe cannot recover this: it needs a forward model of Poisson noise"):
            Anscombe()(PICTURE, forward)
