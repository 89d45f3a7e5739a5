"""Inverse problems, from a measurement and its forward model to the picture: y = D x + noise, x wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.model import Model
from aplomb.operator import Operator
from aplomb.restore.plug_and_play import plug_and_play
from aplomb.restore.prior import prior

__all__ = ["Recovered", "recover"]


@dataclass(frozen=True)
class Recovered:
    """A recovered picture and how it came about."""

    image: NDArray[Any]
    method: str
    model: str
    """The network; empty for a classical method."""
    seconds: float
    notes: tuple[str, ...] = ()
    residuals: tuple[float, ...] = ()
    """||x_{k+1} - x_k|| of each iteration, root mean square, range 0..1; empty if there are none."""
    guarantee: str = ""
    """What is proved about the iteration; empty if nothing is."""


def recover(
    measurement: ArrayLike,
    forward: Operator,
    method: str | None = None,
    sigma: float | None = None,
    model: str | Path | Model | None = None,
    *,
    progress: Callable[[int, int, float], None] | None = None,
) -> Recovered:
    """Recover a picture from a measurement of it, y = D x + noise.

    >>> from aplomb.layers import downsample
    >>> recover(np.full((1, 1, 8, 8), 0.5, np.float32), downsample(2), sigma=0.01).image.shape
    (1, 1, 16, 16)
    """
    begin = time.perf_counter()
    y = np.asarray(measurement)
    channels = forward.linear_part().adjoint().output_shape(y.shape)[1]
    denoiser = prior(model, channels)
    found = plug_and_play(y, forward, denoiser, sigma=sigma or 0.0, progress=progress)
    seconds = time.perf_counter() - begin
    return Recovered(found.x, "pnp", denoiser.name, seconds, found.notes, found.residuals, found.guarantee)
