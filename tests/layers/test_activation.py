import math

import numpy as np
import pytest

from aplomb.errors import BadInput
from aplomb.layers import (
    elu,
    hard_clip,
    leaky_relu,
    maxout,
    relu,
    sigmoid,
    soft_shrink,
    softmax,
    step,
    swish,
    tanh,
)
from aplomb.layers.activation import Maxout, Softmax, Step
from laws import everything
from makers import GROUPS


@everything(GROUPS["activation"])
def test_laws(law, maker):
    law(maker)


def test_values():
    """B8, at hand-computed points."""
    x = np.array([[-2.0, -0.5, 0.0, 0.5, 2.0]])
    e = math.exp
    wanted = {
        step: [0, 0, 1, 1, 1],
        relu: [0, 0, 0, 0.5, 2],
        leaky_relu(0.1): [-0.2, -0.05, 0, 0.5, 2],
        elu(2.0): [2 * (e(-2) - 1), 2 * (e(-0.5) - 1), 0, 0.5, 2],
        soft_shrink(1.0): [-1, 0, 0, 0, 1],
        hard_clip(-1.0, 0.25): [-1, -0.5, 0, 0.25, 0.25],
        sigmoid: [1 / (1 + e(-t)) for t in x[0]],
        swish: [t / (1 + e(-t)) for t in x[0]],
        tanh: [math.tanh(t) for t in x[0]],
    }
    for operator, values in wanted.items():
        np.testing.assert_allclose(operator(x)[0], values, atol=1e-15)


POINTWISE = [m for m in GROUPS["activation"] if not isinstance(m.operator, Maxout | Softmax | Step)]


@pytest.mark.parametrize("maker", POINTWISE, ids=repr)
def test_the_bound_is_the_steepest_slope(maker):
    """Found on a fine grid: never above, and below by no more than it takes to round up."""
    x = np.linspace(-8, 8, 400_001).reshape(1, -1)
    slope = abs(np.diff(maker.operator(x)) / np.diff(x)).max()
    bound = maker.operator.lipschitz().value
    assert bound * (1 - 1e-4) <= slope <= bound * (1 + 1e-9)


def test_the_step_has_no_bound():
    assert step.lipschitz().kind == "unknown"
    assert "not continuous" in step.lipschitz().reason


def test_nothing_overflows():
    x = np.array([[-1e4, 1e4]])
    for operator, ends in ((sigmoid, (0, 1)), (swish, (0, 1e4)), (elu(), (-1, 1e4)), (softmax, (0, 1))):
        with np.errstate(all="raise", under="ignore"):
            np.testing.assert_allclose(operator(x)[0], ends, atol=1e-12)


def test_softmax_is_a_distribution_of_each_pixel():
    p = softmax(np.random.default_rng(0).normal(0, 5, (2, 4, 3, 3)))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (p > 0).all()


def test_maxout_of_two_pieces_can_be_a_relu_and_an_absolute_value():
    x = np.random.default_rng(0).normal(size=(1, 1, 4, 4))
    zero = np.zeros_like(x)
    np.testing.assert_array_equal(maxout(2)(np.concatenate([x, zero], 1)), relu(x))
    np.testing.assert_array_equal(maxout(2)(np.concatenate([x, -x], 1)), abs(x))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: soft_shrink(-1.0),
        lambda: soft_shrink(math.nan),
        lambda: hard_clip(1.0, 1.0),
        lambda: hard_clip(math.nan, 1.0),
        lambda: maxout(0),
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(BadInput):
        wrong()
