"""A network that was trained for a forward model: the same text in training, on tensors, and in use, on arrays.

What the network sees first, and what happens between its passes, stands on its model card: a user gives the file, the
measurement and the forward model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.arrays import Array, concatenate, like, namespace
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.sample import Mask, Mosaic
from aplomb.errors import BadInput, ModelError
from aplomb.model import Model
from aplomb.operator import Operator
from aplomb.restore.unrolled import start_at, unrolled
from aplomb.runtime.engines import EngineName
from aplomb.runtime.network import open_network

__all__ = ["Start", "apply", "restored", "start_of"]


@dataclass(frozen=True)
class Start:
    """What a network sees of a measurement, and how its data steps are meant; the card has it as a table."""

    kind: str = "measured"
    """"measured" the measurement itself, "adjoint", "data-step", "smooth" (of the smallest slopes), "fbp" (filtered
    back-projection), or "anscombe": counts whose noise was made even, in which space the network works."""
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
    told: tuple[float, ...] = ()
    """The level that each pass of the network is told, of 255, but not less than the measurement's noise."""

    @property
    def extra(self) -> int:
        """Channels behind the picture."""
        return int(self.mask) + int(self.level or bool(self.told))

    def table(self) -> dict[str, Any]:
        """As the card has it."""
        return asdict(self)

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> Start:
        """From a card's table."""
        return cls(**{**table, "told": tuple(table.get("told", ()))})


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

    Examples
    --------
    >>> from aplomb.layers import downsample
    >>> y = np.ones((1, 1, 2, 2))
    >>> x = restored(lambda x: x * 0 + 0.5, downsample(2), y, Start("adjoint"), [0.25])
    >>> x[0, 0, 0].round(2).tolist()
    [0.9, 0.5, 0.9, 0.5]
    """

    def network(x: Array, told: Array | float | None) -> Array:
        maps = [x]
        if start.mask:
            maps.append(x[:, :1] * 0 + like(_mask(forward), x))
        if start.extra > start.mask:
            maps.append(x[:, :1] * 0 + (0.0 if told is None else like(told, x)))
        return run(concatenate(maps) if len(maps) > 1 else x)

    if start.kind == "anscombe":
        return _evened(network, y, level)
    steps, once_more = max(len(rates), 1), bool(rates) and start.last == "network"
    runs = [partial(network, told=_told(start, number, level)) for number in range(steps + once_more)]
    scale = float(level.mean()) ** 2 if start.scaled and level is not None else 1.0
    x = start_of(forward, y, start, scale)
    x = unrolled(runs[:steps], forward, y, x, [max(rate * scale, 1e-8) for rate in rates])
    return runs[-1](x) if once_more else x


def _told(start: Start, number: int, level: Array | None) -> Array | float | None:
    """What pass `number` of the network is told."""
    if not start.told:
        return level
    told = start.told[number] / 255
    return told if level is None else level + (level < told) * (told - level)


def _evened(network: Callable[..., Array], y: Array, level: Array | None) -> Array:
    """Poisson counts through their root and back, so that the noise is the same everywhere, white at 1.

    .. math:: x = \\big(N(\\sqrt{p y + 3/8} / t,\\ 1 / 2t)\\, t\\big)^2 / p - 3 / 8p, \\qquad t = \\sqrt{p + 3/8},

    with p, the peak, from the noise's level at white, :math:`1 / \\sqrt p`. What is biased in that, the network learns.
    """
    if level is None:
        raise BadInput("a network that works on counts is told the peak, and the forward model has no noise")
    xp, peak = namespace(y), like(level, y) ** -2
    top = xp.sqrt(peak + 3 / 8)
    roots = xp.sqrt(xp.clip(y, min=0.0) * peak + 3 / 8) / top
    return (network(roots, told=0.5 / top) * top) ** 2 / peak - 3 / 8 / peak


def start_of(forward: Operator, y: Array, start: Start, scale: float = 1.0) -> Array:
    """What the network sees first of the measurement y, without further channels."""
    return start_at(y, forward, start.kind, max(start.rate * scale, 1e-8))


def apply(
    model: Model,
    measurement: NDArray[np.floating[Any]],
    forward: ForwardModel,
    *,
    level: float | None = None,
    engine: EngineName = "auto",
    memory: float | None = None,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """The picture (N, C, H, W) that a trained network makes of a measurement (N, ..., ...).

    The network runs in tiles, data steps on whole pictures. A network for colour takes a grey picture as three equal
    channels; one for a Bayer pattern takes the others, which are shifts of it.

    Parameters
    ----------
    model
        A model of the task "restore".
    measurement
        As `forward` gives it.
    forward
        What was measured, and its noise.
    level
        Standard deviation of the noise at white, range 0..1; that of the forward model's noise unless given.
    engine, memory, threads
        See `aplomb.runtime.network.open_network`.

    Raises
    ------
    ModelError
        The model is for another task, or takes pictures of other channels.
    BadInput
        The measurement does not fit the forward model, or a noise level is needed and not known.
    """
    card = model.card
    if card is None or card.task != "restore" or not card.start:
        raise ModelError(f"model {model.name} was not trained for a forward model; give one of the task restore")
    forward.check_measurement(measurement)
    start = Start.read(card.start)
    if level is None and forward.noise is not None:
        level = float(np.sqrt(forward.noise.variance(1.0)))
    if level is None and (start.level or start.scaled):
        raise BadInput(f"model {model.name} is told the noise, and the forward model has none; give [noise] or a level")
    y = np.asarray(measurement, np.float32)
    operator, channels = forward.operator, forward.picture_shape(y.shape)[1]
    grey = channels == 1 and card.channels == 3 and operator.input_channels() is None
    if channels != card.channels and not grey:
        raise ModelError(f"model {model.name} makes pictures of {card.channels} channel(s), this one has {channels}")
    if grey:
        y = np.repeat(y, 3, axis=1)
    top, left = _shift(operator, card.forward)
    if top or left:
        y = np.pad(y, ((0, 0), (0, 0), (top, 0), (left, 0)), mode="reflect")
    network = open_network(model, engine, memory=memory, threads=threads, finer=True)
    levels = None if level is None else np.full((len(y), 1, 1, 1), level, np.float32)

    def run(x: Array) -> Array:
        return network(np.ascontiguousarray(x, np.float32))

    x = np.asarray(restored(run, operator, y, start, card.rates, level=levels), np.float32)[:, :, top:, left:]
    return x.mean(1, keepdims=True) if grey else x


def _shift(operator: Operator, trained: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns to mirror in front, so that a Bayer pattern becomes the one that a network was trained with."""
    mine = next((leaf.pattern for leaf in operator.leaves() if isinstance(leaf, Mosaic)), None)
    theirs = next((step.get("pattern", "RGGB") for step in trained.get("step", ()) if step["kind"] == "mosaic"), None)
    if mine is None or theirs is None:
        return 0, 0
    (a, b), (c, d) = divmod(mine.index("R"), 2), divmod(theirs.index("R"), 2)
    return (a + c) % 2, (b + d) % 2


def _mask(forward: Operator) -> Array:
    """What the forward model's mask sees of a picture, (1, 1, H, W)."""
    leaf = next((leaf for leaf in forward.leaves() if isinstance(leaf, Mask)), None)
    if leaf is None or len(leaf.weight) != 1:
        raise BadInput("the network takes a mask that all channels share, and the forward model has none")
    return leaf.weight[None]
