"""Forward models in words, for people who did not write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from aplomb.degrade.blur import Blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import AsComplex, Coils, Fourier
from aplomb.degrade.interference import Interference
from aplomb.degrade.noise import Gaussian, Noise
from aplomb.degrade.radon import FanBeam, Radon
from aplomb.degrade.sample import Bicubic, Mask, Mosaic
from aplomb.degrade.sensing import Blocks, Hadamard
from aplomb.layers.pad import Pad
from aplomb.layers.resample import Downsample
from aplomb.operator import Identity, Operator

__all__ = ["in_words"]

WORDS: dict[type, Callable[[Any], str]] = {
    Identity: lambda leaf: "",
    Pad: lambda leaf: "",  # the border of the blur behind it
    AsComplex: lambda leaf: "",
    Blur: lambda leaf: f"blur by {leaf.size[0]} x {leaf.size[1]} pixels",
    Downsample: lambda leaf: f"one of {leaf.factor} x {leaf.factor} pixels",
    Bicubic: lambda leaf: f"bicubic down-sampling by {leaf.factor}",
    Mask: lambda leaf: f"a mask that lets {_share(leaf.weight)} through",
    Mosaic: lambda leaf: f"mosaic {leaf.pattern}",
    Interference: lambda leaf: "periodic interference",
    Fourier: lambda leaf: "Fourier transform",
    Coils: lambda leaf: f"{len(leaf.maps)} coils",
    Blocks: lambda leaf: f"{len(leaf.rows)} random sums of each {leaf.size} x {leaf.size} pixels",
    Hadamard: lambda leaf: f"{len(leaf.keep)} Hadamard measurements",
    Radon: lambda leaf: f"parallel beams at {len(leaf.angles)} angles",
    FanBeam: lambda leaf: f"fan beams at {len(leaf.angles)} angles",
}


def in_words(forward: ForwardModel) -> str:
    """What the model does, in the order in which it does it, then the noise.

    >>> from aplomb.degrade.blur import blur
    >>> from aplomb.degrade.psf import disk
    >>> in_words(ForwardModel(blur(disk(2)), Gaussian(0.01)))
    'blur by 5 x 5 pixels, Gaussian noise of standard deviation 2.55 of 255'
    """
    steps, frequencies = [], False
    for leaf in forward.operator.leaves():
        masked = frequencies and isinstance(leaf, Mask)
        steps.append(f"{_share(leaf.weight)} of the frequencies" if masked else _step(leaf))  # type: ignore[attr-defined]
        frequencies |= isinstance(leaf, Fourier)
    told = ", ".join(step for step in (*steps, _noise(forward.noise)) if step) or "the picture as it is"
    return f"{forward.name}: {told}" if forward.name else told


def _share(weight: Any) -> str:
    return f"{100 * np.mean(weight != 0):.0f} %"


def _step(leaf: Operator) -> str:
    return WORDS.get(type(leaf), repr)(leaf)


def _noise(noise: Noise | None) -> str:
    if noise is None or noise == Gaussian(0.0):
        return ""
    if isinstance(noise, Gaussian):
        return f"Gaussian noise of standard deviation {255 * noise.sigma:.3g} of 255"
    return f"{noise.name} noise ({', '.join(f'{key} {value:g}' for key, value in vars(noise).items())})"
