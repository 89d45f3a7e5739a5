import copy
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aplomb.errors import BadInput, ShapeError
from aplomb.layers import (
    average_pool,
    batch_norm,
    conv,
    conv_transposed,
    crop,
    dense,
    downsample,
    flatten,
    leaky_relu,
    max_pool,
    pixel_shuffle,
    pixel_unshuffle,
    relu,
    step,
    take,
    upsample_bilinear,
    upsample_repeat,
    upsample_zeros,
)
from aplomb.operator import Bound, Compose, Grid, Linearity, Stack, Sum, chain, identity, stack
from laws import (
    adjoint_is_the_adjoint,
    bound_holds,
    close,
    everything,
    freezing_keeps_it,
    identity_is_neutral,
    linear_part_is_linear,
    not_nonlinear,
    numbers_are_counted,
    numpy_and_torch_agree,
    shift_by_the_stride_shifts_the_output,
    span_follows_the_grid,
    span_is_what_is_needed,
    weights_are_put_back,
)
from makers import GROUPS, MAYBE, Maker, trained


@everything(GROUPS["operator"])
def test_laws(law, maker):
    law(maker)


# -- any expression ------------------------------------------------------------------------------------------

f, g, h = (conv(2, 2, seed=seed) for seed in (1, 2, 3))
LEAVES = [
    f, conv(2, 2, 1), conv(2, 2, 5, bias=False), conv(2, 2, (1, 3), dilation=2),
    conv(2, 2, padding="reflect"), conv(2, 2, padding="replicate", bias=False), relu, leaky_relu(), identity,
    max_pool(3, 1, 1), average_pool(3, 1, 1), batch_norm(2), chain(downsample(2), upsample_zeros(2)),
]  # fmt: skip
DOWN = [
    conv(2, 2, 2, stride=2, padding="valid"), conv(2, 2, 3, stride=2, padding=((1, 0), (0, 1))), max_pool(2),
    average_pool(2), downsample(2), chain(pixel_unshuffle(2), conv(8, 2, 1, bias=False)),
]  # fmt: skip
UP = [
    conv_transposed(2, 2), conv_transposed(2, 2, 4, padding=1, bias=False), upsample_repeat(2),
    upsample_bilinear(2), upsample_zeros(2), chain(conv(2, 8, 1), pixel_shuffle(2)),
]  # fmt: skip


def combined(parts):
    factor = st.sampled_from([-1.0, 0.5, 2.0])
    return st.one_of(
        st.builds(chain, parts, parts),
        st.builds(lambda a, b: a + b, parts, parts),
        st.builds(lambda a, b: a - b, parts, parts),
        st.builds(lambda a, b: a * b, factor, parts),
        st.builds(lambda a, b: chain(stack(a, b), conv(4, 2, 1)), parts, parts),
        st.builds(lambda d, a, u: chain(d, a, u), st.sampled_from(DOWN), parts, st.sampled_from(UP)),
    )


@given(st.recursive(st.sampled_from(LEAVES), combined, max_leaves=5), st.integers(0, 9))
@settings(max_examples=40)
def test_any_expression(operator, seed):
    strides = {operator.grid(axis).stride for axis in (0, 1)}
    n = max(8, *strides)
    unsure = {"loose": MAYBE, "beyond": MAYBE, "finer": MAYBE}
    maker = Maker("any", trained(operator, seed), (2, 2, n, n), **unsure)
    for law in (numpy_and_torch_agree, numbers_are_counted, bound_holds, weights_are_put_back,
                span_is_what_is_needed, span_follows_the_grid, shift_by_the_stride_shifts_the_output,
                identity_is_neutral, freezing_keeps_it):  # fmt: skip
        law(maker)
    if not_nonlinear(maker):
        linear_part_is_linear(maker)
        if not any(isinstance(part, Stack) for part in every_part(operator)):
            adjoint_is_the_adjoint(maker)


def every_part(operator):
    yield operator
    for child in operator.children():
        yield from every_part(child)


# -- combining -----------------------------------------------------------------------------------------------


