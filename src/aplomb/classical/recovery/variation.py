"""Total variation for any linear operator, by the primal-dual method of Chambolle and Pock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from aplomb.classical.recovery.base import Floats, Recovery, check_count, check_number
from aplomb.classical.recovery.scale import gain, least_squares, norm_bound, unbounded
from aplomb.degrade.forward import ForwardModel
from aplomb.operator import Operator

__all__ = ["TotalVariationRecovery"]


@dataclass(frozen=True)
class TotalVariationRecovery(Recovery):
    """The picture of least total variation among those that explain the measurement, for any linear operator D.

    .. math:: x = \\arg\\min_u \\frac{1}{2 g^2} \\|D u - y\\|^2 + \\lambda \\sum_i |\\nabla u_i|

    with the gradient's length taken over rows, columns and channels together, and g = ||D||_F / sqrt(pixels), the gain
    of D, which makes lambda independent of D's scale. The method of Chambolle and Pock needs of D its application, its
    adjoint and a bound of its norm; where D has a closed-form resolvent, it takes the data term's proximal step with it
    and converges in fewer steps.

    Parameters
    ----------
    strength
        lambda. None: ``1.2 (sigma / g)^1.2``, at least 1e-4.
    iterations
        At most so many steps; they end when the picture changes by less than `tolerance`, relative to its norm.
    tolerance
        See there.

    Raises
    ------
    BadInput
        A parameter is negative; D is not linear, or nothing is known about its norm.

    References
    ----------
    L. Rudin, S. Osher, E. Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60, 1992.
    A. Chambolle, T. Pock, "A first-order primal-dual algorithm for convex problems with applications to imaging", J.
    Mathematical Imaging and Vision 40, 2011. For the colours: X. Bresson, T. Chan, "Fast dual minimization of the
    vectorial total variation norm", Inverse Problems and Imaging 2 (4), 2008.
    """

    strength: float | None = None
    iterations: int = 300
    tolerance: float = 1e-5
    name: ClassVar[str] = "total-variation"

    def __post_init__(self) -> None:
        check_number(self.name, "a strength", self.strength)
        check_count(self.name, "iterations", self.iterations)
        check_number(self.name, "a tolerance", self.tolerance)

    def _fits(self, forward: ForwardModel) -> str:
        return unbounded(forward.operator)

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        y, operator = forward.centred(y), forward.linear
        scale = gain(operator, forward.picture_shape(y.shape))
        strength = 1.2 * (sigma / scale) ** 1.2 if self.strength is None else self.strength
        start = least_squares(operator, y, 10)
        operator, y = (1 / scale) * operator, y / scale
        return minimise(y, operator, max(strength, 1e-4), start, self.iterations, self.tolerance)


def minimise(y: Floats, operator: Operator, strength: float, x: Floats, iterations: int, tolerance: float) -> Floats:
    """The x that minimises 1/2 ||D x - y||^2 + strength TV(x), from a first guess x."""
    # dual values are at most `strength` and pictures move by some 0.1: this ratio of the steps suits both
    primal = 0.1 / strength / np.sqrt(8)
    inverse = operator.resolvent(1 / primal)
    split = inverse is None  # K is (D, grad) without a resolvent, and grad with one; ||grad||^2 <= 8
    share = 0.5 if split else 1.0
    dual_grad = share / (8 * primal)
    dual_data = share / (norm_bound(operator) ** 2 * primal)
    adjoint = operator.adjoint()
    back = adjoint(y)
    q, p = np.zeros((2, *x.shape)), np.zeros_like(y)
    ahead = x
    for _ in range(iterations):
        q = q + dual_grad * gradient(ahead)
        q = q / np.maximum(1, np.sqrt(np.square(q).sum((0, 2), keepdims=True)) / strength)
        before = x
        if inverse is None:
            p = (p + dual_data * (operator(ahead) - y)) / (1 + dual_data)
            x = x - primal * (adjoint(p) - divergence(q))
        else:
            x = inverse(back + x / primal + divergence(q))
        ahead = 2 * x - before
        if np.linalg.norm(x - before) <= tolerance * np.linalg.norm(x):
            break
    return x


def gradient(x: Floats) -> Floats:
    """Differences to the next row and to the next column, 0 at the last: (2, N, C, H, W)."""
    found = np.zeros((2, *x.shape))
    found[0, :, :, :-1] = np.diff(x, axis=2)
    found[1, :, :, :, :-1] = np.diff(x, axis=3)
    return found


def divergence(q: Floats) -> Floats:
    """Minus the adjoint of `gradient`."""
    found = np.zeros(q.shape[1:])
    found[:, :, :-1] += q[0, :, :, :-1]
    found[:, :, 1:] -= q[0, :, :, :-1]
    found[:, :, :, :-1] += q[1, :, :, :, :-1]
    found[:, :, :, 1:] -= q[1, :, :, :, :-1]
    return found
