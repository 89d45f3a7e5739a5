"""Where an iteration begins: the smoothest picture that explains the measurement, for any forward model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.arrays import Array, namespace
from aplomb.degrade.solve import conjugate_gradients
from aplomb.operator import Operator

__all__ = ["roughness", "seen", "smoothest"]

Values = NDArray[Any]


def smoothest(
    y: Array, forward: Operator, weight: float = 1e-3, tolerance: float = 1e-7, iterations: int = 100
) -> Array:
    """The picture that explains y, and has no more slope than that takes.

    .. math:: \\arg\\min_x \\|D x - y\\|^2 + \\mu \\|\\nabla x\\|^2

    Masked pixels are filled from their neighbours, pixels between those of a coarse picture lie where D says that they
    do, a blur is undone as far as it goes.

    Parameters
    ----------
    y
        The measurement, (N, C, H, W), array or tensor.
    forward
        D, linear or affine, of a norm around 1 (else scale `weight` by its square).
    weight
        The number :math:`\\mu`.
    tolerance, iterations
        Of the conjugate gradients.

    Examples
    --------
    >>> from aplomb.layers.linear import Multiply
    >>> y = np.array([[[[0.0, 1.0, 0.0, 0.0, 4.0]]]])
    >>> smoothest(y, Multiply(np.sign(y)), 1e-4)[0, 0].round(2)
    array([[1., 1., 2., 3., 4.]])
    """
    linear = forward.linear_part()
    back = linear.adjoint()
    offset = forward(0.0 * back(y))

    def gram(x: Array) -> Array:
        return back(linear(x)) + weight * roughness(x)

    return conjugate_gradients(gram, back(y - offset), tolerance, iterations)


def seen(y: Values, forward: Operator) -> Values:
    """The measurement sent back, as bright as explains it best: a D* y with the a that minimises ||D a D* y - y||.

    >>> from aplomb.operator import identity
    >>> seen(np.full((1, 1, 1, 2), 3.0), 2.0 * identity).ravel()
    array([1.5, 1.5])
    """
    linear = forward.linear_part()
    x = np.asarray(linear.adjoint()(y - forward(np.zeros_like(linear.adjoint()(y)))))
    again = np.asarray(linear(x), np.float64)
    return x * (float(np.vdot(again, y)) / max(float(np.vdot(again, again)), np.finfo(np.float64).tiny))


def roughness(x: Array) -> Array:
    """The gradient of ||grad x||^2 / 2: each pixel against its neighbours, without wrapping around.

    >>> roughness(np.array([[[[1.0, 1.0, 3.0]]]])).ravel()
    array([ 0., -2.,  2.])
    """
    xp, total = namespace(x), 0.0 * x
    for axis in (2, 3):
        slope = xp.diff(x, axis=axis)
        end = 0.0 * xp.take(x, xp.asarray([0]), axis=axis)
        total = total - xp.diff(xp.concat([end, slope, end], axis=axis), axis=axis)
    return total
