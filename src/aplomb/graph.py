"""Directed graphs of operators: what an ONNX file holds, read back as an expression where it is one.

A value is numbered: 0 is the input, i the result of ``nodes[i - 1]``. A node joins its inputs (by sum or by stacking
channels, where there are several) and applies an operator to them. `expression` turns a series-parallel graph into
compositions, sums and stacks; any other stays a `Graph`, an operator with the same facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aplomb.arrays import Array, Shape, concatenate
from aplomb.operator import (
    EVERYWHERE,
    Bound,
    GraphWriter,
    Grid,
    Interval,
    Linearity,
    Operator,
    Stack,
    Sum,
    chain,
    identity,
    unknown,
)


@dataclass(frozen=True)
class Node:
    """`operator` applied to the joined `inputs`; `join` is "sum" or "stack" (either for a single one)."""

    inputs: tuple[int, ...]
    operator: Operator = identity
    join: str = "sum"


@dataclass(frozen=True, eq=False, repr=False)
class Graph(Operator):
    """An operator that is no series-parallel expression: nodes in an order in which they can be computed."""

    nodes: tuple[Node, ...]
    output: int

    def _apply(self, x: Array) -> Array:
        values = [x]
        for node in self.nodes:
            joined = values[node.inputs[0]]
            if node.join == "stack" and len(node.inputs) > 1:
                joined = concatenate([values[i] for i in node.inputs])
            else:
                for i in node.inputs[1:]:
                    joined = joined + values[i]
            values.append(node.operator(joined))
        return values[self.output]

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        names, shapes = [x], self._shapes(shape)
        for node in self.nodes:
            name = names[node.inputs[0]]
            if node.join == "stack" and len(node.inputs) > 1:
                name = graph.node("Concat", [names[i] for i in node.inputs], axis=1)
            else:
                for i in node.inputs[1:]:
                    name = graph.node("Add", [name, names[i]])
            names.append(
                name if node.operator == identity else node.operator._onnx(graph, name, self._joined(node, shapes))
            )
        return names[self.output]

    def children(self) -> tuple[Operator, ...]:
        return tuple(node.operator for node in self.nodes)

    def _rebuild(self, children: Sequence[Operator]) -> Operator:
        nodes = tuple(Node(n.inputs, c, n.join) for n, c in zip(self.nodes, children, strict=True))
        return Graph(nodes, self.output)

    def _joined(self, node: Node, shapes: Sequence[Shape]) -> Shape:
        parts = tuple(_Fixed(shapes[i]) for i in node.inputs)
        joint: Operator = Stack(parts) if node.join == "stack" else Sum(parts)
        return joint._output_shape(shapes[node.inputs[0]])

    def _shapes(self, shape: Shape) -> list[Shape]:
        shapes = [shape]
        for node in self.nodes:
            shapes.append(node.operator._output_shape(self._joined(node, shapes)))
        return shapes

    def _output_shape(self, shape: Shape) -> Shape:
        return self._shapes(shape)[self.output]

    def _span(self, interval: Interval, axis: int) -> Interval:
        # backwards: what every user of a value needs of it, hulled
        needed: dict[int, Interval] = {self.output: interval}
        for value in range(len(self.nodes), 0, -1):
            if value in needed:
                lo, hi = self.nodes[value - 1].operator._span(needed[value], axis)
                for i in self.nodes[value - 1].inputs:
                    old = needed.get(i, (lo, hi))
                    needed[i] = (min(lo, old[0]), max(hi, old[1]))
        return needed.get(0, EVERYWHERE)

    def grid(self, axis: int = 0) -> Grid:
        grids = [Grid()]
        for node in self.nodes:
            joint = Sum(tuple(_Fixed((), grids[i]) for i in node.inputs))
            grids.append(chain(joint, _Fixed((), node.operator.grid(axis))).grid(axis))
        return grids[self.output]

    @property
    def parameters(self) -> int:
        return sum(node.operator.parameters for node in self.nodes)

    def _multiply_adds(self, shape: Shape) -> int:
        shapes = self._shapes(shape)
        return sum(node.operator._multiply_adds(self._joined(node, shapes)) for node in self.nodes)

    @property
    def linearity(self) -> Linearity:
        return max(node.operator.linearity for node in self.nodes)

    @property
    def homogeneous(self) -> bool:
        return all(node.operator.homogeneous for node in self.nodes)

    def lipschitz(self) -> Bound:
        return unknown("the graph is not series-parallel")

    def _input_channels(self, wanted: int | None) -> int | None:
        users = (n.operator.input_channels() for n in self.nodes if n.inputs == (0,))
        return next((c for c in users if c is not None), None)

    def __repr__(self) -> str:
        return f"Graph({len(self.nodes)} nodes)"


@dataclass(frozen=True, eq=False)
class _Fixed(Operator):
    """Stands for a value whose shape and lattice are known already, so that the laws of Sum and Stack serve here."""

    shape: Shape
    lattice: Grid = field(default_factory=Grid)

    def _output_shape(self, shape: Shape) -> Shape:
        return self.shape

    def grid(self, axis: int = 0) -> Grid:
        return self.lattice


def expression(nodes: Sequence[Node], output: int) -> Operator:
    """The graph as compositions, sums and stacks; as a `Graph` if a value is shared across branches.

    A value's expression starts at its nearest dominator, the last value that every path to it passes; where branches
    meet, each is written from the dominator that they have in common. If that writes some node twice, branches share
    it, and the graph is no expression.

    >>> from aplomb.layers import relu
    >>> expression([Node((0,), relu), Node((0, 1))], 2)
    (identity + ReLU())
    """
    dominators = [0]
    for node in nodes:
        common = node.inputs[0]
        for i in node.inputs[1:]:
            common = _meet(dominators, common, i)
        dominators.append(common)
    written: set[int] = set()
    shared = False

    def write(value: int, root: int) -> Operator:
        nonlocal shared
        parts: list[Operator] = []
        while value != root:
            if value in written:
                shared = True
                break
            written.add(value)
            node, start = nodes[value - 1], dominators[value]
            parts.append(node.operator)
            if len(node.inputs) > 1:
                branches = [write(i, start) for i in node.inputs]
                joint = Sum if node.join == "sum" else Stack
                # a sum of sums is one sum, as everywhere in the algebra
                parts.append(joint(tuple(t for b in branches for t in (b.parts if isinstance(b, joint) else (b,)))))
            value = start
        return chain(*reversed(parts))

    result = write(output, 0)
    return Graph(tuple(nodes), output) if shared else result


def _meet(dominators: Sequence[int], a: int, b: int) -> int:
    """Nearest common dominator; a dominator always has the smaller number."""
    while a != b:
        if a > b:
            a = dominators[a]
        else:
            b = dominators[b]
    return a
