"""The task "classify": pictures of one size in classes, accuracy, and probabilities that mean what they say."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from aplomb.data import Split, find_pictures, load_pictures
from aplomb.errors import BadInput, RecipeError, ShapeError
from aplomb.layers import softmax
from aplomb.metrics import fit_temperature
from aplomb.model import Card
from aplomb.nets.googlenet import main_branch
from aplomb.operator import Operator, chain, identity
from aplomb.train.annotated import standardised
from aplomb.train.crops import PictureSet, floats, order
from aplomb.train.parameters import Trainable
from aplomb.train.pool import Mapper
from aplomb.train.recipe import ClassifyRecipe
from aplomb.train.task import Judged, Run, Shares, Task
from aplomb.train.warp import lit, warp

__all__ = ["ClassifyFeed", "Classifying", "Labelled"]

CROPS, WARPS = 2, 6
"""Purposes of random numbers, part of their seed; 1 is the order of the pictures."""

AT_ONCE = 250
"""Validation pictures that go through the network together."""


class Labelled(NamedTuple):
    """Pictures (N, C, H, W), uint8 or float, and their classes (N,)."""

    pictures: NDArray[Any]
    classes: NDArray[np.int64]


class Batch(NamedTuple):
    """Pictures (N, C, H, W) and their classes (N,)."""

    pictures: Tensor
    classes: Tensor


class Classifying(Task[ClassifyRecipe]):
    """Labelled pictures of one size for training and validation."""

    figure: ClassVar[str] = "accuracy"
    command: ClassVar[str] = "aplomb classify picture.png --model {}"

    def __init__(self, recipe: ClassifyRecipe, data: str | os.PathLike[str] | None) -> None:
        self.recipe = recipe
        part = recipe.data
        root = Path(data or os.environ.get("APLOMB_DATA") or ".").expanduser()
        self.classes: tuple[str, ...] = tuple(part.classes)
        everything, names = self._load(part.train, root, part.rows)
        if part.limit and part.limit < len(names):
            keep = np.sort(np.random.default_rng(recipe.run.seed).permutation(len(names))[: part.limit])
            everything, names = _pick(everything, keep), [names[i] for i in keep]
        shares = (0.0 if part.validation else part.validation_fraction, 0.0 if part.test else part.test_fraction)
        train, held, test = _stratified(everything.classes, *shares, seed=recipe.run.seed)
        self.train, self.validation = _pick(everything, train), _pick(everything, held)
        held_names = [names[i] for i in held]
        if part.validation:
            self.validation, held_names = self._load(part.validation, root, None)
        if recipe.validation.limit:
            few = _stratified(self.validation.classes, 1.0, 0.0, seed=recipe.run.seed)[1][: recipe.validation.limit]
            self.validation = _pick(self.validation, few)
        self._check_classes()
        tests = self._load(part.test, root, None)[1] if part.test else [names[i] for i in test]
        self.files = Split(*(tuple(map(Path, side)) for side in ([names[i] for i in train], held_names, tests)))
        self.notes = (
            f"{len(self.train.classes)} pictures of {len(self.classes)} classes to train on, "
            f"{len(self.validation.classes)} for validation, {len(tests)} for the test",
        )

    def _load(self, places: Sequence[str], root: Path, rows: Sequence[int] | None) -> tuple[Labelled, list[str]]:
        pictures, classes, names = [], [], []
        for place in places:
            path = root / Path(place).expanduser()
            if path.suffix == ".npz":
                found, labels = _arrays(path, self.recipe.data.channels, rows)
                known = self.classes or tuple(map(str, range(int(labels.max()) + 1)))
                if int(labels.max()) >= len(known):
                    raise RecipeError(
                        f"{self.recipe.name}: {path} has class {labels.max()}, [data] classes names {len(known)}"
                    )
                first = rows[0] if rows else 0
                named = [f"{path}#{first + i}" for i in range(len(labels))]
            else:
                known, found, labels, named = self._folders(path)
            if self.classes and known != self.classes:
                raise RecipeError(
                    f"{self.recipe.name}: {place} has the classes {', '.join(known)}, others have "
                    f"{', '.join(self.classes)}; they must be the same"
                )
            self.classes = known
            pictures.append(self._prepared(found))
            classes.append(labels)
            names += named
        return Labelled(np.concatenate(pictures), np.concatenate(classes)), names

    def _folders(self, path: Path) -> tuple[tuple[str, ...], list[NDArray[Any]], NDArray[np.int64], list[str]]:
        folders = sorted(p for p in path.glob("*/") if not p.name.startswith(".")) if path.is_dir() else []
        if len(folders) < 2:
            raise BadInput(
                f"asked for classes in {path}, found {len(folders)} folder(s) there; give a folder that holds one "
                "folder for each class, or an .npz file with images and labels"
            )
        known = self.classes or tuple(p.name for p in folders)
        if missing := sorted(set(known) - {p.name for p in folders}):
            raise RecipeError(f"{self.recipe.name}: {path} has no folder for class {', '.join(missing)}")
        found: list[NDArray[Any]] = []
        labels: list[int] = []
        named: list[str] = []
        for index, name in enumerate(known):
            files = find_pictures(path / name)
            arrays = load_pictures(files, channels=self.recipe.data.channels)
            if len(arrays) != len(files):
                raise BadInput(f"{path / name}: holds stacks; save their slices one by one, a class is of one picture")
            found += arrays
            labels += [index] * len(arrays)
            named += map(str, files)
        return known, found, np.array(labels, np.int64), named

    def _prepared(self, pictures: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """(N, C, S, S), uint8 where nothing had to be computed."""
        from skimage.transform import resize

        side, standardise = self.recipe.data.size, self.recipe.data.standardise
        if not standardise and all(p.shape[1:] == (side, side) and p.dtype == np.uint8 for p in pictures):
            return np.stack(pictures)
        made = []
        for picture in map(floats, pictures):
            if picture.shape[1:] != (side, side):
                shape = (len(picture), side, side)
                picture = resize(picture, shape, order=1, mode="edge", anti_aliasing=True).astype(np.float32)
            made.append(standardised(picture) if standardise else picture)
        return np.stack(made)

    def _check_classes(self) -> None:
        for side, what in ((self.train, "to train on"), (self.validation, "for validation")):
            counts = np.bincount(side.classes, minlength=len(self.classes))
            if len(side.classes) and (missing := [n for n, c in zip(self.classes, counts, strict=True) if not c]):
                raise RecipeError(
                    f"{self.recipe.name}: none of the {len(side.classes)} pictures {what} is of class "
                    f"{', '.join(missing)}; give more of it, or leave the class out"
                )

    @property
    def arguments(self) -> Mapping[str, Any]:
        channels, size = self.recipe.data.channels, self.recipe.data.size
        return {"inputs": channels, "classes": len(self.classes), "picture": (channels, size, size)}

    @property
    def described(self) -> Mapping[str, Any]:
        return {"classes": {n: int(c) for n, c in zip(self.classes, np.bincount(self.train.classes), strict=True)}}

    def check(self, network: Operator) -> None:
        recipe = self.recipe
        inputs, shape = network.input_channels(), (2, recipe.data.channels, recipe.data.size, recipe.data.size)
        if inputs not in (None, recipe.data.channels, recipe.data.channels * recipe.data.size**2):
            raise RecipeError(
                f"{recipe.name}: network {recipe.network.name!r} takes {inputs} channel(s), "
                f"colour = {recipe.data.colour!r} gives {recipe.data.channels}"
            )
        try:
            found = network.output_shape(shape)
        except ShapeError as error:
            size = recipe.data.size
            raise RecipeError(f"{recipe.name}: [data] size {size} does not fit the network: {error}") from None
        if len(found) != 2 or found[1] % len(self.classes):
            raise RecipeError(
                f"{recipe.name}: network {recipe.network.name!r} gives {found} for {shape}; "
                f"(2, {len(self.classes)}) is wanted, a number for each of {', '.join(self.classes)}"
            )

    def feed(self, device: torch.device, rank: int, world: int, workers: int) -> ClassifyFeed:
        return ClassifyFeed(self.recipe, self.train, device, rank, world, workers)

    def loss(self, run: Run, batch: Batch, draw: torch.Generator, progress: float) -> Tensor:
        part = self.recipe.loss
        first, *heads = torch.split(run(batch.pictures).float(), len(self.classes), dim=1)
        total = F.cross_entropy(first, batch.classes, label_smoothing=part.smoothing)
        for head in heads:
            total = total + part.heads * F.cross_entropy(head, batch.classes, label_smoothing=part.smoothing)
        return total

    def judge(self, network: Operator, device: torch.device, pool: Mapper) -> Callable[[Run, int], Judged]:
        def judge(run: Run, step: int) -> Judged:
            if not len(self.validation.classes):
                return Judged(float(step), {})
            logits = self._logits(run, device)
            truth = torch.from_numpy(self.validation.classes)
            accuracy = float((logits.argmax(1) == truth).float().mean())
            return Judged(accuracy, {"accuracy": accuracy, "cross-entropy": float(F.cross_entropy(logits, truth))})

        return judge

    @torch.no_grad()
    def _logits(self, run: Run, device: torch.device) -> Tensor:
        """Of the validation pictures, (N, K), on the CPU."""
        pictures = self.validation.pictures
        parts = [floats(pictures[i : i + AT_ONCE]) for i in range(0, len(pictures), AT_ONCE)]
        found = [run(torch.from_numpy(p).to(device)).float().cpu() for p in parts]
        return torch.cat(found)[:, : len(self.classes)]

    def finished(self, network: Operator, device: torch.device) -> Operator:
        """Without auxiliary classifiers, its logits divided by a temperature, a softmax behind.

        The temperature is the one with the smallest cross-entropy on the validation pictures. Reference: Guo et al.,
        "On calibration of modern neural networks", ICML 2017.
        """
        if not len(self.validation.classes):
            return chain(main_branch(network), softmax)
        logits = self._logits(Trainable(network).to(device).eval(), device)
        temperature = fit_temperature(logits.double().softmax(1).numpy(), self.validation.classes)
        return chain(main_branch(network), (1 / temperature) * identity, softmax)

    def card(self, network: Operator) -> Card:
        size = self.recipe.data.size
        return Card(classes=self.classes, size=(size, size), standardise=self.recipe.data.standardise)

    def arrays(self) -> list[NDArray[Any]]:
        return [self.train.pictures, self.train.classes]


class ClassifyFeed(Shares):
    """Batches by step; what step s gets depends on (seed, s) alone."""

    def __init__(
        self,
        recipe: ClassifyRecipe,
        pictures: Labelled,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
        workers: int = 1,
    ) -> None:
        super().__init__(recipe, len(pictures.classes), rank, world, workers)
        self.recipe, self.device = recipe, torch.device(device)
        self.pictures = PictureSet(list(pictures.pictures), recipe.data.size, self.device)
        self.classes = torch.from_numpy(pictures.classes)

    def chunk(self, step: int, number: int) -> Batch:
        """Chunk `number` of this process's share of the batch of `step`; several threads may call."""
        part, size = self.recipe.augment, self.recipe.data.size
        which = order(*self.place(step, number), len(self.pictures), self.recipe.data.repeat, self.seed)
        draw, other = self.draw(CROPS, step, number), self.draw(WARPS, step, number)
        pieces = self.pictures.crops(which, size, draw, flips=part.flips)
        pieces = lit(warp(pieces, part, other, pieces.shape[1]), part, other)
        return Batch(pieces, self.classes[which].to(self.device))


