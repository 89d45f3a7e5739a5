"""What iterations need to know of any linear operator: how long its steps may be, how loud it is, where to begin."""

from __future__ import annotations

import numpy as np

from aplomb.arrays import Shape
from aplomb.classical.recovery.base import Floats
from aplomb.facts.lipschitz import tight
from aplomb.operator import Operator

__all__ = ["gain", "least_squares", "norm_bound", "unbounded"]


def unbounded(operator: Operator) -> str:
    """Why no norm is known of the linear part of `operator`; empty if one is."""
    bound = operator.linear_part().lipschitz(tight)
    return f"no bound of the norm of {operator!r} is known ({bound.reason})" if bound.kind == "unknown" else ""


def norm_bound(operator: Operator) -> float:
    """An upper bound of the operator's norm, at least a tiny number."""
    return max(operator.lipschitz(tight).value, 1e-12)


def gain(operator: Operator, shape: Shape) -> float:
    """Root mean square of what the operator makes of a pixel: ||D||_F / sqrt(pixels), from one random picture.

    White noise of level sigma in y has the level sigma gain in D* y: the noise of y, seen from the picture, is that of
    a picture with noise sigma / gain. So strengths are chosen for sigma / gain, and hold for operators of any scale.

    >>> from aplomb.operator import identity
    >>> round(gain(4.0 * identity, (1, 1, 64, 64)), 1)
    4.0
    """
    probe = np.random.default_rng([0, 1]).normal(size=shape)  # no operator was drawn with this seed
    return max(float(np.linalg.norm(operator(probe)) / np.linalg.norm(probe)), 1e-12)


def least_squares(operator: Operator, y: Floats, iterations: int) -> Floats:
    """The picture after a few steps of conjugate gradients on ||D x - y||^2 from zero: a start without much noise.

    References
    ----------
    M. R. Hestenes, E. Stiefel, "Methods of conjugate gradients for solving linear systems", J. Research of the National
    Bureau of Standards 49 (6), 1952 (there the form for least squares, now called CGNR).

    Examples
    --------
    >>> from aplomb.operator import identity
    >>> least_squares(2.0 * identity, np.full((1, 1, 1, 2), 3.0), 5).ravel()
    array([1.5, 1.5])
    """
    adjoint = operator.adjoint()
    residual = y
    step = direction = adjoint(residual)
    x = np.zeros_like(step)
    length = start = float(np.vdot(step, step))
    for _ in range(iterations):
        if length <= 1e-20 * start or length == 0:
            break
        image = operator(direction)
        rate = length / float(np.vdot(image, image))
        x = x + rate * direction
        residual = residual - rate * image
        step = adjoint(residual)
        length, before = float(np.vdot(step, step)), length
        direction = step + (length / before) * direction
    return np.asarray(x)
