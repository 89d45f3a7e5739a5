"""Classes of pixels: confusion, IoU, Dice, pixel error; their laws, and scikit-learn as an oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aplomb.errors import BadInput, ShapeError
from aplomb.metrics import confusion_matrix, dice, iou, mean_dice, mean_iou, pixel_error

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)


@st.composite
def two_maps(draw, classes=4):
    shape = draw(SHAPES)
    maps = hnp.arrays(np.int64, shape, elements=st.integers(0, classes - 1))
    return draw(maps), draw(maps)


@given(two_maps())
def test_the_confusion_matrix_is_scikit_learns(maps):
    from sklearn.metrics import confusion_matrix as oracle

    labels, reference = maps
    expected = oracle(reference.ravel(), labels.ravel(), labels=range(4))
    np.testing.assert_array_equal(confusion_matrix(labels, reference, classes=4), expected)


@given(two_maps())
def test_dice_and_iou_are_bound_together_and_within_their_range(maps):
    confusion = confusion_matrix(*maps, classes=4)
    overlap = iou(confusion)
    np.testing.assert_allclose(dice(confusion), 2 * overlap / (1 + overlap))
    there = np.isin(np.arange(4), maps)
    np.testing.assert_array_equal(np.isnan(overlap), ~there)
    assert ((overlap[there] >= 0) & (overlap[there] <= 1)).all()
    assert 0 <= pixel_error(confusion) <= 1


@given(two_maps())
def test_the_figures_do_not_tell_labels_from_reference(maps):
    there, back = confusion_matrix(*maps), confusion_matrix(*maps[::-1])
    np.testing.assert_array_equal(iou(there), iou(back))
    assert pixel_error(there) == pixel_error(back)


@given(two_maps())
def test_a_map_agrees_with_itself(maps):
    confusion = confusion_matrix(maps[0], maps[0])
    assert (mean_iou(confusion), mean_dice(confusion), pixel_error(confusion)) == (1, 1, 0)


@given(two_maps(), st.integers(0, 3))
def test_ignored_pixels_and_those_outside_the_mask_change_nothing(maps, other):
    labels, reference = maps
    ignored = reference == 1
    if ignored.all():
        return
    marked = np.where(ignored, 255, reference)
    changed = np.where(ignored, other, labels)
    expected = confusion_matrix(labels, reference, classes=4, mask=~ignored)
    np.testing.assert_array_equal(confusion_matrix(changed, marked, classes=4), expected)
    assert expected.sum() == (~ignored).sum()


def test_figures_of_a_set_come_from_the_sum():
    rng = np.random.default_rng(0)
    labels, reference = rng.integers(0, 3, (2, 5, 8, 9))
    total = sum(confusion_matrix(a, b, classes=3) for a, b in zip(labels, reference, strict=True))
    np.testing.assert_array_equal(total, confusion_matrix(labels, reference, classes=3))


def test_known_values():
    confusion = confusion_matrix([[0, 0, 1, 1]], [[0, 1, 1, 1]])
    np.testing.assert_allclose(iou(confusion), [1 / 2, 2 / 3])
    np.testing.assert_allclose(dice(confusion), [2 / 3, 4 / 5])
    assert mean_iou(confusion) == pytest.approx(7 / 12)
    assert pixel_error(confusion) == 0.25


def test_bad_maps_are_refused_in_one_line():
    zeros = np.zeros((3, 3), int)
    with pytest.raises(ShapeError, match=r"\(3, 3\).*\(3, 4\)"):
        confusion_matrix(zeros, np.zeros((3, 4), int))
    with pytest.raises(BadInput, match="float64"):
        confusion_matrix(zeros + 0.5, zeros)
    with pytest.raises(BadInput, match="-1"):
        confusion_matrix(zeros - 1, zeros)
    with pytest.raises(BadInput, match="asked for 2 classes, found the label 5"):
        confusion_matrix(zeros + 5, zeros, classes=2)
    with pytest.raises(BadInput, match="instances or of grey values"):
        confusion_matrix(zeros + 60_000, zeros)
    with pytest.raises(ShapeError, match="no pixel counts"):
        confusion_matrix(zeros, zeros + 255)
    with pytest.raises(ShapeError, match="empty"):
        confusion_matrix(np.zeros((0, 3), int), np.zeros((0, 3), int))
    with pytest.raises(ShapeError, match=r"mask.*\(2, 2\)"):
        confusion_matrix(zeros, zeros, mask=np.ones((2, 2), bool))
    with pytest.raises(BadInput, match="mask"):
        confusion_matrix(zeros, zeros, mask=zeros + 255)
    for wrong, error in (([[1, 2, 3]], ShapeError), ([[0, 0], [0, 0]], BadInput), ([[-1, 0], [0, 2]], BadInput)):
        with pytest.raises(error):
            iou(wrong)