def _arrays(path: Path, channels: int, rows: Sequence[int] | None) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    """Pictures (C, H, W) and classes of an .npz file with `images` (N, H, W) or (N, H, W, C) and `labels` (N,)."""
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels = file["images"], file["labels"]
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{path}: asked for an .npz file with arrays images and labels ({error})") from None
    images = images[..., None] if images.ndim == 3 else images
    whole = labels.dtype.kind in "iu" and labels.min(initial=0) >= 0
    if images.ndim != 4 or labels.shape != images.shape[:1] or not whole:
        raise BadInput(
            f"{path}: found images {images.shape} and labels {labels.shape} of {labels.dtype}; asked for (N, H, W) or "
            "(N, H, W, C) and as many whole numbers of 0 or more"
        )
    if images.shape[3] != channels:
        raise BadInput(f"{path}: pictures of {images.shape[3]} channel(s), [data] colour asks for {channels}")
    start, stop = rows or (0, len(labels))
    if not 0 <= start < stop <= len(labels):
        raise BadInput(f"{path}: asked for rows {start} to {stop} of {len(labels)}")
    chosen = images[start:stop].transpose(0, 3, 1, 2)
    return list(np.ascontiguousarray(chosen)), labels[start:stop].astype(np.int64)


def _pick(labelled: Labelled, which: NDArray[np.intp]) -> Labelled:
    return Labelled(labelled.pictures[which], labelled.classes[which])


def _stratified(classes: NDArray[np.int64], validation: float, test: float, seed: int) -> list[NDArray[np.intp]]:
    """Numbers of the pictures for training, validation and test, in random order: of each class the same share."""
    rng = np.random.default_rng(seed)
    sides: list[list[NDArray[np.intp]]] = [[], [], []]
    for value in np.unique(classes):
        mine = rng.permutation(np.flatnonzero(classes == value))
        cuts = [0 if share == 0 else max(1, round(share * len(mine))) for share in (validation, test)]
        a, b = cuts[0], sum(cuts)
        for side, part in zip(sides, (mine[b:], mine[:a], mine[a:b]), strict=True):
            side.append(part)
    return [rng.permutation(np.concatenate(side)) if side else np.zeros(0, np.intp) for side in sides]
