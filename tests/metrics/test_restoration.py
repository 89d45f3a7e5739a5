"""MSE, PSNR, SSIM and the rounding to 8 bits against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from aplomb.errors import BadInput, ShapeError
from aplomb.metrics import eight_bit, mse, psnr, ssim

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("dtype", "white"), [("uint8", 255), ("uint16", 65535), ("float32", 1), ("float64", 1), ("bool", 1)]
)
def test_psnr_takes_the_peak_of_the_dtype(dtype, white):
    reference = np.zeros((10, 10), dtype)
    image = reference.copy()
    image[0, 0] = white  # one pixel of a hundred is wrong by the whole range
    assert psnr(image, reference) == pytest.approx(20.0)


def test_psnr_of_equal_images_is_infinite():
    assert psnr(np.ones((3, 4)), np.ones((3, 4))) == math.inf


def test_unsigned_differences_do_not_wrap():
    assert mse(np.array([[0]], np.uint8), np.array([[255]], np.uint8)) == 255**2


def test_psnr_with_a_given_peak():
    image, reference = np.full((4, 4), 110, np.int16), np.full((4, 4), 100, np.int16)
    assert psnr(image, reference, peak=1000) == pytest.approx(40.0)


@pytest.mark.parametrize("metric", [mse, psnr, ssim])
def test_metrics_refuse_what_does_not_compare(metric):
    a = np.zeros((16, 16))
    with pytest.raises(ShapeError, match=r"\(16, 16\).*\(16, 17\)"):
        metric(a, np.zeros((16, 17)))
    with pytest.raises(BadInput, match=r"float64.*uint8"):
        metric(a, a.astype(np.uint8))
    with pytest.raises(ShapeError, match="empty"):
        metric(np.zeros((0, 4)), np.zeros((0, 4)))
    broken = a.copy()
    broken[2, 3] = np.nan
    with pytest.raises(BadInput, match="image holds 1 values of 256"):
        metric(broken, a)
    with pytest.raises(BadInput, match="complex"):
        metric(a.astype(complex), a.astype(complex))


@pytest.mark.parametrize("peak", [0, -1, math.nan, math.inf])
def test_a_peak_must_be_positive(peak):
    with pytest.raises(BadInput, match="peak"):
        psnr(np.zeros((2, 2)), np.ones((2, 2)), peak=peak)


def test_a_dtype_without_a_peak_asks_for_one():
    with pytest.raises(BadInput, match="int32"):
        psnr(np.zeros((2, 2), np.int32), np.ones((2, 2), np.int32))


def test_ssim_is_the_formula_of_its_paper():
    reference = ndimage.gaussian_filter(RNG.random((40, 33)), 1)
    image = reference + 0.1 * RNG.standard_normal((40, 33))
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2

    def local(values):
        return ndimage.correlate(values, window)[5:-5, 5:-5]

    mean_x, mean_r = local(image), local(reference)
    var_x, var_r = local(image**2) - mean_x**2, local(reference**2) - mean_r**2
    covariance = local(image * reference) - mean_x * mean_r
    c1, c2 = 0.01**2, 0.03**2
    expected = ((2 * mean_x * mean_r + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_r**2 + c1) * (var_x + var_r + c2)
    )
    assert ssim(image, reference) == pytest.approx(expected.mean(), abs=1e-9)


def test_ssim_of_colour_is_the_mean_over_channels():
    a, b = RNG.random((2, 20, 20, 3))
    assert ssim(a, b) == pytest.approx(np.mean([ssim(a[..., c], b[..., c]) for c in range(3)]))


def test_ssim_does_not_depend_on_the_unit():
    a, b = RNG.integers(0, 256, (2, 20, 20), dtype=np.uint8)
    assert ssim(a, b) == pytest.approx(ssim(a / 255, b / 255))


@pytest.mark.parametrize("shape", [(10, 40), (5, 16, 16), (2, 16, 16, 3), (16,)])
def test_ssim_refuses_small_pictures_and_stacks(shape):
    with pytest.raises(ShapeError, match="SSIM"):
        ssim(np.zeros(shape), np.zeros(shape))


@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(-2, 3)))
def test_eight_bit_is_the_nearest_level(image):
    result = eight_bit(image)
    assert result.dtype == np.uint8
    assert np.abs(result / 255 - np.clip(image, 0, 1)).max() <= 0.5 / 255 + 1e-12


def test_eight_bit_of_integers():
    assert eight_bit(np.arange(256, dtype=np.uint8)).tolist() == list(range(256))
    assert eight_bit(257 * np.arange(256, dtype=np.uint16)).tolist() == list(range(256))
    assert eight_bit(np.array([False, True])).tolist() == [0, 255]


def test_eight_bit_refuses_nan_and_other_dtypes():
    with pytest.raises(BadInput, match="1 values of 2"):
        eight_bit([math.nan, 0.0])
    with pytest.raises(BadInput, match="int64"):
        eight_bit(np.zeros(3, np.int64))


def test_the_protocol_of_the_field():
    """Noise of 25/255, unclipped, rounded after clipping: a clean image gives the PSNR its rounding gives."""
    clean = RNG.integers(60, 190, (256, 256)).astype(np.uint8)
    noisy = clean / 255 + 25 / 255 * RNG.standard_normal(clean.shape)
    assert psnr(eight_bit(noisy), clean) == pytest.approx(20 * math.log10(255 / 25), abs=0.1)
