"""What the loop asks of a task, and what every task counts alike.

A task holds the pictures of a run, makes batches of them, scores the network and writes the card:

    task = task_of(recipe)(recipe, data)    # finds and loads the pictures
    feed = task.feed(device, ...)           # batches, by step
    task.loss(run, feed.chunk(0, 0), draw)  # `run` applies the network to an input (N, C, H, W)
    task.judge(operator, device, pool)      # a function that scores `run` on the validation pictures
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aplomb.data import Split
from aplomb.errors import RecipeError
from aplomb.model import Card
from aplomb.operator import Operator
from aplomb.train.crops import generator
from aplomb.train.pool import Mapper
from aplomb.train.recipe import Recipe

__all__ = ["Judged", "Run", "Shares", "Task"]

Run = Callable[[Tensor], Tensor]
"""The network: (N, C, H, W) to its output."""


class Judged(NamedTuple):
    """What was found on the validation pictures."""

    score: float
    """More is better: the weights with the highest are kept."""
    figures: dict[str, float]
    loss: float | None = None
    """Where it, and no figure, was the judge."""

    @property
    def headline(self) -> float | None:
        """One figure for all: the score, or the mean of the figures where those did not judge."""
        if not self.figures:
            return None
        return self.score if self.loss is None else sum(self.figures.values()) / len(self.figures)


R = TypeVar("R", bound=Recipe)

LOSS = 5
"""Purpose of the loss's random numbers, part of their seed."""


class Shares:
    """How batches are cut: pieces of a batch for each process, and chunks of those for each pass.

    Parameters
    ----------
    recipe
        Batch, chunk and schedule.
    pictures
        Pictures in an epoch, each shown ``[data] repeat`` times.
    rank, world
        Number of this process and how many share a batch.
    workers
        Chunks that each share is cut into where the recipe gives no size for them.

    Raises
    ------
    RecipeError
        The batch cannot be shared out.
    """

    def __init__(self, recipe: Recipe, pictures: int, rank: int = 0, world: int = 1, workers: int = 1) -> None:
        self.seed, self.rank = recipe.run.seed, rank
        pieces, batch = pictures * recipe.data.repeat, recipe.run.batch
        self.count = 1 if batch == "pattern" else pieces if batch == "epoch" else int(batch)
        if self.count % world:
            raise RecipeError(
                f"{recipe.name}: a batch of {self.count} cannot be shared by {world} devices; take a multiple"
            )
        self.share = self.count // world
        self.size = min(self.share, recipe.run.chunk or -(-self.share // workers))
        self.parts = -(-self.share // self.size)
        """Chunks of a share, and pieces in each (the last may have fewer)."""
        schedule = recipe.schedule
        pixels = self.count * recipe.data.side**2
        self.megapixels = pixels / 1e6
        """Pixels of one step, in millions."""
        if schedule.steps is not None:
            self.total = schedule.steps
        elif schedule.megapixels is not None:
            self.total = max(1, round(schedule.megapixels / self.megapixels))
        else:
            self.total = max(1, round((schedule.epochs or 1) * pieces / self.count))

    def place(self, step: int, number: int) -> tuple[int, int]:
        """First piece of chunk `number`, counted from the beginning of the run, and how many it has."""
        first = step * self.count + self.rank * self.share + number * self.size
        return first, min(self.size, self.share - number * self.size)

    def weight(self, number: int) -> float:
        """Share of chunk `number` in its process's pieces."""
        return self.place(0, number)[1] / self.share

    def draw(self, purpose: int, step: int, number: int, device: torch.device | str = "cpu") -> torch.Generator:
        """Random numbers of one chunk, from (seed, purpose, step, process, chunk) alone."""
        return generator(self.seed, purpose, step, self.rank, number, device=device)

    def loss_generator(self, step: int, number: int) -> torch.Generator:
        """Random numbers of the loss itself: probes, choices of neighbours."""
        return self.draw(LOSS, step, number, self.device)

    device: torch.device = torch.device("cpu")

    def chunk(self, step: int, number: int) -> Any:
        """Chunk `number` of this process's share of the batch of `step`; several threads may call."""
        raise NotImplementedError


class Task(ABC, Generic[R]):
    """Pictures, batches, loss, judge and card of one kind of training. Making one finds and loads the pictures."""

    unit: ClassVar[str] = ""
    """Of the figures."""
    command: ClassVar[str] = ""
    """How the model is applied; {} is its file."""
    figure: ClassVar[str] = ""
    """What the curve on validation shows."""
    files: Split
    notes: tuple[str, ...] = ()

    @abstractmethod
    def __init__(self, recipe: R, data: str | os.PathLike[str] | None) -> None:
        """Find, split and load the pictures; see `train` for `data`. Raises BadInput of a kind."""

    recipe: R

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Keyword arguments of the network's maker that follow from the pictures, where it has them."""
        return {}

    @property
    @abstractmethod
    def described(self) -> Mapping[str, Any]:
        """What the card says of the training, besides recipe, data and seed."""

    @abstractmethod
    def check(self, network: Operator) -> None:
        """Raise RecipeError, with what would fit, if the network does not fit the pictures."""

    @abstractmethod
    def feed(self, device: torch.device, rank: int, world: int, workers: int) -> Shares:
        """Batches of the training pictures."""

    @abstractmethod
    def loss(self, run: Run, batch: Any, draw: torch.Generator, progress: float) -> Tensor:
        """The loss of one chunk, a scalar; `progress` is the share of the run that is done."""

    @abstractmethod
    def judge(self, network: Operator, device: torch.device, pool: Mapper) -> Callable[[Run, int], Judged]:
        """What scores a network, in evaluation mode, after so many steps."""

    @abstractmethod
    def arrays(self) -> list[NDArray[Any]]:
        """Training arrays, for the fingerprint."""

    def finished(self, network: Operator, device: torch.device) -> Operator:
        """The network as it is frozen, from the one that was trained."""
        return network

    @abstractmethod
    def card(self, network: Operator) -> Card:
        """The card, but for name, training and metrics."""

    def fingerprint(self) -> bytes:
        """Of the training pictures: a run is not resumed with others."""
        digest = hashlib.sha256()
        for array in self.arrays():
            digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes()[:4096])
        return digest.digest()
