"""Pictures and labels: what is taken, and one line for what is not."""

import numpy as np
import pytest

from aplomb.classical.pictures import check_labels, check_pictures, grey
from aplomb.errors import BadInput, ShapeError


def test_grey_is_luma_or_the_mean():
    assert grey(np.array([0.0, 1.0, 0.0, 0.7])) == 0.7152
    assert grey(np.array([0.2, 0.4])) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((8, 8)), "one picture is x"),
        (np.zeros((0, 8, 8)), "found shape"),
        (np.zeros((2, 8, 8, 5)), "at most 4 channels"),
        (np.zeros((2, 4, 9)), "8 or more"),
        ([np.zeros((8, 8)), np.zeros((9, 8))], "different shapes"),
        (np.zeros((2, 8, 8), np.uint8), "divide by the value of white"),
        (np.full((2, 8, 8), np.nan), "2 of 2 pictures hold NaN"),
        (np.full((2, 8, 8), 255.0), "reach 255"),
    ],
)
def test_bad_pictures_are_refused_in_one_line(images, words):
    with pytest.raises((BadInput, ShapeError), match=words):
        check_pictures(images)


def test_pictures_get_a_channel_axis_and_lists_are_stacked():
    assert check_pictures([np.zeros((8, 9))] * 3).shape == (3, 8, 9, 1)
    assert check_pictures(np.zeros((2, 8, 9, 3), np.float32)).dtype == np.float64


def test_labels_are_numbered_in_order_or_as_the_classes_stand():
    index, classes = check_labels([7, 3, 3, 7], 4)
    assert (index.tolist(), classes) == ([1, 0, 0, 1], (3, 7))
    assert check_labels([7, 3, 3, 7], 4, [7, 3])[0].tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("labels", "classes", "words"),
    [
        ([0, 0, 1], None, "4 pictures and 3 labels"),
        ([0.0, 0.5, 1.0, 1.0], None, "whole number or word"),
        ([[0, 1, 1, 0]], None, "shape"),
        ([0, 0, 0, 0], None, "one class only, 0"),
        ([0, 0, 0, 1], None, "class 1 has one picture only"),
        ([0, 0, 1, 1], [0, 1, 2], "class 2 has no picture in the training split"),
        ([0, 0, 1, 1], [0, 2], "label 1, which is none of the classes 0, 2"),
    ],
)
def test_bad_labels_are_refused_in_one_line(labels, classes, words):
    with pytest.raises((BadInput, ShapeError), match=words):
        check_labels(labels, 4, classes)


def test_one_picture_only_is_refused():
    with pytest.raises(BadInput, match="one picture only"):
        check_labels([0], 1)
