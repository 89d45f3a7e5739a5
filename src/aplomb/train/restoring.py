"""The task "restore": clean pictures, measurements that are simulated, a network with data steps, PSNR."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aplomb.data import load_pictures
from aplomb.errors import RecipeError, ShapeError
from aplomb.model import Card
from aplomb.operator import Operator
from aplomb.restore.trained import Start, restored, start_of
from aplomb.train.crops import Flips, PictureSet, floats, generator, order, saturate
from aplomb.train.denoising import reduced
from aplomb.train.forward import ModelDraw, NoiseDraw
from aplomb.train.noise import draw_levels
from aplomb.train.pool import Mapper
from aplomb.train.recipe import RestoreRecipe
from aplomb.train.split import root_of, split_pictures
from aplomb.train.task import Judged, Run, Shares, Task

__all__ = ["Measured", "Restoring"]

CROPS, NOISE, STORED, MODELS = 2, 3, 4, 8
"""Purposes of random numbers, part of their seed; 1 is the order of the pictures."""


class Measured(NamedTuple):
    """Clean pictures (N, C, H, W), what was measured of them by which operator, the noise's level (N, 1, 1, 1)."""

    clean: Tensor
    y: Tensor
    operator: Operator | None
    """None: y is what the network starts with."""
    level: Tensor | None


class Restoring(Task[RestoreRecipe]):
    """Pictures (C, H, W) for training and validation, and how measurements of them are simulated."""

    unit: ClassVar[str] = " dB"
    figure: ClassVar[str] = "PSNR"
    command: ClassVar[str] = "aplomb restore measured.png -o restored.png --model {}"

    def __init__(self, recipe: RestoreRecipe, data: str | os.PathLike[str] | None) -> None:
        self.recipe = recipe
        part = recipe.data
        self.files, _, self.notes = split_pictures(recipe, part, data)
        whole = load_pictures(self.files.train, channels=part.channels)
        self.train = [reduced(a, scale) for scale in part.scales for a in whole]
        self.validation = load_pictures(self.files.validation, channels=part.channels)
        self.simulator = Simulator(recipe, root_of(data))
        self.start = self.simulator.start

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"channels": self.recipe.data.channels, "extra": self.start.extra}

    @property
    def described(self) -> Mapping[str, Any]:
        camera = self.recipe.camera
        return {"loss": self.recipe.loss.kind} | ({} if camera is None else {"camera": camera.model_dump()})

    def check(self, network: Operator) -> None:
        recipe, data = self.recipe, self.recipe.data
        clean = torch.zeros(1, data.channels, data.crop, data.crop)
        seen: list[tuple[int, ...]] = []

        def run(x: Tensor) -> Tensor:
            seen.append(tuple(x.shape))
            return torch.zeros(network.output_shape(tuple(x.shape)))

        try:
            batch = self.simulator(clean, generator(0), generator(0), np.random.default_rng(0))
            found = tuple(self._restored(run, batch).shape)
        except ShapeError as error:
            raise RecipeError(f"{recipe.name}: network {recipe.network.name!r} does not fit: {error}") from None
        if found != tuple(clean.shape):
            raise RecipeError(
                f"{recipe.name}: network {recipe.network.name!r} gives {found} for {seen[0] if seen else ()}; the "
                f"clean pieces are {tuple(clean.shape)}"
            )

    def _restored(self, run: Run, batch: Measured) -> Tensor:
        if batch.operator is None:
            return run(batch.y)
        found: Tensor = restored(
            run, batch.operator, batch.y, self.start, self.recipe.unrolled.rates, level=batch.level
        )
        return found

    def feed(self, device: torch.device, rank: int, world: int, workers: int) -> RestoreFeed:
        return RestoreFeed(self.recipe, self.train, self.simulator, device, rank, world, workers)

    def loss(self, run: Run, batch: Measured, draw: torch.Generator, progress: float) -> Tensor:
        # the network alone works in bf16: a data step needs its digits
        kind = batch.y.device.type
        half = torch.is_autocast_enabled(kind)

        def mixed(x: Tensor) -> Tensor:
            with torch.autocast(kind, torch.bfloat16, enabled=half):
                return run(x).float()

        with torch.autocast(kind, enabled=False):
            error = self._restored(mixed, batch) - batch.clean
        if self.recipe.loss.kind == "l1":
            return error.abs().mean()
        if self.recipe.loss.kind == "charbonnier":
            return (error * error + 1e-6).sqrt().mean()
        if self.recipe.loss.kind == "psnr":
            return (error.square().mean((1, 2, 3)) + 1e-5).log().mean()
        return (error * error).mean()

    def judge(self, network: Operator, device: torch.device, pool: Mapper) -> Callable[[Run, int], Judged]:
        multiple = math.lcm(*(network.grid(axis).stride for axis in (0, 1)))
        held = self._measured()

        @torch.no_grad()
        def judge(run: Run, step: int) -> Judged:
            if not held:
                return Judged(float(step), {})

            def one(batch: Measured) -> float:
                there = Measured(*(v.to(device) if isinstance(v, Tensor) else v for v in batch))
                result = self._restored(lambda x: whole(run, x, multiple), there)
                error = (result.clamp(0, 1) * 255).round() / 255 - there.clean
                return 10 * math.log10(1 / max(float(error.double().square().mean()), 1e-12))

            figures = {}
            for label, batches in held.items():
                values = list(pool.map(one, batches))
                figures[label] = sum(values) / len(values)
            return Judged(sum(figures.values()) / len(figures), figures)

        return judge

    def _measured(self) -> dict[str, list[Measured]]:
        """Measurements of the validation pictures, the same in every run, by what the noise is."""
        held: dict[str, list[Measured]] = {}
        noises = self.recipe.validation.noise or [{}]
        for values in noises if self.validation else []:
            label = " ".join(f"{name} {value:g}" for name, value in values.items()) or "PSNR"
            held[label] = []
            for index, picture in enumerate(self.validation):
                key = (20, index, *label.encode())
                clean = torch.from_numpy(floats(self.simulator.fitting(picture)))[None]
                rng = np.random.default_rng(key)
                batch = self.simulator(clean, generator(*key), generator(*key), rng, values)
                if self.recipe.forward.stored and batch.operator is not None:
                    batch = Measured(clean, start_of(batch.operator, batch.y, self.start), None, None)
                held[label].append(batch)
        return held

    def arrays(self) -> list[NDArray[Any]]:
        return self.train

    def card(self, network: Operator) -> Card:
        part = self.recipe
        table = {"step": list(part.forward.step)} | ({"noise": part.forward.noise} if part.forward.noise else {})
        return Card(forward=table, start=self.start.table(), rates=tuple(part.unrolled.rates))


