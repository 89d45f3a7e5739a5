"""Pursuits against a solver that knows nothing of operators, and layers against the network that they are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aplomb.classical.dictionary import cosine_atoms
from aplomb.classical.sparse_coding import Code, dictionary, fista, ista, layered_pursuit, multi_layer_ista
from aplomb.classical.sparse_recovery import sparse_recovery
from aplomb.errors import BadInput, ShapeError
from aplomb.facts.lipschitz import tight
from aplomb.layers import conv, relu
from aplomb.layers.linear import Multiply
from aplomb.operator import Operator, chain


def random_atoms(*shape: int, seed: int = 0) -> np.ndarray:
    atoms = np.random.default_rng(seed).normal(size=shape)
    return atoms / np.sqrt(np.square(atoms).sum(axis=(1, 2, 3), keepdims=True))


def picture(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


# -- the dictionary ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stride", "shift"), [(1, (0, 0)), (3, (0, 0)), (3, (2, 1)), (5, (4, 0))])
def test_a_dictionary_puts_atoms_down(stride, shift):
    """One coefficient gives one atom, at its place of the lattice, cut at the border."""
    atoms, shape = random_atoms(2, 3, 5, 5), (17, 14)
    D = dictionary(atoms, shape, stride=stride, shift=shift)
    rows, columns = D.adjoint().output_shape((1, 3, *shape))[2:]
    for i in (0, 1, rows - 1):
        for j in (0, columns - 1):
            code = np.zeros((1, 2, rows, columns))
            code[0, 1, i, j] = 1
            wide = np.zeros((3, shape[0] + 20, shape[1] + 20))
            top, left = (10 + n * stride - (5 - stride + s) for n, s in zip((i, j), shift, strict=True))
            wide[:, top : top + 5, left : left + 5] = atoms[1]
            np.testing.assert_allclose(D(code)[0], wide[:, 10:-10, 10:-10], atol=1e-12)
            assert np.abs(D(code)).max() > 0  # no atom lies outside


def test_all_pixels_are_covered_alike():
    """With as many constant atoms over each pixel at the border as inside."""
    D = dictionary(np.ones((1, 1, 6, 6)), (21, 16), stride=3, shift=(1, 2))
    ones = np.ones(D.adjoint().output_shape((1, 1, 21, 16)))
    np.testing.assert_allclose(D(ones), 4)


def test_dictionaries_that_cannot_be():
    with pytest.raises(ShapeError, match="K, C, height, width"):
        dictionary(np.ones((3, 4, 4)))
    with pytest.raises(BadInput, match="shift < stride <= size"):
        dictionary(np.ones((1, 1, 4, 4)), (8, 8), stride=5)
    with pytest.raises(BadInput, match="shape="):
        dictionary(np.ones((1, 1, 4, 4)), stride=2)
    with pytest.raises(BadInput, match="NaN"):
        dictionary(np.full((1, 1, 4, 4), math.nan))


# -- pursuits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("non_negative", [False, True])
@pytest.mark.parametrize("pursuit", [ista, fista])
def test_pursuits_find_the_minimum(pursuit, non_negative):
    """Coordinate descent on the matrix (scikit-learn's Lasso) finds the same."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    D, y, weight = dictionary(random_atoms(3, 1, 3, 3)), picture(1, 1, 5, 6), 0.6
    A = D.adjoint().matrix(y.shape).T.toarray()
    lasso = linear_model.Lasso(
        weight / y.size, fit_intercept=False, positive=non_negative, tol=1e-12, max_iter=100_000
    ).fit(A, y.ravel())
    least = np.square(A @ lasso.coef_ - y.ravel()).sum() / 2 + weight * np.abs(lasso.coef_).sum()
    found = pursuit(D, y, weight, steps=250, non_negative=non_negative)
    assert found.objective[-1] == pytest.approx(least, rel=1e-4)
    assert not non_negative or found.value.min() >= 0
    assert 0 < found.density < 0.8


def test_the_objective_is_that_of_the_code():
    D, y, weight = dictionary(random_atoms(3, 1, 3, 3)), picture(2, 1, 6, 7), np.array([0.1, 0.2, 0.3])
    found = fista(D, y, weight, steps=9)
    c = found.value
    costs = (np.abs(c) * weight[:, None, None]).sum()
    assert found.objective[-1] == pytest.approx(np.square(D(c) - y).sum() / 2 + costs, rel=1e-9)
    assert len(found.objective) == 10


def test_ista_never_rises_and_fista_keeps_its_rate():
    D, y, weight = dictionary(random_atoms(4, 2, 3, 3)), picture(1, 2, 8, 8), 0.2
    slow, fast = ista(D, y, weight, steps=30), fista(D, y, weight, steps=30)
    best = fista(D, y, weight, steps=500)
    assert (np.diff(slow.objective) <= 1e-12).all()
    bound = 2 * D.lipschitz(tight).value ** 2 * np.square(best.value).sum()
    excess = np.array(fast.objective[1:]) - best.objective[-1]
    assert (excess <= bound / np.arange(2, 32) ** 2).all()
    assert fast.objective[-1] < slow.objective[-1]


def test_start_tolerance_and_missing_values():
    D, y = dictionary(random_atoms(3, 1, 3, 3)), picture(1, 1, 8, 8)
    known = (np.random.default_rng(2).random(y.shape) < 0.6).astype(float)
    operator = chain(D, Multiply(known))
    found = fista(operator, known * y, 0.3, steps=300, tolerance=1e-2)
    assert 5 < len(found.objective) < 300
    again = fista(operator, known * y, 0.3, steps=2, start=found.value)
    assert again.objective[0] == found.objective[-1]
    # what is not known has no say
    np.testing.assert_array_equal(fista(operator, known * (y + 9 * (1 - known)), 0.05, steps=7).value,
                                  fista(operator, known * y, 0.05, steps=7).value)  # fmt: skip


def test_torch_finds_the_same():
    torch = pytest.importorskip("torch")
    atoms, y, weight = random_atoms(4, 1, 4, 4), picture(1, 1, 10, 10), np.array([0.1, 0.2, 0.1, 0.3])
    for options in ({}, {"non_negative": True}):
        mine = fista(dictionary(atoms), y, weight, steps=20, **options)
        theirs = fista(dictionary(atoms), torch.from_numpy(y), weight, steps=20, **options)
        assert isinstance(theirs.value, torch.Tensor)
        np.testing.assert_allclose(theirs.value.numpy(), mine.value, atol=1e-12)
        np.testing.assert_allclose(theirs.objective, mine.objective, rtol=1e-9)
    layers = [dictionary(atoms), dictionary(random_atoms(5, 4, 3, 3))]
    codes = [multi_layer_ista(layers, given, [0.1, 0.2], steps=4) for given in (y, torch.from_numpy(y))]
    for mine, theirs in zip(*codes, strict=True):
        np.testing.assert_allclose(theirs.numpy(), mine, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "1 step or more"),
        ({"step": -1.0}, "finite number above 0"),
        ({"weight": -0.1}, "negative"),
        ({"weight": math.nan}, "not finite"),
        ({"weight": np.ones(3)}, "weights of shape"),
        ({"start": np.ones((1, 2, 3, 3))}, "from a code of shape"),
        ({"operator": chain(conv(1, 2), relu)}, "linear dictionary"),
    ],
)
def test_pursuits_that_cannot_be(options, message):
    asked = {"operator": dictionary(np.ones((2, 1, 2, 2))), "y": np.ones((1, 1, 5, 5)), "weight": 0.1} | options
    with pytest.raises((BadInput, ShapeError), match=message):
        fista(**asked)


