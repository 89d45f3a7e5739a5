"""What holds for every recovery, and those that work on any linear operator."""

from dataclasses import replace

import numpy as np
import pytest
from skimage import data

from aplomb.classical.recovery import (
    FISTA,
    ISTA,
    RECOVERIES,
    SART,
    BlindDeconvolution,
    RichardsonLucy,
    TotalVariationRecovery,
    fitting,
    recovery,
)
from aplomb.classical.recovery.scale import gain, least_squares
from aplomb.classical.recovery.variation import divergence, gradient
from aplomb.degrade.blur import blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import kspace_mask, mri
from aplomb.degrade.interference import interference
from aplomb.degrade.noise import Gaussian, Poisson
from aplomb.degrade.psf import gaussian
from aplomb.degrade.radon import fan_beam, radon
from aplomb.degrade.sample import bicubic, mask, mosaic
from aplomb.degrade.sensing import hadamard
from aplomb.errors import BadInput, ShapeError
from aplomb.layers import conv, downsample, relu
from aplomb.metrics import psnr
from aplomb.operator import chain, identity

PICTURE = np.ascontiguousarray(data.camera()[100:164, 180:244])[None, None] / 255
COLOUR = np.moveaxis(data.astronaut()[20:84, 180:244], -1, 0)[None] / 255
ANGLES = np.arange(0, 180, 22.5)
SEEN = np.random.default_rng(0).random((64, 64)) < 0.5
OPERATORS = {
    "circular blur": blur(gaussian(1.2), "circular"),
    "blur": blur(gaussian(1.2)),
    "valid blur": blur(gaussian(1.2), "valid"),
    "blur, x2": chain(blur(gaussian(1.2)), downsample(2)),
    "bicubic": bicubic(2),
    "mask": mask(SEEN),
    "mosaic": mosaic(),
    "interference": interference((0.11, 0.2), 0.2),
    "mri": mri(kspace_mask("random", (64, 64), 0.4)),
    "hadamard": hadamard((64, 64), 0.4, 0),
    "radon": radon(64, ANGLES),
    "fan beam": fan_beam(64, np.arange(0, 360, 45.0), 100.0, detectors=72),
}


def quality(x, clean):
    return psnr(x, clean, peak=1)


def test_every_operator_has_its_own_methods_and_those_for_any():
    own = {
        "blur": "inverse-filter wiener-deconvolution constrained-least-squares richardson-lucy blind-deconvolution",
        "blur, x2": "richardson-lucy bicubic",
        "mask": "biharmonic",
        "mosaic": "bilinear-demosaicking malvar-demosaicking",
        "interference": "band-reject optimum-notch",
        "mri": "zero-filled gridded",
        "hadamard": "",
        "radon": "richardson-lucy filtered-back-projection sart",
    }
    for name, methods in own.items():
        found = fitting(ForwardModel(OPERATORS[name]))
        assert [*found] == [*methods.split(), "total-variation", "wavelet-ista", "wavelet-fista"], name


@pytest.mark.parametrize("name", OPERATORS)
def test_shape_dtype_and_measurement_stay(name):
    clean = COLOUR if name == "mosaic" else PICTURE
    forward = ForwardModel(OPERATORS[name], Gaussian(0.02))
    y = forward.simulate(clean, np.random.default_rng(0)).astype(np.float32)
    before = y.copy()
    for method in fitting(forward).values():
        if isinstance(method, (TotalVariationRecovery, ISTA)):
            method = type(method)(iterations=2)
        elif isinstance(method, (SART, BlindDeconvolution, RichardsonLucy)):
            method = replace(method, **{"rounds" if isinstance(method, BlindDeconvolution) else "iterations": 1})
        x = method(y, forward)
        assert x.shape == clean.shape, method
        assert x.dtype == np.float32, method
        assert np.isfinite(x).all(), method
        assert np.array_equal(y, before), method


GENERIC = [TotalVariationRecovery(iterations=60), FISTA(iterations=60)]
START = {"mri": 1.5, "hadamard": 3, "mask": 3, "blur": 1, "blur, x2": 1, "mosaic": 3}
"""Decibels that they gain on the least-squares picture of least energy."""


