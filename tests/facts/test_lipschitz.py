"""Bounds from the weights: never below a singular value or a gain that was found, and tight where they should be."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aplomb.errors import ShapeError
from aplomb.facts import lipschitz
from aplomb.facts.gain import gain_at
from aplomb.facts.spectrum import matrix_norm
from aplomb.layers import (
    average_pool,
    batch_norm,
    conv,
    conv_transposed,
    crop,
    dense,
    downsample,
    leaky_relu,
    max_pool,
    pad,
    relu,
    soft_shrink,
    swish,
    tanh,
)
from aplomb.layers.conv import Conv
from aplomb.layers.pad import NO_PADS, Pad
from aplomb.operator import Linearity, Operator, chain, identity
from soundness import between_frequencies, bound, dense_svd, in_exact_arithmetic, norm, of_any_magnitude

BORDERS = ("valid", "zero", "reflect", "replicate", "circular")


@st.composite
def layers(draw: st.DrawFn, border: str) -> Operator:
    """Convolutions with every stride, dilation, number of groups and kernel size, behind a border."""
    groups = draw(st.sampled_from([1, 1, 2]))
    n1, n2 = (groups * draw(st.integers(1, 2)) for _ in range(2))
    size, stride, dilation = ((draw(st.integers(1, top)), draw(st.integers(1, top))) for top in (3, 3, 2))
    pads = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(2))
    weight = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(n2, n1 // groups, *size))
    layer = Conv(weight, None, stride, pads if border == "zero" else NO_PADS, dilation, groups, exact=False)
    return layer if border in ("zero", "valid") else chain(Pad(pads, border), layer)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("border", BORDERS)
@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 7), st.integers(1, 7))
def test_no_convolution_exceeds_its_bound(border, transposed, data, height, width):
    operator = data.draw(layers(border))
    operator = operator.adjoint() if transposed else operator
    try:
        dense_svd(operator, operator.input_channels(), height, width)
    except ShapeError:
        return
    assert bound(operator) <= operator.lipschitz().value


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("border", BORDERS)
def test_every_combination(border, stride, dilation, groups, transposed):
    """None is left to chance: each at one size, with a bound that is not far off where the border copies nothing."""
    operator = conv(2, 4, 3, stride=stride, padding=border, dilation=dilation, groups=groups, bias=False, exact=False)
    shape = (2, 13, 14)
    if transposed:
        shape, operator = operator.output_shape((1, *shape))[1:], operator.adjoint()
    dense_svd(operator, *shape)
    if border in ("valid", "zero"):
        assert bound(operator) < 1.3 * norm(operator, *shape)


def linear_parts() -> st.SearchStrategy[Operator]:
    seeds = st.integers(0, 99)

    def random(operator: Operator, seed: int) -> Operator:
        rng = np.random.default_rng(seed)
        return operator.with_weights({n: rng.uniform(0.2, 1, w.shape) for n, w in operator.weights().items()})

    layer = st.builds(
        lambda seed, size, padding: random(conv(2, 2, size, padding=padding), seed),
        seeds, st.sampled_from([1, 2, 3]), st.sampled_from(["valid", "zero", 1, "circular"]),
    )  # fmt: skip
    other = st.sampled_from([-0.5 * identity, crop(1), pad(1), pad(1, "circular"), average_pool(2, 1), downsample(1)])
    norms = st.builds(lambda seed: random(batch_norm(2), seed), seeds)
    back = st.builds(lambda seed: random(conv_transposed(2, 2, 3, stride=1, padding=1), seed), seeds)
    return st.one_of(layer, layer, other, norms, back)


@settings(max_examples=150, deadline=None)
@given(st.lists(linear_parts(), min_size=2, max_size=4), st.booleans())
def test_no_linear_chain_or_sum_exceeds_its_bound(parts, add):
    operator: Operator = chain(*parts)
    try:
        if add and operator.output_shape((1, 2, 6, 5)) == (1, 2, 6, 5):
            operator = operator - 0.7 * identity + conv(2, 2, seed=3)
        dense_svd(operator, 2, 6, 5)
    except ShapeError:
        return
    assert operator.linearity is not Linearity.NONLINEAR
    assert bound(operator) <= operator.lipschitz().value * (1 + 1e-12)


def test_valid_convolutions_behind_one_border_are_one_kernel():
    rng = np.random.default_rng(0)
    one, two = (Conv(rng.normal(size=(2, 2, 3, 3))) for _ in range(2))
    once = chain(pad(2), one, two)
    found = norm(once, 2, 16, 16)
    assert found <= bound(once) < 1.1 * found
    assert bound(once) < 0.9 * bound(one) * bound(two)


def test_borders_of_zeros_are_not_joined():
    """The symbol of the joined kernel is too small there: a mean and its inverse are the identity only inside."""
    first, second = Conv(np.array([[[[1.0, -1.0]]]]), pads=((0, 0), (1, 0))), Conv(np.array([[[[-1.0, 2.0]]]]))
    padded = Conv(second.weight, pads=((0, 0), (0, 1)))
    joined = lipschitz._kernel(chain(pad(((0, 0), (1, 0))), Conv(first.weight), second))
    assert joined is not None
    operator = chain(first, padded)
    assert lipschitz._kernel(operator) is None
    assert norm(operator, 1, 1, 9) <= bound(operator)


def test_a_circular_border_is_a_circulant():
    layer = conv(2, 3, padding="circular", bias=False)
    found = norm(layer, 2, 24, 24)
    assert found <= bound(layer) < 1.03 * found
    deep = chain(layer, conv(3, 2, padding="circular", bias=False, seed=1))
    found = norm(deep, 2, 16, 16)
    assert found <= bound(deep) < 1.06 * found < bound(layer) * bound(deep.children()[2])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("taps", [2, 3, 4, 5])
def test_the_way_from_grid_to_supremum_is_needed(taps, axis):
    between_frequencies(taps, axis)


def test_floating_point_is_covered():
    in_exact_arithmetic()
    of_any_magnitude()


def test_what_was_composed_pays_for_its_rounding():
    """Two kernels that cancel: what is left is rounding, and is not below the truth."""
    one, two = (Conv(np.array([[[[a, b]]]])) for a, b in ((0.1, 0.3), (0.7, -2.1)))
    joined = lipschitz._kernel(chain(pad(1), one, two))
    assert joined is not None
    exact = np.array([Fraction(0.1) * Fraction(0.7), 0, Fraction(0.3) * Fraction(-2.1)])
    exact[1] = Fraction(0.1) * Fraction(-2.1) + Fraction(0.3) * Fraction(0.7)
    off = max(abs(Fraction(float(t)) - e) for t, e in zip(joined.taps[0, 0, 0], exact, strict=True))
    assert 0 < off <= Fraction(joined.error) < Fraction(1, 10**12)


def test_bounds_are_close_to_what_power_iteration_finds():
    layer = conv(16, 16, bias=False, seed=2)
    found = gain_at(layer, np.zeros((1, 16, 40, 40)), iterations=60).value
    assert found <= bound(layer) < 1.02 * found


def test_dense_layers_and_pooling():
    layer = dense(7, 5)
    assert bound(layer) == pytest.approx(np.linalg.norm(layer.weight.astype(float), 2), rel=1e-10)
    assert bound(layer) >= np.linalg.norm(layer.weight.astype(float), 2)
    assert matrix_norm(np.zeros((3, 2))) == 0
    assert bound(average_pool(3, 1, 1)) == 1
    assert bound(average_pool(2)) == 0.5


def gradient_step(factor: float, phi: Operator, seed: int = 0) -> Operator:
    layer = conv(2, 5, bias=True, seed=seed)
    return identity - factor * chain(layer, phi, layer.linear_part().adjoint())


@pytest.mark.parametrize("phi", [relu, tanh, soft_shrink(0.1), swish, leaky_relu(-0.5)])
@pytest.mark.parametrize("factor", [0.05, 0.3, 2.0])
def test_gradient_steps(phi, factor):
    operator = gradient_step(factor, phi)
    x = np.random.default_rng(1).normal(size=(1, 2, 8, 8))
    found = max(gain_at(operator, scale * x, iterations=20, radius=r).value for scale in (0.1, 3) for r in (1e-3, 1))
    assert found <= bound(operator) * (1 + 1e-9)
    assert bound(operator) <= operator.lipschitz().value
    if factor == 0.05 and phi in (relu, tanh):
        assert bound(operator) == 1
        assert bound(chain(operator, operator, operator)) == 1


def test_what_is_only_nearly_a_gradient_step_pays_for_it():
    layer = conv(1, 4, bias=False)
    step = lambda back: identity - 0.1 * chain(layer, relu, back)  # noqa: E731
    rounded = layer.adjoint().map(
        lambda leaf: Conv(np.round(leaf.weight * 4096) / 4096, None, pads=leaf.pads, transposed=True)
    )
    assert bound(step(layer.adjoint())) == 1
    assert 1 < bound(step(rounded)) < 1.001
    other = conv(1, 4, bias=False, seed=5).adjoint()
    assert bound(step(other)) > 1.01


def test_residuals_by_slopes():
    """Pad once, so that the linear part is one kernel: x - W2 phi(W1 x) with W2 W1 positive is no sum of norms."""
    rng = np.random.default_rng(0)
    one, two = Conv(rng.uniform(0, 0.2, (2, 1, 3, 3))), Conv(rng.uniform(0, 0.2, (1, 2, 3, 3)))
    operator = crop(2) - chain(one, relu, two)
    assert bound(operator) < 0.99 * operator.lipschitz().value
    found = max(gain_at(operator, rng.normal(size=(1, 1, 12, 12)), iterations=40, radius=r).value for r in (1e-3, 1))
    assert found <= bound(operator)


def test_random_networks_are_never_above_their_bound():
    rng = np.random.default_rng(0)
    for seed in range(40):
        c = int(rng.integers(1, 4))
        phi = (relu, tanh, leaky_relu(0.2), soft_shrink(0.3), max_pool(3, 1, 1))[seed % 5]
        padding = ("zero", "reflect", "replicate", "circular")[seed % 4]
        branch = chain(conv(2, c, padding=padding, seed=seed), phi, conv(c, 2, padding=padding, seed=seed + 1))
        operator = (identity - branch, chain(branch, branch), branch + branch, 0.5 * (identity + branch))[seed // 4 % 4]
        x = rng.normal(size=(1, 2, 7, 6))
        assert gain_at(operator, x, radius=10.0 ** rng.integers(-3, 1)).value <= bound(operator) * (1 + 1e-9)
