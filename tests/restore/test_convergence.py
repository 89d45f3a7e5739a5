"""The guarantee: claimed only where it is proved, and kept."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.data import camera

from aplomb.degrade.blur import blur
from aplomb.degrade.psf import gaussian
from aplomb.degrade.radon import radon
from aplomb.degrade.sample import mask
from aplomb.errors import BadInput
from aplomb.layers import average_pool
from aplomb.operator import Bound, identity, unknown
from aplomb.restore.convergence import strongest, terms
from aplomb.restore.plug_and_play import plug_and_play
from aplomb.restore.prior import prior

BLUR = blur(gaussian(1.5, 7), "circular")
SHAPE = (1, 1, 30, 26)


class Rotation:
    """An isometry without decay, on pairs of pixels: the plain iteration with it goes round for ever."""

    box = (-10.0, 10.0)
    multiple = 1

    def __call__(self, x, level):
        a, b = x[..., ::2], x[..., 1::2]
        y = np.empty_like(x)
        y[..., ::2], y[..., 1::2] = -b, a
        return y

    def bound(self, level):
        return Bound(1.0, "exact", "a rotation")


def never_grows(residuals, from_=0):
    found = np.array(residuals[from_:])
    return bool((found[1:] <= found[:-1] * (1 + 1e-9)).all())


def test_averaging_makes_even_a_rotation_converge():
    corner = mask(np.arange(24).reshape(4, 6) < 2)  # all but one pair of pixels is left to the rotation
    x0 = np.random.default_rng(0).normal(size=(1, 1, 4, 6))
    run = {"sigma": 0.1, "method": "proximal-gradient", "start": x0, "schedule": [0.1] * 60}
    found = plug_and_play(0 * x0, corner, Rotation(), **run)
    assert found.guarantee.startswith("converges")
    assert never_grows(found.residuals)
    assert found.residuals[-1] < 1e-6
    plain = plug_and_play(0 * x0, corner, Rotation().__call__, **run)
    assert not plain.guarantee
    assert plain.residuals[-1] > 0.5


def test_the_shipped_network_keeps_the_guarantee():
    """On a picture whose size it does not take as it is, from two starts."""
    clean = camera()[100:130, 180:206].astype(np.float64)[None, None] / 255
    y = BLUR(clean)
    denoiser = prior("stable-grey")
    assert clean.shape[2] % denoiser.multiple
    ends = []
    for start in (y, np.zeros_like(y)):
        found = plug_and_play(
            y, BLUR, denoiser, sigma=2 / 255, method="proximal-gradient", schedule=[20 / 255] * 40, start=start
        )
        assert found.guarantee.startswith("converges")
        assert found.x.shape == y.shape
        assert never_grows(found.residuals)
        ends.append(found)
    assert ends[0].residuals[-1] < 0.1 * ends[0].residuals[0]
    assert abs(ends[0].x - ends[1].x).max() < 0.1 * abs(ends[0].x).max()


def test_a_schedule_that_falls_first_is_told():
    found = terms(BLUR, Rotation(), [0.3, 0.2, 0.1, 0.1], SHAPE)
    assert "From iteration 3 on" in found.guarantee


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"denoiser": lambda x, level: x}, "of the denoiser no bound is known"),
        ({"turns": True}, "turned"),
        ({"levels": [0.3, 0.2, 0.1]}, "changes until the end"),
    ],
)
def test_nothing_is_claimed_without_its_conditions(change, why):
    given = {"forward": BLUR, "denoiser": Rotation(), "levels": [0.1] * 3, "shape": SHAPE} | change
    found = terms(**given)
    assert not found.guarantee
    assert found.relaxation == 1
    assert why in found.notes[0]


@pytest.mark.parametrize("bound", [Bound(1.0000001, "upper"), unknown("no rule")])
def test_a_bound_above_1_is_not_enough(bound):
    class Other(Rotation):
        def bound(self, level):
            return bound

    assert "bound is" in terms(BLUR, Other(), [0.1] * 2, SHAPE).notes[0]


@pytest.mark.parametrize("operator", [BLUR, 3.0 * identity, average_pool(2), radon(12, np.arange(0, 180, 20.0))])
def test_scales_are_those_of_the_operator(operator):
    shape = (1, 1, 12, 12)
    matrix = np.stack([operator(e.reshape(shape)).ravel() for e in np.eye(144)])
    assert strongest(operator, shape) == pytest.approx(np.linalg.norm(matrix, 2), rel=0.02)


def test_a_model_of_nothing_is_refused():
    with pytest.raises(BadInput, match="zero for every picture"):
        strongest(0.0 * BLUR, SHAPE)
