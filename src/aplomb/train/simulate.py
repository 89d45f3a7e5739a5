"""Measurements that are simulated: pieces of clean pictures, a forward model that is drawn, noise."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aplomb.operator import Operator
from aplomb.restore.trained import Start, start_of
from aplomb.train.crops import Flips, PictureSet, floats, generator, order, saturate
from aplomb.train.forward import ModelDraw, NoiseDraw
from aplomb.train.noise import draw_levels
from aplomb.train.recipe import RestoreRecipe
from aplomb.train.task import Shares

__all__ = ["Measured", "RestoreFeed", "Simulator"]

CROPS, NOISE, STORED, MODELS = 2, 3, 4, 8
"""Purposes of random numbers, part of their seed; 1 is the order of the pictures."""


class Measured(NamedTuple):
    """Clean pictures (N, C, H, W), what was measured of them by which operator, the noise's level (N, 1, 1, 1)."""

    clean: Tensor
    y: Tensor
    operator: Operator | None
    """None: y is what the network starts with."""
    level: Tensor | None

    def to(self, device: torch.device) -> Measured:
        """The same, there."""
        level = None if self.level is None else self.level.to(device)
        return Measured(self.clean.to(device), self.y.to(device), self.operator, level)


class Simulator:
    """From clean pieces to measurements, by a forward model that is drawn."""

    def __init__(self, recipe: RestoreRecipe, root: os.PathLike[str]) -> None:
        self.recipe = recipe
        self.noise = NoiseDraw.read(recipe.forward.noise, recipe.name)
        self.model = ModelDraw(recipe.forward.step, Path(root), recipe.name)
        unrolled = recipe.unrolled
        told = tuple(unrolled.told)
        self.start = Start(**recipe.start.model_dump(), scaled=unrolled.scaled, last=unrolled.last, told=told)
        camera = recipe.camera
        self.camera = None if camera is None else torch.tensor(camera.matrix, dtype=torch.float32)

    def fitting(self, picture: NDArray[Any]) -> NDArray[Any]:
        """The piece in the middle of a picture (C, H, W) that the forward model takes, as large as it can be.

        That is one of sizes which are multiples of its stride; where every place has its own law, one of a training
        piece's size.
        """
        if self.recipe.forward.stored:
            return picture
        crop = self.recipe.data.crop
        operator = self.model((1, *picture.shape[:1], crop, crop), np.random.default_rng(0))
        strides = [operator.grid(axis).stride for axis in (0, 1)]
        multiple = math.lcm(*strides)
        sides = [n - n % multiple if multiple else min(n, crop) for n in picture.shape[1:]]
        top, left = ((n - side) // 2 for n, side in zip(picture.shape[1:], sides, strict=True))
        return np.ascontiguousarray(picture[:, top : top + sides[0], left : left + sides[1]])

    def __call__(
        self,
        clean: Tensor,
        draw: torch.Generator,
        device_draw: torch.Generator,
        rng: np.random.Generator,
        values: Mapping[str, float] | None = None,
    ) -> Measured:
        """Measure `clean`, (N, C, H, W); `values` are numbers of the noise that are not drawn."""
        operator = self.model(tuple(clean.shape), rng)
        y, level = operator(clean if self.camera is None else self._raw(clean)), None
        if self.noise is not None:
            noise = self.noise.at(values or {})
            y, level = noise(y, draw, device_draw, together=self.recipe.unrolled.scaled)
        return Measured(clean, y, operator, level)

    def begun(self, batch: Measured) -> Measured:
        """The same with what the network starts with in the measurement's place."""
        assert batch.operator is not None
        return Measured(batch.clean, start_of(batch.operator, batch.y, self.start), None, None)

    def _raw(self, picture: Tensor) -> Tensor:
        """The light that a camera with these colours would have seen, white at 1: matrix (picture ^ gamma)."""
        assert self.recipe.camera is not None
        assert self.camera is not None
        linear = picture.clamp_min(0) ** self.recipe.camera.gamma
        return torch.einsum("kc,nchw->nkhw", self.camera.to(picture.device), linear)


class RestoreFeed(Shares):
    """Batches by step: what step s gets depends on (seed, s) alone, so that a resumed run gets the same."""

    def __init__(
        self,
        recipe: RestoreRecipe,
        arrays: Sequence[NDArray[Any]],
        simulator: Simulator,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
        workers: int = 1,
    ) -> None:
        super().__init__(recipe, len(arrays), rank, world, workers)
        self.recipe, self.simulator, self.device = recipe, simulator, torch.device(device)
        self.stored = recipe.forward.stored or 0
        if self.stored:
            with ThreadPoolExecutor(torch.get_num_threads() if workers == 1 else workers) as pool:
                arrays = list(pool.map(self._measured, range(len(arrays)), arrays))
        self.pictures = PictureSet(arrays, recipe.data.crop, self.device)

    def _measured(self, index: int, array: NDArray[Any]) -> NDArray[np.float32]:
        """A picture (C, H, W), and behind it what the network starts with, so many times."""
        clean = torch.from_numpy(floats(self.simulator.fitting(array)))[None]
        found = [clean]
        for number in range(self.stored):
            key = (self.seed, STORED, index, number)
            batch = self.simulator(clean, generator(*key), generator(*key), np.random.default_rng(key))
            found.append(self.simulator.begun(batch).y)
        pieces: NDArray[np.float32] = torch.cat(found, 1)[0].numpy()
        return pieces

    def chunk(self, step: int, number: int) -> Measured:
        """Chunk `number` of this process's share of the batch of `step`; several threads may call."""
        data = self.recipe.data
        first, count = self.place(step, number)
        which = order(first, count, len(self.pictures), data.repeat, self.seed)
        draw = self.draw(CROPS, step, number)
        flips: Flips = "all" if data.augment else "none"
        clean = self.pictures.crops(which, data.crop, draw, random=data.random_crop, flips=flips)
        if self.stored:
            channels = data.channels
            kept = clean.reshape(len(which), -1, channels, *clean.shape[2:])
            drawn = torch.randint(1, 1 + self.stored, (len(which),), generator=draw)
            return Measured(kept[:, 0], kept[torch.arange(len(which)), drawn], None, None)
        if data.saturation is not None:
            clean = saturate(clean, draw_levels(data.saturation, len(which), "uniform", draw).to(self.device))
        rng = np.random.default_rng([self.seed, MODELS, step, self.rank, number])
        return self.simulator(clean, draw, self.draw(NOISE, step, number, self.device), rng)