# -- layers ------------------------------------------------------------------------------------------------------


def network() -> list[Operator]:
    """Convolutions with biases of either sign, behind each of which there is a ReLU."""
    layers = [conv(1, 6, 3), conv(6, 8, 3, stride=2, padding=1, exact=False), conv(8, 4, 3, padding="valid")]
    rng = np.random.default_rng(4)
    return [layer.with_weights({"0.bias": rng.normal(0, 0.2, layer.weight.shape[0])}) for layer in layers]  # type: ignore[attr-defined]


def test_one_step_in_each_layer_is_the_forward_pass():
    """C1: non-negative ISTA, one step from zero, step 1, is convolution, bias -lambda and ReLU: to rounding."""
    layers, y = network(), picture(2, 1, 13, 13)
    dictionaries = [layer.linear_part().adjoint() for layer in layers]
    weights = [-layer.bias for layer in layers]  # type: ignore[attr-defined]
    one = {"steps": 1, "non_negative": True}
    layered = layered_pursuit(dictionaries, y, weights, step=1.0, **one)
    multi = multi_layer_ista(dictionaries, y, weights, step=[1.0] * 3, **one)
    x = before = y
    for layer, D, weight, first, second in zip(layers, dictionaries, weights, layered, multi, strict=True):
        x = relu(layer(x))
        assert 0.1 < np.mean(x > 0) < 0.9
        np.testing.assert_allclose(first, x, rtol=0, atol=1e-14)
        np.testing.assert_allclose(second, x, rtol=0, atol=1e-14)
        np.testing.assert_allclose(ista(D, before, weight, step=1.0, **one).value, x, rtol=0, atol=1e-14)
        before = x