def test_composition_is_associative_and_flat():
    assert (h @ g) @ f == h @ (g @ f) == chain(f, g, h) == chain(chain(f, g), chain(h)) == Compose((f, g, h))
    assert chain() == identity
    assert chain(identity, identity) == identity
    x = Maker("x", f, (1, 2, 5, 6)).input()
    close((h @ g @ f)(x), h(g(f(x))), 0)


def test_sums_and_stacks_are_flat():
    assert (f + g) + h == f + (g + h) == Sum((f, g, h))
    assert stack(stack(f, g), h) == stack(f, stack(g, h)) == Stack((f, g, h))
    assert stack(f) == f
    with pytest.raises(BadInput, match="no operators"):
        stack()


def test_factors_are_merged():
    assert 2.0 * (3.0 * f) == 6.0 * f
    assert -1.0 * -f == f
    assert np.float64(2.0) * f == np.float32(2.0) * f == 2 * f
    assert f - g == f + (-1.0) * g


def test_order_and_weights_matter_to_equality():
    assert f != g
    assert f + g != g + f
    assert chain(f, g) != chain(g, f)
    assert f != "f"
    assert f != conv(2, 2, seed=1, bias=False)
    assert copy.deepcopy(chain(f, relu)) == chain(f, relu)
    assert len({chain(f, relu), chain(f, relu), relu}) == 2


def test_one_array_serves_two_kinds():
    """A mistake that equality by == on arrays would make: float32 and float64 of the same values differ."""
    assert f != f.with_weights({"0.bias": f.bias.astype(np.float64)})
    assert f != f.with_weights({"0.bias": -f.bias})  # minus zero


def test_weights_are_named_by_the_leaves_in_order():
    network = identity - chain(f, relu, stack(g, identity), conv(4, 2))
    assert [*network.weights()] == ["1.weight", "1.bias", "3.weight", "3.bias", "5.weight", "5.bias"]
    assert network.weights()["3.weight"] is g.weight
    assert [*batch_norm(2).weights(state=False)] == ["0.weight", "0.bias"]
    assert [*batch_norm(2).weights()] == ["0.weight", "0.bias", "0.mean", "0.variance"]


def test_map_replaces_leaves():
    network = identity - chain(f, relu, stack(g, h))
    assert network.map(lambda leaf: identity if leaf == relu else leaf) == identity - chain(f, stack(g, h))
    assert network.map(lambda leaf: leaf) == network
    assert [leaf for leaf in network.leaves() if leaf == relu] == [relu]


# -- facts of composites -------------------------------------------------------------------------------------


def test_affine_composes_to_affine():
    """A1: (g f)(x) = G F x + (G b + c)."""
    both = g @ f
    assert both.linearity is Linearity.AFFINE
    assert both.linear_part() == g.linear_part() @ f.linear_part()
    assert (relu @ both).linearity is Linearity.NONLINEAR
    assert both.linear_part().linearity is Linearity.LINEAR
    x = Maker("x", both, (1, 2, 6, 5)).input()
    shift = g(f(np.zeros_like(x)))
    close(both(x), both.linear_part()(x) + shift, 1e-12)


def test_adjoint_of_a_composition_is_reversed():
    a, b = f.linear_part(), downsample(2)
    assert (b @ a).adjoint() == a.adjoint() @ b.adjoint()
    assert (a - 3.0 * identity).adjoint() == a.adjoint() - 3.0 * identity


def test_receptive_fields_of_the_reference():
    """D9: two 3 x 3 see 5 x 5, three see 7 x 7; strides multiply what comes behind them."""
    assert chain(f, relu, g).span((0, 1)) == (-2, 3)
    assert chain(f, g, h).span((0, 1), axis=1) == (-3, 4)
    assert chain(max_pool(2), f).span((0, 1)) == (-2, 4)
    assert chain(max_pool(2), f, max_pool(2), g).span((0, 1)) == (-6, 10)


