"""Losses of segmentations: per pixel (cross-entropy, focal), per region (Dice), of distances, and their sums."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from aplomb.io import IGNORE
from aplomb.recognise.targets import Target
from aplomb.train.recipe.segment import SegmentLossPart

__all__ = ["dice_loss", "focal_loss", "pixel_loss", "segmentation_loss"]


def segmentation_loss(
    part: SegmentLossPart,
    target: Target,
    logits: Tensor,
    truth: Tensor,
    pixel_weights: Tensor | None = None,
    class_weights: Tensor | None = None,
) -> Tensor:
    """The sum of the terms that `part` names, a scalar.

    Parameters
    ----------
    part
        Terms and their weights.
    target
        What the logits are of.
    logits
        (N, K, H, W) for classes; (N, 2, H, W), object and distance, for distances.
    truth
        (N, 1, H, W) with classes, or (N, 2, H, W) with objects and distances; class `IGNORE` does not count.
    pixel_weights
        (N, 1, H, W), for example `aplomb.recognise.targets.border_weights`.
    class_weights
        (K,).

    Examples
    --------
    >>> logits = torch.tensor([[[[9.0, -9.0]], [[-9.0, 9.0]]]])
    >>> truth = torch.tensor([[[[0.0, 1.0]]]])
    >>> both = SegmentLossPart(terms={"cross-entropy": 1.0, "dice": 1.0})
    >>> float(segmentation_loss(both, "regions", logits, truth)) < 1e-3
    True
    """
    logits = logits.float()
    classes = truth[:, 0].long()
    scores = logits
    if target == "distances":
        # of two classes with logits 0 and z, the second has the probability sigmoid(z)
        scores = torch.stack([torch.zeros_like(logits[:, 0]), logits[:, 0]], 1)
    weights = None if pixel_weights is None else pixel_weights[:, 0]
    total = logits.new_zeros(())
    for name, factor in part.terms.items():
        if name == "dice":
            total = total + factor * dice_loss(scores, classes)
        elif name == "focal":
            total = total + factor * focal_loss(scores, classes, weights, class_weights, part.gamma)
        else:
            total = total + factor * pixel_loss(scores, classes, weights, class_weights)
    if target == "distances":
        counts = classes != IGNORE
        error = (logits[:, 1].sigmoid() - truth[:, 1]).square()
        total = total + part.distance * (error * counts).sum() / counts.sum().clamp(min=1)
    return total


def pixel_loss(
    logits: Tensor, classes: Tensor, weights: Tensor | None = None, class_weights: Tensor | None = None
) -> Tensor:
    """Cross-entropy, - sum w log p / sum w over the pixels that count; logits (N, K, H, W), classes (N, H, W)."""
    each = F.cross_entropy(logits, classes, reduction="none", ignore_index=IGNORE)
    return _mean(each, classes, weights, class_weights)


def focal_loss(
    logits: Tensor,
    classes: Tensor,
    weights: Tensor | None = None,
    class_weights: Tensor | None = None,
    gamma: float = 2.0,
) -> Tensor:
    """- sum w (1 - p)^gamma log p / sum w. Reference: Lin et al., "Focal loss", ICCV 2017.

    >>> logits, classes = torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.long)
    >>> round(float(focal_loss(logits, classes) / pixel_loss(logits, classes)), 4)
    0.25
    """
    each = F.cross_entropy(logits, classes, reduction="none", ignore_index=IGNORE)
    return _mean((1 - torch.exp(-each)) ** gamma * each, classes, weights, class_weights)


def dice_loss(logits: Tensor, classes: Tensor, smooth: float = 1.0) -> Tensor:
    """1 - mean over classes of (2 sum p t + s) / (sum p + sum t + s), sums over the batch's pixels that count.

    Reference: Milletari et al., "V-Net", 3DV 2016; of a class that is not there, nothing is asked.

    >>> logits = torch.tensor([[[[20.0, -20.0]], [[-20.0, 20.0]]]])
    >>> round(float(dice_loss(logits, torch.tensor([[[0, 1]]]))), 4)
    0.0
    """
    counts = (classes != IGNORE)[:, None]
    p = logits.softmax(1) * counts
    t = F.one_hot(classes.where(counts[:, 0], 0), logits.shape[1]).movedim(-1, 1) * counts
    overlap, size = (p * t).sum((0, 2, 3)), t.sum((0, 2, 3))
    dice = (2 * overlap + smooth) / (p.sum((0, 2, 3)) + size + smooth)
    there = size > 0
    return 1 - (dice * there).sum() / there.sum().clamp(min=1)


def _mean(each: Tensor, classes: Tensor, weights: Tensor | None, class_weights: Tensor | None) -> Tensor:
    """Weighted mean over the pixels that count."""
    counts = (classes != IGNORE).to(each.dtype)
    if weights is not None:
        counts = counts * weights
    if class_weights is not None:
        counts = counts * class_weights[classes.where(classes != IGNORE, 0)]
    return (each * counts).sum() / counts.sum().clamp(min=1e-6)
