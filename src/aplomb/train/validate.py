"""PSNR on the validation pictures: fixed noise, whole pictures, the output clipped and rounded to 8 bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aplomb.train.crops import generator
from aplomb.train.losses import Network
from aplomb.train.noise import noisy
from aplomb.train.recipe import NoisePart

__all__ = ["Here", "Mapper", "noise_levels", "psnr_on", "restore_whole"]


class Mapper(Protocol):
    """What maps a function over arguments: a pool of threads, or `Here`."""

    def map(self, function: Callable[..., Any], /, *arguments: Iterable[Any]) -> Iterable[Any]: ...


class Here:
    """A pool without threads."""

    def map(self, function: Callable[..., Any], /, *arguments: Iterable[Any]) -> Iterable[Any]:
        return map(function, *arguments)


def noise_levels(noise: NoisePart, sigmas: Sequence[float]) -> dict[str, NoisePart]:
    """The noises to judge at, by their names: each of `sigmas`, else the middle of the recipe's ranges."""

    def middle(value: Any) -> Any:
        return sum(value) / 2 if isinstance(value, list) else value

    if noise.kind == "none":
        return {}
    if sigmas and noise.sigma is not None:
        return {f"{s:g}": noise.model_copy(update={"sigma": s, "peak": middle(noise.peak)}) for s in sigmas}
    fixed = {name: middle(getattr(noise, name)) for name in ("sigma", "peak", "amount")}
    label = " ".join(f"{name} {value:g}" for name, value in fixed.items() if value is not None)
    return {label: noise.model_copy(update=fixed)}


def restore_whole(network: Network, noisy_picture: Tensor, level: Tensor, multiple: int) -> Tensor:
    """A whole picture (1, C, H, W) through the network, mirrored at the edges to a multiple of `multiple`."""
    h, w = noisy_picture.shape[2:]
    grown = np.pad(noisy_picture.cpu().numpy(), ((0, 0), (0, 0), (0, -h % multiple), (0, -w % multiple)), mode="symmetric")
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

    PSNR = 10 log10(1 / mean (x - y)^2) with y clipped to 0..1 and rounded to 8 bit. The noise of a picture depends on
    its number and on the noise's name only.

    >>> pictures = [np.zeros((1, 32, 32), np.uint8)]
    >>> noises = noise_levels(NoisePart(sigma=25.5), [])
    >>> psnr_on(lambda y, level: 0 * y + 0.1, pictures, noises, 1, torch.device("cpu"))
    {'sigma 25.5': 19.83...}
    """

    def one(item: tuple[int, str]) -> float:
        index, label = item
        array = pictures[index]
        white = {"uint8": 255, "uint16": 65535}.get(array.dtype.name, 1)
        clean = torch.from_numpy(array.astype(np.float32) / np.float32(white))[None]
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
