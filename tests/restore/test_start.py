"""Where iterations begin."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.degrade.sample import mask
from aplomb.layers import average_pool, conv, downsample
from aplomb.restore.start import roughness, smoothest

RAMP = np.add.outer(np.linspace(0.2, 0.5, 12), np.linspace(0.0, 0.4, 12))[None, None]


@pytest.mark.parametrize(
    "forward", [downsample(2), average_pool(2), mask(np.random.default_rng(0).random((12, 12)) < 0.4)]
)
def test_a_ramp_is_found_where_it_was(forward):
    """Coarse pixels are put where they belong, whether they are corners or means of blocks: half a pixel is seen."""
    found = smoothest(forward(RAMP), forward, 1e-5, iterations=400)
    inner = (..., slice(2, -2), slice(2, -2))
    slope = 0.3 / 11
    assert abs(found[inner] - RAMP[inner]).max() < 0.45 * slope


def test_roughness_is_the_gradient_of_the_slopes():
    rng = np.random.default_rng(1)
    x, h = rng.normal(size=(1, 2, 5, 4)), rng.normal(size=(1, 2, 5, 4))

    def slopes(x):
        return sum((np.diff(x, axis=axis) ** 2).sum() for axis in (2, 3)) / 2

    assert (roughness(x) * h).sum() == pytest.approx((slopes(x + 1e-6 * h) - slopes(x - 1e-6 * h)) / 2e-6)


def test_affine_models_are_centred():
    bright = conv(1, 1, 1).with_weights({"0.weight": np.ones((1, 1, 1, 1)), "0.bias": np.full(1, 0.7)})
    np.testing.assert_allclose(smoothest(bright(RAMP), bright, 1e-6), RAMP, atol=1e-5)
