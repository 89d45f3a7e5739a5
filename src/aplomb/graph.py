"""Directed graphs of operators: what an ONNX file holds, read back as an expression where it is one.

A value is numbered: 0 is the input, i the result of ``nodes[i - 1]``. A node joins its inputs (by sum or by stacking
channels, where there are several) and applies an operator to them. `expression` turns a series-parallel graph into
compositions, sums and stacks; any other stays a `Graph`, an operator with the same facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aplomb.arrays import Array, Shape, concatenate
from aplomb.errors import BadInput
from aplomb.operator import (
    EVERYWHERE,
    Ask,
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
        return x if self.output == 0 else self.values(x)[self.output - 1]

    def values(self, x: Array) -> list[Array]:
        """The result of each node."""
        values = [x]
        for node in self.nodes:
            joined = values[node.inputs[0]]
            if node.join == "stack" and len(node.inputs) > 1:
                joined = concatenate([values[i] for i in node.inputs])
            else:
                for i in node.inputs[1:]:
                    joined = joined + values[i]
            values.append(node.operator(joined))
        return values[1:]

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

    def _adjoint(self) -> Operator:
        # Backwards: what arrives at a value is the sum of what its users send back. Node k of the adjoint belongs
        # to value len(nodes) + 1 - k of the graph, and the last one to the input.
        if any(len(n.inputs) > 1 and n.join == "stack" for n in self.nodes):
            raise BadInput("the adjoint of a graph that stacks channels needs their numbers; take its derivative")
        number: dict[int, int] = {}
        nodes: list[Node] = []
        for value in range(self.output, -1, -1):
            users = [number[u] for u, n in enumerate(self.nodes, 1) for i in n.inputs if i == value and u in number]
            if value != self.output and not users:
                continue
            inputs = tuple(users) if users else (0,)
            nodes.append(Node(inputs, self.nodes[value - 1].operator._adjoint() if value else identity))
            number[value] = len(nodes)
        return Graph(tuple(nodes), len(nodes))

    def _lipschitz(self, ask: Ask) -> Bound:
        # along the nodes: a sum has the sum of the bounds of its inputs, a stack the root of the sum of squares
        bounds = [Bound(1.0, "exact")]
        for node in self.nodes:
            joint = (Stack if node.join == "stack" else Sum)(tuple(_Fixed((), bound=bounds[i]) for i in node.inputs))
            bounds.append(ask(chain(joint if len(node.inputs) > 1 else joint.parts[0], node.operator)))
        return bounds[self.output]

    def _input_channels(self, wanted: int | None) -> int | None:
        users = (n.operator.input_channels() for n in self.nodes if n.inputs == (0,))
        return next((c for c in users if c is not None), None)

    def __repr__(self) -> str:
        return f"Graph({len(self.nodes)} nodes)"


@dataclass(frozen=True, eq=False)
class _Fixed(Operator):
    """Stands for a value of known shape, lattice or bound, so that the laws of Sum and Stack serve here."""

    shape: Shape
    lattice: Grid = field(default_factory=Grid)
    bound: Bound = field(default_factory=lambda: Bound(1.0, "exact"))

    def _output_shape(self, shape: Shape) -> Shape:
        return self.shape

    def grid(self, axis: int = 0) -> Grid:
        return self.lattice

    def _lipschitz(self, ask: Ask) -> Bound:
        return self.bound


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
