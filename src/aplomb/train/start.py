"""Around the loop: the network that a recipe names, and the card that its result gets."""

from __future__ import annotations

import inspect
import platform
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
import torch

from aplomb.errors import ModelError, RecipeError
from aplomb.layers.conv import Conv
from aplomb.operator import Compose, Operator, Sum, chain
from aplomb.train.recipe import Recipe
from aplomb.train.task import Task

__all__ = ["build_network", "describe", "freeze_result", "quiet_branches"]


def build_network(recipe: Recipe, task: Task[Any], network: Operator | None) -> tuple[Operator, tuple[str, ...]]:
    """The network of a recipe with the weights it starts from, and a line that says what was taken over.

    Raises RecipeError if it cannot be made or does not fit the pictures.
    """
    from aplomb.nets import NETWORKS

    part = recipe.network
    if network is None:
        given = {**task.arguments, **part.arguments}
        known = inspect.signature(NETWORKS[part.name]).parameters
        try:
            network = NETWORKS[part.name](**{k: v for k, v in given.items() if k in known})
        except (TypeError, ValueError) as error:
            raise RecipeError(f"{recipe.name}: network {part.name!r} with {part.arguments}: {error}") from None
    network = quiet_branches(network, part.gain) if part.gain != 1 else network
    task.check(network)
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


def precision_here(asked: str, accelerator: str) -> str:
    """The precision of a recipe, but f32 for bf16 on a processor that has no instructions for it.

    There bf16 is computed by emulation, ten times more slowly than f32 (AVX2), and gains nothing.
    """
    on_gpu = accelerator not in ("auto", "cpu") or (accelerator == "auto" and torch.cuda.is_available())
    if asked == "f32" or on_gpu:
        return asked
    if platform.machine().lower() in ("x86_64", "amd64"):
        return asked if torch.cpu._is_avx512_bf16_supported() else "f32"
    return asked if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "f32"


def describe(recipe: Recipe, operator: Operator, fabric: lightning_fabric.Fabric, precision: str, threads: int) -> str:
    """One line on what is about to run."""
    n = recipe.data.side
    cost = operator.multiply_adds((1, operator.input_channels() or recipe.data.channels, n, n)) / n**2
    return (
        f"{recipe.network.name}: {operator.parameters:,} parameters, {cost:,.0f} multiply-adds a pixel, on "
        f"{fabric.world_size} x {fabric.device.type}, {precision}"
        + (f" (the processor has no {recipe.run.precision})" if precision != recipe.run.precision else "")
        + f", {threads} threads"
    )


def freeze_result(
    operator: Operator, path: Path, recipe: Recipe, task: Task[Any], best: dict[str, Any], steps: int, seconds: float
) -> None:
    """Freeze with a card that says task, data, recipe, commit and what was reached."""
    from aplomb.model import freeze

    card = replace(
        task.card(operator),
        name=Path(recipe.name).stem if path.name == "model.onnx" else path.stem,
        task=recipe.task,
        channels=recipe.data.channels,
        training={
            "recipe": recipe.text,
            "data": recipe.data.train,
            "pictures": {k: len(getattr(task.files, k)) for k in ("train", "validation", "test")},
            **task.described,
            "seed": recipe.run.seed,
            "steps": steps,
            "best_step": best["step"],
            "seconds": round(seconds),
            "commit": _commit(),
            "torch": torch.__version__,
        },
        metrics={
            "validation": recipe.data.validation or "split off",
            task.figure: {k: round(v, 4) for k, v in best["figures"].items()},
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
