"""The list of steps computes what the operator does."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.facts.flow import results, steps
from aplomb.layers import conv, relu
from aplomb.operator import identity
from makers import GROUPS, Maker

MAKERS = [maker for group in GROUPS.values() for maker in group]


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.name)
def test_steps_compute_what_the_operator_does(maker: Maker, merge: bool) -> None:
    x = maker.input()
    found, output = steps(maker.operator, merge=merge)
    np.testing.assert_allclose(results(found, x)[output], maker.operator(x), rtol=1e-12, atol=1e-12)


def test_a_subtraction_subtracts() -> None:
    found, output = steps(identity - conv(1, 1) - relu)
    assert found[output - 1].name == "Subtract"
    x = np.random.default_rng(0).normal(size=(1, 1, 4, 4))
    np.testing.assert_allclose(results(found, x)[output], x - conv(1, 1)(x) - relu(x))
