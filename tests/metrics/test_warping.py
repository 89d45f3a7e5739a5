"""Warping keeps the topology, one flip at a time, and the error counts what it cannot mend."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from aplomb.errors import BadInput, ShapeError
from aplomb.metrics import warp, warping_error


@st.composite
def two_membranes(draw):
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))
    return draw(hnp.arrays(np.bool_, shape)), draw(hnp.arrays(np.bool_, shape))


def topology(membrane):
    """Numbers of cells, and of pieces of membrane in the frame that surrounds every picture."""
    framed = np.pad(membrane, 1, constant_values=True)
    return ndimage.label(~framed)[1], ndimage.label(framed, structure=np.ones((3, 3)))[1]


@given(two_membranes())
def test_a_warp_keeps_the_topology_and_comes_nearer(maps):
    source, target = maps
    warped = warp(source, target)
    assert topology(warped) == topology(source)
    moved = warped != source
    assert (warped[moved] == target[moved]).all()


@given(two_membranes())
def test_no_single_flip_that_would_help_is_left(maps):
    source, target = maps
    warped = warp(source, target)
    for place in np.argwhere(warped != target):
        flipped = warped.copy()
        flipped[tuple(place)] ^= True
        # the numbers of pieces miss a hole that closes while another opens, which no single flip does
        assert topology(flipped) != topology(warped)


@given(two_membranes())
def test_the_error_is_between_none_and_the_pixel_error(maps):
    labels, reference = maps
    assert 0 <= warping_error(labels, reference) <= np.mean(labels != reference)
    assert warping_error(labels, reference, reach=0) == np.mean(labels != reference)
    assert warping_error(labels, labels) == 0


def ring(centre, radius, width, size=48):
    rows, columns = np.mgrid[:size, :size]
    return np.abs(np.hypot(rows - centre[0], columns - centre[1]) - radius) < width


def test_a_shifted_thicker_ring_is_no_error():
    assert warping_error(ring((24, 25), 12, 2.5), ring((24, 24), 12, 1.5)) == 0


def test_a_broken_ring_costs_its_gap():
    whole = ring((24, 24), 12, 1.5)
    broken = whole.copy()
    broken[22:27, 30:] = False
    gap = whole.sum() - broken.sum()
    missing = warping_error(broken, whole) * whole.size
    # the wall thins to a line across the gap, but stays closed
    assert 1 <= missing <= gap
    assert missing == pytest.approx(5, abs=2)


def test_a_false_dot_costs_one_pixel_and_a_missing_wall_a_line():
    reference = ring((24, 24), 12, 1.5)
    dotted = reference.copy()
    dotted[24, 24] = True
    assert warping_error(dotted, reference) * reference.size == pytest.approx(1)
    left = warp(reference, np.zeros_like(reference))
    assert topology(left) == (2, 2)
    assert 50 < warping_error(np.zeros_like(reference), reference) * reference.size == left.sum() < 2 * np.pi * 12


def test_a_border_moves_no_farther_than_its_reach():
    reference, labels = np.zeros((2, 40, 30), bool)
    reference[:, 5:7], labels[:, 5:16] = True, True  # the wall has to grow by nine columns
    assert warping_error(labels, reference, reach=9) == 0
    assert warping_error(labels, reference, reach=8) > 0


def test_pixels_outside_the_mask_do_not_count():
    reference = ring((24, 24), 12, 1.5)
    dotted = reference.copy()
    dotted[24, 24] = True
    assert warping_error(dotted, reference, mask=~(dotted & ~reference)) == 0


def test_bad_maps_are_refused():
    wall = np.eye(5, dtype=bool)
    with pytest.raises(BadInput, match="reach of -1"):
        warping_error(wall, wall, reach=-1)
    with pytest.raises(BadInput, match="label 255"):
        warping_error(wall * np.uint8(255), wall)
    with pytest.raises(BadInput, match="label 255"):
        warping_error(wall, wall * np.uint8(255))
    with pytest.raises(ShapeError):
        warping_error(wall, wall[1:])
    with pytest.raises(BadInput, match="float64"):
        warping_error(wall * 0.5, wall)
