"""What one layer cannot do and a hidden one can (D7), and a memory (Hopfield)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aplomb.errors import BadInput
from aplomb.layers import dense, step
from aplomb.nets import hopfield, perceptron
from aplomb.operator import chain

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = np.array([0.0, 1.0, 1.0, 0.0])


def test_a_perceptron_is_and_or_and_not() -> None:
    for weight, bias, wanted in (
        ((1, 1), -1.5, [0, 0, 0, 1]),
        ((1, 1), -0.5, [0, 1, 1, 1]),
        ((-1, 0), 0.5, [1, 1, 0, 0]),
    ):
        net = perceptron(2).with_weights({"0.weight": np.array([weight]), "0.bias": np.array([bias])})
        assert net(CORNERS)[:, 0].tolist() == wanted


@given(*[st.floats(-1e6, 1e6)] * 3)
def test_no_perceptron_is_xor(a: float, b: float, c: float) -> None:
    """If it were: c <= 0, a + c > 0, b + c > 0 give a + b + c > -c >= 0, but it says 0 at (1, 1)."""
    net = perceptron(2).with_weights({"0.weight": np.array([[a, b]]), "0.bias": np.array([c])})
    assert (net(CORNERS)[:, 0] != XOR).any()


def test_one_hidden_layer_is_xor() -> None:
    """(x or y) and not (x and y)."""
    weights = {"0.weight": [[1, 1], [1, 1]], "0.bias": [-0.5, -1.5], "2.weight": [[1, -1]], "2.bias": [-0.5]}
    net = chain(dense(2, 2), step, dense(2, 1), step)
    net = net.with_weights({name: np.array(values, np.float64) for name, values in weights.items()})
    assert net(CORNERS)[:, 0].tolist() == XOR.tolist()


def test_a_hopfield_network_completes_a_pattern_from_its_half() -> None:
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 2, (5, 200))
    memory = hopfield(patterns)
    np.testing.assert_array_equal(memory(patterns.astype(float)), patterns)
    shown = patterns.astype(float)
    shown[:, 100:] = rng.integers(0, 2, (5, 100))
    np.testing.assert_array_equal(memory(shown), patterns)


def test_a_hopfield_network_forgets_when_it_is_to_remember_too_much() -> None:
    patterns = np.random.default_rng(0).integers(0, 2, (60, 200))
    assert (hopfield(patterns)(patterns.astype(float)) != patterns).mean() > 0.1


@pytest.mark.parametrize("wrong", [np.zeros(4), np.array([[0, 2]]), np.zeros((0, 3))])
def test_what_is_no_pattern_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(BadInput, match="zeros and ones"):
        hopfield(wrong)
