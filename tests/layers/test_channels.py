import numpy as np
import pytest

from aplomb.errors import BadInput
from aplomb.layers import append_constant, conv, place, take
from aplomb.operator import identity, stack
from laws import close, everything
from makers import GROUPS, trained


@everything(GROUPS["channels"])
def test_laws(law, maker):
    law(maker)


def test_what_was_stacked_can_be_taken_apart():
    f, x = trained(conv(2, 3)), np.random.default_rng(0).normal(size=(1, 2, 5, 5))
    both = stack(identity, f)(x)
    close(take(0, 2)(both), x, 0)
    close(take(2, 5)(both), f(x), 0)


def test_the_constant_comes_last():
    y = append_constant(0.25)(np.ones((2, 3, 4, 5), np.float32))
    assert y.shape == (2, 4, 4, 5)
    assert (y[:, :3] == 1).all()
    assert (y[:, 3] == 0.25).all()


@pytest.mark.parametrize("wrong", [(2, 2), (-1, 1), (3, 1)])
def test_nonsense_is_refused(wrong):
    with pytest.raises(BadInput):
        take(*wrong)


def test_zero_channels_around():
    y = place(1, 2, 4)(np.ones((1, 2, 1, 1)))
    assert y.ravel().tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("wrong", [(-1, 2, 4), (0, 0, 2), (2, 3, 4)])
def test_channels_that_do_not_fit_are_refused(wrong):
    with pytest.raises(BadInput, match="start >= 0"):
        place(*wrong)
