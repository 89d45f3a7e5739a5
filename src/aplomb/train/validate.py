"""PSNR on the validation pictures: fixed noise, whole pictures, the output clipped and rounded to 8 bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aplomb.operator import Operator
from aplomb.train.crops import floats, generator
from aplomb.train.feed import Feed
from aplomb.train.losses import Network, loss
from aplomb.train.noise import noisy
from aplomb.train.pool import Here, Mapper
from aplomb.train.recipe import SUPERVISED, DenoiseRecipe, NoisePart
from aplomb.train.task import Judged

__all__ = ["Judge", "noise_levels", "psnr_on", "restore_whole"]


class Judge:
    """Scores weights on the validation pictures; a higher score is a better one.

    With clean pictures the score is their mean PSNR. A run that trains without any has none to choose its
    weights by either, so its score is minus its own loss on the validation pictures; where those are clean,
    PSNR is told beside it. Without validation pictures the last weights are the best.
    """

    def __init__(
        self,
        recipe: DenoiseRecipe,
        pictures: Sequence[NDArray[Any]],
        pairs: Sequence[NDArray[Any]],
        operator: Operator,
        device: torch.device,
        pool: Mapper,
    ) -> None:
        self.recipe, self.pictures, self.device, self.pool = recipe, pictures, device, pool
        self.noises = noise_levels(recipe.noise, recipe.validation.sigma)
        self.multiple = math.lcm(*(operator.grid(axis).stride for axis in (0, 1)))
        self.held: Feed | None = None
        if recipe.loss.kind not in SUPERVISED and self.pictures:
            self.held = Feed(recipe, self.pictures, pairs, device)

    @torch.no_grad()
    def __call__(self, network: Network, step: int) -> Judged:
        """PSNR by noise of `network`, in evaluation mode, after `step` steps."""
        if not self.pictures:
            return Judged(float(step), {})
        psnr = psnr_on(network, self.pictures, self.noises, self.multiple, self.device, self.pool)
        if self.held is None:
            return Judged(sum(psnr.values()) / len(psnr), psnr)
        draws = [(self.held.chunk(s, 0), self.held.loss_generator(s, 0)) for s in range(8)]
        losses = [loss(self.recipe.loss, network, batch, draw) for batch, draw in draws]
        held = float(torch.stack(losses).mean())
        return Judged(-held, psnr, held)


def noise_levels(noise: NoisePart, sigmas: Sequence[float]) -> dict[str, NoisePart]:
    """The noises to judge at, by their names: each of `sigmas`, else the middle of the recipe's ranges."""

    def middle(value: Any) -> Any:
        return sum(value) / 2 if isinstance(value, list) else value

    if noise.kind == "none":
        return {}
    if sigmas and noise.sigma is not None:
        return {f"sigma {s:g}": noise.model_copy(update={"sigma": s, "peak": middle(noise.peak)}) for s in sigmas}
    fixed = {name: middle(getattr(noise, name)) for name in ("sigma", "peak", "fraction")}
    label = " ".join(f"{name} {value:g}" for name, value in fixed.items() if value is not None)
    return {label: noise.model_copy(update=fixed)}


def restore_whole(network: Network, noisy_picture: Tensor, level: Tensor, multiple: int) -> Tensor:
    """A whole picture (1, C, H, W) through the network, mirrored at the edges to a multiple of `multiple`."""
    h, w = noisy_picture.shape[2:]
    grown = np.pad(
        noisy_picture.cpu().numpy(),
        ((0, 0), (0, 0), (0, -h % multiple), (0, -w % multiple)),
        mode="symmetric",
    )
    return network(torch.from_numpy(grown).to(noisy_picture.device), level).float()[:, :, :h, :w]


def psnr_on(
    network: Network,
    pictures: Sequence[NDArray[Any]],
    noises: dict[str, NoisePart],
    multiple: int,
    device: torch.device,
    pool: Mapper | None = None,
) -> dict[str, float]:
    """Mean PSNR in dB over `pictures` (C, H, W) for each noise.

    PSNR = 10 log10(1 / mean (x - y)^2) with y clipped to 0..1 and rounded to 8 bit. The noise of a picture
    depends on its number and on the noise's name only.

    >>> pictures = [np.zeros((1, 32, 32), np.uint8)]
    >>> noises = noise_levels(NoisePart(sigma=25.5), [])
    >>> psnr_on(lambda y, level: 0 * y + 0.1, pictures, noises, 1, torch.device("cpu"))
    {'sigma 25.5': 19.83...}
    """

    def one(item: tuple[int, str]) -> float:
        index, label = item
        clean = torch.from_numpy(floats(pictures[index]))[None]
        draw = generator(20, index, *label.encode())
        y, level = noisy(clean, noises[label], draw, draw)  # drawn on the CPU, the same for every device
        with torch.no_grad():
            result = restore_whole(network, y.to(device), level.to(device), multiple).cpu()
        error = float((((result.clamp(0, 1) * 255).round() / 255 - clean).double() ** 2).mean())
        return 10 * math.log10(1 / max(error, 1e-12))

    found = {}
    for label in noises:
        values = list((pool or Here()).map(one, [(index, label) for index in range(len(pictures))]))
        found[label] = sum(values) / len(values)
    return found
