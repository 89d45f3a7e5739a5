"""Masks, mosaics and bicubic down-sampling."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from aplomb.degrade.sample import Mask, bicubic, mask, mosaic
from aplomb.errors import BadInput, ShapeError
from laws import close, everything, jacobian
from makers import GROUPS


@everything(GROUPS["sample"])
def test_laws(law, maker):
    law(maker)


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG", "rggb"])
def test_each_pixel_sees_the_colour_of_its_place(pattern):
    x = np.random.default_rng(0).normal(size=(1, 3, 4, 6))
    y = mosaic(pattern)(x)
    for i in range(4):
        for j in range(6):
            colour = "RGB".index(pattern.upper()[2 * (i % 2) + j % 2])
            assert y[0, 0, i, j] == x[0, colour, i, j]


@pytest.mark.parametrize("m", [2, 3, 4])
def test_bicubic_is_pillows_away_from_the_border(m):
    """Pillow computes the same kernel in single precision, and cuts it at the border instead of mirroring."""
    x = np.random.default_rng(m).uniform(size=(12 * m, 10 * m)).astype(np.float32)
    wanted = np.asarray(Image.fromarray(x).resize((10, 12), Image.Resampling.BICUBIC))
    found = bicubic(m)(x[None, None])[0, 0]
    close(found[2:-2, 2:-2], wanted[2:-2, 2:-2], 1e-5)


def test_bicubic_mirrors_the_edge_too():
    """As if the picture were continued by its mirror image, which MATLAB does."""
    x = np.random.default_rng(0).normal(size=(1, 1, 8, 12))
    wide = np.pad(x, ((0, 0), (0, 0), (8, 8), (12, 12)), mode="symmetric")
    close(bicubic(2)(x), bicubic(2)(wide)[:, :, 4:-4, 6:-6], 1e-13)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_bicubic_keeps_constants_and_straight_lines(m, antialias):
    operator = bicubic(m, antialias)
    line = np.arange(16.0 * m) * np.ones((1, 1, 16 * m, 1))
    close(operator(np.ones((1, 1, 4 * m, 6 * m))), np.ones((1, 1, 4, 6)), 1e-13)
    close(operator(line)[0, 0, 8, 4:-4], (np.arange(4, 12) * m + (m - 1) / 2), 1e-13)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_the_bound_of_bicubic_is_nearly_attained(m):
    matrix = jacobian(bicubic(m), (1, 1, m, 24 * m))
    found = np.linalg.norm(matrix, 2)
    bound = bicubic(m).lipschitz().value
    assert bound == pytest.approx(1 / m, rel=0.02)
    assert found <= bound * (1 + 1e-9)
    assert found >= 0.98 * bound


def test_weights_of_single_precision_are_kept_in_it():
    assert mask(np.eye(3)).weight.dtype == np.float32
    assert mask(np.eye(3) * 0.1).weight.dtype == np.float64
    resolvent = mask(np.eye(3)).resolvent(0.3)
    assert isinstance(resolvent, Mask)
    assert resolvent.weight.dtype == np.float64


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mask(np.zeros((3, 4))), "the mask is empty"),
        (lambda: mask([[-1.0]]), "negative"),
        (lambda: mask([[np.nan]]), "NaN"),
        (lambda: mask([1.0]), r"found float64 \(1,\)"),
        (lambda: mask([["a"]]), "array of numbers"),
        (lambda: mosaic("RGBG"), "known are: RGGB"),
        (lambda: bicubic(0), "positive integer"),
        (lambda: bicubic(1.5), "positive integer"),
    ],
)
def test_nonsense_is_refused(make, message):
    with pytest.raises(BadInput, match=message):
        make()


@pytest.mark.parametrize(
    ("operator", "shape", "message"),
    [
        (mask(np.ones((4, 5))), (1, 1, 5, 4), "a mask of 4 x 5 pixels takes .* found"),
        (mask(np.ones((2, 4, 5))), (1, 3, 4, 5), "2 channels"),
        (mosaic(), (1, 3, 5, 4), "even heights and widths, found 5 x 4"),
        (mosaic(), (1, 1, 4, 4), "takes .N, 3, H, W."),
        (mosaic().adjoint(), (1, 1, 4, 3), "found 4 x 3"),
        (bicubic(3), (1, 1, 10, 9), "multiples of 3"),
    ],
)
def test_sizes_that_do_not_fit(operator, shape, message):
    with pytest.raises(ShapeError, match=message):
        operator(np.zeros(shape))
