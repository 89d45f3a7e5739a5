"""Unrolled iterations: the same on arrays and tensors, data steps that fit the measurement, trainable throughout."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.degrade.blur import blur
from aplomb.degrade.fourier import kspace_mask, mri
from aplomb.degrade.psf import gaussian
from aplomb.degrade.radon import radon
from aplomb.degrade.sample import mask
from aplomb.errors import BadInput
from aplomb.layers import conv, downsample
from aplomb.operator import chain
from aplomb.restore.unrolled import STARTS, data_step, start_at, unrolled

SIZE = (8, 8)
MODELS = {
    "mask": mask(np.random.default_rng(0).random(SIZE) < 0.5),
    "blur": blur(gaussian(1.0, 3), "circular"),
    "mirrored": blur(gaussian(1.0, 3), "reflect"),
    "coarse": chain(blur(gaussian(1.0, 3), "circular"), downsample(2)),
    "k-space": mri(kspace_mask("random", SIZE, 0.5, seed=0)),
}
ALL = pytest.mark.parametrize("forward", MODELS.values(), ids=list(MODELS))
X = np.random.default_rng(1).random((2, 1, *SIZE))


def half(x):
    return 0.5 * x


@ALL
@pytest.mark.parametrize("start", ["adjoint", "data-step"])
def test_tensors_give_what_arrays_give(forward, start):
    torch = pytest.importorskip("torch")
    y = forward(X)
    found = unrolled(half, forward, y, start, [0.3, 0.1])
    same = unrolled(half, forward, torch.from_numpy(y), start, [0.3, 0.1])
    np.testing.assert_allclose(same.numpy(), found, atol=1e-10)


@ALL
def test_data_steps_minimise(forward):
    y, z, back = forward(X), np.random.default_rng(2).random(X.shape), forward.adjoint()
    x = data_step(z, y, forward, 0.2, 1e-12)
    np.testing.assert_allclose(back(forward(x) - y) + 0.2 * (x - z), 0, atol=1e-10)


def test_steps_are_taken_in_order():
    forward, y = MODELS["blur"], MODELS["blur"](X)
    by_hand = data_step(2 * data_step(half(y), y, forward, 0.3), y, forward, 0.1)
    np.testing.assert_allclose(unrolled([half, lambda x: 2 * x], forward, y, "measured", [0.3, 0.1]), by_hand)


def test_no_rates_leave_the_network_alone():
    y = MODELS["mask"](X)
    np.testing.assert_array_equal(unrolled(half, MODELS["mask"], y, "measured", []), 0.5 * y)


def test_starts():
    forward = MODELS["coarse"]
    y = forward(X)
    np.testing.assert_array_equal(start_at(y, forward, "measured"), y)
    np.testing.assert_array_equal(start_at(y, forward, "adjoint"), forward.adjoint()(y))
    x = start_at(y, forward, "data-step", 0.05)
    np.testing.assert_allclose(forward.adjoint()(forward(x) - y) + 0.05 * x, 0, atol=1e-9)
    np.testing.assert_array_equal(unrolled(half, forward, y, X, []), 0.5 * X)


def test_filtered_back_projection_is_scikit_images():
    torch = pytest.importorskip("torch")
    from skimage.data import shepp_logan_phantom
    from skimage.transform import iradon, resize

    clean = resize(shepp_logan_phantom(), (40, 40))
    angles = np.arange(0, 180, 4.0)
    forward = radon(40, angles)
    y = forward(clean[None, None])
    found = start_at(y, forward, "fbp")
    theirs = iradon(y[0, 0], angles, circle=True)
    middle = (slice(8, 32), slice(8, 32))
    assert abs(found[0, 0][middle] - theirs[middle]).mean() < 0.02
    assert abs(found[0, 0][middle] - clean[middle]).mean() < 0.06
    np.testing.assert_allclose(start_at(torch.from_numpy(y), forward, "fbp").numpy(), found, atol=1e-10)
    with pytest.raises(BadInput, match="parallel beams"):
        start_at(X, MODELS["blur"], "fbp")


def test_affine_models_are_centred():
    bright = conv(1, 1, 1).with_weights({"0.weight": np.ones((1, 1, 1, 1)), "0.bias": np.full(1, 0.7)})
    np.testing.assert_allclose(start_at(bright(X), bright, "adjoint"), X)
    np.testing.assert_allclose(unrolled(lambda x: x, bright, bright(X), "adjoint", [0.1] * 30), X, atol=1e-3)


@ALL
def test_training_reaches_the_network_through_the_data_steps(forward):
    """The gradient of the loss in the network's weight, against finite differences."""
    torch = pytest.importorskip("torch")
    y = forward(X)

    def loss(weight, measurement):
        x = unrolled(lambda x: weight * x, forward, measurement, "adjoint", [0.3, 0.2], tolerance=1e-12, iterations=60)
        return ((x - 0.5) ** 2).sum()

    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    loss(weight, torch.from_numpy(y)).backward()
    numeric = (loss(0.7 + 1e-6, y) - loss(0.7 - 1e-6, y)) / 2e-6
    assert weight.grad.item() == pytest.approx(numeric, rel=1e-5)


def test_refusals():
    y = MODELS["mask"](X)
    with pytest.raises(BadInput, match=f"known are: {', '.join(STARTS)}"):
        unrolled(half, MODELS["mask"], y, "nowhere")
    with pytest.raises(BadInput, match="2 networks and 1 rates"):
        unrolled([half, half], MODELS["mask"], y, rates=[0.1])
    with pytest.raises(BadInput, match="above 0"):
        unrolled(half, MODELS["mask"], y, rates=[0.0])
