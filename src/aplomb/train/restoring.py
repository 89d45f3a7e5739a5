"""The task "restore": clean pictures, measurements that are simulated, a network with data steps, PSNR."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aplomb.data import load_pictures
from aplomb.errors import RecipeError, ShapeError
from aplomb.model import Card
from aplomb.operator import Operator
from aplomb.restore.trained import restored
from aplomb.train.crops import floats, generator
from aplomb.train.denoising import reduced
from aplomb.train.pool import Mapper
from aplomb.train.recipe import RestoreRecipe
from aplomb.train.simulate import Measured, RestoreFeed, Simulator
from aplomb.train.split import root_of, split_pictures
from aplomb.train.task import Judged, Run, Task

__all__ = ["Restoring"]


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
        if times := recipe.forward.stored:
            often = "once" if times == 1 else f"{times} times"
            self.notes += (f"each picture is measured {often} before the first step; that may take minutes",)

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

        def judge(run: Run, step: int) -> Judged:
            if not held:
                return Judged(float(step), {})

            @torch.no_grad()  # here, because it holds for the thread that calls it only
            def one(batch: Measured) -> float:
                there = batch.to(device)
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
                held[label].append(self.simulator.begun(batch) if self.recipe.forward.stored else batch)
        return held

    def arrays(self) -> list[NDArray[Any]]:
        return self.train

    def card(self, network: Operator) -> Card:
        part = self.recipe
        table = {"step": list(part.forward.step)} | ({"noise": part.forward.noise} if part.forward.noise else {})
        return Card(forward=table, start=self.start.table(), rates=tuple(part.unrolled.rates))


def whole(run: Run, x: Tensor, multiple: int) -> Tensor:
    """A picture (1, C, H, W) through a network, mirrored at its edges to a multiple, at whatever scale comes out."""
    h, w = x.shape[2:]
    pads = ((0, 0), (0, 0), (0, -h % multiple), (0, -w % multiple))
    grown = torch.from_numpy(np.pad(x.cpu().numpy(), pads, mode="symmetric")).to(x.device)
    found = run(grown).float()
    factor = found.shape[2] // grown.shape[2]
    return found[:, :, : h * factor, : w * factor]
