"""`aplomb.recover`: a measurement and its forward model, as people have them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from skimage.data import astronaut, camera

import aplomb
from aplomb.degrade.blur import blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import kspace_mask, mri, to_complex
from aplomb.degrade.noise import Gaussian, Poisson
from aplomb.degrade.psf import motion
from aplomb.degrade.radon import radon
from aplomb.degrade.sample import mask, mosaic
from aplomb.degrade.sensing import gaussian
from aplomb.errors import BadInput, ShapeError
from aplomb.layers import conv, downsample
from aplomb.model import Card, freeze
from aplomb.operator import chain, identity
from aplomb.restore.start import smoothest
from aplomb.restore.trained import Start

CLEAN = camera()[96:144, 180:228].astype(np.float32) / 255
COLOUR = astronaut()[60:108, 190:238].astype(np.float32) / 255
RNG = np.random.default_rng(0)
BLUR = blur(motion(7, 30), "circular")
SEEN = RNG.random((48, 48)) < 0.5


def planes(image):
    return np.moveaxis(image, -1, 0)[None] if image.ndim == 3 else image[None, None]


def given(y):
    """The measurement as its owner has it."""
    return to_complex(y)[0, 0] if y.shape[1] == 2 else y[0, 0]


CASES = {
    "blur": (BLUR, CLEAN),
    "coarse": (chain(BLUR, downsample(2)), CLEAN),
    "mask": (mask(SEEN), CLEAN),
    "k-space": (mri(kspace_mask("radial", (48, 48), 0.3, seed=0)), CLEAN),
    "sinogram": (radon(24, np.arange(0, 180, 12.0), circle=False), CLEAN[:24, :24]),
    "mosaic": (mosaic(), COLOUR),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_better_than_what_it_starts_from(name):
    operator, clean = CASES[name]
    forward = ForwardModel(operator, Gaussian(2 / 255))
    y = forward.simulate(planes(clean), np.random.default_rng(1)).astype(np.float32)
    measurement = given(y)
    result = aplomb.recover(measurement, forward, "pnp")
    assert result.image.shape == clean.shape
    assert (result.method, result.sigma) == ("pnp", 2 / 255)
    start = smoothest(y, operator)
    first, last = (abs(x - planes(clean)).mean() for x in (start, planes(result.image)))
    assert last < 0.97 * first
    assert len(result.residuals) > 1


def test_the_network_for_a_blur_goes_first_and_is_told_the_mean_of_other_noise():
    y = ForwardModel(BLUR, Gaussian(2 / 255)).simulate(planes(CLEAN), np.random.default_rng(1)).astype(np.float32)
    found = aplomb.recover(y[0, 0], ForwardModel(BLUR, Gaussian(2 / 255)))
    assert (found.method, found.model) == ("network", "deblur")
    assert abs(found.image - CLEAN).mean() < 0.5 * abs(y[0, 0] - CLEAN).mean()
    counted = aplomb.recover(y[0, 0], ForwardModel(BLUR, Poisson(4000)))
    told = aplomb.recover(y[0, 0], BLUR, sigma=counted.sigma)
    assert np.allclose(counted.image, told.image, atol=1e-4)


def test_sums_of_pixels_are_arrays():
    forward = gaussian(8, 0.4, orthonormal=True)
    y = forward(planes(CLEAN))[0]
    result = aplomb.recover(y, forward, iterations=2)
    assert result.image.shape == CLEAN.shape


def test_complex_pictures_come_back_complex():
    phase = np.exp(1j * np.linspace(0, 2, 48))[None, :]
    forward = mri(kspace_mask("radial", (48, 48), 0.5, seed=0), real=False)
    y = forward(np.stack([(CLEAN * phase).real, (CLEAN * phase).imag])[None])
    result = aplomb.recover(to_complex(y)[0, 0], forward, sigma=0.0)
    assert result.image.shape == (48, 48)
    assert result.image.dtype.kind == "c"
    zeros = to_complex(forward.adjoint()(y))[0, 0]
    assert abs(result.image - CLEAN * phase).mean() < 0.5 * abs(zeros - CLEAN * phase).mean()


def test_dtype_and_range_come_back():
    y = np.rint(255 * BLUR(planes(COLOUR))[0]).astype(np.uint8)
    result = aplomb.recover(np.moveaxis(y, 0, -1), BLUR, sigma=1 / 255, iterations=2)
    assert (result.image.dtype, result.image.shape) == (np.uint8, COLOUR.shape)
    assert result.model == "denoise-colour"


def test_proximal_gradient_carries_its_guarantee():
    y = BLUR(planes(CLEAN))[0, 0]
    result = aplomb.recover(y, BLUR, "proximal-gradient", sigma=2 / 255, iterations=8)
    assert result.model == "stable-grey"
    assert result.guarantee.startswith("converges")
    assert all(b <= a * (1 + 1e-5) for a, b in zip(result.residuals, result.residuals[1:], strict=False))
    assert not aplomb.recover(y, BLUR, "admm", sigma=2 / 255, iterations=2).guarantee


def test_noise_levels_are_given_stated_or_estimated():
    noisy = BLUR(planes(CLEAN))[0, 0] + np.random.default_rng(2).normal(0, 0.05, CLEAN.shape).astype(np.float32)
    few = {"iterations": 1}
    assert aplomb.recover(noisy, ForwardModel(BLUR, Gaussian(0.03)), sigma=0.04, **few).sigma == 0.04
    assert aplomb.recover(noisy, ForwardModel(BLUR, Gaussian(0.03)), **few).sigma == 0.03
    counted = aplomb.recover(noisy, ForwardModel(BLUR, Poisson(100)), **few)
    assert counted.sigma == pytest.approx(np.sqrt(noisy.clip(0).mean() / 100), rel=1e-4)
    assert "poisson noise is not the same everywhere" in counted.notes[0]
    found = aplomb.recover(noisy, BLUR, **few)
    assert 0.03 < found.sigma < 0.07
    assert "estimated" in found.notes[0]
    unknown = aplomb.recover(CLEAN * SEEN, mask(SEEN), **few)
    assert unknown.sigma == 0
    assert "no noise level" in unknown.notes[0]


@pytest.mark.parametrize(
    ("measurement", "forward", "more", "said"),
    [
        (CLEAN[:40], mask(SEEN), {}, "40"),
        (CLEAN, mri(kspace_mask("radial", (48, 48), 0.3)), {}, "complex"),
        (CLEAN.astype(complex), radon(48, [0.0, 90.0]), {}, "makes real numbers"),
        (CLEAN, radon(48, [0.0, 90.0]), {}, "does not fit"),
        (np.full((48, 2), np.nan), radon(48, [0.0, 90.0]), {}, "NaN"),
        (np.zeros((2, 2, 2, 2, 2)), radon(48, [0.0, 90.0]), {}, "2 to 4 axes"),
        (CLEAN, BLUR, {"sigma": -1.0}, "sigma is -1"),
    ],
)
def test_refusals(measurement, forward, more, said):
    with pytest.raises(BadInput, match=said):
        aplomb.recover(measurement, forward, **more)


def test_pictures_of_another_size_are_shape_errors():
    with pytest.raises(ShapeError):
        aplomb.recover(CLEAN[:40], mask(SEEN))


def test_a_network_is_told_the_level_at_white(tmp_path):
    card = Card(name="told", task="restore", channels=1, forward={"noise": {"kind": "poisson", "peak": [1, 30]}},
                start=Start(level=True).table())  # fmt: skip
    weight = np.array([0.0, 1.0], np.float32).reshape(1, 2, 1, 1)
    freeze(chain(conv(2, 1, 1, bias=False)).with_weights({"0.weight": weight}), tmp_path / "told.onnx", card=card)
    forward = ForwardModel(identity, Poisson(4))
    y = forward.simulate(CLEAN, np.random.default_rng(0)).astype(np.float32)
    result = aplomb.recover(y, forward, model=tmp_path / "told.onnx")
    assert np.allclose(result.image, 0.5)  # 1 / sqrt(4), not the mean of the noise
    assert not result.notes
    assert np.allclose(aplomb.recover(y, forward, model=tmp_path / "told.onnx", sigma=0.25).image, 0.25)


def test_torch_is_not_imported():
    code = """
import sys, numpy as np, aplomb
from aplomb.layers import downsample
aplomb.recover(np.full((8, 8), 0.5, np.float32), downsample(2), iterations=1)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
