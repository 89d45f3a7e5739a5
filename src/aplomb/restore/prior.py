"""A network that denoises, shipped or anybody's, as the prior of an iteration: any channels, any level, any range."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aplomb.errors import ModelError
from aplomb.facts.lipschitz import tight
from aplomb.model import Model, load
from aplomb.operator import Bound
from aplomb.restore.denoise import USUAL
from aplomb.runtime.choice import check_task
from aplomb.runtime.engines import EngineName
from aplomb.runtime.network import Network, open_network

__all__ = ["Prior", "prior"]


@dataclass(frozen=True)
class Prior:
    """``prior(x, level)``: pictures (N, C, H, W) denoised at one level, planes one by one if the network is grey."""

    network: Network
    box: tuple[float, float] = (0.0, 1.0)
    """What is black and what is white; (-1, 1) for the real and imaginary parts of complex pictures."""

    @property
    def name(self) -> str:
        """Of the model."""
        return self.network.model.name

    @property
    def multiple(self) -> int:
        """Sizes that the network takes as they are are multiples of this; others are padded, by reflection."""
        return self.network.geometry.multiple

    def __call__(self, x: NDArray[np.floating], level: float) -> NDArray[np.float32]:
        """Denoise `x` at one `level`, a standard deviation in the units of `box`."""
        low, high = self.box
        card = self.network.model.card
        channels = card.channels if card else 1
        planes = x if x.shape[1] == channels else x.reshape(-1, 1, *x.shape[2:])
        told = self._told(level)
        extra = None if told is None else np.full((len(planes), 1), told, np.float32)
        y = self.network(((planes - low) / (high - low)).astype(np.float32), extra=extra)
        return (y * np.float32(high - low) + np.float32(low)).reshape(x.shape)

    def bound(self, level: float) -> Bound:
        """Lipschitz bound of the map ``x -> prior(x, level)``, for sizes that are multiples of `multiple`."""
        # moving and scaling the range before, and back behind, leaves it as it is
        return self.network.model.told(level / (self.box[1] - self.box[0])).lipschitz(tight)

    def _told(self, level: float) -> float | None:
        return self.network.model.level(level / (self.box[1] - self.box[0]))


def prior(
    model: str | Path | Model | None = None,
    channels: int = 1,
    *,
    box: tuple[float, float] = (0.0, 1.0),
    engine: EngineName = "auto",
    threads: int | None = None,
) -> Prior:
    """A network, opened, for pictures of `channels`: the usual one unless named, the grey one if no other fits.

    >>> prior("stable-grey").bound(10 / 255).value
    1.0
    """
    chosen = load(USUAL.get(channels, USUAL[1])) if model is None else model
    chosen = chosen if isinstance(chosen, Model) else load(chosen)
    check_task(chosen, "denoise")
    takes = chosen.card.channels if chosen.card else chosen.channels_in
    if takes not in (None, 1, channels):
        raise ModelError(
            f"model {chosen.name} takes pictures with {takes} channels, this one has {channels}; give one for grey"
        )
    return Prior(open_network(chosen, engine, threads=threads), box)
