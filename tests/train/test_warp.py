"""Pieces in other shapes: labels go where their pixels go."""

import pytest
import torch

from aplomb.train.crops import generator
from aplomb.train.recipe.segment import AugmentPart
from aplomb.train.warp import lit, warp


def scene(side: int = 64) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return (((y - 30) ** 2 + (x - 26) ** 2) < 15**2).float()[None, None]


@pytest.mark.parametrize("settings", [{"rotate": 40}, {"scale": 0.3}, {"shear": 20}, {"shift": 6}, {"elastic": 3}])
def test_a_picture_and_its_labels_move_alike(settings):
    part = AugmentPart(**settings)
    both = warp(scene().repeat(4, 2, 1, 1), part, generator(0), pictures=1)
    picture, labels = both[:, :1], both[:, 1:]
    assert set(labels.unique().tolist()) == {0.0, 1.0}
    assert ((picture > 0.5).float() == labels).float().mean() > 0.985
    assert (scene() == labels).float().mean() < 0.995, "and they do move"
    assert not torch.equal(labels[0], labels[1]), "each in its own way"


def test_the_same_draw_gives_the_same_and_nothing_asked_changes_nothing():
    part = AugmentPart(rotate=30, elastic=2)
    first, again = (warp(scene(), part, generator(3), 1) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(warp(scene(), AugmentPart(), generator(3), 1), scene())


def test_elastic_displacements_are_as_large_as_said():
    side, part = 128, AugmentPart(elastic=3, smoothness=8)
    ramp = torch.arange(side).float().expand(8, 1, side, side)
    moved = (warp(ramp, part, generator(0), 1) - ramp)[..., 32:-32, 32:-32]
    assert float(moved.std()) == pytest.approx(3, rel=0.25)


def test_light_is_an_affine_map_of_grey_levels():
    x = torch.rand(5, 1, 8, 8, generator=generator(0))
    y = lit(x, AugmentPart(brightness=0.3, contrast=0.2), generator(1))
    for a, b in zip(x, y, strict=True):
        slope = (b - b.mean()).norm() / (a - a.mean()).norm()
        assert 0.8 <= float(slope) <= 1.2
        assert abs(float((b - slope * a).mean())) <= 0.3 + 1e-6


def test_stains_differ_from_channel_to_channel():
    x = torch.rand(4, 3, 8, 8, generator=generator(0))
    y = lit(x, AugmentPart(stain=0.3), generator(1))
    slopes = (y - y.mean((2, 3), keepdim=True)).norm(dim=(2, 3)) / (x - x.mean((2, 3), keepdim=True)).norm(dim=(2, 3))
    assert 0.7 <= float(slopes.min()) < float(slopes.max()) <= 1.3
    assert float(slopes.std(dim=1).min()) > 0.01
