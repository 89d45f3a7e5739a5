"""Losses: with clean pictures, and without.

A loss is a function of the network, a batch and a generator. `network(y, level)` restores pictures y
(N, C, H, W) of noise level (N, 1, 1, 1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from aplomb.errors import RunError
from aplomb.train.recipe import LossPart

__all__ = ["Batch", "Network", "loss", "neighbours"]

Network = Callable[[Tensor, Tensor], Tensor]


class Batch(NamedTuple):
    """Noisy pictures, what the result is compared with (clean or noisy; None: nothing), the noise's level."""

    noisy: Tensor
    target: Tensor | None
    level: Tensor


def loss(part: LossPart, network: Network, batch: Batch, draw: torch.Generator, progress: float = 0.0) -> Tensor:
    """The loss that `part` names, a scalar; `progress` is the share of the run that is done.

    >>> batch = Batch(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 1, 1))
    >>> float(loss(LossPart(kind="mse"), lambda y, level: y / 2, batch, torch.Generator()))
    0.25
    """
    if part.kind == "sure":
        return sure(network, batch, draw)
    if part.kind == "neighbour2neighbour":
        return neighbour2neighbour(network, batch, draw, part.gamma * progress)
    if batch.target is None:
        raise RunError(f"loss {part.kind!r} was given no picture to compare with")
    error = network(batch.noisy, batch.level).float() - batch.target
    if part.kind == "l1":
        return error.abs().mean()
    if part.kind == "charbonnier":  # Charbonnier et al., ICIP 1994
        return (error * error + 1e-6).sqrt().mean()
    if part.kind == "psnr":  # the mean PSNR itself, up to sign and factor; as in Chen et al., NAFNet, ECCV 2022
        return (error.square().mean((1, 2, 3)) + 1e-5).log().mean()
    return (error * error).mean()  # mse, and noise2noise: Lehtinen et al., ICML 2018


def sure(network: Network, batch: Batch, draw: torch.Generator, step: float = 1e-3) -> Tensor:
    """Stein's unbiased estimate of the mean square error, from the noisy picture y and sigma alone.

    E ||f(y) - x||^2 / n = E [ ||f(y) - y||^2 / n - sigma^2 + 2 sigma^2 div f(y) / n ]

    The divergence is estimated with one probe b of random signs, b^T (f(y + e b) - f(y)) / e. In float32: in
    bf16 the difference drowns. References: Stein, Annals of Statistics 1981; Ramani, Blu and Unser, IEEE TIP
    2008; Soltanayev and Chun, NeurIPS 2018.
    """
    y, variance = batch.noisy, batch.level**2
    probe = torch.randint(0, 2, y.shape, generator=draw, device=y.device).to(y.dtype) * 2 - 1
    with torch.autocast(y.device.type, enabled=False):
        both = network(torch.cat([y, y + step * probe]), torch.cat([batch.level, batch.level])).float()
    result, moved = both.chunk(2)
    divergence = probe * (moved - result) / step
    return ((result - y) ** 2 + variance * (2 * divergence - 1)).mean()


def neighbours(y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two pixels of each 2x2 block, neighbours, at random: indices 0..3, each (N, 1, H/2, W/2)."""
    n, _, h, w = y.shape
    pairs = torch.tensor([[0, 1], [0, 2], [1, 3], [2, 3], [1, 0], [2, 0], [3, 1], [3, 2]], device=y.device)
    drawn = pairs[torch.randint(0, 8, (n, 1, h // 2, w // 2), generator=draw, device=y.device)]
    return drawn[..., 0], drawn[..., 1]


def _pick(y: Tensor, which: Tensor) -> Tensor:
    n, c, h, w = y.shape
    blocks = y.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
    return blocks.gather(4, which[..., None].expand(n, c, h // 2, w // 2, 1))[..., 0]


def neighbour2neighbour(network: Network, batch: Batch, draw: torch.Generator, gamma: float) -> Tensor:
    """One noisy picture as two: neighbouring pixels g1(y), g2(y) have the same scene and independent noise.

    ||f(g1 y) - g2 y||^2 + gamma ||f(g1 y) - g2 y - (g1 f(y) - g2 f(y))||^2

    The second term makes up for the neighbours' scenes not being quite the same; its weight grows from 0 over
    the run, as in the paper. Reference: Huang et al., "Neighbor2Neighbor", CVPR 2021.
    """
    first, second = neighbours(batch.noisy, draw)
    with torch.no_grad():
        whole = network(batch.noisy, batch.level).float()
    error = network(_pick(batch.noisy, first), batch.level).float() - _pick(batch.noisy, second)
    gap = _pick(whole, first) - _pick(whole, second)
    return (error**2).mean() + gamma * ((error - gap) ** 2).mean()
