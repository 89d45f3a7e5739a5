import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aplomb.errors import BadInput, ShapeError
from aplomb.layers import conv, conv_transposed, dense, merge, relu
from aplomb.layers.conv import Conv
from aplomb.operator import chain
from laws import (
    adjoint_is_the_adjoint,
    bound_holds,
    close,
    everything,
    numbers_are_counted,
    numpy_and_torch_agree,
    shape_is_foretold,
    shift_by_the_stride_shifts_the_output,
    span_follows_the_grid,
    span_is_what_is_needed,
)
from makers import GROUPS, MAYBE, Maker, trained


@everything(GROUPS["conv"])
def test_laws(law, maker):
    law(maker)


@st.composite
def convolutions(draw, roomy=False, **fixed):
    """Any convolution, with a shape that fits; if `roomy`, one whole window at least is in the picture."""

    def pick(name, strategy):
        return fixed[name] if name in fixed else draw(strategy, label=name)

    two = st.tuples(st.integers(1, 3), st.integers(1, 3))
    groups = pick("groups", st.sampled_from([1, 1, 2]))
    transposed = pick("transposed", st.booleans())
    ends = st.integers(0, 3)
    pads = pick("pads", st.tuples(st.tuples(ends, ends), st.tuples(ends, ends)))
    c1, c2 = (groups * draw(st.integers(1, 2)) for _ in "io")
    stride, dilation = pick("stride", two), pick("dilation", two)
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    layer = Conv(
        np.zeros((c2, c1 // groups, *kernel), np.float32),
        np.zeros(c1 if transposed else c2, np.float32) if pick("bias", st.booleans()) else None,
        stride, pads, dilation, groups, transposed,
    )  # fmt: skip
    size = []
    for f, s, p in zip(layer.extent, stride, map(sum, pads), strict=True):
        least = max(0, math.ceil((p + s - 1 if roomy else p + 1 - f) / s))
        steps = draw(st.integers(least, least + 4))
        size.append(steps + 1 if transposed else steps * s + f - p)
    loose = MAYBE if transposed else ""
    return Maker("any", trained(layer), (2, layer.channels[0], *size), loose=loose)


@given(convolutions(roomy=True))
def test_any_convolution(maker):
    for law in (
        numpy_and_torch_agree, shape_is_foretold, adjoint_is_the_adjoint, numbers_are_counted, bound_holds,
        span_is_what_is_needed, span_follows_the_grid, shift_by_the_stride_shifts_the_output,
    ):  # fmt: skip
        law(maker)


# -- C4: a convolution is a doubly block-Toeplitz matrix -----------------------------------------------------


@given(convolutions())
def test_matrix_times_picture_is_the_convolution(maker):
    layer, x = maker.operator, maker.input(shape=(1, *maker.shape[1:]))
    y = (layer.matrix(x.shape) @ x.ravel()).reshape(layer.output_shape(x.shape))
    close(y if layer.bias is None else y + layer.bias[:, None, None], layer(x), 1e-6)


@given(convolutions(bias=False))
def test_matrix_of_the_adjoint_is_the_transpose(maker):
    shape = (1, *maker.shape[1:])
    matrix = maker.operator.matrix(shape)
    transpose = maker.operator.adjoint().matrix(maker.operator.output_shape(shape))
    assert transpose.shape == matrix.shape[::-1]
    assert abs(transpose - matrix.T).max() == 0


@given(convolutions(transposed=False))
def test_matrix_is_doubly_block_toeplitz(maker):
    """One output pixel further is one stride of input pixels further, in rows and in columns."""
    layer, shape = maker.operator, (1, *maker.shape[1:])
    a = layer.matrix(shape).toarray().reshape(*layer.output_shape(shape)[1:], *shape[1:])
    sy, sx = layer.stride
    _, h, w, _, m, n = a.shape
    np.testing.assert_array_equal(a[:, 1:, :, :, sy:], a[:, : h - 1, :, :, : max(0, m - sy)])
    np.testing.assert_array_equal(a[:, :, 1:, :, :, sx:], a[:, :, : w - 1, :, :, : max(0, n - sx)])


@given(convolutions(transposed=False, pads=((0, 0), (0, 0))))
def test_multiply_adds_are_the_entries_of_the_matrix(maker):
    shape = (1, *maker.shape[1:])
    assert maker.operator.multiply_adds(shape) == maker.operator.matrix(shape).count_nonzero()
    assert maker.operator.multiply_adds(maker.shape) == maker.shape[0] * maker.operator.multiply_adds(shape)


# -- A1: two convolutions are one ----------------------------------------------------------------------------


@given(
    convolutions(transposed=False, groups=1, stride=(1, 1), dilation=(1, 1), pads=((0, 0), (0, 0))),
    st.integers(1, 3), st.integers(1, 3), st.booleans(),
)  # fmt: skip
def test_merge(maker, outputs, size, bias):
    first = maker.operator
    second = trained(conv(first.channels[1], outputs, size, padding="valid", bias=bias), 1)
    x = maker.input(shape=(2, first.channels[0], 9, 10))
    one = merge(second, first)
    close(one(x), (second @ first)(x), 1e-5)
    assert one.output_shape(x.shape) == (second @ first).output_shape(x.shape)
    assert [one.span((2, 5), a) for a in (0, 1)] == [(second @ first).span((2, 5), a) for a in (0, 1)]


@pytest.mark.parametrize(
    "layer",
    [conv(2, 2), conv(2, 2, stride=2, padding="valid"), conv(2, 2, dilation=2, padding="valid"), relu,
     conv(2, 2, groups=2, padding="valid"), conv_transposed(2, 2, 2, stride=1)],
    ids=repr,
)  # fmt: skip
def test_merge_refuses_what_is_no_plain_convolution(layer):
    plain = conv(2, 2, padding="valid")
    for pair in ((layer, plain), (plain, layer)):
        with pytest.raises(BadInput, match="cannot be merged"):
            merge(*pair)
    with pytest.raises(ShapeError, match="3 channels meet 2"):
        merge(plain, conv(1, 3, padding="valid"))


# -- B5, D7, D9: rows of the reference -----------------------------------------------------------------------


def test_a_stride_that_does_not_fit_is_refused_with_what_does():
    with pytest.raises(ShapeError) as caught:
        conv(1, 1, 3, stride=2, padding="valid").output_shape((1, 1, 10, 10))
    for words in ("10 pixels along y", "(10 - 3 + 0)/2 + 1 = 4.5", "strides that fit: 1, 7;",
                  "that fit: 1, 3;", "sizes that fit: 9, 11"):  # fmt: skip
        assert words in str(caught.value)


@given(convolutions(transposed=False))
def test_what_is_said_to_fit_fits(maker):
    layer, n = maker.operator, maker.shape[2] + 1
    stride, padding = layer.stride[0], sum(layer.pads[0])
    assume((n - layer.extent[0] + padding) % stride)
    with pytest.raises(ShapeError) as caught:
        layer._size(n, 0)
    said = [part.split(": ")[-1].split(", ") for part in str(caught.value).split(";")]
    for other in map(int, said[1]):
        assert (n - layer.extent[0] + padding) % other == 0
    for other in map(int, said[2]):
        assert (n - layer.extent[0] + other) % stride == 0
    for other in map(int, said[3]):
        assert layer._size(other, 0) >= 1


def test_sizes_of_the_reference():
    # 5 x 5 x 3, which a padding of 1 makes 7 x 7 x 3
    assert conv(3, 2, 3, stride=2, padding=1).output_shape((1, 3, 5, 5)) == (1, 2, 3, 3)
    assert conv(3, 2, 3, stride=2, padding="valid").output_shape((1, 3, 7, 7)) == (1, 2, 3, 3)
    assert conv(3, 2, 3, stride=2, padding=1).output_shape((1, 3, 7, 7)) == (1, 2, 4, 4)


def test_shared_weights_are_few():
    layer, shape = conv(1, 6, 5, padding="valid"), (1, 1, 32, 32)
    unshared = layer.matrix(shape).count_nonzero() + math.prod(layer.output_shape(shape))
    assert (layer.parameters, unshared) == (156, 122_304)


def test_three_small_kernels_are_cheaper_than_a_large_one():
    c = 5
    small, large = (conv(c, c, k, bias=False) for k in (3, 7))
    three = chain(small, small, small)
    assert (large.parameters, three.parameters) == (49 * c * c, 27 * c * c)
    assert large.span((0, 1)) == three.span((0, 1)) == (-3, 4)
    assert chain(small, small).span((0, 1)) == conv(c, c, 5).span((0, 1)) == (-2, 3)


@given(st.integers(1, 5), st.integers(1, 8), st.integers(1, 8))
def test_parameters_of_a_layer(k, m, n):
    torch = pytest.importorskip("torch")
    counted = sum(p.numel() for p in torch.nn.Conv2d(m, n, k).parameters())
    assert conv(m, n, k).parameters == (k * k * m + 1) * n == counted
    assert conv(16, 32).parameters == 4640


def test_one_by_one_is_a_dense_layer_for_each_pixel():
    layer = trained(conv(3, 5, 1))
    same = dense(3, 5).with_weights({"0.weight": layer.weight[:, :, 0, 0], "0.bias": layer.bias})
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 6))
    pixels = same(x.transpose(0, 2, 3, 1).reshape(-1, 3))
    close(layer(x), pixels.reshape(2, 4, 6, 5).transpose(0, 3, 1, 2), 1e-12)


