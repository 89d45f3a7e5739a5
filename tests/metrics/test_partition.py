"""Rand error, variation of information, and the best threshold of a membrane map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aplomb.errors import BadInput, ShapeError
from aplomb.metrics import cells, membrane_rand_error, rand_error, variation_of_information


@st.composite
def two_partitions(draw):
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6))
    maps = hnp.arrays(np.int64, shape, elements=st.integers(0, 3))
    return draw(maps), draw(maps)


@given(two_partitions())
def test_the_error_is_scikit_images(maps):
    from skimage.metrics import adapted_rand_error
    from skimage.metrics import variation_of_information as oracle

    labels, reference = maps
    joint = rand_error(labels, reference, ignore=None)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.nan_to_num(adapted_rand_error(reference, labels, ignore_labels=())[0])
    assert joint.error == pytest.approx(expected, abs=1e-12)
    if (reference > 0).any():
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = np.nan_to_num(adapted_rand_error(reference, labels)[0])
        assert rand_error(labels, reference).error == pytest.approx(expected, abs=1e-12)
        split, merge = oracle(reference, labels, ignore_labels=(0,))
        information = variation_of_information(labels, reference)
        assert (information.split, information.merge) == pytest.approx((split, merge), abs=1e-12)


@given(two_partitions(), st.permutations(range(4)))
def test_the_numbers_of_regions_mean_nothing(maps, numbers):
    labels, reference = maps
    renumbered = 1000 * np.array(numbers)[labels]
    assert rand_error(renumbered, reference, ignore=None) == rand_error(labels, reference, ignore=None)
    assert variation_of_information(renumbered, reference, ignore=None).total == pytest.approx(
        variation_of_information(labels, reference, ignore=None).total, abs=1e-12
    )


@given(two_partitions())
def test_the_errors_are_symmetric_zero_for_equal_and_in_range(maps):
    labels = maps[0]
    there, back = (rand_error(a, b, ignore=None) for a, b in (maps, maps[::-1]))
    assert there.error == pytest.approx(back.error)
    assert (there.precision, there.recall) == pytest.approx((back.recall, back.precision))
    assert 0 <= there.error <= 1
    assert rand_error(labels, labels, ignore=None).error == 0
    one, other = (variation_of_information(a, b, ignore=None) for a, b in (maps, maps[::-1]))
    assert (one.split, one.merge) == pytest.approx((other.merge, other.split), abs=1e-12)
    assert variation_of_information(labels, labels, ignore=None).total == pytest.approx(0, abs=1e-12)
    assert one.total <= np.log2(labels.size) + 1e-9


@given(two_partitions(), st.integers(0, 3))
def test_pixels_between_cells_and_outside_the_mask_change_nothing(maps, other):
    labels, reference = maps
    if not (reference > 0).any():
        return
    changed = np.where(reference == 0, other, labels)
    assert rand_error(changed, reference) == rand_error(labels, reference)
    assert rand_error(changed, reference, ignore=None, mask=reference > 0) == rand_error(labels, reference)
    assert variation_of_information(changed, reference) == variation_of_information(labels, reference)


def test_merged_and_split_cells_are_told_apart():
    apart, joined = np.array([[1, 1, 2, 2]]), np.array([[1, 1, 1, 1]])
    assert rand_error(joined, apart)[1:] == pytest.approx((1 / 3, 1))
    assert rand_error(apart, joined)[1:] == pytest.approx((1, 1 / 3))
    assert variation_of_information(joined, apart) == (0, 1)
    assert variation_of_information(apart, joined) == (1, 0)
    assert variation_of_information(apart, joined).total == 1


def test_a_region_a_pixel_has_no_wrong_pair():
    assert rand_error([[1, 2]], [[3, 4]]) == (0, 1, 1)


@pytest.fixture
def membrane():
    """Six cells between walls two pixels wide."""
    walls = np.zeros((30, 40), bool)
    walls[:, [12, 13, 26, 27]] = True
    walls[[14, 15]] = True
    return walls


def test_the_best_threshold_is_found(membrane):
    rng = np.random.default_rng(0)
    probability = np.where(membrane, 0.45, 0.25) + rng.uniform(-0.04, 0.04, membrane.shape)
    assert membrane_rand_error(probability, membrane) == (0, 0.3)
    assert membrane_rand_error(probability, membrane, thresholds=(0.6,)).value > 0.5  # all cells joined


def test_the_width_of_membranes_costs_nothing(membrane):
    from scipy import ndimage

    for width in (1, 2, 3):
        wide = ndimage.binary_dilation(membrane, iterations=width)
        assert membrane_rand_error(wide * 0.9, membrane).value == 0
    assert len(np.unique(cells(membrane))) == 7


def test_no_cell_at_all_is_an_error_not_a_failure(membrane):
    assert membrane_rand_error(np.ones(membrane.shape), membrane).value > 0.5


def test_bad_maps_are_refused(membrane):
    with pytest.raises(ShapeError, match="no pixel counts"):
        membrane_rand_error(np.ones((4, 4)), np.ones((4, 4), bool))
    with pytest.raises(ShapeError, match=r"\(4, 5\)"):
        membrane_rand_error(np.ones((4, 5)), membrane)
    with pytest.raises(BadInput, match="finite"):
        membrane_rand_error(np.full(membrane.shape, np.nan), membrane)
    with pytest.raises(BadInput, match="0 and 1"):
        membrane_rand_error(membrane * 0.5, membrane * 255)
    with pytest.raises(BadInput, match=r"\(H, W\)"):
        membrane_rand_error(np.ones((2, 3, 4)), np.ones((2, 3, 4), bool))
    with pytest.raises(BadInput, match="threshold"):
        membrane_rand_error(membrane * 0.5, membrane, thresholds=())
