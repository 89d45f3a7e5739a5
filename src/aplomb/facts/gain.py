"""Lower bounds of a Lipschitz constant: the strongest amplification of a small change that was found.

What is found here is attained, so a true constant is at least as large; it is never a bound from above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from aplomb.arrays import Array
from aplomb.facts.derivative import derivative
from aplomb.operator import Operator

__all__ = ["Gain", "gain_at"]


@dataclass(frozen=True)
class Gain:
    """``||T(x + h) - T(x)|| / ||h||`` for the worst `change` h that was found, of norm `radius`."""

    value: float
    radius: float
    change: Array


def gain_at(
    operator: Operator,
    x: Array,
    *,
    radius: float = 1e-3,
    iterations: int = 20,
    seed: int = 0,
    start: Array | None = None,
) -> Gain:
    """Search for the change of `x` that `operator` amplifies most; float64 throughout.

    Each step goes along J* (T(x + h) - T(x)) with J the derivative at x + h, scaled back to the radius: projected
    gradient ascent with an infinite step, and the power iteration on J* J where T is linear around x.

    Parameters
    ----------
    operator
        Any whose derivative is known.
    x
        (1, C, H, W) or (1, C).
    radius
        Root mean square of the change, in units of x. Small ones give the local gain.
    iterations
        Steps; each costs about three times the operator.
    seed, start
        The first change, drawn from `seed` unless given.

    Returns
    -------
    gain
        The largest that was met on the way, with its change.

    Examples
    --------
    >>> from aplomb.layers import dense
    >>> layer = dense(2, 2, bias=False).with_weights({"0.weight": np.diag([1.0, 3.0])})
    >>> round(gain_at(layer, np.zeros((1, 2))).value, 6)
    3.0
    """
    x = np.asarray(x, np.float64)
    size = radius * math.sqrt(x.size)
    h = np.random.default_rng(seed).normal(size=x.shape) if start is None else np.asarray(start, np.float64)
    h = h * (size / np.linalg.norm(h))
    with threadpool_limits(1, user_api="blas"):  # its products are small, and threads would wait for each other
        best, here = Gain(0.0, size, h), operator(x)
        for _ in range(iterations):
            moved = operator(x + h) - here
            value = float(np.linalg.norm(moved)) / float(np.linalg.norm(h))
            if value > best.value:
                best = Gain(value, size, h)
            back = derivative(operator, x + h).adjoint()(moved)
            length = float(np.linalg.norm(back))
            if not length > 0:
                break
            h = back * (size / length)
    return best
