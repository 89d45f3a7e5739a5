import numpy as np
import pytest

from aplomb.errors import BadInput, ShapeError
from aplomb.layers import (
    downsample,
    pixel_shuffle,
    pixel_unshuffle,
    upsample_bilinear,
    upsample_repeat,
    upsample_zeros,
)
from aplomb.operator import chain
from laws import close, everything, jacobian
from makers import GROUPS, Maker

UPS = [upsample_zeros, upsample_repeat, upsample_bilinear]


@everything(GROUPS["resample"])
def test_laws(law, maker):
    law(maker)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_shuffling_back_and_forth(m):
    maker = Maker("x", pixel_unshuffle(m), (2, 3, 2 * m, 4 * m))
    close(chain(pixel_unshuffle(m), pixel_shuffle(m))(maker.input()), maker.input(), 0)
    wide = Maker("x", pixel_shuffle(m), (2, 3 * m * m, 2, 4))
    close(chain(pixel_shuffle(m), pixel_unshuffle(m))(wide.input()), wide.input(), 0)


def test_unshuffled_channels_are_phases():
    """Channel c m m + a m + b holds the pixels (m i + a, m j + b) of channel c."""
    x = np.arange(2 * 6 * 4.0).reshape(1, 2, 6, 4)
    y = pixel_unshuffle(2)(x)
    for c in range(2):
        for a in range(2):
            for b in range(2):
                np.testing.assert_array_equal(y[0, 4 * c + 2 * a + b], x[0, c, a::2, b::2])


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("up", [upsample_zeros, upsample_repeat])
def test_up_and_down_again(up, m):
    maker = Maker("x", up(m), (2, 3, 4, 5))
    close(chain(up(m), downsample(m))(maker.input()), maker.input(), 0)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_bilinear_keeps_ramps_between_the_outer_centres(m):
    x = np.arange(6.0).reshape(1, 1, 6, 1).repeat(2, axis=3)
    y = upsample_bilinear(m)(x)[0, 0, :, 0]
    at = (np.arange(6 * m) + 0.5) / m - 0.5
    np.testing.assert_allclose(y, np.clip(at, 0, 5))


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 1, 5), (1, 1, 7, 6)])
def test_bounds_are_attained(m, shape):
    """By the largest singular value; for bilinear up-sampling by a constant picture."""
    for up, wanted in zip(UPS, (1, m, m), strict=True):
        assert np.linalg.norm(jacobian(up(m), shape), 2) == pytest.approx(wanted)
        assert up(m).lipschitz().value == wanted


@pytest.mark.parametrize("down", [downsample, pixel_unshuffle])
def test_sizes_that_are_no_multiple_are_refused(down):
    with pytest.raises(ShapeError, match=r"multiples of 3, found \(1, 1, 7, 9\); near: 6 or 9"):
        down(3).output_shape((1, 1, 7, 9))
    with pytest.raises(ShapeError, match="near: 3 or 6"):
        down(3).output_shape((1, 1, 2, 3))


@pytest.mark.parametrize("make", [downsample, *UPS, pixel_shuffle, pixel_unshuffle])
def test_nonsense_is_refused(make):
    with pytest.raises(BadInput):
        make(0)
