"""Pieces in other shapes and lights: rotations, scales, elastic displacements, brightness; labels go with them."""

from __future__ import annotations

import math

import torch
from kornia.geometry.transform import elastic_transform2d, get_affine_matrix2d, warp_affine
from torch import Tensor

from aplomb.train.recipe.segment import AugmentPart

__all__ = ["lit", "warp"]


def warp(pieces: Tensor, part: AugmentPart, draw: torch.Generator, pictures: int) -> Tensor:
    """Pieces (N, C, H, W), each by an affine and an elastic map of its own; beyond the edge they are mirrored.

    The first `pictures` channels are interpolated linearly; those behind hold labels and take the nearest value.
    References: Simard et al., "Best practices for convolutional neural networks applied to visual document analysis",
    ICDAR 2003 (elastic); Ronneberger et al., "U-Net", MICCAI 2015 (for few annotated pictures).

    >>> part = AugmentPart(rotate=30, elastic=2, smoothness=4)
    >>> labels = torch.arange(2).repeat_interleave(8).expand(1, 1, 16, 16).float()
    >>> warp(labels, part, torch.Generator().manual_seed(0), pictures=0).unique().tolist()
    [0.0, 1.0]
    """
    n, _, h, w = pieces.shape

    def between(limit: float) -> Tensor:
        return (2 * torch.rand(n, generator=draw) - 1) * limit

    kinds = [(pieces[:, :pictures], "bilinear"), (pieces[:, pictures:], "nearest")]
    parts = [(values, mode) for values, mode in kinds if values.shape[1]]
    if part.rotate or part.scale or part.shear or part.shift:
        centre = torch.tensor([[(w - 1) / 2, (h - 1) / 2]]).expand(n, 2)
        scale = (1 + between(part.scale))[:, None].expand(n, 2)
        shift = torch.stack([between(part.shift), between(part.shift)], 1)
        sheared = [torch.deg2rad(between(part.shear)) for _ in range(2)]
        matrix = get_affine_matrix2d(shift, centre, scale, between(part.rotate), *sheared)[:, :2].to(pieces)
        parts = [(warp_affine(v, matrix, (h, w), mode, padding_mode="reflection"), mode) for v, mode in parts]
    if part.elastic:
        # white noise smoothed by a Gaussian of sigma s has 1 / (2 s sqrt(pi)) of its deviation left
        s = part.smoothness
        taps = min(2 * math.ceil(3 * s) + 1, (min(h, w) - 1) // 2 * 2 + 1)
        noise = (torch.randn(n, 2, h, w, generator=draw) * 2 * s * math.sqrt(math.pi)).to(pieces)
        reach = (part.elastic * 2 / h, part.elastic * 2 / w)  # positions run from -1 to 1
        parts = [
            (elastic_transform2d(v, noise, (taps, taps), (s, s), reach, True, mode, "reflection"), mode)
            for v, mode in parts
        ]
    return torch.cat([values for values, _ in parts], 1)


def lit(pictures: Tensor, part: AugmentPart, draw: torch.Generator) -> Tensor:
    """Pictures (N, C, H, W), each in another light: a x + b with a and b of its own; with `stain`, channel by channel.

    >>> ones = torch.ones(1, 1, 1, 1)
    >>> bool((lit(ones, AugmentPart(contrast=0.2), torch.Generator().manual_seed(0)) - 1).abs() <= 0.2)
    True
    """
    n, channels = pictures.shape[:2]
    a, b = ((2 * torch.rand(n, 1, 1, 1, generator=draw) - 1).to(pictures) for _ in range(2))
    result = pictures * (1 + part.contrast * a) + part.brightness * b
    if part.stain:
        a, b = ((2 * torch.rand(n, channels, 1, 1, generator=draw) - 1).to(pictures) for _ in range(2))
        result = result * (1 + part.stain * a) + part.stain * b
    return result
