"""How many numbers are alive at once while an operator is evaluated: what working memory is made of."""

from __future__ import annotations

import math

from aplomb.arrays import Shape
from aplomb.layers.tied import Tied
from aplomb.operator import Compose, Operator, Stack, Sum


def peak_values(operator: Operator, shape: Shape) -> int:
    """Most numbers alive at once while `operator` maps an input of `shape`, input and output included.

    A chain keeps one part's input and output at a time; a sum keeps its input and the total so far, a stack its input
    and the outputs so far. Engines need more, for copies in other layouts; see ``runtime/tiles.py``.

    >>> from aplomb.layers import conv, relu
    >>> from aplomb.operator import chain
    >>> peak_values(chain(conv(1, 8), relu, conv(8, 1)), (1, 1, 10, 10))
    1600
    """
    size = math.prod(shape)
    if isinstance(operator, Tied):
        return peak_values(operator.expression, shape)
    if isinstance(operator, Compose):
        peak = 0
        for part in operator.parts:
            peak, shape = max(peak, peak_values(part, shape)), part.output_shape(shape)
        return peak
    if isinstance(operator, (Sum, Stack)):
        peak, held = 0, 0
        for part in operator.parts:
            peak = max(peak, held + peak_values(part, shape))
            out = math.prod(part.output_shape(shape))
            held = out if isinstance(operator, Sum) else held + out
        return max(peak, size + held + (0 if isinstance(operator, Sum) else held))
    if operator.children():  # a graph: everything, to be on the safe side
        return size + sum(math.prod(s) for s in operator._shapes(shape))  # type: ignore[attr-defined]
    return size + math.prod(operator.output_shape(shape))