# -- making --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", ["zero", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, (5, 2)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_padding_keeps_the_size(padding, size, dilation):
    layer = conv(1, 2, size, padding=padding, dilation=dilation)
    assert layer.output_shape((1, 1, 11, 12)) == (1, 2, 11, 12)


def test_borders_are_those_of_the_mode():
    """Each border extends the row 1 2 3 in its own way, seen by a kernel that looks one to the left."""
    row = np.arange(1.0, 4.0).reshape(1, 1, 1, 3).repeat(3, axis=2)
    kernel = np.zeros((1, 1, 3, 3), np.float32)
    kernel[0, 0, 1, 0] = 1
    for padding, first in (("zero", 0), ("reflect", 2), ("replicate", 1), ("circular", 3)):
        layer = conv(1, 1, 3, padding=padding, bias=False)
        (name,) = layer.weights()
        assert layer.with_weights({name: kernel})(row)[0, 0, 1].tolist() == [first, 1, 2]


def test_a_transposed_convolution_doubles_the_size():
    layer = conv_transposed(8, 4)
    assert layer.output_shape((1, 8, 5, 7)) == (1, 4, 10, 14)
    assert layer.span((0, 2)) == (0, 1)
    assert layer.span((1, 3)) == (0, 2)


def test_fresh_weights_keep_the_variance():
    """He: a ReLU halves the mean square, and weights of variance 2 / fan-in double it."""
    x = np.maximum(np.random.default_rng(0).normal(size=(1, 64, 32, 32)), 0)
    for layer in (
        conv(64, 64, padding="circular", seed=1),
        conv(64, 64, stride=2, padding=((1, 0), (1, 0)), seed=1),
        conv_transposed(64, 64, 4, padding=1, seed=1),
    ):
        assert 0.8 < np.square(layer(x)).mean() / (2 * np.square(x).mean()) < 1.2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: conv(0, 1), lambda: conv(3, 4, groups=2), lambda: conv(2, 2, groups=0), lambda: conv(1, 1, 0),
        lambda: conv(1, 1, (3, -1)), lambda: conv(1, 1, stride=0), lambda: conv(1, 1, dilation=0),
        lambda: conv(1, 1, padding=-1), lambda: conv(1, 1, padding="mirror"),
        lambda: conv_transposed(2, 3, groups=2), lambda: conv_transposed(1, 0),
    ],
)  # fmt: skip
def test_nonsense_is_refused(wrong):
    with pytest.raises(BadInput):
        wrong()
