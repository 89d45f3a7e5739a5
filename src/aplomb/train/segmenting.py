"""The task "segment": annotated pictures, balanced and warped pieces, IoU and objects found."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aplomb.errors import RecipeError, ShapeError
from aplomb.io import IGNORE
from aplomb.layers import sigmoid, softmax
from aplomb.metrics import confusion_matrix, fit_temperature, instance_precision, iou, pixel_error
from aplomb.model import Card
from aplomb.operator import Operator, chain, identity
from aplomb.recognise.targets import (
    border_classes,
    border_weights,
    distance_map,
    instances_from_borders,
    instances_from_distances,
)
from aplomb.train.annotated import Annotated, annotated, check_objects, find_annotated
from aplomb.train.crops import PictureSet, at_least, order
from aplomb.train.parameters import Trainable
from aplomb.train.pool import Mapper
from aplomb.train.recipe import SegmentRecipe
from aplomb.train.region_losses import segmentation_loss
from aplomb.train.task import Judged, Run, Shares, Task
from aplomb.train.warp import lit, warp

__all__ = ["Pieces", "SegmentFeed", "Segmenting"]

CROPS, WARPS, PLACES = 2, 6, 7
"""Purposes of random numbers, part of their seed; 1 is the order of the pictures."""


class Pieces(NamedTuple):
    """Pictures (N, C, H, W), what they are compared with (N, 1 or 2, H, W), and weights of pixels (N, 1, H, W)."""

    pictures: Tensor
    truth: Tensor
    weights: Tensor | None


class Segmenting(Task[SegmentRecipe]):
    """Annotated pictures for training and validation."""

    figure: ClassVar[str] = "IoU"
    command: ClassVar[str] = "aplomb segment picture.png -o labels.png --model {}"

    def __init__(self, recipe: SegmentRecipe, data: str | os.PathLike[str] | None) -> None:
        self.recipe = recipe
        sides, self.files = find_annotated(recipe, data)
        self.train, self.validation = ([annotated(f, recipe) for f in sides[side]] for side in ("train", "validation"))
        check_objects(self.train, recipe)
        self.shares = _class_shares(self.train, recipe)
        first = sides["train"][0]
        self.notes = (
            f"{len(self.train)} annotated pictures to train on, {len(self.validation)} for validation, "
            f"{len(sides['test'])} for the test; {first.labels.name} belongs to {first.picture.name}",
            "share of the pixels: " + ", ".join(f"{name} {100 * s:.1f} %" for name, s in self.shares.items()),
        )

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"inputs": self.recipe.data.channels, "outputs": len(self.recipe.labels.names)}

    @property
    def described(self) -> Mapping[str, Any]:
        return {"labels": self.recipe.data.labels, "loss": dict(self.recipe.loss.terms)}

    def check(self, network: Operator) -> None:
        recipe, side, outputs = self.recipe, self.recipe.data.crop, len(self.recipe.labels.names)
        shape = (1, recipe.data.channels, side, side)
        inputs = network.input_channels()
        if inputs not in (None, recipe.data.channels):
            raise RecipeError(
                f"{recipe.name}: network {recipe.network.name!r} takes {inputs} channel(s), "
                f"colour = {recipe.data.colour!r} gives {recipe.data.channels}"
            )
        try:
            found = network.output_shape(shape)
        except ShapeError as error:
            raise RecipeError(f"{recipe.name}: [data] crop {side} does not fit the network: {error}") from None
        if found[1] != outputs or len(found) != 4 or found[2] != found[3] or found[2] > side or (side - found[2]) % 2:
            raise RecipeError(
                f"{recipe.name}: network {recipe.network.name!r} gives {found} for {shape}; "
                f"{outputs} channels are wanted ({', '.join(recipe.labels.names)}), of that size or cropped evenly"
            )

    def feed(self, device: torch.device, rank: int, world: int, workers: int) -> SegmentFeed:
        return SegmentFeed(self.recipe, self.train, device, rank, world, workers)

    def loss(self, run: Run, batch: Pieces, draw: torch.Generator, progress: float) -> Tensor:
        logits = run(batch.pictures)
        cut = (batch.pictures.shape[2] - logits.shape[2]) // 2  # a network of valid convolutions sees a frame more
        inner = (..., slice(cut, cut + logits.shape[2]), slice(cut, cut + logits.shape[3]))
        weights = None if batch.weights is None else batch.weights[inner]
        part = self.recipe.loss
        given = part.class_weights
        if given == "balanced":
            given = [1 / (len(self.shares) * max(s, 1e-6)) for s in self.shares.values()]
        classes = None if given is None else torch.tensor(given, device=logits.device)
        return segmentation_loss(part, self.recipe.labels.target, logits, batch.truth[inner], weights, classes)

    def judge(self, network: Operator, device: torch.device, pool: Mapper) -> Callable[[Run, int], Judged]:
        multiple, cut = self._geometry(network)

        @torch.no_grad()
        def judge(run: Run, step: int) -> Judged:
            if not self.validation:
                return Judged(float(step), {})

            def one(item: Annotated) -> NDArray[np.float32]:
                return _whole(run, item.picture, multiple, cut, device)

            return self.judged(list(map(one, self.validation)))

        return judge

    def judged(self, logits: Sequence[NDArray[np.float32]]) -> Judged:
        """Figures over the validation pictures together: of their pixels, and of their objects."""
        target, names = self.recipe.labels.target, self.recipe.labels.names
        total = np.zeros((len(names),) * 2 if target == "regions" else (2, 2))
        precision = []
        for found, item in zip(logits, self.validation, strict=True):
            probabilities = _probabilities(found, target)
            if target == "regions":
                total += confusion_matrix(probabilities.argmax(0), item.labels, len(names), ignore=IGNORE)
                continue
            inside = probabilities[0] > 0.5 if target == "distances" else probabilities.argmax(0) > 0
            counts = item.labels >= 0
            total += confusion_matrix(inside & counts, (item.labels > 0) & counts, 2)
            apart = target == "distances"
            objects = instances_from_distances(*probabilities) if apart else instances_from_borders(probabilities)
            precision.append(instance_precision(objects * counts, item.labels * counts, (0.5,))[0])
        each = iou(total)
        if target != "regions":
            score = float(np.mean(precision))
            return Judged(score, {"AP at IoU 0.5": score, "IoU of objects": float(each[1])})
        score = float(np.nanmean(each))
        figures = {"mean": score, **{n: float(v) for n, v in zip(names, each, strict=True) if not math.isnan(v)}}
        return Judged(score, {**figures, "pixel error": float(pixel_error(total))})

    def finished(self, network: Operator, device: torch.device) -> Operator:
        """Probabilities; those of classes at the temperature that fits the validation pictures best.

        Reference: Guo et al., "On calibration of modern neural networks", ICML 2017.
        """
        if self.recipe.labels.target == "distances":
            return chain(network, sigmoid)
        if not self.validation:
            return chain(network, softmax)
        run = Trainable(network).to(device).eval()
        probabilities, classes = [], []
        for item in self.validation:
            with torch.no_grad():
                logits = _whole(run, item.picture, *self._geometry(network), device)
            truth = _truth(item, self.recipe)[0].astype(np.uint8)
            # pixels are many and neighbours alike: some of them tell the temperature
            some = np.flatnonzero(truth.ravel() != IGNORE)[:: max(1, truth.size // 20_000)]
            probabilities.append(_probabilities(logits, "regions").reshape(len(logits), -1).T[some])
            classes.append(truth.ravel()[some])
        temperature = fit_temperature(np.concatenate(probabilities), np.concatenate(classes).astype(np.int64))
        return chain(network, (1 / temperature) * identity, softmax)

    def _geometry(self, network: Operator) -> tuple[int, int]:
        """What picture sizes are multiples of, and the frame that valid convolutions take away, in pixels."""
        side = self.recipe.data.crop
        cut = (side - network.output_shape((1, self.recipe.data.channels, side, side))[2]) // 2
        return math.lcm(*(network.grid(axis).stride for axis in (0, 1))), cut

    def card(self, network: Operator) -> Card:
        part = self.recipe
        return Card(classes=part.labels.names, target=part.labels.target, standardise=part.data.standardise)

    def arrays(self) -> list[NDArray[Any]]:
        return [array for item in self.train for array in (item.picture, item.labels)]


class SegmentFeed(Shares):
    """Batches by step; what step s gets depends on (seed, s) alone."""

    def __init__(
        self,
        recipe: SegmentRecipe,
        pictures: Sequence[Annotated],
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
        workers: int = 1,
    ) -> None:
        super().__init__(recipe, len(pictures), rank, world, workers)
        self.recipe, self.device, self.channels = recipe, torch.device(device), recipe.data.channels
        # one tensor for pictures and labels, so that a piece is cut from all of them at one place
        stacked = [
            at_least(np.concatenate([p.picture, _truth(p, recipe)]).astype(np.float32), recipe.data.crop)
            for p in pictures
        ]
        self.pixels = [_pixels_by_class(a[self.channels]) for a in stacked] if recipe.data.balance else []
        self.pictures = PictureSet(stacked, recipe.data.crop, self.device)

    def chunk(self, step: int, number: int) -> Pieces:
        """Chunk `number` of this process's share of the batch of `step`; several threads may call."""
        data = self.recipe.data
        which = order(*self.place(step, number), len(self.pictures), data.repeat, self.seed)
        draw, other = self.draw(CROPS, step, number), self.draw(WARPS, step, number)
        around = self._around(which, self.draw(PLACES, step, number))
        part = self.recipe.augment
        pieces = self.pictures.crops(which, data.crop, draw, flips=part.flips, around=around)
        pieces = warp(pieces, part, other, self.channels)
        pictures, truth = pieces[:, : self.channels], pieces[:, self.channels :]
        weights = None
        if self.recipe.loss.border_weight:
            truth, weights = truth[:, :-1], truth[:, -1:]
        return Pieces(lit(pictures, part, other), truth, weights)

    def _around(self, which: Tensor, draw: torch.Generator) -> Tensor | None:
        """For some of the pieces a pixel (y, x) of a class drawn at random, else -1: (2, B)."""
        if not self.pixels:
            return None
        places = torch.full((2, len(which)), -1)
        chance = torch.rand(len(which), 3, generator=draw)
        for n, (picture, (wanted, kind, at)) in enumerate(zip(which.tolist(), chance.tolist(), strict=True)):
            classes = self.pixels[picture]
            if wanted < self.recipe.data.balance and classes:
                pixels = classes[int(kind * len(classes))]
                places[:, n] = torch.from_numpy(pixels[int(at * len(pixels))])
        return places


