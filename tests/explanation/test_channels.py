"""Activations are those of the network; first filters are its weights, in the picture's own pixels."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb import chain, identity, io, load
from aplomb.errors import BadInput
from aplomb.explanation import activations, first_filters
from aplomb.explanation.channels import LARGEST
from aplomb.layers import conv, dense, flatten, pad, pixel_unshuffle, relu, upsample_repeat
from makers import trained


def test_activations_are_those_of_the_network() -> None:
    x = np.random.default_rng(0).random((20, 30), np.float32).astype(np.float64)
    first, second = trained(conv(1, 4)), trained(conv(4, 2), 1)
    network = identity - chain(first, relu, second, conv(2, 1))
    np.testing.assert_allclose(activations(x, 1, network, sigma=0.1).values, relu(first(x[None, None]))[0])
    sheet = activations(x, 2, network, sigma=0.1)
    np.testing.assert_allclose(sheet.values, second(relu(first(x[None, None])))[0])
    assert (sheet.layer, sheet.title) == (2, "Sum, layer 2: Conv 3x3 + b")
    np.testing.assert_allclose(activations(x, 4, network, sigma=0.1).values, network(x[None, None])[0])


def test_layers_that_are_not_there() -> None:
    network = chain(conv(1, 4), relu, flatten, dense(64, 2))
    with pytest.raises(BadInput, match=r"layer 4 does not exist; give 1 to 3 \(1 Conv 3x3 \+ b, ReLU; 2 Flatten; 3 "):
        activations(np.eye(4), 4, network, sigma=0.1)
    with pytest.raises(BadInput, match="layer 0 does not exist"):
        activations(np.eye(4), 0, network, sigma=0.1)
    with pytest.raises(BadInput, match=r"layer 2 \(Flatten\) gives 64 numbers"):
        activations(np.eye(4), 2, network, sigma=0.1)


def test_large_pictures_are_cut(tmp_path) -> None:
    x = np.random.default_rng(0).random((LARGEST + 100, 40), np.float32).astype(np.float64)
    network = chain(conv(1, 2, 2, stride=2, padding=0), relu, upsample_repeat(2))
    sheet = activations(x, 1, network, (LARGEST + 90, 3), 0.1)
    assert sheet.values.shape == (2, LARGEST // 2, 20)
    np.testing.assert_allclose(sheet.values, network.parts[1](network.parts[0](x[None, None]))[0, :, 50:])
    assert "from row 100, column 0" in sheet.caption
    shown = io.read(sheet.save(tmp_path / "sheet.png")).array
    assert shown.std() > 5
    assert sheet._repr_png_()[:4] == b"\x89PNG"


def test_first_filters_are_the_weights() -> None:
    layer = trained(conv(1, 5))
    np.testing.assert_array_equal(first_filters(chain(layer, relu)).values, layer.weight[:, 0])
    padded = trained(conv(3, 5, padding="reflect"))
    assert first_filters(padded).values.shape == (5, 3, 3, 3)
    np.testing.assert_array_equal(first_filters(padded).values, np.moveaxis([*padded.leaves()][1].weight, 1, -1))
    assert first_filters(conv(2, 3)).values.shape == (6, 3, 3)


def test_first_filters_in_the_pictures_own_pixels() -> None:
    layer = trained(conv(4, 3))
    values = first_filters(chain(pixel_unshuffle(2), layer, relu)).values
    assert values.shape == (3, 6, 6)
    x = np.random.default_rng(0).random((1, 1, 20, 20))
    whole = layer(pixel_unshuffle(2)(x)) - layer.bias[:, None, None]
    np.testing.assert_allclose((values * x[0, :, 6:12, 8:14]).sum(axis=(1, 2)), whole[0, :, 4, 5])
    model = load("denoise-colour")
    assert first_filters(model).values.shape == (48, 6, 6, 3)


def test_filters_that_are_not_there() -> None:
    with pytest.raises(BadInput, match="has no convolution"):
        first_filters(chain(pad(1), relu))
    with pytest.raises(BadInput, match="ReLU comes before the first convolution"):
        first_filters(chain(relu, conv(1, 2)))
