"""Data steps: closed forms where there are, and conjugate gradients that agree with them."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.degrade.solve import ConjugateGradients, conjugate_gradients, resolvent
from aplomb.errors import BadInput
from aplomb.layers import conv, downsample, relu
from aplomb.layers.linear import Multiply
from aplomb.operator import chain
from laws import everything
from makers import GROUPS


@everything(GROUPS["solve"])
def test_laws(law, maker):
    law(maker)


@pytest.mark.parametrize("operator", [downsample(2), Multiply(np.linspace(-1, 2, 24).reshape(1, 1, 4, 6))])
def test_agrees_with_the_closed_form(operator):
    b = np.random.default_rng(0).normal(size=(2, 1, 4, 6))
    closed = resolvent(operator, 0.1)
    assert not isinstance(closed, ConjugateGradients)
    np.testing.assert_allclose(ConjugateGradients(operator, 0.1, 1e-14)(b), closed(b), atol=1e-12)


def test_falls_back_to_conjugate_gradients():
    operator = chain(Multiply(np.full((1, 1, 4, 6), 2.0)), conv(1, 1, bias=False))
    assert resolvent(operator, 0.1, 1e-3, 7) == ConjugateGradients(operator, 0.1, 1e-3, 7)


def test_minimises():
    """The x of the docstring: at it, the gradient of the two terms together is 0."""
    operator = conv(1, 2, bias=False)
    rng = np.random.default_rng(1)
    y, z = rng.normal(size=(1, 2, 6, 5)), rng.normal(size=(1, 1, 6, 5))
    x = resolvent(operator, 0.3, 1e-14)(operator.adjoint()(y) + 0.3 * z)
    np.testing.assert_allclose(operator.adjoint()(operator(x) - y) + 0.3 * (x - z), 0, atol=1e-12)


def test_pictures_end_on_their_own():
    """A picture that is solved at once waits, unchanged, for one that is not; one of zeros stays one."""
    scale = np.stack([np.full((1, 3, 4), 2.0), np.linspace(1, 9, 12).reshape(1, 3, 4), np.ones((1, 3, 4))])
    b = np.ones((3, 1, 3, 4))
    b[2] = 0
    np.testing.assert_allclose(conjugate_gradients(lambda x: scale * x, b, 1e-12, 50), b / scale, rtol=1e-9)


def test_tolerance_and_iterations_end_it():
    gram = np.linspace(1, 50, 30).reshape(1, 30)
    calls = []

    def counted(x):
        calls.append(1)
        return gram * x

    b = np.ones((1, 30))
    x = conjugate_gradients(counted, b, 1e-2, 100)
    assert np.linalg.norm(gram * x - b) <= 1e-2 * np.linalg.norm(b)
    assert len(calls) < 25
    calls.clear()
    conjugate_gradients(counted, b, 1e-12, 4)
    assert len(calls) == 4


def test_no_number_is_not_hidden():
    assert np.isnan(conjugate_gradients(lambda x: 2 * x, np.array([[np.nan, 1.0]]), 1e-6, 3)).any()


def test_gradients_reach_the_weights_inside():
    """Against finite differences: what is differentiated is the solution."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    operator = conv(1, 1, bias=False).with_weights({"0.weight": rng.normal(size=(1, 1, 3, 3))})
    b = rng.normal(size=(1, 1, 5, 4))

    def solved(weight):
        return ConjugateGradients(operator.with_weights({"0.weight": weight}), 0.4, 1e-14, 80)

    weight = torch.tensor(operator.weights()["0.weight"], requires_grad=True)
    t = torch.tensor(b, requires_grad=True)
    y = solved(weight)(t)
    (y**2).sum().backward()
    change, h = rng.normal(size=(1, 1, 3, 3)), 1e-5
    ends = [(solved(operator.weights()["0.weight"] + s * h * change)(b) ** 2).sum() for s in (1, -1)]
    assert (weight.grad.numpy() * change).sum() == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)
    np.testing.assert_allclose(t.grad.numpy(), solved(operator.weights()["0.weight"])(2 * y.detach().numpy()))


@pytest.mark.parametrize("r", [0.0, -1.0, np.nan])
def test_refuses_weights_that_are_not_above_0(r):
    with pytest.raises(BadInput, match="above 0"):
        resolvent(conv(1, 1, bias=False), r)


def test_refuses_what_is_not_linear():
    with pytest.raises(BadInput, match="nonlinear"):
        resolvent(relu, 1.0)


@pytest.mark.parametrize("numbers", [{"tolerance": 0.0}, {"iterations": 0}])
def test_refuses_an_iteration_that_does_nothing(numbers):
    with pytest.raises(BadInput, match="conjugate gradients"):
        resolvent(conv(1, 1, bias=False), 1.0, **numbers)
