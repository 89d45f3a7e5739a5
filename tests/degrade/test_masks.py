"""Masks to inpaint under."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

from aplomb.degrade.masks import lettering, random_pixels, regions, scratches
from aplomb.errors import BadInput


@pytest.mark.parametrize("draw", [lambda seed: random_pixels((40, 50), 0.3, seed),
                                  lambda seed: scratches((40, 50), 3, 2.0, seed),
                                  lambda seed: regions((40, 50), 3, 8, seed)])  # fmt: skip
def test_drawn_from_the_seed(draw):
    first = draw(1)
    assert first.dtype == bool
    assert first.shape == (40, 50)
    assert 0 < first.mean() < 1
    np.testing.assert_array_equal(first, draw(1))
    assert (first != draw(2)).any()


def test_scratches_are_as_wide_as_asked():
    hidden = ~scratches((200, 200), count=1, width=5, seed=3)
    y, x = np.nonzero(hidden)
    length = np.hypot(np.ptp(y), np.ptp(x))
    assert hidden.sum() / length == pytest.approx(5, rel=0.15)
    assert label(hidden).max() == 1
    assert scratches((20, 20), count=0).all()


def test_regions_are_whole_squares_within_the_picture():
    hidden = ~regions((64, 48), count=1, size=8, seed=4)
    y, x = np.nonzero(hidden)
    assert (np.ptp(y), np.ptp(x), hidden.sum()) == (7, 7, 64)
    assert not regions((8, 8), count=1, size=8).any()


def test_letters_are_separate_and_of_their_size():
    hidden = ~lettering((32, 60), "ll", size=16)  # a line of it repeats: strokes side by side
    assert label(hidden).max() >= 4
    assert np.ptp(np.flatnonzero(hidden[:25].any(axis=1))) == pytest.approx(0.76 * 16, abs=1.5)  # an ascender


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: random_pixels((4, 4), 0.0),
        lambda: random_pixels((4, 4), 1.5),
        lambda: random_pixels((4, 0), 0.5),
        lambda: random_pixels((4,), 0.5),
        lambda: scratches((4, 4), -1),
        lambda: scratches((4, 4), 1, 0.0),
        lambda: regions((4, 4), 1, 5),
        lambda: lettering((4, 4), " "),
        lambda: lettering((4, 4), "a", 0),
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(BadInput, match="asked for"):
        wrong()
