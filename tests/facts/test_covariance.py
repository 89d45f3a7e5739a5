"""Translation covariance: measured where it is derived, on all makers, and an operator that lies is caught."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from aplomb.errors import BadInput, ShapeError
from aplomb.facts.covariance import translation_covariance
from aplomb.layers import conv, dense, layer_norm, max_pool, pad, relu, upsample_repeat
from aplomb.operator import Grid, Operator, chain, identity
from makers import GROUPS, Maker

PICTURES = [maker for group in GROUPS.values() for maker in group if len(maker.shape) == 4]


@pytest.mark.parametrize("maker", PICTURES, ids=lambda maker: maker.name)
def test_it_is_a_fact(maker: Maker) -> None:
    operator = maker.operator
    found = translation_covariance(operator, maker.input()[:1])
    assert found.holds, str(found)
    grids = [operator.grid(axis) for axis in (0, 1)]
    assert found.stride == (grids[0].stride, grids[1].stride)
    for axis, grid in enumerate(grids):
        local = grid.stride > 0 and np.isfinite(operator.span((0, 1), axis)[0])
        exact = [s.pixels for s in found.shifts if s.axis == axis and s.kind == "exact"]
        assert exact == ([grid.stride, 2 * grid.stride] if local else [])


@dataclass(frozen=True, eq=False)
class Blocks(Operator):
    """The mean over blocks of 2 x 2, in each pixel's place; `stride` and `reach` are what it claims."""

    stride: int = 2
    reach: int = 1

    def _numpy(self, x):
        means = x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2).mean(axis=(3, 5), keepdims=True)
        return np.broadcast_to(means, (*means.shape[:3], 2, means.shape[4], 2)).reshape(x.shape)

    def _output_shape(self, shape):
        if shape[2] % 2 or shape[3] % 2:
            raise ShapeError(f"even sizes, found {shape}")
        return shape

    def grid(self, axis=0):
        return Grid(self.stride)

    def _span(self, interval, axis):
        return interval[0] - self.reach, interval[1] + self.reach


def test_an_operator_that_lies_is_caught() -> None:
    assert translation_covariance(Blocks()).holds
    assert translation_covariance(Blocks(), name="honest").to_dict()["worst"] == 0
    lie = translation_covariance(chain(conv(1, 1), Blocks(stride=1)))
    assert not lie.holds
    assert lie.sentence.startswith("NOT covariant, though derived: a shift by 1 pixels along the rows")
    assert "yes: WRONG" in str(lie)


def test_a_span_that_is_too_short_is_caught() -> None:
    @dataclass(frozen=True, eq=False)
    class Blinkered(Operator):
        def _numpy(self, x):
            return pad(3)(x)[:, :, 6:, 3:-3] + x

        def _span(self, interval, axis):
            return interval

    assert not translation_covariance(Blinkered()).holds


def test_shorter_shifts_are_measured() -> None:
    found = translation_covariance(chain(max_pool(4), upsample_repeat(4)))
    shorter = [s for s in found.shifts if s.kind == "shorter"]
    assert {s.pixels for s in shorter} == {1, 2, 3}
    assert all(s.relative > 0.01 for s in shorter)
    assert "Shorter shifts change it by up to" in found.sentence
    # against a computation of its own
    x = np.random.default_rng(0).random((1, 1, 64, 64))
    assert found.shifts[0].kind == "shorter"
    mine = translation_covariance(chain(max_pool(4), upsample_repeat(4)), x).shifts[0]
    y = chain(max_pool(4), upsample_repeat(4))
    scene = np.pad(x, ((0, 0), (0, 0), (0, 3), (0, 0)), mode="symmetric")  # room for the longest shift is less than 64
    still, moved = y(scene[:, :, :64]), y(scene[:, :, 1:65])
    lo, hi = mine.margin
    a, b = moved[:, :, lo : 64 - hi - 1], still[:, :, lo + 1 : 64 - hi]
    assert mine.difference == pytest.approx(abs(a - b).max())
    assert mine.relative == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_margins_are_those_of_the_span() -> None:
    network = identity - chain(conv(1, 2), relu, conv(2, 1, 5))
    exact = [s for s in translation_covariance(network).shifts if s.kind == "exact"]
    assert {s.margin for s in exact} == {(3, 3)}


def test_a_circle_is_closed_where_every_border_wraps() -> None:
    closed = translation_covariance(chain(conv(1, 2, padding="circular"), relu, conv(2, 1, padding="circular")))
    assert "In a circle this is so at every pixel." in closed.sentence
    mixed = translation_covariance(chain(conv(1, 2, padding="circular"), relu, conv(2, 1, padding="reflect")))
    assert mixed.holds
    assert "In a circle, pixels at the border differ" in mixed.sentence


def test_where_nothing_is_derived_it_says_so() -> None:
    found = translation_covariance(chain(conv(1, 2), layer_norm(2, over="all")))
    assert not [s for s in found.shifts if s.kind == "exact"]
    assert found.sentence.startswith("Nothing is derived")
    assert json.loads(json.dumps(found.to_dict()))["worst"] == 0


def test_what_cannot_be_asked() -> None:
    with pytest.raises(BadInput, match="it has no pixels"):
        translation_covariance(dense(4, 2))
    with pytest.raises(ShapeError, match=r"give \(1, C, H, W\)"):
        translation_covariance(conv(1, 1), np.zeros((8, 8)))
    with pytest.raises(ShapeError):
        translation_covariance(conv(1, 1), np.zeros((1, 3, 8, 8)))
