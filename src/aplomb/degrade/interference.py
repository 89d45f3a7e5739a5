"""Periodic interference: a wave added to the picture, as mains hum or a screen behind a print leave one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aplomb.arrays import Array, Shape, like
from aplomb.errors import BadInput, ShapeError
from aplomb.operator import Ask, Bound, Grid, Linearity, Operator, identity

__all__ = ["Interference", "interference"]


@dataclass(frozen=True, eq=False, repr=False)
class Interference(Operator):
    """x -> x + p with p(n) = amplitude sin(2 pi <frequency, n> + phase). Made by `interference`."""

    frequency: tuple[float, float]
    amplitude: float
    phase: float = 0.0

    def pattern(self, height: int, width: int) -> Array:
        """p, (H, W)."""
        y, x = (f * np.arange(n) for f, n in zip(self.frequency, (height, width), strict=True))
        return self.amplitude * np.sin(2 * np.pi * (y[:, None] + x) + self.phase)

    def _apply(self, x: Array) -> Array:
        return x + like(self.pattern(*x.shape[2:]), x)

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 4:
            raise ShapeError(f"interference takes (N, C, H, W), found {shape}")
        return shape

    def grid(self, axis: int = 0) -> Grid:
        return Grid(0)  # the wave stays where it is

    @property
    def linearity(self) -> Linearity:
        return Linearity.AFFINE

    def _linear_part(self) -> Operator:
        return identity

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "a shift of the values")


def interference(frequency: tuple[float, float], amplitude: float, phase: float = 0.0) -> Operator:
    """A wave added to every channel; compose several for several waves.

    .. math:: y(n) = x(n) + A \\sin(2 \\pi (f_y n_y + f_x n_x) + \\varphi)

    Affine, so what inverts it takes ``linear_part()``, which is the identity, of what remains without the wave.

    Parameters
    ----------
    frequency
        (f_y, f_x), cycles per pixel down and across, each from -1/2 to 1/2.
    amplitude
        A, in the units of the picture, above 0.
    phase
        In radians, at the first pixel.

    Raises
    ------
    BadInput
        A number is out of its range; both frequencies are 0.

    Examples
    --------
    >>> interference((0, 0.25), 0.1)(np.zeros((1, 1, 1, 5)))[0, 0, 0].round(3) + 0.0
    array([ 0. ,  0.1,  0. , -0.1,  0. ])
    """
    fy, fx = (float(f) for f in frequency)
    if not (abs(fy) <= 0.5 and abs(fx) <= 0.5) or fy == fx == 0:
        raise BadInput(f"interference of frequency {frequency}: give cycles per pixel from -0.5 to 0.5, not both 0")
    if not (math.isfinite(amplitude) and amplitude > 0 and math.isfinite(phase)):
        raise BadInput(f"interference of amplitude {amplitude} and phase {phase}: give a finite amplitude above 0")
    return Interference((fy, fx), float(amplitude), float(phase))
