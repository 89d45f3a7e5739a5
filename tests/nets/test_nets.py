"""Networks: the figures of the documents and papers, and what an expression of them must keep."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.errors import BadInput, ShapeError
from aplomb.layers import fold_batch_norm
from aplomb.nets import (
    CLASSIFIERS,
    NETWORKS,
    averaged,
    dncnn,
    gradient_steps,
    lean,
    patch_mlp,
    rednet,
    residual,
    unet,
    unet_denoiser,
)
from aplomb.operator import Linearity


def test_a5_residual_denoiser() -> None:
    net = residual()
    assert net.parameters == 37_601
    assert [leaf.parameters for leaf in net.leaves() if leaf.parameters] == [320, *[9_248] * 4, 289]
    assert net.output_shape((1, 1, 384, 384)) == (1, 1, 384, 384)
    assert net.span((0, 1)) == (-6, 7)


def test_a7_unet() -> None:
    net = unet()
    counts = [leaf.parameters for leaf in net.leaves() if leaf.parameters]
    assert counts == [
        320, 9_248, 18_496, 36_928, 73_856, 147_584, 295_168, 590_080, 131_200, 295_040, 147_584, 32_832, 73_792,
        36_928, 8_224, 18_464, 9_248, 66,
    ]  # fmt: skip
    assert net.parameters == sum(counts) == 1_925_058
    assert net.output_shape((1, 1, 512, 512)) == (1, 2, 512, 512)
    with pytest.raises(ShapeError):
        net.output_shape((1, 1, 508, 512))


def test_labels_are_probabilities() -> None:
    p = unet(width=4, labels=True)(np.random.default_rng(0).random((1, 1, 16, 16)))
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_dncnn_has_the_published_size() -> None:
    assert dncnn().parameters == 556_097
    assert fold_batch_norm(dncnn()).parameters == 555_137
    assert dncnn().span((0, 1)) == (-17, 18)


@pytest.mark.parametrize("layers", [10, 20, 30])
def test_rednet_has_its_layers_and_learns_the_noise(layers: int) -> None:
    net = rednet(layers, width=3)
    convolutions = [leaf for leaf in net.leaves() if leaf.parameters]
    assert len(convolutions) == layers
    assert sum(leaf.transposed for leaf in convolutions) == layers // 2  # type: ignore[attr-defined]
    silent = net.with_weights({name: 0 * w for name, w in net.weights().items()})
    x = np.random.default_rng(0).random((1, 1, 40, 40))
    np.testing.assert_array_equal(silent(x), x)


def test_rednet_has_a_skip_around_every_second_pair() -> None:
    """Zeroing the innermost layer leaves all that goes around it: the output still depends on the outer layers."""
    net = rednet(20, width=4, seed=1)
    names = [n for n in net.weights() if n.endswith("weight")]
    x = np.random.default_rng(0).random((1, 1, 48, 48))
    inner, outer = names[len(names) // 2 - 1], names[0]
    without_inner = net.with_weights({inner: 0 * net.weights()[inner]})(x)
    without_outer = net.with_weights({outer: 0 * net.weights()[outer]})(x)
    assert np.abs(without_inner - x).max() > 1e-3
    assert np.abs(without_outer - x).max() < np.abs(without_inner - x).max()


def test_patch_mlp_is_a_network_on_patches() -> None:
    """On one patch alone, it is dense layers: the same weights as matrices give the same values."""
    from aplomb.layers.conv import Conv

    net = patch_mlp(patch=5, hidden=7, layers=2, stride=5, seed=2)
    first, second, last = (leaf for leaf in net.leaves() if isinstance(leaf, Conv))
    x = np.random.default_rng(0).random((1, 1, 5, 5))
    h = np.tanh(first.weight.reshape(7, 25) @ x.ravel())
    h = np.tanh(second.weight.reshape(7, 7) @ h)
    np.testing.assert_allclose(net(x).ravel(), last.weight.reshape(7, 25).T @ h, rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_lean_is_lean(channels: int) -> None:
    net = lean(channels, blocks=(1, 2, 4))
    assert net.multiply_adds((1, channels + 1, 64, 64)) < 60_000 * 64 * 64
    assert net.output_shape((2, channels + 1, 32, 24)) == (2, channels, 32, 24)
    assert net.grid().stride == 8


def test_without_biases_lean_scales_with_brightness() -> None:
    """Picture and noise level multiplied by a give a times the result: f(a y, a s) = a f(y, s) (Mohan et al., 2020)."""
    net = lean(bias=False, seed=1)
    x = np.random.default_rng(0).random((1, 2, 16, 16))
    np.testing.assert_allclose(net(0.25 * x), 0.25 * net(x), rtol=1e-9, atol=1e-9)
    with_bias = lean(bias=True, seed=1)
    moved = with_bias.with_weights({n: w + 0.1 for n, w in with_bias.weights().items() if n.endswith("bias")})
    assert np.abs(moved(0.25 * x) - 0.25 * moved(x)).max() > 1e-3


@pytest.mark.parametrize("name", [n for n in NETWORKS if n not in {"patch-mlp", "unet-2015", *CLASSIFIERS}])
def test_networks_by_name(name: str) -> None:
    net = NETWORKS[name]()
    assert net == NETWORKS[name]()
    assert net.linearity is Linearity.NONLINEAR
    assert net.input_channels() in (1, 2, 3, 4)


def test_unet_denoiser_subtracts() -> None:
    net = unet_denoiser(width=2)
    silent = net.with_weights({name: 0 * w for name, w in net.weights().items()})
    x = np.ones((1, 1, 16, 16))
    np.testing.assert_array_equal(silent(x), x)


@pytest.mark.parametrize(
    "call",
    [
        lambda: residual(1), lambda: dncnn(1), lambda: rednet(7), lambda: unet(0), lambda: patch_mlp(patch=3, stride=4),
        lambda: lean(blocks=(1, 1)),
    ],
)  # fmt: skip
def test_senseless_sizes_are_refused(call: object) -> None:
    with pytest.raises(BadInput):
        call()  # type: ignore[operator]


def test_filters_of_gradient_steps_ignore_constants_at_first() -> None:
    net = gradient_steps(width=6, scales=(2, 4))
    flat = np.concatenate([np.full((1, 1, 32, 32), 0.7), np.full((1, 1, 32, 32), 0.1)], axis=1)
    np.testing.assert_allclose(net(flat)[:, :, 12:20, 12:20], 0.7, atol=1e-6)  # away from the border


def test_gradient_steps_do_more_where_more_noise_is_told() -> None:
    net = gradient_steps(width=6, scales=(2, 2))
    y = np.random.default_rng(0).random((1, 1, 16, 16))
    moved = [np.linalg.norm(net(np.concatenate([y, 0 * y + s], axis=1)) - y) for s in (0.0, 0.05, 0.2)]
    assert moved[0] < moved[1] / 2 < moved[2] / 4


@pytest.mark.parametrize("activation", ["spline", "group-sort"])
@pytest.mark.parametrize("orthogonal", [False, True])
def test_averaged_keeps_the_size(activation: str, orthogonal: bool) -> None:
    net = averaged(3, width=4, layers=4, activation=activation, orthogonal=orthogonal)  # type: ignore[arg-type]
    assert net.output_shape((1, 3, 17, 20)) == (1, 3, 17, 20)


def test_stable_networks_refuse_nonsense() -> None:
    for wrong in (lambda: gradient_steps(width=0), lambda: gradient_steps(scales=()), lambda: averaged(width=3)):
        with pytest.raises(BadInput):
            wrong()
