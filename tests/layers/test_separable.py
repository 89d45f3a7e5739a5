"""D7: what grouped, separable and 1x1 convolutions cost, and what they are."""

import numpy as np
import pytest

from aplomb.layers import conv, dense, separable_conv
from laws import close


@pytest.mark.parametrize(
    ("layer", "parameters"),
    [
        (conv(16, 32), (3 * 3 * 16 + 1) * 32),
        (conv(16, 32, groups=4), (3 * 3 * 4 + 1) * 32),
        (conv(16, 16, groups=16), (3 * 3 + 1) * 16),
        (separable_conv(16, 32), 3 * 3 * 16 + (16 + 1) * 32),
        (conv(16, 32, 1), (16 + 1) * 32),
    ],
)
def test_parameters(layer, parameters):
    """(k k m + 1) n; groups divide m, and a separable convolution has k k m + (m + 1) n."""
    assert layer.parameters == parameters


def test_a_separable_convolution_is_a_convolution_whose_kernels_share_their_shapes():
    alone, mix = separable_conv(3, 4, bias=False).children()
    whole = conv(3, 4, bias=False).with_weights({"0.weight": mix.weight * alone.weight[:, 0]})
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 5))
    close(whole(x), mix(alone(x)), 1e-6)


def test_groups_do_not_see_each_other():
    x, layer = np.zeros((1, 4, 5, 5)), conv(4, 4, groups=2)
    x[:, :2] = 1
    assert abs(layer(x)[:, :2]).max() > 0
    assert not layer(x)[:, 2:].any()


def test_a_1x1_convolution_is_a_dense_layer_at_every_pixel():
    layer = conv(5, 3, 1, seed=1)
    w, b = layer.weights().values()
    same = dense(5, 3).with_weights({"0.weight": w[:, :, 0, 0], "0.bias": b})
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 6))
    pixels = np.moveaxis(x, 1, 3).reshape(-1, 5)
    close(np.moveaxis(layer(x), 1, 3).reshape(-1, 3), same(pixels), 1e-12)
