"""The data step of splitting methods: (T* T + r I)^-1, in closed form or by conjugate gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aplomb.arrays import Array, Shape, namespace
from aplomb.errors import BadInput
from aplomb.layers.linear import LinearLeaf
from aplomb.operator import EVERYWHERE, Ask, Bound, Grid, Interval, Operator, unknown

__all__ = ["ConjugateGradients", "conjugate_gradients", "resolvent"]


def resolvent(operator: Operator, r: float, tolerance: float = 1e-6, iterations: int = 100) -> Operator:
    """The operator (T* T + r I)^-1 of a linear T, for r > 0.

    .. math:: (T^* T + r I)^{-1} (T^* y + r z) = \\arg\\min_x \\|T x - y\\|^2 + r \\|x - z\\|^2

    Parameters
    ----------
    operator
        T, linear, with an adjoint.
    r
        Weight of z against y, above 0.
    tolerance, iterations
        Where no closed form is known, see `ConjugateGradients`.

    Raises
    ------
    BadInput
        T is not linear, or a number is not above 0.

    Examples
    --------
    >>> from aplomb.layers import conv, downsample
    >>> resolvent(3.0 * downsample(2), 0.1) == (3.0 * downsample(2)).resolvent(0.1)  # in closed form
    True
    >>> type(resolvent(conv(1, 1, bias=False), 0.1)).__name__
    'ConjugateGradients'
    """
    found = operator.resolvent(r)
    return ConjugateGradients(operator, float(r), tolerance, iterations) if found is None else found


@dataclass(frozen=True, eq=False, repr=False)
class ConjugateGradients(LinearLeaf):
    """b -> (T* T + r I)^-1 b, each picture on its own, started at 0.

    The iteration ends when the residual's norm is below `tolerance` times that of b, or after `iterations`. Up to the
    tolerance it is linear and its own adjoint. Gradients are those of the solution, not of the iteration: one more
    solve for b, and through it those of the weights of T.

    M. Hestenes, E. Stiefel, "Methods of conjugate gradients for solving linear systems", J. Res. NBS 49, 1952.
    """

    operator: Operator
    r: float
    tolerance: float = 1e-6
    iterations: int = 100

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance > 0 and self.iterations > 0):
            raise BadInput(
                f"conjugate gradients asked for with a tolerance of {self.tolerance} in {self.iterations} iterations; "
                "give numbers above 0"
            )

    def _gram(self, x: Array) -> Array:
        return self.operator._adjoint()(self.operator(x)) + self.r * x

    def _numpy(self, x: Array) -> Array:
        return conjugate_gradients(self._gram, x, self.tolerance, self.iterations)

    def _torch(self, x: Array, torch: Any) -> Array:
        def solve(b: Array) -> Array:
            with torch.no_grad():
                return conjugate_gradients(self._gram, b, self.tolerance, self.iterations)

        found = solve(x)
        if not torch.is_grad_enabled():
            return found
        # A x = b gives dx = A^-1 (db - dA x): what is in brackets has the value 0, and its gradient is solved for
        error = x - self._gram(found)
        if error.requires_grad:
            error.register_hook(solve)
        return found + (error - error.detach())

    def _output_shape(self, shape: Shape) -> Shape:
        self.operator._output_shape(shape)
        return shape

    def _span(self, interval: Interval, axis: int) -> Interval:
        return EVERYWHERE

    def grid(self, axis: int = 0) -> Grid:
        return Grid(0)  # how far an inverse reaches is not known; all places together

    def _multiply_adds(self, shape: Shape) -> int:
        # at most: an iteration that reaches the tolerance ends
        there, back = self.operator, self.operator._adjoint()
        return self.iterations * (there._multiply_adds(shape) + back._multiply_adds(there._output_shape(shape)))

    def children(self) -> tuple[Operator, ...]:
        return (self.operator,)

    def _rebuild(self, children: Sequence[Operator]) -> Operator:
        return ConjugateGradients(children[0], self.r, self.tolerance, self.iterations)

    def _adjoint(self) -> Operator:
        return self

    def _lipschitz(self, ask: Ask) -> Bound:
        return unknown("the inverse is bounded by 1 / r; of an iteration that ends before, nothing is proved")

    def _input_channels(self, wanted: int | None) -> int | None:
        return self.operator._input_channels(None)


def conjugate_gradients(gram: Callable[[Array], Array], b: Array, tolerance: float, iterations: int) -> Array:
    """Solve gram(x) = b for a symmetric positive definite `gram`, picture by picture; numpy or torch.

    >>> import numpy as np
    >>> conjugate_gradients(lambda x: 4.0 * x, np.ones((1, 2)), 1e-9, 5)
    array([[0.25, 0.25]])
    """
    xp = namespace(b)
    axes = tuple(range(1, b.ndim))

    def squared(a: Array) -> Array:
        return xp.sum(a * a, axis=axes, keepdims=True)

    x, residual, direction = xp.zeros_like(b), b, b
    size = squared(b)
    limit = tolerance**2 * size
    valued = getattr(getattr(b, "device", None), "type", "") != "meta"  # else nothing can be looked at
    for _ in range(iterations):
        going = ~(size <= limit)  # a NaN goes on, and is seen in the result
        if valued and not bool(xp.any(going)):
            break
        image = gram(direction)
        curvature = xp.sum(direction * image, axis=axes, keepdims=True)
        step = xp.where(going, size / xp.where(going, curvature, 1.0), 0.0)
        x = x + step * direction
        residual = residual - step * image
        before, size = size, squared(residual)
        direction = residual + xp.where(going, size / xp.where(going, before, 1.0), 0.0) * direction
    return x
