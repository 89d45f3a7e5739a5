"""An operator written out as a list of steps, in the order in which they are applied.

Every step takes the results of earlier ones by number (0 is the input), so a prefix of the list is a graph of
its own, and its facts are those of the operator up to there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aplomb.arrays import Array, concatenate
from aplomb.facts.names import is_activation, short_name
from aplomb.graph import Graph, Node
from aplomb.layers.tied import Tied
from aplomb.operator import Compose, Operator, Scaling, Stack, Sum, chain, identity

__all__ = ["Step", "results", "steps"]


@dataclass(frozen=True)
class Step:
    """A leaf (with the activations behind it), or a joint of several results.

    `guide` draws the branches around it: a line for each, a corner where they meet. Where a graph is no
    expression of branches that meet, there are none.
    """

    name: str
    inputs: tuple[int, ...]
    operator: Operator = identity
    join: str = ""
    guide: str = ""
    subtracts: bool = False
    """Whether a joint takes the other results away from the first."""

    @property
    def node(self) -> Node:
        """The step as a node of a graph (a subtraction counts as a sum: no fact but the value differs)."""
        return Node(self.inputs, self.operator, "stack" if self.join == "stack" else "sum")


def steps(operator: Operator, *, merge: bool = True) -> tuple[list[Step], int]:
    """The steps, and the number of the one that gives the result.

    With `merge` an activation is part of the step before it, if that has weights.

    >>> from aplomb.layers import conv, relu
    >>> found, output = steps(identity - chain(conv(1, 8), relu, conv(8, 1)))
    >>> [(step.name, step.inputs) for step in found], output
    ([('Conv 3x3 + b, ReLU', (0,)), ('Conv 3x3 + b', (1,)), ('Subtract', (0, 2))], 3)
    """
    found: list[Step] = []
    output = _write(operator, 0, "", found)
    output = _subtractions(found, output)
    return found, _activations(found, output) if merge else output


def results(found: Sequence[Step], x: Array) -> list[Array]:
    """What each step gives for the input `x` (an ndarray or a tensor); number 0 is `x` itself.

    >>> from aplomb.layers import relu
    >>> import numpy as np
    >>> found, output = steps(identity - 2.0 * relu)
    >>> results(found, np.array([[3.0]]))[output]
    array([[-3.]])
    """
    values = [x]
    for step in found:
        first, *rest = [values[i] for i in step.inputs]
        if step.join == "stack":
            first = concatenate([first, *rest])
        else:
            for value in rest:
                first = first - value if step.subtracts else first + value
        values.append(step.operator(first))
    return values


def _write(operator: Operator, start: int, guide: str, found: list[Step]) -> int:
    """Append the steps of `operator`, applied to result `start`; the number of its own result."""
    if operator == identity:
        return start
    if isinstance(operator, Tied):
        return _write(operator.expression, start, guide, found)
    if isinstance(operator, Compose):
        for part in operator.parts:
            start = _write(part, start, guide, found)
        return start
    if isinstance(operator, (Sum, Stack)):
        ends: list[int] = []
        branches = 0
        for part in operator.parts:
            before = len(found)
            ends.append(_write(part, start, guide + "│ ", found))
            if len(found) > before:
                branches += 1
                if branches > 1:
                    first = found[before]
                    found[before] = replace(first, guide=f"{guide}├ {first.guide[len(guide) + 2 :]}")
        return _join("stack" if isinstance(operator, Stack) else "sum", ends, guide + "╰ ", found)
    if isinstance(operator, Graph):
        values = [start]
        for node in operator.nodes:
            inputs = [values[i] for i in node.inputs]
            value = _join(node.join, inputs, guide, found) if len(inputs) > 1 else inputs[0]
            values.append(_write(node.operator, value, guide, found))
        return values[operator.output]
    found.append(Step(short_name(operator), (start,), operator, guide=guide))
    return len(found)


def _join(join: str, inputs: Sequence[int], guide: str, found: list[Step]) -> int:
    found.append(Step("Concatenate" if join == "stack" else "Add", tuple(inputs), join=join, guide=guide))
    return len(found)


def _subtractions(found: list[Step], output: int) -> int:
    """Write a + (-1) b as one subtraction, where nothing else looks at (-1) b."""
    replaced: dict[int, int] = {}
    for at, step in enumerate(found):
        if step.join != "sum":
            continue
        minus = [i for i in step.inputs if _is_minus(found, i) and _users(found, i) == 1]
        plus = [i for i in step.inputs if i not in minus]
        if len(plus) == 1 and minus and output not in minus:
            found[at] = replace(step, name="Subtract", inputs=(plus[0], *minus), subtracts=True)
            replaced |= {i: found[i - 1].inputs[0] for i in minus}
    return _leave_out(found, replaced, output)


def _is_minus(found: Sequence[Step], value: int) -> bool:
    return value > 0 and found[value - 1].operator == Scaling(-1.0)


def _activations(found: list[Step], output: int) -> int:
    """An activation goes with the layer before it, if that layer has weights and no other user."""
    replaced: dict[int, int] = {}
    host: dict[int, int] = {}
    for value, step in enumerate(found, 1):
        before = host.get(step.inputs[0], step.inputs[0])
        if before == 0 or step.join or not is_activation(step.operator):
            continue
        layer = found[before - 1]
        if layer.operator.parameters and _users(found, step.inputs[0]) == 1 and step.inputs[0] != output:
            joined = chain(layer.operator, step.operator)
            found[before - 1] = replace(layer, operator=joined, name=f"{layer.name}, {step.name}")
            replaced[value], host[value] = step.inputs[0], before
    return _leave_out(found, replaced, output)


def _users(found: Sequence[Step], value: int) -> int:
    return sum(step.inputs.count(value) for step in found)


def _leave_out(found: list[Step], replaced: dict[int, int], output: int) -> int:
    """Delete the steps in `replaced`, for each of which the result named there stands; the new output."""
    number = {0: 0}
    kept: list[Step] = []
    for value, step in enumerate(found, 1):
        if value in replaced:
            number[value] = number[replaced[value]]
        else:
            kept.append(replace(step, inputs=tuple(number[i] for i in step.inputs)))
            number[value] = len(kept)
    found[:] = kept
    return number[output]
