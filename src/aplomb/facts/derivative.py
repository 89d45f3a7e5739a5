"""The derivative of an operator at a picture: the linear operator J with T(x + h) = T(x) + J h + o(h).

It is an expression like any other, so it has an adjoint, J*, and with it come gradients, rows of the Jacobian (the
filter that a network applies at one pixel of one picture) and local gains, without a framework.
"""

from __future__ import annotations

import numpy as np

from aplomb.arrays import Array
from aplomb.errors import BadInput
from aplomb.graph import Graph, Node
from aplomb.layers.channels import Place
from aplomb.layers.tied import Tied
from aplomb.operator import Compose, Operator, Stack, Sum, chain

__all__ = ["derivative"]


def derivative(operator: Operator, x: Array) -> Operator:
    """The derivative of `operator` at `x`; where it has none (a kink, equal maxima), that of one side.

    Parameters
    ----------
    operator
        Any; a leaf of your own states `_derivative`, if it is not affine.
    x
        (N, C, H, W) or (N, C), as the operator takes it, an ndarray.

    Returns
    -------
    jacobian
        A linear operator for arrays of the shape of `x`, with an adjoint.

    Raises
    ------
    ShapeError
        `x` does not fit.
    BadInput
        A leaf states no derivative; it is named.

    Examples
    --------
    >>> from aplomb.layers import relu
    >>> from aplomb.operator import identity
    >>> jacobian = derivative(identity - 0.5 * relu, np.array([[-1.0, 2.0]]))
    >>> jacobian(np.ones((1, 2))), jacobian.adjoint()(np.ones((1, 2)))
    (array([[1. , 0.5]]), array([[1. , 0.5]]))
    """
    operator.output_shape(tuple(x.shape))
    return _at(operator, np.asarray(x))


def _at(operator: Operator, x: Array) -> Operator:
    if isinstance(operator, Compose):
        # chain rule: J(g f)(x) = J(g)(f x) J(f)(x)
        parts = []
        for part in operator.parts:
            parts.append(_at(part, x))
            x = part(x)
        return chain(*parts)
    if isinstance(operator, Sum):
        return Sum(tuple(_at(part, x) for part in operator.parts))
    if isinstance(operator, Stack):
        return _stacked([_at(part, x) for part in operator.parts], [part(x).shape[1] for part in operator.parts])
    if isinstance(operator, Graph):
        return _graph(operator, x)
    if isinstance(operator, Tied):
        return _at(operator.expression, x)
    try:
        return operator._derivative(x)
    except (NotImplementedError, BadInput):
        raise BadInput(f"no derivative is known of {operator!r}; define _derivative(self, x) in its class") from None


def _stacked(parts: list[Operator], channels: list[int]) -> Operator:
    """Stacking as a sum of parts that are put in their places: a form with an adjoint."""
    starts = np.cumsum([0, *channels])
    placed = [Place(int(s), n, sum(channels)) for s, n in zip(starts, channels, strict=False)]
    return Sum(tuple(chain(part, place) for part, place in zip(parts, placed, strict=True)))


def _graph(graph: Graph, x: Array) -> Operator:
    values, nodes = [x], []
    number = [0]  # of each value of the graph in the derivative's, where stacking takes nodes of its own
    for node, value in zip(graph.nodes, graph.values(x), strict=True):
        inputs = tuple(number[i] for i in node.inputs)
        joined = values[node.inputs[0]]
        if len(inputs) > 1 and node.join == "stack":
            widths = [values[i].shape[1] for i in node.inputs]
            starts = np.cumsum([0, *widths])
            for place, (i, n) in enumerate(zip(inputs, widths, strict=True)):
                nodes.append(Node((i,), Place(int(starts[place]), n, sum(widths))))
            inputs = tuple(range(len(nodes) - len(widths) + 1, len(nodes) + 1))
            joined = np.concatenate([values[i] for i in node.inputs], axis=1)
        elif len(inputs) > 1:
            joined = sum(values[i] for i in node.inputs)
        nodes.append(Node(inputs, _at(node.operator, joined)))
        number.append(len(nodes))
        values.append(value)
    return Graph(tuple(nodes), number[graph.output])
