"""Learned ISTA: it starts as ISTA, holds one set of weights, trains, and freezes; layered thresholding is a network."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.classical.sparse_coding import dictionary, ista, layered_pursuit
from aplomb.errors import BadInput
from aplomb.layers import conv
from aplomb.model import freeze, thaw
from aplomb.nets import learned_ista, thresholding_network, unrolled_ista
from aplomb.operator import chain


def atoms(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("non_negative", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_it_starts_as_ista(steps, non_negative, stride):
    D = dictionary(atoms(4, 2, 4, 4), (9, 11), stride=stride)
    y, weight = np.random.default_rng(1).random((1, 2, 9, 11)), np.array([0.5, 0.2, 0.1, 0.3])
    code = ista(D, y, weight, steps=steps, non_negative=non_negative).value
    assert 0.02 < np.mean(code != 0) < 0.98
    net = unrolled_ista(D, weight, steps, non_negative=non_negative)
    np.testing.assert_allclose(net(y), D(code), rtol=1e-6, atol=1e-7)  # thresholds are float32


def test_all_steps_share_their_weights():
    for non_negative in (False, True):
        counts = {learned_ista(atoms=8, size=4, steps=n, non_negative=non_negative).parameters for n in (1, 4, 9)}
        assert counts == {3 * 8 * 16 + 8}


def test_equal_ones_are_equal():
    assert learned_ista(atoms=4, size=4, steps=3) == learned_ista(atoms=4, size=4, steps=3)
    assert learned_ista(atoms=4, size=4, steps=3) != learned_ista(atoms=4, size=4, steps=4)
    assert learned_ista(atoms=4, size=4, steps=3) != learned_ista(atoms=4, size=4, steps=3, seed=1)


@pytest.mark.parametrize("options", [{}, {"non_negative": True}, {"stride": 1, "size": 5}, {"channels": 3}])
def test_it_freezes(options, tmp_path):
    net = learned_ista(**({"atoms": 6, "size": 6, "steps": 3} | options))
    channels = options.get("channels", 1)
    x = np.random.default_rng(0).random((1, channels, 12, 10))
    freeze(net, tmp_path / "net.onnx")
    np.testing.assert_allclose(thaw(tmp_path / "net.onnx")(x), net(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(_run(tmp_path / "net.onnx", x), net(x), rtol=1e-4, atol=1e-5)


def _run(path, x):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x.astype(np.float32)})[0]


def test_training_beats_ista_in_as_many_steps():
    """Gregor and LeCun's claim in small: trained on signals that are sparse, it gets nearer than it started."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("lightning_fabric")
    from aplomb.train.parameters import Trainable

    D = dictionary(atoms(6, 1, 4, 4), (12, 12), stride=2)
    rng = np.random.default_rng(0)
    shape = (32, *D.adjoint().output_shape((1, 1, 12, 12))[1:])
    clean = D(rng.normal(size=shape) * (rng.random(shape) < 0.05)).astype(np.float32)
    noisy = torch.from_numpy(clean + 0.5 * rng.normal(size=clean.shape).astype(np.float32))
    target = torch.from_numpy(clean)
    model = Trainable(unrolled_ista(D, 1.0, 3))
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = (model(noisy) - target).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert losses[-1] < 0.7 * losses[0]


def test_layered_thresholding_is_a_network():
    D = [dictionary(atoms(5, 1, 3, 3)), dictionary(atoms(7, 5, 3, 3, seed=2))]
    y, weights = np.random.default_rng(1).random((1, 1, 8, 8)), [0.4, np.linspace(0, 2, 7)]
    codes = layered_pursuit(D, y, weights, steps=1, step=1.0)
    net = thresholding_network(D, weights)
    np.testing.assert_allclose(net(y), codes[-1], rtol=0, atol=1e-13)
    np.testing.assert_allclose(chain(*net.parts[:2])(y), codes[0], rtol=0, atol=1e-13)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "make",
    [
        lambda: learned_ista(steps=0),
        lambda: learned_ista(size=2, stride=3),
        lambda: unrolled_ista(conv(1, 4, bias=False), 0.1, 3),
        lambda: unrolled_ista(conv(1, 4, bias=False).adjoint(), 0.1, 0),
        lambda: unrolled_ista(conv(1, 4, bias=False).adjoint(), 0.1, 3, step=0.0),
        lambda: thresholding_network([], []),
        lambda: thresholding_network([conv(1, 4)], [0.1]),
    ],
)
def test_networks_that_cannot_be(make):
    with pytest.raises(BadInput):
        make()