@pytest.mark.parametrize("method", GENERIC, ids=lambda m: m.name)
@pytest.mark.parametrize("name", START)
def test_generic_methods_beat_least_squares_on_any_operator(method, name):
    clean = COLOUR if name == "mosaic" else PICTURE
    forward = ForwardModel(OPERATORS[name], Gaussian(0.02))
    y = forward.simulate(clean, np.random.default_rng(0))
    plain = least_squares(forward.operator, y, 30)
    assert quality(method(y, forward), clean) > quality(plain, clean) + START[name]


def test_variation_finds_a_piecewise_constant_picture_exactly_from_few_frequencies():
    """Candes, Romberg, Tao 2006: a picture with few edges is the one of least variation with these frequencies."""
    clean = np.zeros((1, 1, 32, 32))
    clean[..., 8:20, 10:25] = 1
    forward = ForwardModel(mri(kspace_mask("random", (32, 32), 0.5)))
    x = TotalVariationRecovery(strength=1e-4, iterations=600, tolerance=0)(forward.operator(clean), forward)
    assert quality(recovery("zero-filled")(forward.operator(clean), forward), clean) < 35
    assert quality(x, clean) > 60


def test_variation_agrees_with_scikit_image_where_nothing_but_noise_was_added():
    from skimage.restoration import denoise_tv_chambolle

    y = PICTURE + np.random.default_rng(0).normal(0, 0.1, PICTURE.shape)
    x = TotalVariationRecovery(strength=0.08, iterations=2000, tolerance=0)(y, ForwardModel(identity))
    theirs = denoise_tv_chambolle(y[0, 0], 0.08, eps=0, max_num_iter=2000)
    assert abs(x[0, 0] - theirs).max() < 2e-3


def test_split_and_closed_form_variation_agree():
    """With a resolvent and without (a sum has none), the same minimum."""
    operator = blur(gaussian(0.8), "circular")
    without = chain(operator, identity + identity)
    assert operator.resolvent(1.0) is not None
    assert without.resolvent(1.0) is None
    y = operator(PICTURE) + np.random.default_rng(0).normal(0, 0.05, PICTURE.shape)
    method = TotalVariationRecovery(strength=0.05, iterations=600, tolerance=0)
    x, other = method(y, ForwardModel(operator)), method(2 * y, ForwardModel(without))
    assert abs(x - other).max() < 2e-3


def test_gradient_and_divergence_are_adjoint():
    rng = np.random.default_rng(0)
    x, q = rng.normal(size=(2, 3, 5, 4)), rng.normal(size=(2, 2, 3, 5, 4))
    assert np.vdot(gradient(x), q) == pytest.approx(-np.vdot(x, divergence(q)))


def test_ista_of_the_identity_shrinks_wavelets():
    """One step solves it: soft thresholding in the orthogonal basis."""
    import pywt

    y = PICTURE + np.random.default_rng(0).normal(0, 0.1, PICTURE.shape)
    rough, *details = pywt.wavedec2(y[0, 0], "haar", mode="periodization", level=3)
    soft = [tuple(pywt.threshold(d, 0.2, "soft") for d in band) for band in details]
    wanted = pywt.waverec2([rough, *soft], "haar", mode="periodization")
    for kind in (ISTA, FISTA):
        x = kind(strength=0.2, wavelet="haar", levels=3, shifts=False)(y, ForwardModel(identity))
        assert abs(x[0, 0] - wanted).max() < 1e-6


def test_momentum_is_faster():
    forward = ForwardModel(OPERATORS["hadamard"])
    y = forward.operator(PICTURE)
    options = {"strength": 0.01, "iterations": 30, "shifts": False}
    far = FISTA(strength=0.01, iterations=400, shifts=False)(y, forward)
    ista, fista = (abs(kind(**options)(y, forward) - far).mean() for kind in (ISTA, FISTA))
    assert fista < ista


