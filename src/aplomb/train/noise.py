"""Noise drawn in torch, on the device, a level for each piece: the laws of `aplomb.degrade.noise`."""

from __future__ import annotations

import torch
from torch import Tensor

from aplomb.train.recipe import NoisePart
from aplomb.train.recipe.parts import Range

__all__ = ["draw_levels", "noisy"]


def draw_levels(value: Range | None, count: int, law: str, draw: torch.Generator) -> Tensor:
    """`count` values from the range, shape (count, 1, 1, 1).

    >>> draw_levels(25.0, 2, "uniform", torch.Generator()).flatten().tolist()
    [25.0, 25.0]
    """
    low, high = value if isinstance(value, list) else (value or 0.0, value or 0.0)
    u = torch.rand(count, 1, 1, 1, generator=draw)
    return low * (high / low) ** u if law == "log-uniform" else low + (high - low) * u


def noisy(clean: Tensor, part: NoisePart, draw: torch.Generator, device_draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noisy pictures, and the standard deviation of their noise (root mean square over each picture).

    ::

        gaussian          y = x + sigma n                 n ~ N(0, 1)
        poisson           y = Poisson(peak x) / peak
        poisson-gaussian  y = Poisson(peak x) / peak + sigma n
        speckle           y = x + sigma x n
        salt-and-pepper   y = 0 or 1 with probability fraction / 2 each, else x

    Parameters
    ----------
    clean
        (N, C, H, W), 0..1.
    part
        Kind and ranges; sigma in 8-bit grey levels.
    draw, device_draw
        Generators for the levels (on the CPU) and for the noise (where `clean` is).

    Returns
    -------
    y, level
        (N, C, H, W) and (N, 1, 1, 1), in the range of `clean`.

    Examples
    --------
    >>> draw = torch.Generator()
    >>> y, level = noisy(torch.zeros(1, 1, 64, 64), NoisePart(sigma=51.0), draw, draw)
    >>> round(float(y.std()), 2), round(float(level), 2)
    (0.2, 0.2)
    """
    n = len(clean)
    sigma = (draw_levels(part.sigma, n, part.law, draw) / 255).to(clean.device)
    peak = draw_levels(part.peak, n, part.law, draw).to(clean.device)
    fraction = draw_levels(part.fraction, n, part.law, draw).to(clean.device)

    def normal() -> Tensor:
        return torch.randn(clean.shape, generator=device_draw, device=clean.device)

    def photons() -> Tensor:
        return torch.poisson(clean.clamp_min(0) * peak, generator=device_draw) / peak

    def power(variance: Tensor) -> Tensor:
        return variance.mean((1, 2, 3), keepdim=True).sqrt()

    if part.kind == "gaussian":
        return torch.addcmul(clean, normal(), sigma), sigma
    if part.kind == "poisson":
        return photons(), power(clean / peak)
    if part.kind == "poisson-gaussian":
        return photons() + sigma * normal(), power(clean / peak + sigma**2)
    if part.kind == "speckle":
        return clean + sigma * clean * normal(), power((sigma * clean) ** 2)
    if part.kind == "salt-and-pepper":
        u = torch.rand(clean.shape, generator=device_draw, device=clean.device)
        y = torch.where(u < fraction / 2, 0.0, torch.where(u > 1 - fraction / 2, 1.0, clean))
        return y, power((clean**2 + (1 - clean) ** 2) * fraction / 2)
    return clean, torch.zeros_like(sigma)
