import lightning_fabric
import numpy as np
import pytest
import torch

from aplomb.layers import batch_norm, conv, conv_transposed, dropout, relu
from aplomb.nets import CLASSIFIERS, NETWORKS, lean, residual
from aplomb.operator import chain, identity
from aplomb.train import Trainable
from aplomb.train.start import quiet_branches

SMALL = {
    "lean": lean(widths=(8, 16), blocks=(1, 1), bias=True),
    "residual": residual(3, 8),
    "normalised": chain(conv(1, 4), batch_norm(4), relu, conv(4, 1)).initialise(1),
}


FEW = ("mlp-mnist", "lenet-5", "pattern", "resnet-20-cifar")  # classifiers that are soon copied


@pytest.mark.parametrize("name", sorted({*NETWORKS} - {*CLASSIFIERS, "unet-2015"} | {*FEW}))
def test_operator_comes_back_bit_for_bit(name: str) -> None:
    operator = NETWORKS[name]()
    assert Trainable(operator).operator() == operator


@pytest.mark.parametrize("name", SMALL)
def test_forward_is_the_same_expression(name: str) -> None:
    operator = SMALL[name]
    x = np.random.default_rng(0).random((2, operator.input_channels() or 1, 16, 16), np.float32)
    y = Trainable(operator).eval()(torch.from_numpy(x))
    np.testing.assert_allclose(y.detach().numpy(), operator(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_a_step_is_seen_by_the_expression_and_by_the_operator(name: str) -> None:
    """Also behind fabric.setup and a change of device or dtype, which may make new tensors."""
    operator = SMALL[name]
    model = Trainable(operator)
    model = model.to(torch.float64).to(torch.float32)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    wrapped, wrapped_optimiser = fabric.setup(model, optimiser)
    x = torch.rand(2, operator.input_channels() or 1, 16, 16, generator=torch.Generator().manual_seed(0))
    before = wrapped(x)
    fabric.backward((before**2).mean())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    wrapped_optimiser.step()
    after = model.eval()(x)
    assert not torch.equal(before, after)
    np.testing.assert_allclose(after.detach().numpy(), model.operator()(x.numpy()), rtol=1e-4, atol=1e-5)


def test_batch_norm_uses_the_batch_and_moves_its_running_statistics() -> None:
    model = Trainable(chain(batch_norm(2)))
    x = 3 + 2 * torch.randn(4, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    y = model(x).detach()
    assert abs(float(y.mean())) < 1e-5
    assert float(y.std()) == pytest.approx(1, abs=1e-2)
    found = model.operator().weights()
    np.testing.assert_allclose(found["0.mean"], 0.3, atol=0.02)
    np.testing.assert_allclose(found["0.variance"], 0.9 + 0.1 * 4, atol=0.05)
    reference = torch.nn.BatchNorm2d(2)
    reference(x)
    np.testing.assert_allclose(found["0.variance"], reference.running_var.numpy(), rtol=1e-6)
    model.eval()(x)  # using it moves nothing
    assert (model.operator().weights()["0.mean"] == found["0.mean"]).all()


def test_dropout_drops_in_training_only_and_follows_its_seed() -> None:
    model = Trainable(dropout(0.25))
    x = torch.ones(1, 1, 200, 200)
    model.dropout.reseed(5)
    first = model(x)
    assert not torch.equal(first, model(x))
    model.dropout.reseed(5)
    assert torch.equal(first, model(x))
    assert float((first == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert float(first.mean()) == pytest.approx(1, abs=0.02)
    assert torch.equal(model.eval()(x), x)


def test_quiet_branches_touch_the_last_convolution_of_each_branch_only() -> None:
    block = identity + chain(conv(4, 4), relu, conv(4, 4))
    net = (identity - chain(conv(1, 4), block, conv_transposed(4, 4, 1), relu, conv(4, 1))).initialise(0)
    quiet = quiet_branches(net, 0.5)
    ratios = {
        name: float(np.median(array / net.weights()[name]))
        for name, array in quiet.weights().items()
        if name.endswith("weight")
    }
    assert sorted(ratios.values()) == [0.5, 0.5, 1, 1, 1]
    assert list(ratios.values()) == [1, 1, 0.5, 1, 0.5]
