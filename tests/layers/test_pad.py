import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aplomb.errors import BadInput, ShapeError
from aplomb.layers import crop, pad
from aplomb.operator import chain
from laws import adjoint_is_the_adjoint, bound_holds, close, everything, jacobian, numpy_and_torch_agree
from makers import GROUPS, Maker

BORDERS = ["zero", "reflect", "replicate", "circular"]


@everything(GROUPS["pad"])
def test_laws(law, maker):
    law(maker)


@given(
    st.sampled_from(BORDERS),
    st.tuples(*[st.tuples(st.integers(0, 4), st.integers(0, 4))] * 2),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_any_padding(border, pads, more):
    """From the smallest picture that it takes, where copies fall on each other."""
    least = {"reflect": 0, "circular": -1, "zero": -99, "replicate": -99}[border]
    size = [max(1, max(p) + least + n) for p, n in zip(pads, more, strict=True)]
    maker = Maker("any", pad(pads, border), (2, 1, *size))
    for law in (numpy_and_torch_agree, adjoint_is_the_adjoint, bound_holds):
        law(maker)
    back = Maker("adjoint of any", maker.operator.adjoint(), maker.operator.output_shape(maker.shape))
    for law in (numpy_and_torch_agree, adjoint_is_the_adjoint, bound_holds):
        law(back)
    close(chain(maker.operator, crop(pads))(maker.input()), maker.input(), 0)


@pytest.mark.parametrize(
    ("border", "shape"), [("reflect", (1, 1, 3, 3)), ("replicate", (1, 1, 1, 1)), ("circular", (1, 1, 1, 1))]
)
def test_the_bound_is_attained_by_a_small_picture(border, shape):
    operator = pad(1, border)
    assert np.linalg.norm(jacobian(operator, shape), 2) == pytest.approx(operator.lipschitz().value)


@pytest.mark.parametrize(("border", "least"), [("reflect", 4), ("circular", 3), ("zero", 1), ("replicate", 1)])
def test_pictures_that_are_too_small_are_refused(border, least):
    operator = pad(((0, 3), (0, 0)), border)
    assert operator.output_shape((1, 1, least, 1)) == (1, 1, least + 3, 1)
    if least > 1:
        with pytest.raises(ShapeError, match=f"at least {least}, found {least - 1} pixels along y"):
            operator.output_shape((1, 1, least - 1, 9))


def test_a_crop_that_leaves_nothing_is_refused():
    with pytest.raises(ShapeError, match="leaves nothing"):
        crop(2).output_shape((1, 1, 9, 4))


def test_nonsense_is_refused():
    for wrong in (lambda: pad(-1), lambda: crop(-1), lambda: pad(1, "mirror")):
        with pytest.raises(BadInput):
            wrong()


def test_a_border_that_wraps_around_cannot_be_cut_into_tiles() -> None:
    from aplomb.layers import conv, relu
    from aplomb.operator import chain

    assert chain(conv(1, 2, padding="circular"), relu).halo() == float("inf")
    assert chain(conv(1, 2, padding="reflect"), relu).halo() == 1
