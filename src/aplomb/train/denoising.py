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

from aplomb.data import Split, find_pictures, load_pictures, split_files
from aplomb.errors import BadInput, RecipeError, ShapeError
from aplomb.model import Card
from aplomb.operator import Operator
from aplomb.train.feed import Feed
from aplomb.train.losses import Batch, Network
from aplomb.train.losses import loss as loss_of
from aplomb.train.pool import Mapper
from aplomb.train.recipe import DenoiseRecipe
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
        notes: list[str] = []
        root = Path(data or os.environ.get("APLOMB_DATA") or ".").expanduser()
        places, validation, test, pair = part.train, part.validation, part.test, part.pair
        if data is not None and not any((root / p).exists() for p in (*places, *validation)) and not pair:
            try:
                find_pictures(places, root)
            except BadInput:
                notes.append(f"{root} has none of {', '.join(places)}: its own pictures are the training set")
                places, validation, test = ["."], [], []
        files = find_pictures(places, root)
        if part.limit and part.limit < len(files) and not pair:
            keep = np.random.default_rng(recipe.run.seed).permutation(len(files))[: part.limit]
            files = [files[i] for i in sorted(keep)]
        pairs = find_pictures(pair, root) if pair else []
        if pair and len(pairs) != len(files):
            raise RecipeError(
                f"{recipe.name}: [data] pair names {len(pairs)} pictures, train {len(files)}; give one for each"
            )
        share = 0.0 if validation else part.validation_fraction
        if len(files) == 1:
            share = 0.0
            notes += [] if validation else ["one picture only: none is left for validation"]
        split = split_files(files, validation=share, test=0.0 if test else part.test_fraction, seed=recipe.run.seed)
        other = dict(zip(files, pairs, strict=bool(pairs)))
        held = tuple(find_pictures(validation, root)) if validation else split.validation
        held = held[: recipe.validation.limit]
        split = Split(split.train, held, tuple(find_pictures(test, root)) if test else split.test)
        counts = (len(split.train), len(held), len(split.test))
        notes.append("{} pictures to train on, {} for validation, {} for the test".format(*counts))
        if both := set(split.train) & set(held):
            notes.append(f"careful: {len(both)} file(s), {min(both)} among them, are in training and in validation")

        def load(wanted: tuple[Path, ...]) -> list[NDArray[Any]]:
            return load_pictures(wanted, channels=part.channels)

        whole = load(split.train)
        self.train = [reduced(a, scale) for scale in part.scales for a in whole]
        self.validation = load(held)
        self.pairs = load(tuple(other[f] for f in split.train)) if pairs else []
        self.validation_pairs = load(tuple(other[f] for f in held)) if pairs and not validation else []
        self.files, self.notes = split, tuple(notes)
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