class Simulator:
    """From clean pieces to measurements, by a forward model that is drawn."""

    def __init__(self, recipe: RestoreRecipe, root: os.PathLike[str]) -> None:
        self.recipe = recipe
        self.noise = NoiseDraw.read(recipe.forward.noise, recipe.name)
        self.model = ModelDraw(recipe.forward.step, Path(root), recipe.name)
        unrolled = recipe.unrolled
        self.start = Start(**recipe.start.model_dump(), scaled=unrolled.scaled, last=unrolled.last)
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

    def _raw(self, picture: Tensor) -> Tensor:
        """The light that a camera with these colours would have seen, white at 1: matrix (picture ^ gamma)."""
        assert self.recipe.camera is not None
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
            found.append(start_of(batch.operator, batch.y, self.simulator.start))
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
            kept = clean.unflatten(1, (-1, channels))
            number = torch.randint(1, 1 + self.stored, (len(which),), generator=draw)
            return Measured(kept[:, 0], kept[torch.arange(len(which)), number], None, None)
        if data.saturation is not None:
            clean = saturate(clean, draw_levels(data.saturation, len(which), "uniform", draw).to(self.device))
        rng = np.random.default_rng([self.seed, MODELS, step, self.rank, number])
        return self.simulator(clean, draw, self.draw(NOISE, step, number, self.device), rng)


def whole(run: Run, x: Tensor, multiple: int) -> Tensor:
    """A picture (1, C, H, W) through a network, mirrored at its edges to a multiple, at whatever scale comes out."""
    h, w = x.shape[2:]
    pads = ((0, 0), (0, 0), (0, -h % multiple), (0, -w % multiple))
    grown = torch.from_numpy(np.pad(x.cpu().numpy(), pads, mode="symmetric")).to(x.device)
    found = run(grown).float()
    factor = found.shape[2] // grown.shape[2]
    return found[:, :, : h * factor, : w * factor]
