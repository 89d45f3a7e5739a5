import math

import numpy as np
import pytest

from aplomb.errors import BadInput, ShapeError
from aplomb.layers import dense, flatten, relu, softmax, unflatten
from aplomb.operator import chain
from laws import close, everything
from makers import GROUPS


@everything(GROUPS["dense"])
def test_laws(law, maker):
    law(maker)


def test_parameters_of_the_reference():
    """B3: 784-300-100-10, and a first layer for pictures of 256 x 256."""
    layers = [dense(784, 300), dense(300, 100), dense(100, 10)]
    assert [layer.parameters for layer in layers] == [235_500, 30_100, 1_010]
    network = chain(flatten, layers[0], relu, layers[1], relu, layers[2], softmax)
    assert network.parameters == 266_610
    assert network.output_shape((5, 1, 28, 28)) == (5, 10)
    assert network.multiply_adds((1, 1, 28, 28)) == 784 * 300 + 300 * 100 + 100 * 10
    with pytest.raises(ShapeError, match="784"):
        network.output_shape((1, 1, 28, 27))
    assert 256 * 256 * 300 == dense(256 * 256, 300, bias=False).parameters == 19_660_800


def test_a_dense_layer_looks_everywhere():
    for operator in (
        dense(4, 4),
        flatten,
        unflatten(1, 2, 2),
        chain(flatten, dense(4, 4), unflatten(1, 2, 2)),
    ):
        assert operator.span((0, 1)) == (-math.inf, math.inf)
        assert math.isinf(operator.halo())


def test_unflatten_undoes_flatten():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    close(chain(flatten, unflatten(3, 4, 5))(x), x, 0)
    assert unflatten(3, 4, 5).adjoint() == flatten


def test_the_bound_is_the_frobenius_norm():
    layer = dense(3, 2, bias=False).with_weights({"0.weight": np.array([[3, 0, 0], [0, 4, 0]], np.float32)})
    assert 5 <= layer.lipschitz().value == pytest.approx(5)


def test_nonsense_is_refused():
    for wrong in ((0, 3), (3, 0)):
        with pytest.raises(BadInput):
            dense(*wrong)
