"""How far an executed network may be from the exact one: rounding errors, bounded part by part.

For x of norm at most m, the computed T(x) is within e of the exact one. A layer with weights W sums n products, in any
order: its error is at most gamma_n || |W| || m, with gamma_n = n u / (1 - n u) and u the unit roundoff. Errors that
come into a part are multiplied by its Lipschitz bound, and that of a whole step of a stable network is 1, however large
those of its layers are. Reference: Higham, "Accuracy and stability of numerical algorithms", 2002.

It holds for sums of products. Fast convolutions (Winograd, FFT) that an engine may choose have larger constants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from aplomb.arrays import Shape
from aplomb.facts.lipschitz import tight
from aplomb.graph import Graph
from aplomb.layers.conv import Conv
from aplomb.layers.dense import Dense
from aplomb.layers.norm import BatchNorm
from aplomb.layers.pool import AveragePool
from aplomb.layers.resample import Bilinear, Repeat
from aplomb.layers.tied import Tied
from aplomb.operator import Compose, Linearity, Operator, Scaling, Stack, Sum

__all__ = ["rounding_error"]

SINGLE = 2.0**-24
"""Unit roundoff of float32."""


@dataclass(frozen=True)
class _Value:
    """Bounds of a computed value: norm of the exact one, distance from it; and its shape."""

    norm: float
    error: float
    shape: Shape


def rounding_error(operator: Operator, shape: Shape, unit: float = SINGLE) -> float:
    """Bound of ||computed T(x) - T(x)|| for inputs of `shape` with values in 0..1, in l2; infinite if none is known.

    >>> from aplomb.layers import conv
    >>> 0 < rounding_error(conv(1, 1, 3, bias=False), (1, 1, 8, 8)) < 1e-4
    True
    """
    return _through(operator, _Value(math.sqrt(math.prod(shape)), 0.0, shape), unit).error


def _through(operator: Operator, value: _Value, unit: float) -> _Value:
    """What becomes of a value: the errors made inside, and that which came in times the bound of the whole."""
    if isinstance(operator, Tied):
        return _through(operator.expression, value, unit)
    # the value that is there may be longer than the exact one, by its error
    made = _made(operator, _Value(value.norm + value.error, 0.0, value.shape), unit)
    gain = operator.lipschitz(tight).value
    norm = min(made.norm, gain * value.norm + _at_zero(operator, value.shape)) if gain < math.inf else made.norm
    return _Value(norm, made.error + gain * value.error if value.error else made.error, made.shape)


def _made(operator: Operator, value: _Value, unit: float) -> _Value:
    """The same for an exact input."""
    if isinstance(operator, Compose):
        for part in operator.parts:
            value = _through(part, value, unit)
        return value
    if isinstance(operator, (Sum, Stack)):
        return _joined([_through(part, value, unit) for part in operator.parts], isinstance(operator, Stack), unit)
    if isinstance(operator, Graph):
        values = [value]
        for node in operator.nodes:
            inputs = [values[i] for i in node.inputs]
            values.append(_through(node.operator, _joined(inputs, node.join == "stack", unit), unit))
        return values[operator.output]
    return _leaf(operator, value, unit)


def _joined(values: Sequence[_Value], stacked: bool, unit: float) -> _Value:
    if len(values) == 1:
        return values[0]
    n, _, *size = values[0].shape
    if stacked:
        channels = sum(v.shape[1] for v in values)
        return _Value(
            math.hypot(*(v.norm for v in values)), math.hypot(*(v.error for v in values)), (n, channels, *size)
        )
    norm, error = sum(v.norm for v in values), sum(v.error for v in values)
    return _Value(norm, error + (len(values) - 1) * unit * (norm + error), values[0].shape)


def _leaf(leaf: Operator, value: _Value, unit: float) -> _Value:
    gain = leaf.lipschitz(tight).value
    zero = _at_zero(leaf, value.shape)
    terms, absolute = _sums(leaf, gain)
    gamma = terms * unit / (1 - terms * unit)
    error = gamma * (absolute * value.norm + zero) if terms else 0.0
    return _Value(gain * value.norm + zero, error, leaf.output_shape(value.shape))


def _at_zero(operator: Operator, shape: Shape) -> float:
    """||T(0)||."""
    if operator.linearity is Linearity.LINEAR:
        return 0.0
    return float(np.linalg.norm(operator(np.zeros((1, *shape[1:]), np.float32)))) * math.sqrt(shape[0])


def _sums(leaf: Operator, gain: float) -> tuple[int, float]:
    """Terms that are summed for a value, and the norm of the map with the absolute values of its weights."""
    if isinstance(leaf, (Conv, Dense)):
        w = leaf.weight
        terms = math.prod(w.shape[1:])
        if isinstance(leaf, Conv) and leaf.transposed:
            terms = w.shape[0] // leaf.groups * math.prod(w.shape[2:])
        return terms + 2, replace(leaf, weight=np.abs(w)).lipschitz().value
    if isinstance(leaf, AveragePool):
        return math.prod(leaf.size) + 2, gain
    if isinstance(leaf, (Bilinear, Repeat)):
        return leaf.factor**2 + 6, gain
    if isinstance(leaf, (Scaling, BatchNorm)):
        return 3, gain
    # pointwise functions are good to some units; what only moves values is exact, and this is on the safe side
    return (0 if leaf.linearity is Linearity.LINEAR else 8), gain
