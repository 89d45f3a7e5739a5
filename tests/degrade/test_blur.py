"""Blur: laws, agreement with scipy, closed resolvents."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.signal import convolve2d

from aplomb.degrade.blur import Blur, InverseGram, as_blur, blur
from aplomb.degrade.psf import disk, gaussian, motion
from aplomb.errors import BadInput, ShapeError
from aplomb.layers import crop, downsample, pad, relu
from aplomb.operator import chain, identity
from laws import close, everything, jacobian, resolvent_is_the_inverse
from makers import GROUPS, Maker

RNG = np.random.default_rng(0)
PSF = RNG.uniform(size=(4, 5))
PSF /= PSF.sum()


@everything(GROUPS["blur"])
def test_laws(law, maker):
    law(maker)


@pytest.mark.parametrize("psf", [PSF, PSF.T, gaussian(1.0), np.ones((1, 1))], ids=["4x5", "5x4", "7x7", "1x1"])
@pytest.mark.parametrize(
    ("border", "mode"), [("circular", "wrap"), ("reflect", "mirror"), ("replicate", "nearest"), ("zero", "constant")]
)
def test_it_is_scipys_convolution(psf, border, mode):
    x = RNG.normal(size=(2, 3, 9, 11))
    wanted = [[ndimage.convolve(plane, psf, mode=mode) for plane in picture] for picture in x]
    close(blur(psf, border)(x), np.array(wanted), 1e-13)


def test_valid_is_scipys_too():
    x = RNG.normal(size=(1, 1, 9, 11))
    close(blur(PSF, "valid")(x)[0, 0], convolve2d(x[0, 0], PSF, "valid"), 1e-13)


def test_a_point_becomes_the_psf():
    point = np.zeros((1, 1, 9, 9))
    point[0, 0, 4, 4] = 1
    psf = motion(5, 30) * np.linspace(0.5, 1, 5)  # not symmetric, so that a correlation would be seen
    h, w = psf.shape
    found = blur(psf / psf.sum())(point)[0, 0, 4 - h // 2 :, 4 - w // 2 :][:h, :w]
    close(found, psf / psf.sum(), 1e-12)


def test_large_kernels_keep_single_precision():
    x = RNG.uniform(size=(1, 1, 64, 61)).astype(np.float32)
    psf = disk(12)
    y = blur(psf, "circular")(x)
    assert y.dtype == np.float32
    close(y, blur(psf, "circular")(x.astype(np.float64)), 1e-6)


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("psf", [PSF, gaussian(0.8)], ids=["even", "odd"])
def test_resolvent_against_the_matrix(m, psf):
    """Blur and decimation of Zhao et al. against the inverse of the explicit matrix, which shares no code with it."""
    operator = chain(blur(psf, "circular"), downsample(m) if m > 1 else identity)
    size = 12, 18
    matrix = jacobian(operator, (1, 1, *size))
    x = RNG.normal(size=(1, 1, *size))
    for r in (1.0, 1e-3):
        inverse = operator.resolvent(r)
        assert inverse is not None
        wanted = np.linalg.solve(matrix.T @ matrix + r * np.eye(x.size), x.ravel())
        close(inverse(x).ravel(), wanted, 1e-9)
        if m > 1:  # as a part of a longer chain: scaled, and enlarged by an isometry
            for longer in (3.0 * operator, chain(operator, pad(2))):
                assert longer.resolvent(r) is not None
                resolvent_is_the_inverse(Maker("longer", longer, (1, 1, *size)))


def test_no_closed_form_where_there_is_none():
    for operator in (
        blur(PSF, "reflect"),
        blur(PSF, "valid"),
        chain(blur(PSF, "circular"), crop(1)),
        chain(blur(PSF, "circular").adjoint(), downsample(2)),
    ):
        assert operator.resolvent(0.1) is None


def test_bounds():
    assert blur(PSF, "circular").lipschitz().kind == "exact"
    assert blur(PSF, "circular").lipschitz().value == pytest.approx(1)
    for border in ("valid", "zero"):
        bound = blur(PSF, border).lipschitz()
        assert bound.kind == "upper"
        assert bound.value == pytest.approx(1)
    assert Blur(PSF - 0.1).lipschitz().kind == "upper"
    assert InverseGram(PSF, 1, 0.5).lipschitz().value == pytest.approx(2)


def test_what_is_one_blur_is_known():
    for border in ("circular", "reflect", "replicate", "zero", "valid"):
        psf, found = as_blur(blur(PSF, border))
        assert found == border
        np.testing.assert_array_equal(psf, PSF / PSF.sum())
    others = (
        identity, relu, blur(PSF).adjoint(), chain(blur(PSF, "valid"), blur(PSF, "valid")), 2.0 * blur(PSF),
        chain(pad(1, "reflect"), blur(PSF, "valid")),
        chain(pad(((1, 2), (2, 2)), "reflect"), blur(PSF, "circular")),
    )  # fmt: skip
    for other in others:
        assert as_blur(other) is None


def test_refusals():
    with pytest.raises(ShapeError, match="psf of 4 x 5 pixels asked of a picture of 8 x 4, which is smaller"):
        blur(PSF, "circular")(np.zeros((1, 1, 8, 4)))
    with pytest.raises(ShapeError, match="psf of 4 x 5 pixels asked of a picture of 3 x 9, which is smaller"):
        blur(PSF, "valid")(np.zeros((1, 1, 3, 9)))
    with pytest.raises(ShapeError, match="at least 3, found 2 pixels along x"):
        blur(PSF)(np.zeros((1, 1, 9, 2)))
    with pytest.raises(BadInput, match="sums to 20, not to 1"):
        blur(np.ones((4, 5)))
    with pytest.raises(BadInput, match="known are: circular, reflect, replicate, zero, valid"):
        blur(PSF, "mirror")
