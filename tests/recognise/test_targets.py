"""Targets: encoding and decoding are inverse to each other, and each map is what its formula says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from aplomb.errors import BadInput, ShapeError
from aplomb.io import IGNORE
from aplomb.recognise.targets import (
    border_classes,
    border_weights,
    distance_map,
    instances_from_borders,
    instances_from_distances,
)

SIDE = 64


def scene(seed: int, radius: float, touching: bool) -> NDArray[np.int32]:
    """Discs, each pixel given to the nearest centre: such that overlap touch along a straight line."""
    rng = np.random.default_rng(seed)
    apart = 1.5 * radius if touching else 2 * radius + 3
    centres: list[NDArray[np.float64]] = []
    for point in rng.uniform(-3, SIDE + 3, (60, 2)):
        if all(np.hypot(*(point - other)) >= apart for other in centres):
            centres.append(point)
    grid = np.stack(np.mgrid[:SIDE, :SIDE], axis=-1)
    distances = np.stack([np.hypot(*np.moveaxis(grid - centre, -1, 0)) for centre in centres])
    found = np.where(distances.min(axis=0) <= radius, distances.argmin(axis=0) + 1, 0).astype(np.int32)
    for number in range(1, len(centres) + 1):  # slivers at the frame are no objects
        if (found == number).sum() < 40:
            found[found == number] = 0
    return found


def blobs(touching: bool) -> st.SearchStrategy[NDArray[np.int32]]:
    return st.builds(scene, st.integers(0, 2**32 - 1), st.floats(5, 9), st.just(touching))


def lowest_iou(found: NDArray[np.int32], true: NDArray[np.int32]) -> float:
    """Lowest IoU of a true object and the found one that it shares most with; 0 if their numbers differ."""
    numbers = set(np.unique(true)) - {0}
    if len(set(np.unique(found)) - {0}) != len(numbers):
        return 0.0
    lowest = 1.0
    for number in numbers:
        here = true == number
        other = found == np.bincount(found[here]).argmax()
        lowest = min(lowest, float((here & other).sum() / (here | other).sum()))
    return lowest


def one_hot(classes: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.eye(3, dtype=np.float32)[classes].transpose(2, 0, 1)


@settings(max_examples=12)
@given(blobs(touching=False), st.floats(1, 3))
def test_objects_apart_come_back_as_they_were(objects: NDArray[np.int32], width: float) -> None:
    assert lowest_iou(instances_from_borders(one_hot(border_classes(objects, width))), objects) == 1
    assert lowest_iou(instances_from_distances(objects > 0, distance_map(objects)), objects) == 1


@settings(max_examples=12)
@given(blobs(touching=True), st.floats(1, 3))
def test_objects_that_touch_stay_apart(objects: NDArray[np.int32], width: float) -> None:
    assert lowest_iou(instances_from_borders(one_hot(border_classes(objects, width))), objects) > 0.8
    assert lowest_iou(instances_from_distances(objects > 0, distance_map(objects)), objects) > 0.8


@settings(max_examples=12)
@given(blobs(touching=True), st.integers(0, 1000))
def test_noisy_maps_still_give_the_objects(objects: NDArray[np.int32], seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = 0.7 * one_hot(border_classes(objects, 2)) + 0.3 * rng.dirichlet((1, 1, 1), objects.shape).transpose(2, 0, 1)
    assert lowest_iou(instances_from_borders(p), objects) > 0.7
    d = distance_map(objects) + rng.uniform(-0.1, 0.1, objects.shape)
    assert lowest_iou(instances_from_distances(0.8 * (objects > 0) + 0.1, d), objects) > 0.8


@settings(max_examples=12)
@given(blobs(touching=True), st.floats(1, 3))
def test_maps_are_what_they_say(objects: NDArray[np.int32], width: float) -> None:
    classes, distances = border_classes(objects, width), distance_map(objects)
    assert classes.dtype == np.uint8
    assert distances.dtype == np.float32
    assert np.array_equal(classes == 0, objects == 0)
    assert np.array_equal(distances == 0, objects == 0)
    for number in np.unique(objects[objects > 0]):
        here = objects == number
        away = distance_transform_edt(here)  # of the whole picture, the slow way
        np.testing.assert_allclose(distances[here], (away / away.max())[here], rtol=1e-6)
        if away.max() > width:
            assert np.array_equal(classes[here] == 1, (away > width)[here])


def test_an_object_that_fills_the_picture_or_is_thin() -> None:
    full = np.ones((9, 9), int)
    assert (border_classes(full) == 1).all()
    assert (distance_map(full) == 1).all()
    thin = np.zeros((9, 20), int)
    thin[4, 2:18] = 3
    assert (border_classes(thin)[thin > 0] == 1).all(), "too thin for a border: it stays a seed"
    assert lowest_iou(instances_from_distances(thin > 0, distance_map(thin)), thin) == 1


def test_numbers_do_not_matter_and_nothing_gives_nothing() -> None:
    objects = np.zeros((20, 20), np.uint32)
    objects[2:9, 2:9], objects[2:9, 9:18] = 70_000, 9
    swapped = np.where(objects == 9, 70_000, np.where(objects, 9, 0))
    assert np.array_equal(border_classes(objects), border_classes(swapped))
    empty = np.zeros((7, 7), np.uint8)
    assert not border_classes(empty).any()
    assert not distance_map(empty).any()
    assert (border_weights(empty) == 1).all()
    assert not instances_from_borders(one_hot(empty)).any()
    assert not instances_from_distances(empty, empty).any()


def test_small_objects_are_left_out_and_the_rest_numbered() -> None:
    objects = np.zeros((30, 30), int)
    objects[1:4, 1:4], objects[10:20, 10:20] = 1, 2
    for found in (
        instances_from_borders(one_hot(border_classes(objects, 1))),
        instances_from_distances(objects > 0, distance_map(objects)),
    ):
        assert np.array_equal(found, (objects == 2).astype(int))
        assert found.dtype == np.int32
    assert instances_from_borders(one_hot(border_classes(objects, 1)), smallest=9).max() == 2


@settings(max_examples=12)
@given(blobs(touching=False))
def test_border_weights_are_those_of_the_paper(objects: NDArray[np.int32]) -> None:
    sigma, w0 = 3.0, 10.0
    each = [distance_transform_edt(objects != n) for n in np.unique(objects[objects > 0])]
    found = border_weights(objects, w0, sigma)
    assert (found[objects > 0] == 1).all()
    if len(each) < 2:
        assert (found == 1).all()
        return
    first, second = np.sort(each, axis=0)[:2]
    expected = 1 + w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    np.testing.assert_allclose(found[objects == 0], expected[objects == 0], atol=1e-5)
    np.testing.assert_array_equal(border_weights((objects > 0).astype(np.uint8), w0, sigma), found)


def test_ignored_pixels_weigh_nothing() -> None:
    classes = np.zeros((5, 9), np.uint8)
    classes[:, 0], classes[:, 4], classes[2, 7] = 1, 1, IGNORE
    weights = border_weights(classes)
    assert weights[2, 7] == 0
    assert weights[2, 2] == pytest.approx(1 + 10 * np.exp(-16 / 50))
    assert border_weights(classes.astype(np.int32))[2, 7] == 1, "in other types 255 is an object"


@pytest.mark.parametrize("make", [border_classes, distance_map, border_weights])
def test_what_is_no_label_map_is_refused(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput, match="intensities"):
        make(np.full((4, 4), 0.5))
    with pytest.raises(BadInput, match="0 or more"):
        make(np.full((4, 4), -1))
    with pytest.raises(ShapeError, match=r"\(H, W\)"):
        make(np.zeros((2, 4, 4), int))


def test_other_bad_input_is_refused() -> None:
    with pytest.raises(BadInput, match="1 or more"):
        border_classes(np.zeros((4, 4), int), width=0.5)
    with pytest.raises(BadInput, match="sigma above 0"):
        border_weights(np.zeros((4, 4), int), sigma=0)
    with pytest.raises(ShapeError, match="background, inside, border"):
        instances_from_borders(np.zeros((2, 4, 4)))
    with pytest.raises(ShapeError, match="both"):
        instances_from_distances(np.zeros((4, 4)), np.zeros((4, 5)))


def test_an_object_that_is_unsure_throughout_is_left_out() -> None:
    foreground = np.zeros((12, 24), np.float32)
    foreground[2:10, 2:10], foreground[2:10, 14:22] = 0.95, 0.7
    p = np.stack([1 - foreground, foreground, np.zeros_like(foreground)])
    assert instances_from_borders(p).max() == 1
    assert instances_from_borders(p)[5, 5] == 1
    assert instances_from_borders(p, sure=0.6).max() == 2
