"""How far an executed network may be from the exact one: rounding errors, bounded layer by layer.

For x of norm at most m, the computed T(x) is within e of the exact one. A layer with weights W sums n products, in any
order: its error is at most gamma_n || |W| || m, with gamma_n = n u / (1 - n u) and u the unit roundoff; errors that
come in are multiplied by its Lipschitz bound. Reference: Higham, "Accuracy and stability of numerical algorithms",
2002.

It holds for sums of products. Fast convolutions (Winograd, FFT) that an engine may choose have larger constants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from aplomb.arrays import Shape
from aplomb.facts.flow import Step
from aplomb.facts.lipschitz import tight
from aplomb.layers.conv import Conv
from aplomb.layers.dense import Dense
from aplomb.layers.norm import BatchNorm
from aplomb.layers.pool import AveragePool
from aplomb.layers.resample import Bilinear, Repeat
from aplomb.operator import Linearity, Operator, Scaling

__all__ = ["rounding_error"]


def rounding_error(steps: Sequence[Step], output: int, shape: Shape, unit: float = 2.0**-24) -> float:
    """Bound of ||computed T(x) - T(x)|| for inputs of `shape` with values in 0..1, in l2; infinite if none is known.

    >>> from aplomb.facts.flow import steps
    >>> from aplomb.layers import conv
    >>> found, output = steps(conv(1, 1, 3, bias=False))
    >>> 0 < rounding_error(found, output, (1, 1, 8, 8)) < 1e-4
    True
    """
    norms, errors, shapes = [math.sqrt(math.prod(shape))], [0.0], [shape]
    for step in steps[:output]:
        m, e = [norms[i] for i in step.inputs], [errors[i] for i in step.inputs]
        before = shapes[step.inputs[0]]
        if step.join == "stack":
            size, error = math.hypot(*m), math.hypot(*e)
            before = (before[0], sum(shapes[i][1] for i in step.inputs), *before[2:])
        elif step.join:
            size = sum(m)
            error = sum(e) + len(m) * unit * (size + sum(e))
        else:
            size, error = m[0], e[0]
        after = step.operator.output_shape(before)
        if not step.join:
            size, error = _through(step.operator, size, error, before, unit)
        norms.append(size)
        errors.append(error)
        shapes.append(after)
    return errors[output]


def _through(operator: Operator, size: float, error: float, shape: Shape, unit: float) -> tuple[float, float]:
    """Norm and error behind a leaf or a chain of them."""
    for leaf in operator.leaves():
        after = leaf.output_shape(shape)
        gain = leaf.lipschitz(tight).value
        zero = float(np.linalg.norm(leaf(np.zeros((1, *shape[1:]), np.float32)))) * math.sqrt(shape[0])
        terms, absolute = _sums(leaf, gain)
        gamma = terms * unit / (1 - terms * unit)
        error = gain * error + gamma * (absolute * (size + error) + zero)
        size = gain * size + zero
        shape = after
    return size, error


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
