"""How plug-and-play is run on each kind of forward model, unless it is told: iterations, last noise level, strength.

Chosen by hand on a few pictures of train400 and cbsd432; ``benchmarks/plug_and_play.py --tune`` measures on such. Rays
take long, hence the few conjugate gradients for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import Fourier
from aplomb.degrade.radon import Projection
from aplomb.degrade.sample import Bicubic, Mask, Mosaic
from aplomb.degrade.sensing import Blocks, Hadamard
from aplomb.layers.resample import Downsample

__all__ = ["Settings", "settings"]


@dataclass(frozen=True)
class Settings:
    """Of half-quadratic splitting."""

    iterations: int = 8
    last: float = 0.0
    """The schedule does not fall below this level, range 0..1, however little noise there is."""
    strength: float = 0.23
    fill: int = 100
    """Most conjugate gradients for the start."""
    solves: int = 20
    """Most conjugate gradients in a data step."""


KINDS: tuple[tuple[type, Settings], ...] = (
    (Mosaic, Settings(40, 0.6 / 255)),
    (Downsample, Settings(24, 1 / 255)),
    (Bicubic, Settings(24, 1 / 255)),
    (Mask, Settings(60, 2 / 255)),
    (Fourier, Settings(30, 1 / 255)),
    (Blocks, Settings(40, 1 / 255)),
    (Hadamard, Settings(40, 1 / 255)),
    (Projection, Settings(12, 1 / 255, fill=10, solves=5)),
)


def settings(forward: ForwardModel) -> Settings:
    """Those of the first kind of leaf that the forward model has, in the order of the table; else those for blur.

    >>> from aplomb.layers import downsample
    >>> settings(ForwardModel(downsample(2))).iterations
    24
    """
    return next((found for kind, found in KINDS if forward.find(kind) is not None), Settings())
