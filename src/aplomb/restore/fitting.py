"""Which of the shipped networks was trained for a forward model, and whether one was trained for so much noise."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from aplomb.degrade.blur import Blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import AsComplex, Fourier
from aplomb.degrade.noise import Gaussian, Poisson
from aplomb.degrade.radon import FanBeam, Radon
from aplomb.degrade.sample import Bicubic, Mask, Mosaic
from aplomb.degrade.sensing import Blocks, Hadamard
from aplomb.degrade.steps import KINDS, Here
from aplomb.layers.pad import Pad
from aplomb.layers.resample import Downsample
from aplomb.model import Card, Model, load, shipped
from aplomb.operator import Identity, Operator

__all__ = ["beyond", "fits", "trained_for"]

LEAVES: dict[str, type[Operator]] = {
    "blur": Blur,
    "downsample": Downsample,
    "bicubic": Bicubic,
    "mask": Mask,
    "mosaic": Mosaic,
    "fourier": Fourier,
    "gaussian": Blocks,
    "hadamard": Hadamard,
    "radon": Radon,
    "fan-beam": FanBeam,
}
"""What a step of a card's forward model is made of."""

FAINT = 1.5
"""Noise, of 255, up to which pictures pass as having none: clean ones of fine texture are estimated so."""


def trained_for(forward: ForwardModel, channels: int) -> list[Model]:
    """The shipped models of the task "restore" for such a forward model, those for as many channels first.

    >>> from aplomb.operator import identity
    >>> trained_for(ForwardModel(identity), 7)
    []
    """
    found = [(card, model) for card, model in _restorers(tuple(shipped())) if fits(card, forward, channels)]
    return [model for card, model in sorted(found, key=lambda each: each[0].channels != channels)]


@cache
def _restorers(names: tuple[str, ...]) -> list[tuple[Card, Model]]:
    """The models of the task "restore" among `names`, read once: files are checked when they are read."""
    return [(model.card, model) for model in map(load, names) if model.card and model.card.task == "restore"]


def fits(card: Card, forward: ForwardModel, channels: int) -> bool:
    """Whether a network with that card was trained for a forward model of these steps, in this order.

    Blurs, masks and angles are given with the forward model, and so is what a blur sees beyond the border; valid blurs,
    which see nothing there, want a network for them. Factors, and the sums of compressed sensing, must be those of the
    training. A network for colour takes grey pictures as well.

    >>> from aplomb.degrade.sample import bicubic
    >>> card = Card(task="restore", channels=3, forward={"step": [{"kind": "bicubic", "factor": 2}]})
    >>> [fits(card, ForwardModel(bicubic(m)), 1) for m in (2, 3)]
    [True, False]
    """
    steps = card.forward.get("step", ())
    if card.task != "restore" or card.channels not in ({1, 3} if channels == 1 else {channels}):
        return False
    kind = card.forward.get("noise", {}).get("kind", "gaussian")
    name = "gaussian" if forward.noise is None else forward.noise.name
    # what was learned of counted light, or of a camera, is of no use elsewhere
    if "camera" in card.forward or (kind != name and kind != "gaussian") or (not steps and kind == "gaussian"):
        return False
    everything = list(forward.operator.leaves())
    leaves = [leaf for leaf in everything if not isinstance(leaf, (Identity, Pad, AsComplex))]
    if len(leaves) == len(everything) and any(isinstance(leaf, Blur) and leaf.border == "valid" for leaf in leaves):
        # nothing was measured beyond the border: what is there has to be made up, which is another task
        steps = [step for step in steps if step.get("border") == "valid"]
    if any(isinstance(leaf, Fourier) for leaf in leaves):
        # a mask behind it is a part of the step
        leaves = [leaf for leaf in leaves if isinstance(leaf, Fourier)]
    return len(leaves) == len(steps) and all(_same(step, leaf) for step, leaf in zip(steps, leaves, strict=True))


def beyond(card: Card, forward: ForwardModel, sigma: float) -> str:
    """A note if the noise lies outside of the training, else nothing.

    Gaussian noise is that of the standard deviation `sigma`, range 0..1; counts have the forward model's peak.
    """
    told = card.forward.get("noise") or {"kind": "gaussian", "sigma": 0.0}
    if told.get("kind") == "poisson" and isinstance(forward.noise, Poisson):
        low, high = np.ravel(told["peak"]).min(), np.ravel(told["peak"]).max()
        if 0.9 * low <= forward.noise.peak <= 1.1 * high:
            return ""
        return f"{card.name} was trained on peaks of {low:g} to {high:g} photons, here are {forward.noise.peak:g}"
    if told.get("kind") != "gaussian" or (forward.noise is not None and not isinstance(forward.noise, Gaussian)):
        return ""
    levels = np.ravel(told["sigma"])
    if 0.9 * levels.min() <= 255 * sigma <= max(1.1 * levels.max(), FAINT):
        return ""
    shown = " to ".join(f"{level:g}" for level in sorted({levels.min(), levels.max()}))
    return f"{card.name} was trained on noise of standard deviation {shown} of 255, here are {255 * sigma:.3g}"


def _same(step: Mapping[str, Any], leaf: Operator) -> bool:
    kind = step["kind"]
    if not isinstance(leaf, LEAVES.get(kind, type(None))):
        return False
    if isinstance(leaf, (Bicubic, Downsample)):
        return bool(leaf.factor == step.get("factor", 2))
    if isinstance(leaf, Blocks):
        trained: Any = KINDS[kind](Here(Path(), None), **{key: value for key, value in step.items() if key != "kind"})
        return bool(leaf.rows.shape == trained.rows.shape and np.allclose(leaf.rows, trained.rows))
    return True