def test_more_steps_explain_more():
    """The multi-layer objective at the deepest code falls; the pictures between stay sparse."""
    D = [dictionary(random_atoms(6, 1, 3, 3)), dictionary(random_atoms(8, 6, 3, 3, seed=3))]
    y, weights = np.abs(picture(1, 1, 12, 12)), [0.05, 0.05]

    def objective(code: np.ndarray) -> float:
        middle = D[1](code)
        return float(np.square(D[0](middle) - y).sum() / 2 + 0.05 * np.abs(middle).sum() + 0.05 * np.abs(code).sum())

    for non_negative in (False, True):
        found = [multi_layer_ista(D, y, weights, steps=n, non_negative=non_negative)[-1] for n in (1, 5, 25)]
        values = [objective(code) for code in found]
        assert values[0] > values[1] > values[2]


def test_layered_pursuits_are_pursuits_of_codes():
    D = [dictionary(random_atoms(6, 1, 3, 3)), dictionary(random_atoms(8, 6, 3, 3, seed=3))]
    y = picture(1, 1, 9, 9)
    first, second = layered_pursuit(D, y, [0.1, 0.2], steps=20)
    np.testing.assert_array_equal(second, fista(D[1], first, 0.2, steps=20, non_negative=True).value)
    with pytest.raises(BadInput, match="one weight a layer"):
        layered_pursuit(D, y, [0.1])
    with pytest.raises(BadInput, match="a size for each"):
        multi_layer_ista(D, y, [0.1, 0.2], step=[1.0])


# -- recovery ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def camera() -> np.ndarray:
    from skimage.data import camera

    return camera()[100:148, 196:244].astype(np.float32)[None, None] / 255


def psnr(x: np.ndarray, y: np.ndarray) -> float:
    return float(-10 * np.log10(np.square(x - y).mean()))


def test_noise_is_removed(camera):
    noisy = camera + np.random.default_rng(0).normal(0, 0.1, camera.shape).astype(np.float32)
    found = sparse_recovery(noisy, cosine_atoms(8).astype(np.float32), 0.14, places=2, steps=15)
    assert found.dtype == np.float32
    assert psnr(camera, found) > psnr(camera, noisy) + 5


def test_reweighting_keeps_edges():
    """On blocks, cosines are orthonormal: l1 takes lambda from a coefficient c, the second round 2 lambda^2 / c."""
    atoms, c, weight = cosine_atoms(8), 3.0, 0.3
    y = 0.5 + c * np.tile(atoms[20], (2, 2))[None]
    for rounds, lost in ((1, weight), (2, 2 * weight**2 / c)):
        found = sparse_recovery(y, atoms, weight, stride=8, places=1, rounds=rounds, steps=100)
        np.testing.assert_allclose(found - 0.5, (c - lost) / c * (y - 0.5), atol=1e-3)


def test_missing_pixels_are_filled_in(camera):
    known = (np.random.default_rng(0).random(camera.shape) < 0.5).astype(np.float32)
    measured = known * camera
    found = sparse_recovery(measured, cosine_atoms(8), 0.02, Multiply(known), places=1, steps=40)
    mean = np.where(known > 0, camera, measured.sum() / known.sum())
    assert psnr(camera, found) > psnr(camera, mean) + 6


def test_recoveries_that_cannot_be():
    with pytest.raises(ShapeError, match=r"give \(K, 3, h, w\)"):
        sparse_recovery(np.ones((1, 3, 16, 16)), cosine_atoms(8), 0.1)
    with pytest.raises(BadInput, match="1 to 16 shifts"):
        sparse_recovery(np.ones((1, 1, 16, 16)), cosine_atoms(8), 0.1, places=17)


def test_a_code_without_zeros_is_dense():
    assert Code(np.ones((1, 2, 3, 3)), ()).density == 1
