"""Networks of inverse problems: what each must be before any training."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.errors import BadInput
from aplomb.layers import colour_products, haar, pixel_unshuffle
from aplomb.nets import demosaic, isp, lean, upscale, wavelet
from aplomb.operator import Operator


def silenced(network: Operator) -> Operator:
    """With a last convolution of zeros, so that only what stands beside the network is left."""
    last = [name for name, array in network.weights().items() if name.endswith("weight") and array.ndim == 4][-1]
    return network.with_weights({last: 0 * network.weights()[last]})


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_upscaling_adds_to_bilinear_interpolation(factor: int) -> None:
    network = upscale(factor, 1, widths=(4, 6), blocks=(1, 1))
    x = np.full((1, 1, 8, 6), 0.7)
    np.testing.assert_allclose(silenced(network)(x), np.full((1, 1, 8 * factor, 6 * factor), 0.7), rtol=1e-6)
    assert network(x).shape == (1, 1, 8 * factor, 6 * factor)


def test_upscaling_works_at_low_resolution() -> None:
    shape = (1, 3, 32, 32)
    cost = {factor: upscale(factor).multiply_adds(shape) for factor in (2, 4)}
    assert cost[4] < 1.1 * cost[2]  # four times the pixels


def test_demosaicking_sees_one_colour_at_each_place_of_the_pattern() -> None:
    network = demosaic(widths=(4, 6), blocks=(1, 1))
    x = np.random.default_rng(0).random((1, 1, 24, 24))
    shifted = np.roll(x, (4, 4), axis=(2, 3))
    inside = (..., slice(16, 20), slice(16, 20))
    assert network.grid().stride == 4
    away = network.with_weights({k: 0.01 * v for k, v in network.weights().items()})
    near = np.roll(away(x), (4, 4), axis=(2, 3))[inside]
    np.testing.assert_allclose(away(shifted)[inside], near, atol=1e-6)


def test_extra_channels_reach_the_network() -> None:
    for make in (lean, wavelet, demosaic, isp):
        network = make(widths=(4,), blocks=(1,), extra=2)
        inputs = network.input_channels()
        assert inputs == 3
        x = np.random.default_rng(0).random((1, inputs, 4, 4))
        other = x.copy()
        other[:, 2] += 1
        assert abs(network(other) - network(x)).max() > 1e-3


def test_the_isp_begins_with_the_colours_that_the_demosaicking_gives() -> None:
    whole, low = isp((4,), (1,), bias=False), demosaic((4,), (1,), extra=1)
    x = np.random.default_rng(0).random((1, 2, 4, 6))
    np.testing.assert_allclose(whole(x), low(x), atol=1e-6)


def test_products_are_the_upper_triangle() -> None:
    x = np.random.default_rng(0).random((1, 3, 2, 2))
    r, g, b = x[0, :, 1, 0]
    z = np.array([r, g, b, 1])
    np.testing.assert_allclose(colour_products(x)[0, :, 1, 0], np.outer(z, z)[np.triu_indices(4)])


def test_haar_bands_are_means_and_differences() -> None:
    x = np.array([[1.0, 2.0], [5.0, 9.0]])[None, None]
    np.testing.assert_allclose(haar(x).ravel(), [17 / 2, -5 / 2, -11 / 2, 3 / 2])
    np.testing.assert_allclose(np.sum(haar(x) ** 2), np.sum(pixel_unshuffle(2)(x) ** 2))


def test_bad_sizes_are_refused() -> None:
    for wrong in (
        lambda: upscale(1), lambda: upscale(2, widths=()), lambda: wavelet(0), lambda: demosaic(extra=-1),
        lambda: lean(extra=-1), lambda: lean(widths=(4, 4), blocks=(1,)),
    ):  # fmt: skip
        with pytest.raises(BadInput, match="give"):
            wrong()
