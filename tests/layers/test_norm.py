import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aplomb.errors import BadInput
from aplomb.layers import (
    batch_norm,
    conv,
    conv_transposed,
    dense,
    dropout,
    fold_batch_norm,
    layer_norm,
    local_contrast_norm,
    local_response_norm,
    relu,
)
from aplomb.layers.norm import BatchNorm
from aplomb.operator import Linearity, chain, identity, stack
from laws import close, everything
from makers import GROUPS, Maker, trained


@everything(GROUPS["norm"])
def test_laws(law, maker):
    law(maker)


# -- folding -------------------------------------------------------------------------------------------------


@given(st.sampled_from([1, 2]), st.booleans(), st.booleans(), st.integers(1, 2), st.integers(0, 5))
def test_folded_into_any_convolution(groups, bias, transposed, stride, seed):
    maker = conv_transposed if transposed else conv
    layer = maker(4, 6, 3, stride=stride, padding=1, groups=groups, bias=bias)
    both = trained(chain(layer, batch_norm(6)), seed)
    folded = fold_batch_norm(both)
    assert type(folded) is type(layer)
    assert folded.parameters == layer.parameters + (0 if bias else 6)
    x = Maker("x", both, (2, 4, 5, 7)).input()
    close(folded(x), both(x), 1e-5)


def test_folded_everywhere_in_an_expression():
    block = chain(conv(2, 2), batch_norm(2), relu)
    network = trained(chain(block, identity - chain(block, stack(block, identity), conv(4, 2), batch_norm(2))))
    folded = fold_batch_norm(network)
    assert not any(isinstance(leaf, BatchNorm) for leaf in folded.leaves())
    x = Maker("x", network, (2, 2, 6, 5)).input()
    close(folded(x), network(x), 1e-5)
    assert fold_batch_norm(folded) == folded


@pytest.mark.parametrize("network", [batch_norm(2), chain(relu, batch_norm(2), conv(2, 2))], ids=repr)
def test_not_folded_where_no_convolution_is_before_it(network):
    assert fold_batch_norm(network) == network


# -- what they do --------------------------------------------------------------------------------------------


def test_a_fresh_batch_norm_is_linear_and_nearly_the_identity():
    fresh, x = batch_norm(2, epsilon=0.0), np.random.default_rng(0).normal(size=(1, 2, 3, 3))
    close(fresh(x), x, 0)
    assert fresh.linearity is Linearity.LINEAR
    assert fresh.adjoint() == fresh
    assert trained(fresh).linearity is Linearity.AFFINE


@pytest.mark.parametrize(("over", "axes"), [("channels", 1), ("all", (1, 2, 3))])
def test_layer_norm_gives_zero_mean_and_unit_variance(over, axes):
    y = layer_norm(8, over=over, epsilon=1e-12)(np.random.default_rng(0).normal(3, 2, (2, 8, 4, 4)))
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axes), 1, atol=1e-9)


def test_local_contrast_norm_does_not_see_brightness_or_contrast():
    x = np.random.default_rng(0).normal(size=(1, 2, 9, 9))
    norm = local_contrast_norm(5, floor=1e-6)
    close(norm(3.0 * x + 2.0), norm(x), 1e-9)


def test_local_contrast_norm_leaves_flat_places_alone():
    """Below the floor it divides by the floor, whatever the noise."""
    x = 1e-6 * np.random.default_rng(0).normal(size=(1, 1, 9, 9))
    assert abs(local_contrast_norm(3, floor=0.1)(x)).max() < 1e-4


def test_dropout_does_nothing_when_used():
    x = np.ones((1, 2, 3, 3))
    assert dropout(0.9)(x) is x


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layer_norm(2, over="pixels"),
        lambda: local_contrast_norm(4),
        lambda: local_contrast_norm(3, floor=0.0),
        lambda: dropout(1.0),
        lambda: dropout(-0.1),
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(BadInput):
        wrong()


def test_weights_of_the_wrong_shape_are_refused():
    with pytest.raises(BadInput, match=r"0.mean of shape \(3,\) does not fit"):
        batch_norm(2).with_weights({"0.mean": np.zeros(3, np.float32)})
    with pytest.raises(BadInput, match="no weight named"):
        dense(2, 2).with_weights({"0.mean": np.zeros(2, np.float32)})


def test_response_norm_damps_a_channel_by_the_squares_around_it():
    x = np.array([1.0, 2.0, 0.0, 3.0]).reshape(1, 4, 1, 1)
    y = local_response_norm(3, factor=0.5, power=1.0, offset=1)(x).ravel()
    np.testing.assert_allclose(y, [1 / 3.5, 2 / 3.5, 0, 3 / 5.5])


@pytest.mark.parametrize("wrong", [{"size": 4}, {"factor": 0.0}, {"power": -1.0}, {"offset": 0}, {"offset": 1.5}])
def test_a_senseless_response_norm_is_refused(wrong):
    with pytest.raises(BadInput, match="odd size"):
        local_response_norm(**wrong)
