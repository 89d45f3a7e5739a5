"""Layers of stable networks, and weights that are kept within limits."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.errors import BadInput
from aplomb.facts.limits import within_limits
from aplomb.facts.lipschitz import tight
from aplomb.layers import bounded_conv, channel_clip, clip_by, conv, group_sort, orthogonal_conv, spline
from aplomb.layers.stable import kept_slopes
from aplomb.layers.tied import Tied
from aplomb.operator import chain, identity
from laws import close, everything
from makers import GROUPS, trained


@everything(GROUPS["stable"])
def test_laws(law, maker):
    law(maker)


def test_clipping_by_widths_is_clipping_by_each():
    z = np.array([[-3.0, -0.1, 3.0]])
    close(clip_by(np.concatenate([z, [[1.0, 1.0, 2.0]]], axis=1)), np.array([[-1.0, -0.1, 2.0]]), 0)


def test_sorting_keeps_the_values_of_each_pair():
    x = np.random.default_rng(0).normal(size=(2, 6, 3, 3))
    y = group_sort(x)
    assert (y[:, :3] >= y[:, 3:]).all()
    close(np.sort(np.stack([y[:, :3], y[:, 3:]]), 0), np.sort(np.stack([x[:, ::2], x[:, 1::2]]), 0), 0)


def test_a_spline_goes_through_its_values_and_on_with_its_last_slopes():
    curve = trained(spline(1, 5, reach=2.0), 3)
    values = np.asarray(curve.values[0], np.float64)
    x = np.array([-2.0, -1, 0, 1, 2, 3, -3])[:, None]
    wanted = [*values, 2 * values[-1] - values[-2], 2 * values[0] - values[1]]
    close(curve(x)[:, 0], np.array(wanted), 1e-12)
    low, high = curve.slopes
    assert low == pytest.approx(np.diff(values).min())
    assert high == pytest.approx(np.diff(values).max())


def test_a_tied_part_has_its_weights_once():
    a = conv(1, 4, bias=False)
    tied = Tied(symmetric, (a,))
    assert tied.parameters == a.parameters == tied.expression.parameters / 2
    moved = tied.with_weights({"0.weight": 2 * a.weight})
    x = np.random.default_rng(0).random((1, 1, 6, 6))
    close(moved(x), 4 * tied(x), 1e-6)  # in both places


def loud(leaf):
    return leaf.with_weights({name: 3 * w for name, w in leaf.weights().items()})


def symmetric(a):
    return a.adjoint() @ a


@pytest.mark.parametrize(
    "operator",
    [
        trained(bounded_conv(2, 5, limit=0.7), 1),
        trained(orthogonal_conv(4), 2).map(lambda leaf: loud(leaf)),
        trained(chain(bounded_conv(1, 4), spline(4), bounded_conv(4, 1)), 3),
    ],
    ids=["convolution", "orthogonal", "network"],
)
def test_limits_are_kept_and_weights_within_them_stay(operator):
    kept = within_limits(operator)
    limit = 0.7 if operator.children() == () else 1.0
    assert operator.lipschitz(tight).value > limit
    assert limit * 0.9 < kept.lipschitz(tight).value <= limit * (1 + 1e-6)
    again = within_limits(kept)
    for a, b in zip(kept.weights().values(), again.weights().values(), strict=True):
        close(a, b, 1e-6)


def test_slopes_are_clipped_around_the_middle():
    close(kept_slopes(np.array([[5.0, 0.0, 0.0, 9.0, 9.0]]), 1.0, -1.0, 1.0), np.array([[1.0, 0, 0, 1, 1]]), 0)


def test_nonsense_is_refused():
    for wrong in (
        lambda: channel_clip(np.array([-1.0])),
        lambda: spline(0),
        lambda: spline(2, knots=2),
        lambda: bounded_conv(1, 1, limit=0),
        lambda: orthogonal_conv(1),
        lambda: orthogonal_conv(4, 2),
        lambda: (identity @ group_sort)(np.zeros((1, 3))),
    ):
        with pytest.raises(BadInput):
            wrong()


def test_balanced_filters_do_not_see_a_constant():
    kept = within_limits(trained(bounded_conv(2, 5, balanced=True, padding="valid"), 1))
    assert abs(kept(np.full((1, 2, 5, 5), 0.7))).max() < 1e-6
