"""Intervals and tests against scipy and their formulas."""

import math

import numpy as np
import pytest
from scipy import stats

from aplomb import metrics as m
from aplomb.errors import BadInput, ShapeError

RNG = np.random.default_rng(0)


def test_wilson_interval_is_its_formula():
    k, n, z = 87, 100, stats.norm.ppf(0.975)
    centre, half = (k + z * z / 2) / (n + z * z), z * math.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
    assert m.proportion_interval(k, n) == pytest.approx((0.87, centre - half, centre + half))
    assert m.proportion_interval(100, 100).high == 1


def test_students_interval_is_that_of_scipy():
    x = RNG.normal(size=6)
    found = stats.ttest_1samp(x, 0).confidence_interval(0.9)
    assert m.mean_interval(x, 0.9) == pytest.approx((x.mean(), found.low, found.high))


def test_mcnemar_is_the_binomial_test_where_few_differ():
    a = np.array([True] * 9 + [False] * 1 + [True] * 50)
    b = np.array([False] * 9 + [True] * 1 + [True] * 50)
    assert m.mcnemar(a, b) == (pytest.approx(2 * (1 + 10) / 2**10), 9, 1, True)
    assert m.mcnemar(a, a).p == 1


def test_mcnemar_of_many_is_near_the_exact_one():
    for b, c in ((30, 20), (80, 40), (25, 0)):
        first, second = np.repeat([True, False], [b, c]), np.repeat([False, True], [b, c])
        found = m.mcnemar(first, second)
        assert not found.exact
        assert found.p == pytest.approx(stats.binomtest(b, b + c).pvalue, rel=0.15, abs=1e-5)
        assert found.p == m.mcnemar(second, first).p


def test_paired_bootstrap_covers_the_difference_and_uses_the_pairs():
    hard = RNG.normal(0, 10, 200)  # what both methods share does not widen the interval
    first, second = hard + RNG.normal(0.5, 1, 200), hard + RNG.normal(0, 1, 200)
    found = m.paired_difference(first, second)
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.7
    assert found == m.paired_difference(first, second)
    assert found != m.paired_difference(first, second, seed=3)
    assert m.paired_difference(np.arange(50) < 40, np.ones(50)).high < 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: m.mcnemar([1, 0], [1, 1]), "booleans"),
        (lambda: m.mean_interval([1.0]), "two seeds"),
        (lambda: m.mean_interval([1.0, np.inf]), "NaN or infinite"),
        (lambda: m.paired_difference([1.0], [1.0]), "two pictures"),
        (lambda: m.paired_difference([1.0, 2.0], [1.0]), "one of each"),
        (lambda: m.proportion_interval(3, 2), "3 of 2"),
        (lambda: m.proportion_interval(1, 2, 1.5), "level 1.5"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, words):
    with pytest.raises((BadInput, ShapeError), match=words):
        call()
