"""Features: what each is invariant to, what each tells apart, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.draw import disk, rectangle

from aplomb.classical.features import FEATURES, features
from aplomb.errors import BadInput

RNG = np.random.default_rng(0)
TEXTURE = ndimage.gaussian_filter(RNG.random((48, 48)), 1)
TEXTURE = (TEXTURE - TEXTURE.min()) / np.ptp(TEXTURE)


def column(image, name):
    table = features(np.asarray(image)[None])
    return table.values[0, table.columns.index(name)]


def drawn(draw, *where, **more):
    image = np.zeros((40, 40))
    image[draw(*where, **more)] = 1
    return image


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (33, 47), (16, 16, 3), (16, 16, 1)])
def test_every_feature_is_a_finite_vector_with_named_columns(name, shape):
    images = RNG.random((3, *shape))
    images[1] = 0  # a flat picture has features, too
    table = features(images, [name])
    assert table.values.shape == (3, len(table.columns)) == (3, len(set(table.columns)))
    assert table.values.dtype == np.float64
    assert np.isfinite(table.values).all()
    np.testing.assert_array_equal(FEATURES[name](images[2]), table.values[2])


def test_length_does_not_depend_on_the_size_of_the_picture():
    assert features(np.zeros((1, 16, 16))).columns == features(np.zeros((1, 40, 24))).columns


def test_kinds_stand_side_by_side_in_the_order_asked_for():
    both = features(TEXTURE[None], ["lbp", "shape"])
    apart = [features(TEXTURE[None], [name]).values for name in ("lbp", "shape")]
    np.testing.assert_array_equal(both.values, np.concatenate(apart, axis=1))


@given(st.permutations(range(64)))
def test_intensity_does_not_see_where_pixels_are(order):
    image = RNG.random((8, 8))
    np.testing.assert_allclose(
        FEATURES["intensity"](image.ravel()[list(order)].reshape(8, 8)), FEATURES["intensity"](image), atol=1e-9
    )


def test_intensity_is_taken_of_each_channel():
    image = np.stack([np.full((8, 8), v) for v in (0.1, 0.2, 0.3)], axis=-1)
    assert [column(image, f"intensity mean of channel {c}") for c in range(3)] == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("name", ["haralick", "gabor"])
def test_texture_tells_directions_and_scales_apart(name):
    across, along = np.zeros((32, 32)), np.zeros((32, 32))
    across[:, ::2], along[::2] = 1, 1
    fine, coarse = FEATURES[name](across), FEATURES[name](np.repeat(np.repeat(across, 4, 0), 4, 1)[:32, :32])
    assert not np.allclose(fine, coarse, rtol=0.2)
    assert (name == "haralick") == np.allclose(fine, FEATURES[name](along), atol=1e-6)  # haralick: mean of directions


@pytest.mark.parametrize("wavelength", [3, 5, 8])
def test_gabor_energy_is_highest_where_the_grating_fits(wavelength):
    y, x = np.mgrid[:48, :48]
    for angle, phase in ((0, x), (90, y)):
        table = features((0.5 + 0.4 * np.cos(2 * np.pi * phase / wavelength))[None], ["gabor"])
        means = {c: v for c, v in zip(table.columns, table.values[0], strict=True) if c.endswith("mean")}
        assert max(means, key=means.get) == f"gabor wavelength {wavelength}, angle {angle}, mean"


def test_lbp_does_not_see_brightness_and_contrast():
    levels = np.round(TEXTURE * 100) / 255  # whole grey levels stay in order
    # interpolated neighbours that are as bright as the centre but for rounding fall either way
    assert abs(FEATURES["lbp"](levels * 2 + 10 / 255) - FEATURES["lbp"](levels)).max() < 0.003
    assert abs(FEATURES["lbp"](RNG.random((48, 48))) - FEATURES["lbp"](levels)).max() > 0.05
    assert FEATURES["lbp"](levels)[:10].sum() == pytest.approx(1)


def test_shape_is_that_of_the_object_on_either_ground():
    circle, bar = drawn(disk, (20, 20), 9), drawn(rectangle, (18, 5), extent=(4, 30))
    assert column(circle, "shape area") == pytest.approx(np.pi * 81 / 1600, rel=0.05)
    assert column(circle, "shape eccentricity") < 0.1 < 0.9 < column(bar, "shape eccentricity")
    assert column(bar, "shape centre x") == pytest.approx(19.5 / 40)
    assert column(1 - circle, "shape area") == column(circle, "shape area")
    assert column(1 - circle, "shape contrast") == -column(circle, "shape contrast")
    ring = circle - drawn(disk, (20, 20), 4)
    assert (column(circle, "shape Euler number"), column(ring, "shape Euler number")) == (1, 0)


def test_hu_moments_do_not_see_a_quarter_turn():
    bar = drawn(rectangle, (18, 5), extent=(4, 30))
    for k in range(1, 8):
        assert column(np.rot90(bar), f"shape Hu {k}") == pytest.approx(column(bar, f"shape Hu {k}"), abs=1e-6)


def test_unknown_features_are_named():
    with pytest.raises(BadInput, match="'sift', known are intensity"):
        features(np.zeros((1, 8, 8)), ["sift"])
    with pytest.raises(BadInput, match="no features"):
        features(np.zeros((1, 8, 8)), [])
