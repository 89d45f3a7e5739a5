"""Dictionaries that are learned: atoms that were planted are found, and pictures get sparser."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.classical.dictionary import cosine_atoms, learn_atoms, refine_atoms, unit_atoms
from aplomb.classical.sparse_coding import dictionary
from aplomb.errors import BadInput, ShapeError


def planted(atoms: np.ndarray, side: int, density: float, seed: int) -> np.ndarray:
    """A picture (side, side) of few atoms."""
    rng = np.random.default_rng(seed)
    D = dictionary(atoms)
    shape = D.adjoint().output_shape((1, 1, side, side))
    return D(rng.normal(size=shape) * (rng.random(shape) < density))[0, 0]


def match(found: np.ndarray, atoms: np.ndarray) -> float:
    """Mean over the atoms of the largest correlation with one that was found, at any shift."""
    from scipy.signal import correlate2d

    return float(np.mean([max(np.abs(correlate2d(f[0], a[0])).max() for f in found) for a in atoms]))


def test_refinement_finds_its_way_back_to_planted_atoms():
    rng = np.random.default_rng(0)
    atoms = unit_atoms(rng.normal(size=(3, 1, 5, 5)))
    start = unit_atoms(atoms + 0.9 * unit_atoms(rng.normal(size=atoms.shape)))
    pictures = [planted(atoms, 40, 0.01, seed) for seed in range(3)]
    found = refine_atoms(pictures, start, weight=0.05, rounds=15, side=32, steps=15, rate=1.0)
    assert match(start, atoms) < 0.77
    assert match(found, atoms) > 0.85


def test_atoms_span_what_patches_are_made_of():
    """Waves of one length and direction have two dimensions, whatever their phase."""
    pytest.importorskip("sklearn")
    rows, columns = np.mgrid[:40, :40]
    wave = np.sin(0.9 * rows + 0.5 * columns)
    found = learn_atoms([wave], 4, 6, patches=300, epochs=2).reshape(4, -1)
    np.testing.assert_allclose(np.square(found).sum(axis=1), 1)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-12)
    patch = wave[11:17, 23:29].ravel() - wave[11:17, 23:29].mean()
    basis = np.linalg.svd(found, full_matrices=False)[2][:2]
    assert np.linalg.norm(patch - basis.T @ (basis @ patch)) < 0.05 * np.linalg.norm(patch)


def test_atoms_do_not_depend_on_what_ran_before():
    pytest.importorskip("sklearn")
    picture = planted(unit_atoms(np.random.default_rng(0).normal(size=(3, 1, 5, 5))), 40, 0.05, 0)
    colour = np.stack([picture, picture, 0.5 * picture], axis=-1)
    first, again = (learn_atoms([colour], 4, 5, patches=300, epochs=1, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (4, 3, 5, 5)
    assert not np.array_equal(first, learn_atoms([colour], 4, 5, patches=300, epochs=1, seed=4))


def test_cosines_are_orthonormal():
    flat = cosine_atoms(4, channels=2).reshape(30, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(30), atol=1e-12)
    np.testing.assert_allclose(flat.sum(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("pictures", "error", "message"),
    [
        ([], BadInput, "0 pictures"),
        ([np.zeros((20, 20))], BadInput, "flat"),
        ([np.zeros((20, 20), np.uint8)], BadInput, "uint8"),
        ([np.full((20, 20), np.nan)], BadInput, "finite"),
        ([np.zeros((4, 20))], BadInput, "smaller than atoms"),
        ([np.zeros(20)], ShapeError, "H, W"),
        ([np.zeros((20, 20)), np.zeros((20, 20, 3))], ShapeError, "channel"),
    ],
)
def test_pictures_that_teach_nothing(pictures, error, message):
    with pytest.raises(error, match=message):
        learn_atoms(pictures, 4, 8, patches=50)


def test_without_scikit_learn_it_says_so(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(BadInput, match=r"aplomb\[learn\]"):
        learn_atoms([np.random.default_rng(0).random((20, 20))], 4, 5, patches=50)
