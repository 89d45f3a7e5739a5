"""The LSTM cell, and a sequence of its steps as one expression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from aplomb.arrays import Array, Shape, concatenate, like
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.activation import sigmoid, tanh
from aplomb.layers.channels import place, take
from aplomb.layers.dense import Dense
from aplomb.layers.linear import Multiply
from aplomb.layers.tied import Tied
from aplomb.operator import EVERYWHERE, Ask, Bound, GraphWriter, Interval, Operator, chain, stack, unknown


@dataclass(frozen=True, eq=False, repr=False)
class LSTMCell(Operator):
    """One step of a memory that gates guard: (c, h, x) -> (c', h'), vectors side by side.

    i, f, o = sigmoid(...), g = tanh(...) of W (h, x) + b;  c' = f c + i g;  h' = o tanh(c').
    `weight` is (4 H, H + X), the rows of i, f, g and o in this order. References: Hochreiter, Schmidhuber, "Long
    short-term memory", Neural Computation 9(8), 1997; Gers, Schmidhuber, Cummins, 2000 (the forget gate f).
    """

    weight: Array
    bias: Array

    _weights: ClassVar[tuple[str, ...]] = ("weight", "bias")

    @property
    def hidden(self) -> int:
        """Numbers in c, and in h."""
        return int(self.weight.shape[0]) // 4

    @property
    def width(self) -> int:
        """Numbers in c, h and x."""
        return self.hidden + int(self.weight.shape[1])

    def _gates(self, x: Array) -> tuple[Array, Array, Array, Array]:
        n = self.hidden
        z = x[:, n:] @ like(self.weight, x).T + like(self.bias, x)
        i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
        return sigmoid._apply(i), sigmoid._apply(f), tanh._apply(g), sigmoid._apply(o)

    def _apply(self, x: Array) -> Array:
        i, f, g, o = self._gates(x)
        c = f * x[:, : self.hidden] + i * g
        return concatenate([c, o * tanh._apply(c)])

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        n = self.hidden

        def body(g: GraphWriter, x: str, weight: str, bias: str) -> str:
            def part(value: str, start: int, stop: int) -> str:
                return g.node("Slice", [value, *(g.constant(np.array([k], np.int64)) for k in (start, stop, 1))])

            z = g.node("Gemm", [part(x, n, self.width), weight, bias], transB=1)
            i, f, o = (g.node("Sigmoid", [part(z, k * n, (k + 1) * n)]) for k in (0, 1, 3))
            new = g.node("Mul", [i, g.node("Tanh", [part(z, 2 * n, 3 * n)])])
            c = g.node("Add", [g.node("Mul", [f, part(x, 0, n)]), new])
            return g.node("Concat", [c, g.node("Mul", [o, g.node("Tanh", [c])])], axis=1)

        return graph.function("LSTMCell", [x, graph.constant(self.weight), graph.constant(self.bias)], body)

    def _output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 2 or shape[1] != self.width:
            raise ShapeError(f"{self!r} takes (N, {self.width}), content, output and input; found {shape}")
        return shape[0], 2 * self.hidden

    def _span(self, interval: Interval, axis: int) -> Interval:
        return EVERYWHERE

    def _multiply_adds(self, shape: Shape) -> int:
        return int(shape[0] * self.weight.shape[0] * self.weight.shape[1])

    def _derivative(self, x: Array) -> Operator:
        n, c = self.hidden, x[:, : self.hidden]
        i, f, g, o = self._gates(x)
        squashed = np.tanh(f * c + i * g)
        inner = chain(take(n, self.width, of=self.width), Dense(np.asarray(self.weight)))

        def moved(gate: int, factor: Array) -> Operator:
            return chain(inner, take(gate * n, (gate + 1) * n, of=4 * n), Multiply(factor))

        kept = chain(take(0, n, of=self.width), Multiply(f))
        content = kept + moved(0, g * i * (1 - i)) + moved(1, c * f * (1 - f)) + moved(2, i * (1 - g * g))
        output = chain(content, Multiply(o * (1 - squashed**2))) + moved(3, squashed * o * (1 - o))
        return chain(content, place(0, n, 2 * n)) + chain(output, place(n, n, 2 * n))

    def _lipschitz(self, ask: Ask) -> Bound:
        return unknown("an LSTM multiplies its content, which may be of any size, by a gate")

    def _input_channels(self, wanted: int | None) -> int | None:
        return self.width

    def _initialise(self, rng: np.random.Generator) -> Operator:
        n = self.hidden
        weight = rng.normal(0.0, self.weight.shape[1] ** -0.5, self.weight.shape).astype(np.float32)
        bias = np.zeros(4 * n, np.float32)
        bias[n : 2 * n] = 1.0  # remember at first (Jozefowicz et al., 2015)
        return replace(self, weight=weight, bias=bias)

    def __repr__(self) -> str:
        return f"lstm_cell({self.width - 2 * self.hidden}, {self.hidden})"


@dataclass(frozen=True)
class _Unroll:
    """An LSTM cell -> `steps` of it, one after the other, from an empty memory."""

    steps: int
    __name__ = "lstm"

    def __call__(self, cell: Operator) -> Operator:
        assert isinstance(cell, LSTMCell)
        state, x = 2 * cell.hidden, cell.width - 2 * cell.hidden
        parts = [place(state, self.steps * x, state + self.steps * x)]
        for left in range(self.steps, 0, -1):
            width = state + left * x  # content, output and what of the sequence is still to come
            now = chain(take(0, cell.width, of=width), cell)
            parts.append(stack(now, take(cell.width, width, of=width)) if left > 1 else cell)
        return chain(*parts, take(cell.hidden, state, of=state))


def lstm_cell(inputs: int, hidden: int, *, seed: int = 0) -> Operator:
    """LSTM cell with a memory of `hidden` numbers: (content, output, input) -> (content, output).

    >>> lstm_cell(3, 8).parameters, lstm_cell(3, 8).output_shape((1, 19))
    (384, (1, 16))
    """
    if inputs < 1 or hidden < 1:
        raise BadInput(f"lstm_cell({inputs}, {hidden}): both must be positive")
    weight = np.zeros((4 * hidden, hidden + inputs), np.float32)
    return LSTMCell(weight, np.zeros(4 * hidden, np.float32)).initialise(seed)


def lstm(cell: Operator, steps: int) -> Operator:
    """`steps` of one LSTM cell on a sequence, (N, steps * inputs) -> (N, hidden): its last output.

    The cell's weights are there once, and are trained once.

    >>> net = lstm(lstm_cell(3, 8), steps=5)
    >>> net.output_shape((2, 15)), net.parameters
    ((2, 8), 384)
    """
    if not isinstance(cell, LSTMCell) or steps < 1:
        raise BadInput(f"lstm of {cell!r} in {steps} steps: give an lstm_cell, and one step or more")
    return Tied(_Unroll(steps), (cell,))
