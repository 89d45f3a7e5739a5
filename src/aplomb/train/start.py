"""Around the loop: pictures and network that a recipe names, and the card that its result gets."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
import torch
from numpy.typing import NDArray

from aplomb.data import Split, find_pictures, load_pictures, split_files
from aplomb.errors import BadInput, ModelError, RecipeError, ShapeError
from aplomb.layers.conv import Conv
from aplomb.operator import Compose, Operator, Sum, chain
from aplomb.train.recipe import Recipe

__all__ = ["Pictures", "build_network", "describe", "freeze_result", "gather_pictures"]


@dataclass(frozen=True)
class Pictures:
    """Arrays (C, H, W) for training and validation, and the files that they, and the test, came from."""

    train: list[NDArray[Any]]
    validation: list[NDArray[Any]] = field(default_factory=list)
    pairs: list[NDArray[Any]] = field(default_factory=list)
    validation_pairs: list[NDArray[Any]] = field(default_factory=list)
    files: Split = field(default_factory=lambda: Split(()))
    notes: tuple[str, ...] = ()


def gather_pictures(recipe: Recipe, data: str | os.PathLike[str] | None) -> Pictures:
    """Find, split and load the pictures of a recipe; see `train` for `data`. Raises BadInput of a kind."""
    part, notes = recipe.data, []
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
    notes.append(f"{len(split.train)} pictures to train on, {len(held)} for validation, {len(split.test)} for the test")
    if both := set(split.train) & set(held):
        notes.append(f"careful: {len(both)} file(s), {min(both)} among them, are in training and in validation")

    def load(wanted: tuple[Path, ...]) -> list[NDArray[Any]]:
        return load_pictures(wanted, channels=part.channels)

    whole = load(split.train)
    return Pictures(
        [reduced(a, scale) for scale in part.scales for a in whole],
        load(held),
        load(tuple(other[f] for f in split.train)) if pairs else [],
        load(tuple(other[f] for f in held)) if pairs and not validation else [],
        split,
        tuple(notes),
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


def build_network(recipe: Recipe, network: Operator | None) -> tuple[Operator, tuple[str, ...]]:
    """The network of a recipe with the weights it starts from, and a line that says what was taken over.

    Raises RecipeError if it cannot be made or does not fit the pictures.
    """
    from aplomb.nets import NETWORKS

    part, data = recipe.network, recipe.data
    if network is None:
        try:
            network = NETWORKS[part.name](**part.arguments)
        except (TypeError, ValueError) as error:
            raise RecipeError(f"{recipe.name}: network {part.name!r} with {part.arguments}: {error}") from None
    network = quiet_branches(network, part.gain) if part.gain != 1 else network
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
    if part.init is None:
        return network, ()
    source = _weights_of(part.init)
    mine = network.weights()
    fits = {n: a for n, a in source.items() if n in mine and np.shape(a) == np.shape(mine[n])}
    if not fits:
        raise RecipeError(f"{recipe.name}: [network] init {part.init!r} has no array of fitting name and shape")
    left = [n for n in mine if n not in fits]
    line = f"init: {len(fits)} of {len(mine)} arrays taken from {part.init}"
    return network.with_weights(fits), (line + (f"; fresh: {', '.join(left)}" if left else ""),)


def quiet_branches(operator: Operator, gain: float) -> Operator:
    """The same expression with the last convolution of each branch of a sum multiplied by `gain`.

    What a sum adds to its input is then small at the start, and a deep network begins near the identity.
    Reference: Zhang, Dauphin and Ma, "Fixup initialization", ICLR 2019 (there the factor is 0).

    >>> from aplomb.layers import conv
    >>> from aplomb.operator import identity
    >>> net = identity + conv(1, 1).initialise(0)
    >>> ratio = quiet_branches(net, 0.5).weights()["1.weight"] / net.weights()["1.weight"]
    >>> float(ratio.min()), float(ratio.max())
    (0.5, 0.5)
    """
    children = [quiet_branches(child, gain) for child in operator.children()]
    if isinstance(operator, Sum):
        children = [_quiet_last(child, gain) for child in children]
    return operator._rebuild(children) if children else operator


def _quiet_last(branch: Operator, gain: float) -> Operator:
    parts = list(branch.parts) if isinstance(branch, Compose) else [branch]
    for index in reversed(range(len(parts))):
        leaf = parts[index]
        if isinstance(leaf, Conv):
            parts[index] = replace(leaf, weight=(leaf.weight * np.float32(gain)))
            return chain(*parts)
    return branch


def _weights_of(name: str) -> dict[str, Any]:
    """Weights of a run folder, a model file or a shipped model."""
    from aplomb.model import load
    from aplomb.train.checkpoint import load_checkpoint

    if Path(name).is_dir():
        state = load_checkpoint(Path(name) / "checkpoint.pt")
        if state is None:
            raise ModelError(f"asked to start from {name}, a folder without a checkpoint.pt")
        found = state["best"]["weights"] or state["weights"]
        return {k: v.detach().contiguous().numpy() for k, v in found.items()}
    return load(name).operator.weights()


def describe(recipe: Recipe, operator: Operator, fabric: lightning_fabric.Fabric, threads: int) -> str:
    """One line on what is about to run."""
    n = recipe.data.crop
    cost = operator.multiply_adds((1, operator.input_channels() or recipe.data.channels, n, n)) / n**2
    return (
        f"{recipe.network.name}: {operator.parameters:,} parameters, {cost:,.0f} multiply-adds a pixel, on "
        f"{fabric.world_size} x {fabric.device.type}, {recipe.run.precision}, {threads} threads"
    )


def freeze_result(
    operator: Operator,
    path: Path,
    recipe: Recipe,
    pictures: Pictures,
    best: dict[str, Any],
    steps: int,
    seconds: float,
) -> None:
    """Freeze with a card that says task, data, recipe, commit and what was reached."""
    from aplomb.model import Card, freeze

    noise = recipe.noise
    low, high = noise.sigma if isinstance(noise.sigma, list) else (noise.sigma, noise.sigma)
    card = Card(
        name=path.stem,
        task="denoise",
        channels=recipe.data.channels,
        noise_map=operator.input_channels() == recipe.data.channels + 1,
        noise_range=None if low is None or high is None else (low / 255, high / 255),
        training={
            "recipe": recipe.text,
            "data": recipe.data.train,
            "pictures": {k: len(getattr(pictures.files, k)) for k in ("train", "validation", "test")},
            "noise": noise.kind,
            "loss": recipe.loss.kind,
            "seed": recipe.run.seed,
            "steps": steps,
            "best_step": best["step"],
            "seconds": round(seconds),
            "commit": _commit(),
            "torch": torch.__version__,
        },
        metrics={
            "validation": recipe.data.validation or "split off",
            "psnr": {k: round(v, 3) for k, v in best["psnr"].items()},
        },
    )
    freeze(operator, path, card=card)


def _commit() -> str:
    """Commit of the sources that ran, "" if they are in no repository."""
    here = Path(__file__)
    tracked = ["git", "-C", str(here.parent), "ls-files", "--error-unmatch", here.name]
    head = ["git", "-C", str(here.parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        subprocess.run(tracked, check=True, capture_output=True, timeout=10)
        return subprocess.run(head, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
