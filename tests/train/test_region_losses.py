"""Losses of segmentations against their formulas."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aplomb.io import IGNORE
from aplomb.train.recipe.segment import SegmentLossPart
from aplomb.train.region_losses import dice_loss, focal_loss, pixel_loss, segmentation_loss


def drawn(seed: int, classes: int = 3):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, 4, 5, generator=draw)
    return logits, torch.randint(0, classes, (2, 4, 5), generator=draw)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_pixel_loss_is_the_weighted_mean_of_minus_log_p(seed):
    logits, classes = drawn(seed)
    weights = torch.rand(2, 4, 5, generator=torch.Generator().manual_seed(seed))
    of_class = torch.tensor([1.0, 2.0, 0.5])
    p = logits.double().softmax(1).gather(1, classes[:, None])[:, 0].numpy()
    w = weights.numpy() * of_class.numpy()[classes.numpy()]
    expected = -(w * np.log(p)).sum() / w.sum()
    assert float(pixel_loss(logits, classes, weights, of_class)) == pytest.approx(expected, rel=1e-4)
    focal = -(w * (1 - p) ** 2 * np.log(p)).sum() / w.sum()
    assert float(focal_loss(logits, classes, weights, of_class)) == pytest.approx(focal, rel=1e-4)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_dice_is_the_overlap_of_each_class(seed):
    logits, classes = drawn(seed)
    p, t = logits.double().softmax(1).numpy(), np.eye(3)[classes.numpy()].transpose(0, 3, 1, 2)
    there = t.sum((0, 2, 3)) > 0
    dice = (2 * (p * t).sum((0, 2, 3)) + 1) / (p.sum((0, 2, 3)) + t.sum((0, 2, 3)) + 1)
    assert float(dice_loss(logits, classes)) == pytest.approx(1 - dice[there].mean(), rel=1e-4)


@pytest.mark.parametrize("loss", [pixel_loss, focal_loss, dice_loss])
def test_what_is_ignored_changes_nothing(loss):
    logits, classes = drawn(0)
    classes[:, 2:] = IGNORE
    value = loss(logits, classes)
    logits[:, :, 2:] = 50 * torch.randn(2, 3, 2, 5)
    assert float(loss(logits, classes)) == pytest.approx(float(value), rel=1e-5)


@pytest.mark.parametrize("name", ["cross-entropy", "focal", "dice"])
def test_the_right_answer_costs_nothing_and_sums_are_sums(name):
    _, classes = drawn(1)
    right = 40.0 * torch.nn.functional.one_hot(classes, 3).movedim(-1, 1).float()
    one = SegmentLossPart(terms={name: 1.0})
    assert float(segmentation_loss(one, "regions", right, classes[:, None].float())) < 0.02
    logits, classes = drawn(2)
    truth = classes[:, None].float()
    both = SegmentLossPart(terms={name: 2.0, "cross-entropy": 1.0} if name != "cross-entropy" else {name: 3.0})
    alone = [float(segmentation_loss(SegmentLossPart(terms={n: w}), "regions", logits, truth))
             for n, w in both.terms.items()]  # fmt: skip
    assert float(segmentation_loss(both, "regions", logits, truth)) == pytest.approx(sum(alone), rel=1e-5)


def test_distances_are_an_object_and_how_deep():
    part = SegmentLossPart(distance=1.0)
    truth = torch.zeros(1, 2, 4, 4)
    truth[:, 0, :, 2:] = 1
    truth[:, 1, :, 3] = 0.5
    logits = torch.where(truth[:, :1] > 0, 30.0, -30.0).repeat(1, 2, 1, 1)
    logits[:, 1] = torch.logit(truth[:, 1], eps=1e-7)
    assert float(segmentation_loss(part, "distances", logits, truth)) < 1e-6
    logits[:, 1] = 0.0  # a half everywhere
    assert float(segmentation_loss(part, "distances", logits, truth)) == pytest.approx(0.25 * 12 / 16, rel=1e-4)
