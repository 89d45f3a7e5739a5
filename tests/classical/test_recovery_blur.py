"""Deconvolution with a known point spread function, and without."""

import numpy as np
import pytest
from skimage import data

from aplomb.classical.recovery import (
    BlindDeconvolution,
    ConstrainedLeastSquares,
    InverseFilter,
    RichardsonLucy,
    Wiener,
    estimate_psf,
)
from aplomb.classical.recovery.deconvolve import edge_taper
from aplomb.degrade.blur import Blur, blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.noise import Gaussian
from aplomb.degrade.psf import disk, gaussian, motion
from aplomb.errors import BadInput
from aplomb.metrics import psnr

PICTURE = np.ascontiguousarray(data.camera()[80:208, 160:288])[None, None] / 255
LOPSIDED = np.array([[0.5, 0.0, 0.1], [0.2, 0.0, 0.0], [0.0, 0.2, 0.0]])
"""Neither symmetric nor with zeros in its spectrum: whoever conjugates or shifts wrongly fails."""


def quality(x, clean=PICTURE):
    return psnr(x, clean, peak=1)


@pytest.mark.parametrize(
    "method",
    [InverseFilter(), Wiener(), ConstrainedLeastSquares(), RichardsonLucy(iterations=400)],
    ids=lambda method: method.name,
)
def test_without_noise_the_picture_comes_back(method):
    forward = ForwardModel(blur(LOPSIDED, "circular"))
    y = forward.operator(PICTURE)
    assert quality(y) < 30
    assert quality(method(y, forward)) > {"richardson-lucy": 45}.get(method.name, 80)


@pytest.mark.parametrize("border", ["circular", "reflect", "replicate", "valid"])
@pytest.mark.parametrize("psf", [gaussian(1.5), motion(9, 30), LOPSIDED], ids=["gaussian", "motion", "lopsided"])
def test_gain_on_noisy_pictures_at_every_border(psf, border):
    """The ring that a valid blur has not seen is mirrored, so there the inside counts."""
    forward = ForwardModel(blur(psf, border), Gaussian(0.01))
    y = forward.simulate(PICTURE, np.random.default_rng(0))
    start = quality(ForwardModel(blur(psf), Gaussian(0.01)).simulate(PICTURE, np.random.default_rng(0)))
    for method in (Wiener(), ConstrainedLeastSquares()):
        x = method(y, forward)
        assert x.shape == PICTURE.shape
        inside = (..., slice(12, -12), slice(12, -12))
        assert quality(x[inside], PICTURE[inside]) > start + 1
        assert border == "valid" or quality(x) > start + 1


def test_the_methods_are_ordered():
    """With noise: the inverse filter gains least, and without its threshold it is lost."""
    forward = ForwardModel(blur(disk(3), "circular"), Gaussian(0.01))
    y = forward.simulate(PICTURE, np.random.default_rng(0))
    lost, inverse = quality(InverseFilter(1e-6)(y, forward)), quality(InverseFilter()(y, forward))
    assert lost < 0 < quality(y) < inverse
    for method in (Wiener(), ConstrainedLeastSquares(), RichardsonLucy()):
        assert quality(method(y, forward)) > inverse


@pytest.mark.parametrize("size", [(127, 128), (128, 127), (128, 128)])
def test_constrained_least_squares_meets_its_constraint(size):
    """The residual has the energy that was asked for, in planes of even and odd sizes."""
    clean = PICTURE[:, :, : size[0], : size[1]]
    forward = ForwardModel(blur(gaussian(1.0), "circular"), Gaussian(0.03))
    y = forward.simulate(clean, np.random.default_rng(0))
    x = ConstrainedLeastSquares(fraction=0.95)(y, forward)
    assert np.square(forward.operator(x) - y).mean() == pytest.approx(0.95 * 0.03**2, rel=1e-3)


def test_richardson_lucy_agrees_with_scikit_image_far_from_the_ends():
    from skimage.restoration import richardson_lucy

    y = blur(LOPSIDED, "circular")(PICTURE)
    ours = RichardsonLucy(iterations=5)(y, ForwardModel(blur(LOPSIDED, "circular")))
    theirs = richardson_lucy(y[0, 0], LOPSIDED, num_iter=5, clip=False)
    assert abs(ours[0, 0] - theirs)[16:-16, 16:-16].max() < 1e-3


def test_richardson_lucy_keeps_the_light_and_stays_positive():
    forward = ForwardModel(blur(gaussian(2), "circular"), Gaussian(0.05))
    y = np.maximum(forward.simulate(PICTURE, np.random.default_rng(0)), 0)
    x = RichardsonLucy()(y, forward)
    assert x.min() >= 0
    assert x.sum() == pytest.approx(y.sum())


def test_edge_taper_changes_only_the_ends():
    plane = np.random.default_rng(0).random((40, 50))
    tapered = edge_taper(plane, Blur(gaussian(1.0)))
    n = gaussian(1.0).shape[0]
    assert np.allclose(tapered[n:-n, n:-n], plane[n:-n, n:-n])
    jump = abs(tapered[0] - tapered[-1]).mean(), abs(plane[0] - plane[-1]).mean()
    assert jump[0] < 0.7 * jump[1]


def test_blind_deconvolution_finds_the_motion():
    forward = ForwardModel(blur(motion(9, 30)), Gaussian(0.005))
    y = forward.simulate(PICTURE, np.random.default_rng(0))
    psf = estimate_psf(y[0, 0], motion(9, 30).shape)
    assert psf.shape == motion(9, 30).shape
    assert psf.sum() == pytest.approx(1)
    assert psf.min() >= 0
    alike = (psf * motion(9, 30)).sum() / np.linalg.norm(psf) / np.linalg.norm(motion(9, 30))
    assert alike > 0.75
    flat = np.full_like(psf, 1 / psf.size)
    unknown = ForwardModel(blur(flat), Gaussian(0.005))
    assert quality(BlindDeconvolution()(y, unknown)) > quality(y) + 1
    assert quality(Wiener()(y, unknown)) < quality(y) + 0.5  # with the kernel as it was given


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InverseFilter(-1), "a threshold of at least 0"),
        (lambda: Wiener(np.nan), "an exponent of at least 0"),
        (lambda: ConstrainedLeastSquares(gamma=-1), "a gamma"),
        (lambda: ConstrainedLeastSquares(fraction=-1), "a fraction"),
        (lambda: RichardsonLucy(0), "iterations, a whole number"),
        (lambda: BlindDeconvolution(final="wiener"), "a method to deconvolve with"),
        (lambda: BlindDeconvolution(rounds=0), "rounds, a whole number"),
    ],
)
def test_bad_parameters(make, message):
    with pytest.raises(BadInput, match=message):
        make()
