"""Compressed sensing: the laws, the matrices against those of scipy, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import hadamard as matrix_of_scipy

from aplomb.degrade.sensing import gaussian, hadamard, sequency, walsh_hadamard
from aplomb.errors import BadInput, ShapeError
from laws import close, everything
from makers import GROUPS


@everything(GROUPS["sensing"])
def test_laws(law, maker):
    law(maker)


def test_blocks_are_measured_one_by_one():
    model = gaussian(4, 0.5, seed=3)
    x = np.random.default_rng(0).normal(size=(1, 2, 8, 12))
    y = model(x)
    rows = next(iter(model.leaves())).rows
    for channel, i, j in np.ndindex(2, 2, 3):
        block = x[0, channel, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4].ravel()
        close(y[0, 8 * channel : 8 * channel + 8, i, j], rows @ block, 1e-14)


def test_lengths_are_kept_on_average():
    x = np.random.default_rng(0).normal(size=(1, 1, 64, 64))
    lengths = [np.linalg.norm(gaussian(8, 0.5, seed=seed)(x)) for seed in range(20)]
    assert np.mean(np.square(lengths)) == pytest.approx(np.sum(x**2), rel=0.05)


@pytest.mark.parametrize("fraction", [0.25, 1.0])
@pytest.mark.parametrize("orthonormal", [False, True])
def test_the_data_step_is_known(fraction, orthonormal):
    model = gaussian(4, fraction, orthonormal=orthonormal)
    inverse = model.resolvent(0.5)
    assert inverse is not None
    b = np.random.default_rng(1).normal(size=(1, 1, 8, 8))
    x = inverse(b)
    close(model.adjoint()(model(x)) + 0.5 * x, b, 1e-12)


@pytest.mark.parametrize("n", [1, 2, 16, 64])
def test_transform_is_scipys_matrix(n):
    close(walsh_hadamard(np.eye(n)), matrix_of_scipy(n) / np.sqrt(n), 1e-14)


@pytest.mark.parametrize("n", [1, 2, 8, 64])
def test_sequency_counts_sign_changes(n):
    np.testing.assert_array_equal(sequency(n), (np.diff(matrix_of_scipy(n), axis=1) != 0).sum(axis=1))


def test_hadamard_acts_on_pixels_row_by_row():
    model = hadamard((4, 8), 1.0, signs=False)
    x = np.random.default_rng(0).normal(size=(1, 1, 4, 8))
    wanted = matrix_of_scipy(4) @ x[0, 0] @ matrix_of_scipy(8) / np.sqrt(32)
    close(model(x)[0, 0, :, 0], wanted.ravel(), 1e-14)


def test_low_rows_are_among_them():
    """With all measurements low, a constant picture and slow steps are measured, a chessboard is not."""
    model = hadamard((16, 16), 0.1, signs=False, low=1.0)
    flat, steps = np.ones((1, 1, 16, 16)), np.ones((1, 1, 16, 16))
    steps[..., 8:] = -1
    chessboard = (-1.0) ** np.add.outer(np.arange(16), np.arange(16))[None, None]
    for x, share in ((flat, 1), (steps, 1), (chessboard, 0)):
        assert np.sum(model(x) ** 2) == pytest.approx(share * np.sum(x**2), abs=1e-9)


def test_signs_spread_a_flat_picture():
    y = hadamard((32, 32), 1.0)(np.ones((1, 1, 32, 32)))
    assert abs(y).max() < 6  # one value of 32 without them


def test_the_seed_draws():
    for draw in (lambda seed: gaussian(4, 0.5, seed), lambda seed: hadamard((8, 8), 0.5, seed)):
        assert draw(1) == draw(1)
        assert draw(1) != draw(2)


@pytest.mark.parametrize(
    ("ask", "kind", "says"),
    [
        (lambda: hadamard((32, 48)), ShapeError, "32x48; near 48: 32, 64"),
        (lambda: hadamard((0, 4)), ShapeError, "at least 1x1"),
        (lambda: hadamard((8, 8), low=2.0), BadInput, r"found 2\.0"),
        (lambda: hadamard((8, 8), 0.0), BadInput, "above 0"),
        (lambda: gaussian(8, 1.5), BadInput, r"found 1\.5"),
        (lambda: gaussian(0), BadInput, "0x0"),
        (lambda: gaussian(8)(np.ones((1, 1, 12, 16))), ShapeError, r"multiples of 8.*near: 8 or 16"),
    ],
)
def test_the_impossible_is_refused(ask, kind, says):
    with pytest.raises(kind, match=says):
        ask()
