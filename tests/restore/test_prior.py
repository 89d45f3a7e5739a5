"""Networks as priors: any channels, any range."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.data import camera

from aplomb.errors import ModelError
from aplomb.restore.denoise import denoise
from aplomb.restore.prior import prior

CLEAN = camera()[100:132, 180:220].astype(np.float32)[None, None] / 255
NOISY = CLEAN + np.random.default_rng(0).normal(0, 0.08, CLEAN.shape).astype(np.float32)


def test_it_is_what_denoise_does():
    wanted = denoise(NOISY[0, 0], 0.08, error=False).image
    np.testing.assert_allclose(prior()(NOISY, 0.08)[0, 0], wanted, atol=1e-6)


@pytest.mark.parametrize("channels", [2, 4])
def test_planes_are_taken_one_by_one_where_no_network_has_the_channels(channels):
    many = np.concatenate([(1 - 0.1 * k) * NOISY for k in range(channels)], axis=1)
    found = prior(channels=channels)(many, 0.08)
    for k in range(channels):
        np.testing.assert_allclose(found[:, k : k + 1], prior()(many[:, k : k + 1], 0.08), atol=1e-5)


def test_colour_pictures_have_their_own_and_may_have_the_grey_one():
    assert prior(channels=3).name == "denoise-colour"
    assert prior("denoise-grey", 3)(np.repeat(NOISY, 3, 1), 0.08).shape == (1, 3, 32, 40)


def test_another_range_is_another_scale():
    """Pictures in -1..1 with twice the noise are the same pictures."""
    found = prior(box=(-1.0, 1.0))(2 * NOISY - 1, 0.16)
    np.testing.assert_allclose(found, 2 * prior()(NOISY, 0.08) - 1, atol=1e-5)


def test_bounds_do_not_change_with_the_range():
    assert prior("stable-grey", box=(-1.0, 1.0)).bound(0.2).value <= 1


def test_refusals():
    with pytest.raises(ModelError, match="3 channels, this one has 2"):
        prior("denoise-colour", 2)
    with pytest.raises(ModelError, match="segments"):
        prior("segment-nuclei", 3)