def test_the_span_depends_on_the_phase():
    net = chain(upsample_repeat(2), f)
    assert [net.span((j, j + 1)) for j in range(3)] == [(-1, 1), (0, 2), (0, 2)]
    assert net.grid() == Grid(1, Fraction(1, 2))
    assert net.halo() == 1


@pytest.mark.parametrize(
    ("operator", "stride", "step"),
    [
        (f, 1, 1),
        (downsample(3), 3, 3),
        (upsample_repeat(3), 1, Fraction(1, 3)),
        (chain(downsample(2), upsample_repeat(2)), 2, 1),
        (chain(upsample_repeat(2), downsample(2)), 1, 1),
        (chain(upsample_repeat(2), downsample(3)), 3, Fraction(3, 2)),
        (chain(upsample_repeat(3), downsample(2)), 2, Fraction(2, 3)),
        (chain(downsample(2), downsample(3)), 6, 6),
        (identity + chain(downsample(4), upsample_repeat(4)), 4, 1),
        (stack(chain(downsample(2), upsample_repeat(2)), chain(downsample(3), upsample_repeat(3))), 6, 1),
    ],
    ids=repr,
)
def test_grids(operator, stride, step):
    assert operator.grid(0) == operator.grid(1) == Grid(stride, Fraction(step))


def test_halo_is_the_worst_phase_in_whole_strides():
    assert identity.halo() == 0
    assert f.halo() == 1
    assert chain(max_pool(2), f, upsample_repeat(2)).halo() == 4
    assert math.isinf(chain(flatten, dense(8, 4)).halo())


def test_spans_are_asked_for_something():
    with pytest.raises(BadInput, match="empty interval"):
        f.span((3, 3))


def test_bounds_of_composites():
    two, three = 2.0 * identity, 3.0 * identity
    assert chain(two, relu, three).lipschitz() == Bound(6.0, "upper", "product of its parts")
    assert (two + three).lipschitz().value == 5
    assert (two - three).lipschitz().value == 5
    assert stack(two, three).lipschitz().value == pytest.approx(math.sqrt(13))
    assert (0.0 * identity).lipschitz().value == 0
    for unsure in (chain(f, step, g), identity - step, stack(f, step), 0.0 * step):
        assert unsure.lipschitz().kind == "unknown"
        assert "not continuous" in unsure.lipschitz().reason
    assert [str(b) for b in (Bound(1.5, "exact"), Bound(1.5, "upper"), step.lipschitz())] == [
        "1.5", "<= 1.5", "unknown",
    ]  # fmt: skip


def test_channels_asked_of_a_composite():
    assert chain(relu, conv(3, 4)).input_channels() == 3
    assert chain(pixel_unshuffle(2), conv(12, 4)).input_channels() == 3
    assert (identity - chain(conv(5, 5), relu)).input_channels() == 5
    assert chain(stack(relu, conv(2, 1)), conv(3, 1)).input_channels() == 2
    assert chain(take(0, 2), conv(2, 1)).input_channels() is None
    assert relu.input_channels() is None


def test_shapes_that_differ_are_named():
    with pytest.raises(ShapeError, match=r"sum of 2 .*\(1, 2, 8, 8\), \(1, 2, 6, 6\), which differ"):
        (identity + crop(1)).output_shape((1, 2, 8, 8))
    with pytest.raises(ShapeError, match="stack of 2 operators"):
        stack(identity, crop(1))(np.zeros((1, 2, 8, 8)))
    with pytest.raises(ShapeError, match="give 2 channel"):
        chain(relu, f)(np.zeros((1, 3, 8, 8)))


def test_numbers_add_up():
    network = identity - chain(conv(2, 3), relu, conv(3, 2, stride=1))
    assert network.parameters == (9 * 2 + 1) * 3 + (9 * 3 + 1) * 2
    assert network.multiply_adds((1, 2, 10, 12)) == 9 * 2 * 3 * 120 * 2
    halved = chain(conv(2, 3, 2, stride=2, padding="valid"), conv(3, 2))
    assert halved.multiply_adds((1, 2, 8, 8)) == 4 * 2 * 3 * 16 + 9 * 3 * 2 * 16
