"""The task "denoise": clean or noisy pictures, noise that is drawn, PSNR."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aplomb.data import load_pictures
from aplomb.errors import RecipeError, ShapeError
from aplomb.model import Card
from aplomb.operator import Operator
from aplomb.train.feed import Feed
from aplomb.train.losses import Batch, Network
from aplomb.train.losses import loss as loss_of
from aplomb.train.pool import Mapper
from aplomb.train.recipe import DenoiseRecipe
from aplomb.train.split import split_pictures
from aplomb.train.task import Judged, Run, Task
from aplomb.train.validate import Judge

__all__ = ["Denoising", "reduced"]


class Denoising(Task[DenoiseRecipe]):
    """Pictures (C, H, W) for training and validation, and second noisy ones of the same scenes."""

    unit: ClassVar[str] = " dB"
    figure: ClassVar[str] = "PSNR"
    command: ClassVar[str] = "aplomb denoise noisy.png -o clean.png --model {}"

    def __init__(self, recipe: DenoiseRecipe, data: str | os.PathLike[str] | None) -> None:
        self.recipe = recipe
        part = recipe.data
        split, other, self.notes = split_pictures(recipe, part, data)

        def load(wanted: tuple[Path, ...]) -> list[NDArray[Any]]:
            return load_pictures(wanted, channels=part.channels)

        whole = load(split.train)
        self.train = [reduced(a, scale) for scale in part.scales for a in whole]
        self.validation = load(split.validation)
        self.pairs = load(tuple(other[f] for f in split.train)) if other else []
        self.validation_pairs = load(tuple(other[f] for f in split.validation)) if other and not part.validation else []
        self.files = split
        self.takes_level = False

    @property
    def described(self) -> Mapping[str, Any]:
        return {"noise": self.recipe.noise.kind, "loss": self.recipe.loss.kind}

    def check(self, network: Operator) -> None:
        check_network(self.recipe, network)
        self.takes_level = network.input_channels() == self.recipe.data.channels + 1

    def feed(self, device: torch.device, rank: int, world: int, workers: int) -> Feed:
        return Feed(self.recipe, self.train, self.pairs, device, rank, world, workers)

    def loss(self, run: Run, batch: Batch, draw: torch.Generator, progress: float) -> Tensor:
        return loss_of(self.recipe.loss, self._told(run), batch, draw, progress)

    def judge(self, network: Operator, device: torch.device, pool: Mapper) -> Callable[[Run, int], Judged]:
        judge = Judge(self.recipe, self.validation, self.validation_pairs, network, device, pool)
        return lambda run, step: judge(self._told(run), step)

    def _told(self, run: Run) -> Network:
        """The network as a function of picture and noise level."""

        def restore(y: Tensor, level: Tensor) -> Tensor:
            return run(torch.cat([y, level.expand(-1, 1, *y.shape[2:])], dim=1) if self.takes_level else y)

        return restore

    def arrays(self) -> list[NDArray[Any]]:
        return [*self.train, *self.pairs]

    def card(self, network: Operator) -> Card:
        sigma = self.recipe.noise.sigma
        low, high = sigma if isinstance(sigma, list) else (sigma, sigma)
        return Card(
            noise_map=network.input_channels() == self.recipe.data.channels + 1,
            noise_range=None if low is None or high is None else (low / 255, high / 255),
        )


def check_network(recipe: DenoiseRecipe, network: Operator) -> None:
    """Raise RecipeError unless the network takes the recipe's pieces and gives back as many channels and pixels."""
    part, data = recipe.network, recipe.data
    inputs = network.input_channels() or data.channels
    shape = (1, inputs, data.crop, data.crop)
    if inputs - data.channels not in (0, 1):
        raise RecipeError(
            f"{recipe.name}: network {part.name!r} takes {inputs} channel(s), colour = {data.colour!r} "
            f"gives {data.channels} (one more would hold the noise level)"
        )
    try:
        found = network.output_shape(shape)
    except ShapeError as error:
        raise RecipeError(f"{recipe.name}: [data] crop {data.crop} does not fit the network: {error}") from None
    if found != (1, data.channels, data.crop, data.crop):
        raise RecipeError(
            f"{recipe.name}: network {part.name!r} gives {found} for {shape}; it must keep the picture's size"
        )


def reduced(array: NDArray[Any], scale: float) -> NDArray[Any]:
    """A picture (C, H, W) at `scale` times its size, with a Gaussian against aliasing; its dtype is kept.

    >>> half = reduced(np.full((3, 8, 6), 200, np.uint8), 0.5)
    >>> half.shape, half.dtype, int(half.min())
    ((3, 4, 3), dtype('uint8'), 200)
    """
    if scale == 1:
        return array
    from skimage.transform import rescale

    result = rescale(array, scale, order=3, channel_axis=0, anti_aliasing=True, preserve_range=True)
    if array.dtype.kind == "u":
        result = np.clip(np.rint(result), 0, np.iinfo(array.dtype).max)
    return np.asarray(result.astype(array.dtype))
