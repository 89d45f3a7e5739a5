import numpy as np
import pytest

from aplomb.errors import BadInput
from aplomb.layers import dense, radial_basis
from aplomb.operator import chain
from laws import everything
from makers import GROUPS


@everything(GROUPS["radial"])
def test_laws(law, maker):
    law(maker)


def moons(n, rng):
    """Two half circles that reach into each other, and which of them each point is on."""
    t, side = rng.uniform(0, np.pi, n), np.arange(n) % 2
    x = np.where(side, 1 - np.cos(t), np.cos(t))
    y = np.where(side, 0.5 - np.sin(t), np.sin(t))
    return np.stack([x, y], 1) + rng.normal(0, 0.08, (n, 2)), side


def fitted(units, points, side):
    """Least squares for the weights of one dense unit behind `units`."""
    h = np.c_[units(points), np.ones(len(points))]
    w = np.linalg.lstsq(h, 2.0 * side - 1, rcond=None)[0]
    return chain(units, dense(h.shape[1] - 1, 1).with_weights({"0.weight": w[None, :-1], "0.bias": w[-1:]}))


def test_two_moons_are_told_apart_by_units_around_centres_and_by_no_line():
    rng = np.random.default_rng(0)
    points, side = moons(400, rng)
    held_out, truth = moons(1000, rng)
    near = radial_basis(2, 20).with_weights({"0.centres": points[:20], "0.sharpness": np.full(20, 3.0)})
    right = [((fitted(units, points, side)(held_out)[:, 0] > 0) == truth).mean() for units in (near, chain())]
    assert right[0] > 0.99
    assert right[1] < 0.92


def test_a_unit_answers_most_at_its_centre():
    unit = radial_basis(2, 1, seed=3)
    c = unit.weights()["0.centres"]
    assert unit(c)[0, 0] == 1
    step = np.array([[0.6, 0.8]]) / unit.weights()["0.sharpness"]
    np.testing.assert_allclose(unit(c + step), np.exp(-0.5), rtol=1e-6)


def test_nonsense_is_refused():
    with pytest.raises(BadInput, match="positive"):
        radial_basis(0, 4)
