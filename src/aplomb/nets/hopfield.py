"""The Hopfield network: a memory that completes what it is shown.

    s -> step(2 W s - W 1), again and again;    W = 1/P sum_p (2 s_p - 1) (2 s_p - 1)^T, without its diagonal

States are 0 and 1 here. The stored patterns are fixed points as long as they are few (at most 0.14 of the units, if
they are random) and unlike each other. Reference: Hopfield, "Neural networks and physical systems with emergent
collective computational abilities", PNAS 79, 1982; all units change at once here, where there they took turns.
"""

from __future__ import annotations

import numpy as np

from aplomb.arrays import Array
from aplomb.errors import BadInput
from aplomb.layers import step
from aplomb.layers.dense import Dense
from aplomb.operator import Operator, chain


def hopfield(patterns: Array, steps: int = 8) -> Operator:
    """Hopfield network that remembers `patterns`, (P, n) of zeros and ones, by Hebb's rule: (N, n) -> (N, n).

    >>> memory = hopfield(np.array([[1, 1, 1, 0, 0, 0]]))
    >>> memory(np.array([[1.0, 1, 0, 0, 0, 0]]))
    array([[1., 1., 1., 0., 0., 0.]])
    """
    found = np.asarray(patterns)
    if found.ndim != 2 or not found.size or not np.isin(found, (0, 1)).all() or steps < 1:
        raise BadInput(f"hopfield of patterns of shape {found.shape} in {steps} steps: give zeros and ones (P, n)")
    signs = 2.0 * found - 1
    weight = (signs.T @ signs / len(signs)).astype(np.float32)
    np.fill_diagonal(weight, 0)
    return chain(*[Dense(2 * weight, -weight.sum(1)), step] * steps)