def test_scale_of_the_operator_does_not_matter():
    forward, scaled = (ForwardModel(a * OPERATORS["hadamard"], Gaussian(a * 0.02)) for a in (1.0, 50.0))
    y = ForwardModel(OPERATORS["hadamard"], Gaussian(0.02)).simulate(PICTURE, np.random.default_rng(0))
    for method in (TotalVariationRecovery(iterations=20), FISTA(iterations=20)):
        assert np.allclose(method(y, forward), method(50 * y, scaled), atol=1e-6)


def test_gain_is_the_root_mean_square():
    assert gain(3.0 * mask(np.eye(64)), (1, 1, 64, 64)) == pytest.approx(3 / 8, rel=0.2)


def test_noise_level_comes_from_the_forward_model():
    y = np.clip(PICTURE, 0, 1)
    method = TotalVariationRecovery(iterations=20)
    stated = method(y, ForwardModel(identity, Gaussian(0.1)))
    assert np.allclose(stated, method(y, ForwardModel(identity), sigma=0.1))
    counted = Poisson(50)
    level = float(np.sqrt(counted.variance(y).mean()))
    assert np.allclose(method(y, ForwardModel(identity, counted)), method(y, ForwardModel(identity), level))


@pytest.mark.parametrize("name", RECOVERIES)
def test_every_method_has_a_name_and_refuses_what_does_not_fit(name):
    method = recovery(name)
    assert method.name == name
    models = (*map(ForwardModel, OPERATORS.values()), ForwardModel(identity, Poisson(10)))
    forward = next(model for model in models if not method.fits(model))
    shape = forward.operator.output_shape(COLOUR.shape if "demosaicking" in name else PICTURE.shape)
    y = np.full(shape, 0.5)
    with pytest.raises(ShapeError, match=r"needs a measurement \(N, C, H, W\), found shape \(8, 8\)"):
        method(np.zeros((8, 8)), forward)
    with pytest.raises(BadInput, match="needs floating point, found uint8"):
        method(y.astype(np.uint8), forward)
    with pytest.raises(BadInput, match="needs finite values"):
        method(np.full_like(y, np.nan), forward)
    with pytest.raises(BadInput, match="needs one noise level, 0 or above, found -1"):
        method(y, forward, sigma=-1)
    if name not in ("total-variation", "wavelet-ista", "wavelet-fista"):
        strange = ForwardModel(hadamard((8, 8), 0.5, 0))
        with pytest.raises(BadInput, match=f"{name} cannot recover this: it needs a forward model"):
            method(strange.operator(np.zeros((1, 1, 8, 8))), strange)


def test_a_measurement_of_another_size_is_refused():
    with pytest.raises(ShapeError, match="does not fit"):
        recovery("filtered-back-projection")(np.zeros((1, 1, 64, 9)), ForwardModel(OPERATORS["radon"]))


def test_unknown_names_and_norms_are_refused():
    with pytest.raises(BadInput, match="asked for the recovery 'sorcery', known are: inverse-filter"):
        recovery("sorcery")

    class Strange(type(OPERATORS["mask"])):
        def _lipschitz(self, ask):
            from aplomb.operator import unknown

            return unknown("nobody looked")

    forward = ForwardModel(Strange(np.ones((1, 4, 4))))
    assert "nobody looked" in TotalVariationRecovery().fits(forward)
    with pytest.raises(BadInput, match="no bound of the norm"):
        FISTA()(np.ones((1, 1, 4, 4)), forward)
    with pytest.raises(BadInput, match="nonlinear"):
        ForwardModel(chain(conv(1, 1), relu))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TotalVariationRecovery(strength=-1), "a strength of at least 0"),
        (lambda: TotalVariationRecovery(iterations=0), "iterations, a whole number of at least 1"),
        (lambda: ISTA(wavelet="bior2.2"), "an orthogonal wavelet"),
        (lambda: FISTA(wavelet="nonsense"), "an orthogonal wavelet"),
        (lambda: ISTA(levels=1.5), "levels, a whole number"),
    ],
)
def test_bad_parameters(make, message):
    with pytest.raises(BadInput, match=message):
        make()
