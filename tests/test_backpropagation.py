"""E9: the chain rule, by hand, by torch, and in matrix form by the adjoint of the derivative."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.facts.derivative import derivative
from aplomb.layers import dense, tanh
from aplomb.operator import chain


def test_the_gradient_of_the_documents() -> None:
    """f(x, y) = x^2 y + y + 2 at (3, 4): (2 x y, x^2 + 1) = (24, 10)."""
    torch = pytest.importorskip("torch")
    x, y = (torch.tensor(value, requires_grad=True) for value in (3.0, 4.0))
    (x**2 * y + y + 2).backward()
    assert (x.grad.item(), y.grad.item()) == (24, 10)


def test_backpropagation_is_a_product_of_transposed_matrices() -> None:
    """grad = W1^T diag(1 - h^2) W2^T: what the adjoint of the derivative gives, and torch."""
    torch = pytest.importorskip("torch")
    net = chain(dense(3, 4, seed=1), tanh, dense(4, 1, seed=2))
    x = np.random.default_rng(0).normal(size=(1, 3))
    w1, w2 = (net.weights()[name].astype(np.float64) for name in ("0.weight", "2.weight"))
    by_hand = w1.T @ np.diag(1 - np.tanh(w1 @ x[0]) ** 2) @ w2.T
    t = torch.from_numpy(x).requires_grad_()
    net(t).sum().backward()
    for gradient in (derivative(net, x).adjoint()(np.ones((1, 1)))[0], t.grad.numpy()[0]):
        np.testing.assert_allclose(gradient, by_hand[:, 0], rtol=1e-12)
