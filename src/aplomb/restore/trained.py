"""A network that was trained for a forward model: the same text in training, on tensors, and in use, on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aplomb.arrays import Array, concatenate, like
from aplomb.degrade.sample import Mask
from aplomb.errors import BadInput
from aplomb.operator import Operator
from aplomb.restore.unrolled import start_at, unrolled

__all__ = ["Start", "restored"]


@dataclass(frozen=True)
class Start:
    """What a network sees of a measurement, and how its data steps are meant; the card has it as a table."""

    kind: str = "measured"
    """"measured" the measurement itself, "adjoint", "data-step" or "fbp" (filtered back-projection)."""
    rate: float = 0.01
    """Of the data step that begins."""
    mask: bool = False
    """One more channel that holds the mask of the forward model."""
    level: bool = False
    """One more channel that holds the noise's standard deviation at white, in the range 0..1."""
    scaled: bool = False
    """Rates are in units of the noise's variance at white."""
    last: str = "data-step"
    """What ends the iteration: "data-step", or one more pass of the "network"."""

    @property
    def extra(self) -> int:
        """Channels behind the picture."""
        return int(self.mask) + int(self.level)

    def table(self) -> dict[str, Any]:
        """As the card has it."""
        return asdict(self)

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> Start:
        """From a card's table."""
        return cls(**table)


def restored(
    run: Callable[[Array], Array],
    forward: Operator,
    y: Array,
    start: Start,
    rates: Sequence[float] = (),
    level: Array | None = None,
) -> Array:
    """The picture that the network makes of the measurement y.

    Parameters
    ----------
    run
        The network, on arrays or tensors of the kind that y is: picture and further channels to picture.
    forward
        What was measured.
    y
        (N, C, H, W).
    start
        What the network sees first.
    rates
        Of the data steps, each behind a pass of the network.
    level
        Standard deviation of the noise at white, (N, 1, 1, 1), range 0..1; of use where `start` says so.
    """

    def network(x: Array) -> Array:
        maps = [x]
        if start.mask:
            maps.append(x[:, :1] * 0 + like(_mask(forward), x))
        if start.level:
            maps.append(x[:, :1] * 0 + (0.0 if level is None else level))
        return run(concatenate(maps) if len(maps) > 1 else x)

    if not rates and start.kind == "measured":
        return network(y)
    variance = float(level.mean()) ** 2 if start.scaled and level is not None else 1.0
    first = start_at(y, forward, start.kind, start.rate * variance)
    x = unrolled(network, forward, y, first, [rate * variance for rate in rates])
    return network(x) if rates and start.last == "network" else x


def _mask(forward: Operator) -> Array:
    """What the forward model's mask sees of a picture, (1, 1, H, W)."""
    leaf = next((leaf for leaf in forward.leaves() if isinstance(leaf, Mask)), None)
    if leaf is None or len(leaf.weight) != 1:
        raise BadInput("the network takes a mask that all channels share, and the forward model has none")
    return leaf.weight[None]
