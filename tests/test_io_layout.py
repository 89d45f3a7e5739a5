"""Layouts, dtypes and ranges of arrays: `to_float` and its inverse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aplomb.errors import BadInput, RunError, ShapeError
from aplomb.io import FLOAT_RANGE, Picture, from_float, to_float
from pictures import some

DTYPES = ["bool", "uint8", "uint16", "float16", "float32", "float64", ">u2", ">f4"]
LAYOUTS = {
    "grey": ((4, 5), (1, 1, 4, 5)),
    "one sample": ((4, 5, 1), (1, 1, 4, 5)),
    "colour": ((4, 5, 3), (1, 3, 4, 5)),
    "colour and alpha": ((4, 5, 4), (1, 3, 4, 5)),
    "stack": ((6, 4, 5), (6, 1, 4, 5)),
    "stack of two": ((2, 4, 2), (2, 1, 4, 2)),
    "colour stack": ((2, 4, 5, 3), (2, 3, 4, 5)),
    "colour stack with alpha": ((2, 4, 5, 4), (2, 3, 4, 5)),
    "one pixel": ((1, 1), (1, 1, 1, 1)),
    "long": ((3, 5000), (1, 1, 3, 5000)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_there_and_back(layout, dtype):
    shape, expected = LAYOUTS[layout]
    image = some(shape, dtype)
    planes, origin = to_float(image)
    assert planes.dtype == np.float32
    assert planes.shape == expected
    assert planes.flags.c_contiguous
    assert not np.shares_memory(planes, image)
    assert planes.min() >= 0
    assert planes.max() <= 1
    back = from_float(planes, origin)
    assert back.dtype == image.dtype
    np.testing.assert_array_equal(back, image)


@given(
    hnp.arrays(
        st.sampled_from([np.dtype(d) for d in ("bool", "uint8", "uint16")]),
        hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=6),
    )
)
def test_integers_are_exact_in_any_shape(image):
    back = from_float(*to_float(image))
    assert back.dtype == image.dtype
    np.testing.assert_array_equal(back, image)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float16]),
        hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=6),
        elements=st.floats(-3, 4, width=16),
    )
)
def test_floats_are_taken_as_they_are(image):
    np.testing.assert_array_equal(from_float(*to_float(image)), image)


def test_every_level_of_16_bits_survives_float32():
    image = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    planes, origin = to_float(image)
    np.testing.assert_array_equal(planes[0, 0], (image / 65535).astype(np.float32))
    np.testing.assert_array_equal(from_float(planes, origin), image)


def test_channels_are_where_they_belong():
    image = np.zeros((2, 4, 5, 3), np.uint8)
    image[1, 2, 3] = (51, 102, 255)
    np.testing.assert_allclose(to_float(image)[0][1, :, 2, 3], [0.2, 0.4, 1.0], rtol=1e-6)


def test_a_transposed_view_is_read_by_its_axes():
    image = some((5, 4, 3), "uint8").transpose(1, 0, 2)
    np.testing.assert_array_equal(from_float(*to_float(image)), image)


def test_integers_are_clipped_and_rounded_to_nearest():
    _, origin = to_float(np.zeros((1, 5), np.uint8))
    planes = np.array([-0.5, 0.4 / 255, 0.6 / 255, 254.6 / 255, 7], np.float32).reshape(1, 1, 1, 5)
    assert from_float(planes, origin).tolist() == [[0, 0, 1, 255, 255]]


def test_floats_are_not_clipped_and_bool_is_cut_at_a_half():
    planes = np.array([-0.5, 0.49, 0.5, 1.5], np.float32).reshape(1, 1, 1, 4)
    floats = from_float(planes, to_float(np.zeros((1, 4)))[1])
    np.testing.assert_array_equal(floats, planes[0, 0])
    bools = from_float(planes, to_float(np.zeros((1, 4), bool))[1])
    assert bools.tolist() == [[False, False, True, True]]


def test_alpha_is_untouched():
    image = some((4, 5, 4), "uint8")
    planes, origin = to_float(image)
    back = from_float(1 - planes, origin)
    np.testing.assert_array_equal(back[..., 3], image[..., 3])
    np.testing.assert_array_equal(back[..., :3], 255 - image[..., :3])


def test_sizes_may_change_unless_there_is_alpha():
    _, origin = to_float(np.zeros((3, 4, 5), np.uint8))
    assert from_float(np.zeros((3, 1, 8, 10), np.float32), origin).shape == (3, 8, 10)
    _, origin = to_float(np.zeros((4, 5, 4), np.uint8))
    with pytest.raises(ShapeError, match="alpha"):
        from_float(np.zeros((1, 3, 8, 10), np.float32), origin)


def test_grey_may_become_colour_and_colour_grey():
    for before, planes, after in [
        ((4, 5), (1, 3, 4, 5), (4, 5, 3)),
        ((2, 4, 5), (2, 3, 4, 5), (2, 4, 5, 3)),
        ((4, 5, 3), (1, 1, 4, 5), (4, 5, 1)),
    ]:
        _, origin = to_float(np.zeros(before))
        assert from_float(np.zeros(planes, np.float32), origin).shape == after


def test_from_float_refuses_what_does_not_fit():
    _, origin = to_float(np.zeros((3, 4, 5), np.uint8))
    for shape in [(4, 5), (2, 1, 4, 5)]:
        with pytest.raises(ShapeError, match=r"expected \(3, C, H, W\)"):
            from_float(np.zeros(shape, np.float32), origin)
    broken = np.zeros((3, 1, 4, 5), np.float32)
    broken[0, 0, 0, 0] = np.inf
    with pytest.raises(RunError, match="1 values of 60"):
        from_float(broken, origin)


def test_axes_can_be_named_where_the_guess_is_wrong():
    stack = some((9, 4, 3), "uint8")
    planes, origin = to_float(Picture(stack, axes="ZYX"))
    assert planes.shape == (9, 1, 4, 3)
    np.testing.assert_array_equal(from_float(planes, origin), stack)
    channels_first = some((3, 4, 5), "uint8")
    planes, origin = to_float(Picture(channels_first, axes="SYX"))
    assert planes.shape == (1, 3, 4, 5)
    np.testing.assert_array_equal(from_float(planes, origin), channels_first)
    many = some((2, 3, 4, 5, 6), "uint16")
    planes, origin = to_float(Picture(many, axes="TCZYX"))
    assert planes.shape == (24, 1, 5, 6)
    np.testing.assert_array_equal(from_float(planes, origin), many)


@pytest.mark.parametrize("axes", ["YX", "YXX", "ZCS", "YXSN"])
def test_axes_must_fit(axes):
    with pytest.raises(ShapeError, match="axes"):
        Picture(np.zeros((4, 5, 3)), axes=axes)


def test_alpha_must_fit():
    with pytest.raises(ShapeError, match="alpha"):
        Picture(np.zeros((4, 5, 3)), alpha=np.zeros((4, 4)))


def test_a_picture_describes_itself():
    assert repr(Picture(np.zeros((7, 4, 5, 3), np.uint8))) == "Picture(7 of 4 x 5 RGB, uint8, axes NYXS)"
    picture = Picture(np.zeros((4, 5)), alpha=np.zeros((4, 5)))
    assert repr(picture) == "Picture(4 x 5 grey with alpha, float64, axes YX)"
    assert picture.size == (4, 5)


@pytest.mark.parametrize("shape", [(), (5,), (1, 2, 3, 4, 5)])
def test_wrong_number_of_axes(shape):
    with pytest.raises(ShapeError, match=r"image: asked for \(H, W\)"):
        to_float(np.zeros(shape))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 4, 5), (4, 5, 0)])
def test_empty(shape):
    with pytest.raises(ShapeError, match="empty"):
        to_float(np.zeros(shape))


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint32", "uint64"])
def test_integers_without_a_white_level(dtype):
    with pytest.raises(BadInput, match=f"scan: found {dtype}, whose white level is not known"):
        to_float(np.zeros((4, 5), dtype), name="scan")


@pytest.mark.parametrize("dtype", ["complex64", "longdouble", "datetime64[s]", "object", "U3"])
def test_dtypes_that_are_no_image(dtype):
    with pytest.raises(BadInput, match="asked for uint8, uint16, bool, float16, float32 or float64"):
        to_float(np.zeros((4, 5), dtype))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nan_and_infinity_are_counted_and_located(value, dtype):
    image = np.zeros((4, 5, 3), dtype)
    image[1, 2, 0] = image[3, 4, 2] = value
    with pytest.raises(BadInput, match=r"2 values of 60 .* NaN or infinite, the first at index \(1, 2, 0\)"):
        to_float(image)


def test_masked_arrays_are_refused():
    with pytest.raises(BadInput, match="masked"):
        to_float(np.ma.zeros((4, 5)))


@pytest.mark.parametrize(
    ("low", "high", "remedy"),
    [
        (0, 255, "image / 255"),
        (0, 4000, "image / 4095"),
        (0, 65535, "image / 65535"),
        (0, 1e6, r"image / image.max\(\)"),
        (-1000, 3000, r"\(image - low\) / \(high - low\)"),
    ],
)
def test_floats_far_outside_0_to_1(low, high, remedy):
    with pytest.raises(BadInput, match=remedy):
        to_float(np.array([[low, high]], np.float32))


def test_noise_may_reach_beyond_0_to_1():
    noisy = 0.5 + 0.5 * np.random.default_rng(0).standard_normal((200, 200))
    planes, origin = to_float(noisy)
    np.testing.assert_allclose(from_float(planes, origin), noisy, rtol=1e-6)
    to_float(np.array([FLOAT_RANGE]))  # the ends are allowed


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_constant_images(value):
    np.testing.assert_array_equal(from_float(*to_float(np.full((4, 5), value))), value)
