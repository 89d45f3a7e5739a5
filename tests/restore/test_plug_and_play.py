"""Plug-and-play against what its iterations must come to, with denoisers whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.degrade.blur import blur
from aplomb.degrade.psf import gaussian
from aplomb.degrade.sample import mask
from aplomb.errors import BadInput, ShapeError
from aplomb.layers import conv, downsample, relu
from aplomb.operator import chain
from aplomb.restore.convergence import terms
from aplomb.restore.plug_and_play import METHODS, levels, plug_and_play


def shrink(x, level):
    """The proximal map of level^2 ||x||^2 / 2: with it, the minimum is known."""
    return x / (1 + level**2)


def picture(size=12, seed=0):
    return np.random.default_rng(seed).random((1, 1, size, size))


SEEN = mask(np.random.default_rng(5).random((12, 12)) < 0.6)
BLUR = blur(gaussian(1.0, 5), "circular")
MIRRORED = blur(gaussian(1.0, 5), "reflect")
COARSE = chain(BLUR, downsample(2))
ALL = pytest.mark.parametrize("forward", [SEEN, BLUR, MIRRORED, COARSE], ids=["mask", "blur", "mirrored", "coarse"])


@ALL
@pytest.mark.parametrize("method", ["admm", "proximal-gradient"])
def test_finds_the_minimum(forward, method):
    """argmin ||D x - y||^2 / (2 sigma^2) + strength ||x||^2 / 2, whose gradient is 0 at the solution."""
    sigma, strength = 0.5, 0.5
    y = forward(picture())
    linear = forward.linear_part()
    # a step t of proximal gradients weighs the data by s^2 = t strength sigma^2
    admm = method == "admm"
    step = 1.0 if admm else terms(forward, shrink, [1.0], (1, 1, 12, 12)).step
    told = [sigma * (strength * step) ** 0.5] * (60 if admm else 400)
    found = plug_and_play(y, forward, shrink, sigma=sigma, method=method, schedule=told, strength=strength)
    x = found.x
    gradient = linear.adjoint()(forward(x) - y) + strength * sigma**2 * x
    assert abs(gradient).max() < 5e-5
    assert found.residuals[-1] < 1e-6


@ALL
def test_half_quadratic_splitting_is_its_two_steps(forward):
    y, x0 = forward(picture()), picture(seed=1)
    found = plug_and_play(
        y, forward, shrink, sigma=0.1, schedule=[0.4], strength=0.3, start=x0, tolerance=1e-12, solves=200
    )
    r = 0.3 * 0.1**2 / 0.4**2
    z = found.x * (1 + 0.4**2)
    back = forward.adjoint()
    np.testing.assert_allclose(back(forward(z) - y) + r * (z - x0), 0, atol=1e-6)
    assert found.residuals == (pytest.approx(np.sqrt(np.mean((found.x - x0) ** 2))),)


def test_affine_models_are_centred():
    """A constant that is added to every measurement does not reach the picture."""
    bright = conv(1, 1, 1).with_weights({"0.weight": np.ones((1, 1, 1, 1)), "0.bias": np.full(1, 0.7)})
    x = picture()
    for method in METHODS:
        found = plug_and_play(
            bright(x), bright, lambda x, level: x, sigma=0.01, method=method, schedule=[0.3] * 30, start=0 * x
        )
        np.testing.assert_allclose(found.x, x, atol=1e-3)


def test_turns_are_undone_and_visit_all_eight():
    seen = []

    def see(x, level):
        seen.append(x.copy())
        return x

    x = np.arange(12.0).reshape(1, 1, 3, 4)
    everything = mask(np.ones((3, 4)))
    found = plug_and_play(x, everything, see, sigma=0.1, schedule=[0.5] * 9, start=x, turns=True)
    np.testing.assert_allclose(found.x, x)
    assert len({(a.shape, a.tobytes()) for a in seen[:8]}) == 8
    np.testing.assert_array_equal(seen[8], seen[0])


def test_levels_and_progress_are_told():
    told, heard = [], []

    def see(x, level):
        told.append(level)
        return x

    found = plug_and_play(
        picture(), SEEN, see, sigma=2 / 255, iterations=4, progress=lambda *heard_: heard.append(heard_)
    )
    assert tuple(told) == found.levels == levels(2 / 255, 4)
    assert told[0] == pytest.approx(49 / 255)
    assert told[-1] == pytest.approx(2 / 255)
    assert np.ptp(np.diff(np.log(told))) < 1e-9
    assert heard == [(k + 1, 4, r) for k, r in enumerate(found.residuals)]


def test_levels_follow_the_scale_of_the_measurement():
    """Ten times the measurement with ten times the noise is the same problem."""
    y = BLUR(picture())
    one = plug_and_play(y, BLUR, shrink, sigma=0.02)
    ten = plug_and_play(10 * y, 10.0 * BLUR, shrink, sigma=0.2, start=one.x * 0)
    same = plug_and_play(y, BLUR, shrink, sigma=0.02, start=one.x * 0)
    assert ten.levels == pytest.approx(one.levels)
    np.testing.assert_allclose(ten.x, same.x, atol=1e-9)


def test_single_precision_stays():
    for method in METHODS:
        y = BLUR(picture().astype(np.float32))
        assert plug_and_play(y, BLUR, shrink, sigma=0.1, method=method, iterations=2).x.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"method": "magic"}, "known are hqs, admm, proximal-gradient"),
        ({"sigma": -0.1}, "sigma is -0.1"),
        ({"sigma": np.nan}, "sigma is nan"),
        ({"iterations": 0}, "at least 1"),
        ({"schedule": []}, "schedule is"),
        ({"schedule": [0.1, 0.0]}, "above 0"),
        ({"strength": 0.0}, "strength is 0"),
        ({"forward": relu}, "linear or affine"),
        ({"start": np.zeros((1, 1, 5, 5))}, "start has the shape"),
        ({"y": np.zeros((1, 1, 5, 5))}, "5"),
    ],
)
def test_refusals(change, said):
    given = {"y": picture(), "forward": SEEN, "denoiser": shrink, "sigma": 0.1} | change
    with pytest.raises(BadInput, match=said):
        plug_and_play(given.pop("y"), given.pop("forward"), given.pop("denoiser"), **given)


def test_measurement_of_another_size_is_a_shape_error():
    with pytest.raises(ShapeError):
        plug_and_play(np.zeros((1, 1, 7, 12)), SEEN, shrink, sigma=0.1)
