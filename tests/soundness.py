"""What a bound is held against: computations that know nothing of the rules which made it.

`test_lipschitz.py` runs them on random operators, `test_seeded_bugs.py` on wrong rules, which they must notice.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from aplomb.arrays import Array
from aplomb.certificate import _up
from aplomb.facts import spectrum
from aplomb.facts.gain import gain_at
from aplomb.facts.level import with_level
from aplomb.facts.lipschitz import tight
from aplomb.facts.rounding import rounding_error
from aplomb.facts.spectrum import convolution_norm, matrix_norm
from aplomb.layers import conv, dense, flatten, relu
from aplomb.nets import gradient_steps, residual
from aplomb.operator import Operator, chain
from laws import bound_holds, jacobian
from makers import GROUPS


def norm(operator: Operator, *shape: int) -> float:
    """Largest singular value of the explicit matrix."""
    return float(np.linalg.norm(jacobian(operator.linear_part(), (1, *shape)), 2))


def bound(operator: Operator) -> float:
    return operator.lipschitz(tight).value


def dense_svd(operator: Operator, *shape: int) -> None:
    """No singular value of the explicit matrix lies above the bound of a linear operator."""
    assert norm(operator, *shape) <= bound(operator) * (1 + 1e-12)


def attacked(operator: Operator, *shape: int, scale: float = 1.0) -> None:
    """No amplification that is found around random inputs lies above the bound."""
    x = scale * np.random.default_rng(1).normal(size=(1, *shape))
    found = max(gain_at(operator, centre, iterations=20, radius=r).value for centre in (x, abs(x)) for r in (1e-3, 1))
    assert found <= bound(operator) * (1 + 1e-9)


def laws_hold(group: str) -> None:
    """The law of bounds, on all makers of a group."""
    for maker in GROUPS[group]:
        bound_holds(maker)


def rotations(taps: int, at: float) -> Array:
    """A kernel of 2 x 2 matrices whose symbol has the norm `taps` at frequency `at`, the most that there is.

    Its k-th tap turns by k `at`: on one vector the symbol is the sum of exp(i k (at - w)).
    """
    kernel = np.zeros((2, 2, 1, taps))
    for k in range(taps):
        c, s = math.cos(k * at), math.sin(k * at)
        kernel[:, :, 0, k] = [[c, -s], [s, c]]
    return kernel


def between_frequencies(taps: int, axis: int = 1, n: int = 12) -> None:
    """A kernel whose symbol has its maximum just between two frequencies of the grid: no grid alone sees it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectrum, "_KNOWN", {})
        patch.setattr(spectrum, "_sizes", lambda kernel: [1, n] if axis else [n, 1])
        kernel = rotations(taps, math.pi / n)
        kernel = kernel if axis else kernel.transpose(0, 1, 3, 2)
        found = convolution_norm(kernel)
    on_grid = spectrum._largest(kernel, [1, n] if axis else [n, 1])
    assert on_grid < taps * (1 - 1e-3)
    assert found >= taps
    assert found <= taps / math.cos(math.pi * (taps - 1) / (2 * n)) * (1 + 1e-9), "it is looser than it has to be"


def in_exact_arithmetic() -> None:
    """The norm of an n x m matrix of equal numbers c is c root(n m): no rounding error may lie below it."""
    c = 0.1
    for n in range(1, 12):
        for m in range(n, 30, 3):
            assert Fraction(matrix_norm(np.full((n, m), c))) ** 2 >= Fraction(c) ** 2 * n * m


def of_any_magnitude() -> None:
    """Bounds scale with the kernel, from the smallest weights to the largest."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 3))
    one = convolution_norm(kernel)
    for exponent in (-1000, -560, -140, -66, 66, 140, 560, 1000):
        assert convolution_norm(np.ldexp(kernel, exponent)) == math.ldexp(one, exponent)


def sums_round_up(operator: Operator, exact: Fraction) -> None:
    """The bound is not below what exact arithmetic makes of the parts."""
    assert Fraction(operator.lipschitz().value) >= exact


def executions_are_covered() -> None:
    """Results in single precision are no farther from those in double precision than the bound of rounding errors."""
    for operator, shape in (
        (residual(3, 8), (1, 1, 16, 16)),
        (chain(conv(1, 1, 1, bias=False), *[1e3 * chain()] * 2), (1, 1, 8, 8)),
        (chain(flatten, dense(64, 5), relu, dense(5, 3)), (1, 1, 8, 8)),
        (with_level(gradient_steps(width=8), 0.1), (1, 1, 16, 16)),
    ):
        x = np.random.default_rng(0).random(shape).astype(np.float32)
        error = np.linalg.norm(operator(x) - operator(x.astype(np.float64)))
        assert 0 < error <= rounding_error(operator, shape)


def printed_above() -> None:
    """What is printed of a bound is not below it."""
    for value in (1.0, 1.0000000001, 123.4561, 8.63015999, 1e-9 / 3):
        assert float(_up(value)) >= value
