"""A network that is told one noise level, as an operator in the picture alone.

``T(x, s)`` with constant channels s is rewritten from the input on: sums and stacks pass the constants to their parts,
choices of channels pick from them, what depends on constants only is computed. What is left of a network whose
channels of noise level only set widths and thresholds is a plain network, and the laws see its structure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from aplomb.arrays import Array, Shape
from aplomb.layers import append_constant, take
from aplomb.layers.activation import Pointwise
from aplomb.layers.channels import Take
from aplomb.layers.norm import Dropout
from aplomb.layers.stable import ChannelClip, ClipBy
from aplomb.layers.tied import Tied
from aplomb.operator import Compose, Identity, Operator, Scaling, Stack, Sum, chain, identity

__all__ = ["with_level"]


@dataclass(frozen=True)
class _Split:
    """A value whose first channels are ``operator(picture)``, of `shape`, and whose last ones are `constants`."""

    operator: Operator
    shape: Shape
    constants: tuple[float, ...] = ()
    hidden: int = 0
    """Channels of ``operator(picture)`` that nothing looks at any more, where `shape` has none."""

    @property
    def channels(self) -> int:
        return self.shape[1]

    def whole(self) -> Operator:
        both = chain(self.operator, *map(append_constant, self.constants))
        return chain(both, take(self.hidden, self.hidden + len(self.constants))) if self.hidden else both


def with_level(operator: Operator, level: float, channels: int | None = None) -> Operator:
    """``x -> operator(x, level)``: the last channel of the input is `level` everywhere.

    `channels` are those of the picture, asked of the operator unless given.

    >>> from aplomb.layers import clip_by
    >>> with_level(clip_by, 0.5, 1)(np.full((1, 1, 1, 1), 3.0)).item()
    0.5
    """
    n = channels or (operator.input_channels() or 2) - 1
    side = 16 * operator.grid(0).stride  # large enough for every stride on the way
    found = _push(operator, _Split(identity, (1, n, side, side), (float(level),)))
    return found.whole()


def _push(operator: Operator, value: _Split) -> _Split:
    """`operator` applied to `value`."""
    if isinstance(operator, Tied):
        return _push(operator.expression, value)
    if isinstance(operator, Compose):
        for part in operator.parts:
            value = _push(part, value)
        return value
    if not value.constants:
        return _after(operator, value)
    pushed = _constant(operator, value) if value.channels == 0 else _split(operator, value)
    return pushed or _after(
        operator, _Split(value.whole(), (1, value.channels + len(value.constants), *value.shape[2:]))
    )


def _split(operator: Operator, value: _Split) -> _Split | None:
    """The result with its constants kept apart, or None where they mix with the picture."""
    n, constants = value.channels, value.constants
    if isinstance(operator, Identity):
        return value
    if isinstance(operator, (Scaling, Pointwise, Dropout)):
        moved = operator(np.array(constants).reshape(1, -1, 1, 1)) if not isinstance(operator, ChannelClip) else None
        return None if moved is None else _Split(chain(value.operator, operator), value.shape, tuple(moved.ravel()))
    if isinstance(operator, Take):
        here = range(min(operator.start, n), min(operator.stop, n))
        rest = constants[max(operator.start - n, 0) : max(operator.stop - n, 0)]
        shape = (1, len(here), *value.shape[2:])
        if not here:
            return _Split(value.operator, shape, rest, hidden=n)
        chosen = identity if len(here) == n else take(here.start, here.stop)
        return _Split(chain(value.operator, chosen), shape, rest)
    if isinstance(operator, ClipBy):
        if n != len(constants):
            return None
        return _Split(chain(value.operator, ChannelClip(np.array(constants))), value.shape)
    if not isinstance(operator, (Sum, Stack)):
        return None
    # what the parts share is written before them, so that they start at the picture
    parts = [_push(part, _Split(identity, value.shape, constants)) for part in operator.parts]
    if isinstance(operator, Stack):
        ends = [p for p in parts if p.channels]
        if not ends or any(p.constants for p in parts[: parts.index(ends[-1])]):
            return None
        shape = (1, sum(p.channels for p in ends), *ends[0].shape[2:])
        joined = ends[0].operator if len(ends) == 1 else Stack(tuple(p.operator for p in ends))
        return _Split(chain(value.operator, joined), shape, tuple(c for p in parts for c in p.constants))
    if len({(p.channels, len(p.constants)) for p in parts}) > 1 or not parts[0].channels:
        return None
    total = Sum(tuple(p.operator for p in parts))
    added = tuple(float(sum(c)) for c in zip(*(p.constants for p in parts), strict=True))
    return _Split(chain(value.operator, total), parts[0].shape, added)


def _constant(operator: Operator, value: _Split) -> _Split | None:
    """What becomes of constants alone, if they stay constant."""
    flat = np.array(value.constants).reshape(1, -1, 1, 1) * np.ones((1, 1, *value.shape[2:]))
    result: Array = operator(flat)
    first = result[:, :, :1, :1]
    if not np.array_equal(np.broadcast_to(first, result.shape), result, equal_nan=True):
        return None
    return replace(value, shape=(1, 0, *result.shape[2:]), constants=tuple(map(float, first.ravel())))


def _after(operator: Operator, value: _Split) -> _Split:
    return _Split(chain(value.operator, operator), operator.output_shape(value.shape))
