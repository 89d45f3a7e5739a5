import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aplomb.errors import BadInput, ShapeError
from aplomb.layers import average_pool, global_average_pool, l2_pool, max_pool, min_pool
from laws import bound_holds, everything, numpy_and_torch_agree, shape_is_foretold, span_is_what_is_needed
from makers import GROUPS, Maker

POOLS = [max_pool, min_pool, average_pool, l2_pool]


@everything(GROUPS["pool"])
def test_laws(law, maker):
    law(maker)


@given(st.sampled_from(POOLS), st.integers(1, 4), st.integers(1, 4), st.data())
def test_any_pooling(pool, size, stride, data):
    before, after = (data.draw(st.integers(0, size - 1)) for _ in "ab")
    n = stride * data.draw(st.integers(0, 3)) + 2 * size - before - after
    n += (n - size + before + after) % stride and stride - (n - size + before + after) % stride
    pads = ((before, after), (0, 0))
    maker = Maker("any", pool(size, stride, pads), (1, 1, n, size + stride))
    for law in (numpy_and_torch_agree, shape_is_foretold, bound_holds, span_is_what_is_needed):
        law(maker)


@pytest.mark.parametrize("pool", POOLS)
def test_sizes(pool):
    """B6: (W - F) / S + 1."""
    assert pool(2).output_shape((1, 3, 28, 28)) == (1, 3, 14, 14)
    assert pool(3, 2).output_shape((1, 3, 55, 55)) == (1, 3, 27, 27)
    assert pool(3, 2, exact=False).output_shape((1, 3, 56, 56)) == (1, 3, 27, 27)
    with pytest.raises(ShapeError, match="stride 2 does not fit"):
        pool(3, 2).output_shape((1, 3, 56, 56))


def test_the_gradient_goes_to_the_largest_only():
    torch = pytest.importorskip("torch")
    x = torch.tensor([[[[1.0, 5.0], [3.0, 2.0]]]], requires_grad=True)
    max_pool(2)(x).sum().backward()
    assert x.grad.flatten().tolist() == [0, 1, 0, 0]


def test_the_padding_never_wins():
    x = np.full((1, 1, 4, 4), -5.0)
    assert (max_pool(3, 1, 1)(x) == -5).all()
    assert (min_pool(3, 1, 1)(-x) == 5).all()


@pytest.mark.parametrize("pool", [max_pool, l2_pool])
@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 1), (3, 2), (5, 2), (2, 3)])
def test_the_bound_is_attained_by_a_peak(pool, size, stride):
    """A pixel that lies in as many windows as can be, alone in a flat picture, moves all of them."""
    operator, n = pool(size, stride, exact=False), 4 * size
    flat, gain = np.zeros((1, 1, n, n)), 0.0
    for i in range(size, 2 * size):
        peak = flat.copy()
        peak[..., i, i] = 1
        gain = max(gain, np.linalg.norm(operator(peak) - operator(flat)))
    assert gain == pytest.approx(operator.lipschitz().value)
    assert gain == pytest.approx(math.ceil(size / stride))


@pytest.mark.parametrize("pool", POOLS)
def test_nonsense_is_refused(pool):
    for wrong in (lambda: pool(0), lambda: pool(2, 0), lambda: pool(2, 2, -1)):
        with pytest.raises(BadInput):
            wrong()
    with pytest.raises(BadInput, match="padding must be smaller than the window"):
        pool(2, 2, 2)


def test_the_average_over_the_picture_takes_any_size():
    x = np.random.default_rng(0).random((2, 3, 5, 7))
    np.testing.assert_allclose(global_average_pool(x), average_pool((5, 7))(x))
