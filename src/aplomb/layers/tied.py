"""Expressions in which a part occurs more than once and keeps one set of weights.

``x - A* phi(A x)`` has A twice. Written as a plain expression, training would move its two copies apart; here the parts
are the children, so weights are found, counted and trained once, and everything else is asked of the expression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from aplomb.arrays import Array, Shape
from aplomb.operator import Ask, Bound, GraphWriter, Grid, Interval, Linearity, Operator


@dataclass(frozen=True, eq=False, repr=False)
class Tied(Operator):
    """The expression ``build(*parts)``; `build` is a function of a module, so that equal ones are recognised.

    >>> from aplomb.layers import conv
    >>> def gram(a):
    ...     return a.adjoint() @ a
    >>> tied = Tied(gram, (conv(1, 4, bias=False),))
    >>> tied.parameters, tied.expression.parameters
    (36, 72)
    """

    build: Callable[..., Operator]
    parts: tuple[Operator, ...]

    @cached_property
    def expression(self) -> Operator:
        """The same map, its parts written out wherever they occur."""
        return self.build(*self.parts)

    def children(self) -> tuple[Operator, ...]:
        return self.parts

    def _rebuild(self, children: Sequence[Operator]) -> Operator:
        return Tied(self.build, tuple(children))

    def _apply(self, x: Array) -> Array:
        return self.expression._apply(x)

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        return self.expression._onnx(graph, x, shape)

    def _output_shape(self, shape: Shape) -> Shape:
        return self.expression._output_shape(shape)

    def _span(self, interval: Interval, axis: int) -> Interval:
        return self.expression._span(interval, axis)

    def grid(self, axis: int = 0) -> Grid:
        return self.expression.grid(axis)

    def _multiply_adds(self, shape: Shape) -> int:
        return self.expression._multiply_adds(shape)

    @property
    def linearity(self) -> Linearity:
        return self.expression.linearity

    @property
    def homogeneous(self) -> bool:
        return self.expression.homogeneous

    def _adjoint(self) -> Operator:
        return self.expression._adjoint()

    def _lipschitz(self, ask: Ask) -> Bound:
        return ask(self.expression)

    def _input_channels(self, wanted: int | None) -> int | None:
        return self.expression._input_channels(wanted)

    def __repr__(self) -> str:
        return f"{self.build.__name__}({', '.join(map(repr, self.parts))})"
