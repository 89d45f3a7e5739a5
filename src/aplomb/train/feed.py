"""From pictures in memory to batches: pieces, noise, and what each loss compares with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aplomb.classical.noise_level import estimate_sigma
from aplomb.errors import RecipeError
from aplomb.train.crops import Flips, PictureSet, floats, generator, order, saturate
from aplomb.train.losses import Batch
from aplomb.train.noise import draw_levels, noisy
from aplomb.train.recipe import DenoiseRecipe
from aplomb.train.task import Shares

__all__ = ["Feed"]

CROPS, NOISE, STORED = 2, 3, 4
"""Purposes of random numbers, part of their seed; 1 is the order of the pictures."""


class Feed(Shares):
    """Batches by step: what step s gets depends on (seed, s) alone, so that a resumed run gets the same.

    Parameters
    ----------
    recipe
        Pieces, noise, loss, batch and seed.
    arrays
        Pictures (C, H, W).
    pairs
        Second noisy pictures of the same scenes, or nothing.
    device
        Where pictures are kept and noise is drawn.
    rank, world
        Number of this process and how many share a batch.
    workers
        Chunks that each share is cut into where the recipe gives no size for them.

    Raises
    ------
    RecipeError
        The pairs do not fit, or the batch cannot be shared out.
    """

    def __init__(
        self,
        recipe: DenoiseRecipe,
        arrays: Sequence[NDArray[Any]],
        pairs: Sequence[NDArray[Any]] = (),
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
        workers: int = 1,
    ) -> None:
        super().__init__(recipe, len(arrays), rank, world, workers)
        self.recipe, self.device = recipe, torch.device(device)
        self.channels = recipe.data.channels
        self.clean = recipe.noise.kind != "none" and not recipe.noise.once
        self.twice = recipe.loss.kind == "noise2noise"
        self.levels = torch.zeros(len(arrays), 1, 1, 1)
        if recipe.noise.once:
            arrays = [self._corrupt(index, a) for index, a in enumerate(arrays)]
        elif recipe.noise.kind == "none":
            arrays = self._noisy_already(arrays, pairs)
        self.pictures = PictureSet(arrays, recipe.data.crop, self.device)

    def _corrupt(self, index: int, array: NDArray[Any]) -> NDArray[Any]:
        draw = generator(self.recipe.run.seed, STORED, index)
        clean = torch.from_numpy(floats(array))[None]
        # two draws at one level, where the loss takes pairs
        part = self.recipe.noise
        y, level = noisy(clean.repeat(1, 2, 1, 1) if self.twice else clean, part, draw, draw)
        self.levels[index] = level
        return y[0].numpy()

    def _noisy_already(self, arrays: Sequence[NDArray[Any]], pairs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        sigma = self.recipe.loss.sigma
        for index, array in enumerate(arrays):
            planes = floats(array).transpose(1, 2, 0)
            self.levels[index] = estimate_sigma(planes) if sigma is None else sigma / 255
        if not self.twice:
            return list(arrays)
        if [a.shape for a in arrays] != [a.shape for a in pairs]:
            raise RecipeError(
                f"{self.recipe.name}: [data] pair has {len(pairs)} pictures for {len(arrays)} in train, "
                "or other sizes; give the same scenes in the same order"
            )
        return [np.concatenate(both) for both in zip(arrays, pairs, strict=True)]

    def chunk(self, step: int, number: int) -> Batch:
        """Chunk `number` of this process's share of the batch of `step`; several threads may call."""
        run, data = self.recipe.run, self.recipe.data
        first, count = self.place(step, number)
        which = order(first, count, len(self.pictures), data.repeat, run.seed)
        draw = self.draw(CROPS, step, number)
        device_draw = self.draw(NOISE, step, number, self.device)
        flips: Flips = "all" if data.augment else "none"
        crops = self.pictures.crops(which, data.crop, draw, random=data.random_crop, flips=flips)
        if data.saturation is not None:
            crops = saturate(crops, draw_levels(data.saturation, len(which), "uniform", draw).to(self.device))
        if self.clean:
            return self._with_noise(crops, draw, device_draw)
        level = self.levels[which].to(self.device)
        return Batch(crops[:, : self.channels], crops[:, self.channels :] if self.twice else None, level)

    def _with_noise(self, clean: torch.Tensor, draw: torch.Generator, device_draw: torch.Generator) -> Batch:
        noise = self.recipe.noise
        if not self.twice:
            y, level = noisy(clean, noise, draw, device_draw)
            return Batch(y, clean, level)
        both, level = noisy(clean.repeat(1, 2, 1, 1), noise, draw, device_draw)
        return Batch(both[:, : self.channels], both[:, self.channels :], level)