def _truth(item: Annotated, recipe: SegmentRecipe) -> NDArray[np.float32]:
    """What a picture is compared with, (1 or 2, H, W), and pixel weights behind it where the loss has them."""
    target, labels = recipe.labels.target, item.labels
    outside = labels == IGNORE if target == "regions" else labels < 0
    objects = np.where(outside, 0, labels)
    if target == "regions":
        truth = [labels]
    elif target == "borders":
        truth = [np.where(outside, IGNORE, border_classes(objects, recipe.labels.border))]
    else:
        truth = [np.where(outside, IGNORE, objects > 0), distance_map(objects)]
    if recipe.loss.border_weight:
        truth.append(border_weights(objects, recipe.loss.border_weight, recipe.loss.border_sigma))
    return np.stack(truth).astype(np.float32)


def _pixels_by_class(classes: NDArray[np.float32], most: int = 4096) -> list[NDArray[np.int64]]:
    """For each class that is there some of its pixels (n, 2), evenly over the picture."""
    found = []
    for value in np.unique(classes):
        if value != IGNORE:
            pixels = np.argwhere(classes == value)
            found.append(pixels[:: max(1, len(pixels) // most)])
    return found


def _class_shares(pictures: Sequence[Annotated], recipe: SegmentRecipe) -> dict[str, float]:
    """Share of each class in the pixels that count. Raises RecipeError for one without a pixel."""
    names = recipe.labels.names
    counts = np.zeros(256)
    for item in pictures:
        counts += np.bincount(_truth(item, recipe)[0].astype(np.uint8).ravel(), minlength=256)
    if recipe.labels.target == "distances":
        names = ("background", "object")
    counts = counts[: len(names)]
    if missing := [name for name, count in zip(names, counts, strict=True) if not count]:
        raise RecipeError(
            f"{recipe.name}: no pixel of class {', '.join(missing)} in the {len(pictures)} pictures to train on; "
            "annotate it, choose another seed or fold, or take the class out"
        )
    return dict(zip(names, (counts / counts.sum()).tolist(), strict=True))


def _probabilities(logits: NDArray[np.float32], target: str) -> NDArray[np.float32]:
    operator = sigmoid if target == "distances" else softmax
    found: NDArray[np.float32] = np.asarray(operator(logits[None]), np.float32)[0]
    return found


def _whole(run: Run, picture: NDArray[np.float32], multiple: int, cut: int, device: torch.device) -> NDArray[Any]:
    """Logits (K, H, W) of a whole picture, mirrored at its edges as far as the network needs."""
    h, w = picture.shape[1:]
    # what valid convolutions take away lies on the grid of the network's own strides
    sizes = [n + 2 * cut + -n % multiple for n in (h, w)]
    pads = [(0, 0), *((cut, size - n - cut) for n, size in zip((h, w), sizes, strict=True))]
    x = torch.from_numpy(np.pad(picture, pads, mode="symmetric"))[None].to(device)
    logits: NDArray[Any] = run(x)[0, :, :h, :w].float().cpu().numpy()
    return logits
