"""Objects: matching, precision over thresholds, panoptic quality; the assignment problem as an oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from aplomb.errors import BadInput, ShapeError
from aplomb.metrics import IOU_THRESHOLDS, instance_precision, match_instances, panoptic_quality


@st.composite
def two_maps(draw):
    """Numbered objects, and the same ones after some pixels changed, so that many overlap well."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=7))
    reference = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 4)))
    changed = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 4)))
    where = draw(hnp.arrays(np.bool_, shape, elements=st.integers(0, 3).map(lambda v: v == 0)))
    return np.where(where, changed, reference), reference


@given(two_maps(), st.sampled_from(IOU_THRESHOLDS))
def test_the_matching_is_the_best_assignment(maps, threshold):
    labels, reference = maps
    ours = [n for n in np.unique(labels) if n]
    theirs = [n for n in np.unique(reference) if n]
    overlap = np.zeros((len(ours), len(theirs)))
    for i, a in enumerate(ours):
        for j, b in enumerate(theirs):
            overlap[i, j] = ((labels == a) & (reference == b)).sum() / ((labels == a) | (reference == b)).sum()
    gain = (overlap > threshold).astype(float)
    i, j = linear_sum_assignment(-gain)
    matching = match_instances(labels, reference, threshold)
    assert matching.true_positives == gain[i, j].sum()
    assert (matching.found, matching.present) == (len(ours), len(theirs))
    for (a, b), value in zip(matching.pairs, matching.iou, strict=True):
        assert value == pytest.approx(overlap[ours.index(a), theirs.index(b)])
    assert len(set(matching.pairs[:, 0])) == len(set(matching.pairs[:, 1])) == matching.true_positives


@given(two_maps(), st.permutations(range(1, 5)))
def test_the_numbers_of_objects_mean_nothing(maps, numbers):
    labels, reference = maps
    renumbered = np.array([0, *numbers])[labels] * 70_000
    np.testing.assert_array_equal(instance_precision(renumbered, reference), instance_precision(labels, reference))
    assert panoptic_quality(match_instances(renumbered, reference)) == pytest.approx(
        panoptic_quality(match_instances(labels, reference))
    )


@given(two_maps())
def test_scores_are_symmetric_perfect_for_equal_and_fall_with_the_threshold(maps):
    labels, reference = maps
    precision = instance_precision(labels, reference)
    np.testing.assert_array_equal(precision, instance_precision(reference, labels))
    assert ((precision >= 0) & (precision <= 1)).all()
    assert (np.diff(precision) <= 0).all()
    np.testing.assert_array_equal(instance_precision(labels, labels), 1)
    matching = match_instances(labels, reference)
    quality = panoptic_quality(matching)
    assert quality == pytest.approx(panoptic_quality(match_instances(reference, labels)))
    assert quality.quality == pytest.approx(quality.segmentation * quality.recognition)
    assert quality.quality <= matching.f1 == quality.recognition
    assert panoptic_quality(match_instances(labels, labels)) == (1, 1, 1)


@given(two_maps(), st.integers(0, 4))
def test_pixels_outside_the_mask_change_nothing(maps, other):
    labels, reference = maps
    mask = reference != 1
    if not mask.any():
        return
    changed = np.where(mask, labels, other)
    np.testing.assert_array_equal(
        instance_precision(changed, reference, mask=mask), instance_precision(labels, reference, mask=mask)
    )


def test_known_values():
    #              IoU 2/3      IoU 1/3, none   only here
    labels = [[1, 1, 1, 0, 2, 2, 0, 0, 3]]
    reference = [[0, 4, 4, 0, 0, 5, 5, 0, 0]]
    matching = match_instances(labels, reference)
    assert matching.pairs.tolist() == [[1, 4]]
    counts = (matching.true_positives, matching.false_positives, matching.false_negatives)
    assert counts == (1, 2, 1)
    assert (matching.precision, matching.f1) == pytest.approx((1 / 4, 2 / 5))
    assert panoptic_quality(matching) == pytest.approx((2 / 3 / 2.5, 2 / 3, 2 / 5))
    assert instance_precision(labels, reference).mean() == pytest.approx(0.25 * 4 / 10)


def test_half_an_object_matches_at_no_threshold():
    """With IoU at 0.5 exactly, both halves would match, so the threshold itself is not enough."""
    assert match_instances([[1, 2]], [[3, 3]]).true_positives == 0


def test_pictures_are_counted_together():
    full, empty = match_instances([[1]], [[1]]), match_instances([[0]], [[1]])
    assert panoptic_quality(full, empty).recognition == pytest.approx(2 / 3)
    assert panoptic_quality(empty) == (0, 0, 0)
    nothing = match_instances([[0]], [[0]])
    assert panoptic_quality(nothing) == (1, 1, 1)
    assert instance_precision([[0]], [[0]]).tolist() == [1] * 10


def test_bad_input_is_refused():
    ones = np.ones((2, 2), int)
    for threshold in (0.4, 1.0, np.nan):
        with pytest.raises(BadInput, match="IoU"):
            match_instances(ones, ones, threshold)
        with pytest.raises(BadInput, match="IoU"):
            instance_precision(ones, ones, [threshold])
    with pytest.raises(ShapeError):
        match_instances(ones, np.ones((2, 3), int))
    with pytest.raises(BadInput, match="float64"):
        match_instances(ones * 1.0, ones)
    with pytest.raises(BadInput, match="no picture"):
        panoptic_quality()
