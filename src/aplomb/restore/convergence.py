"""Plug-and-play that converges: what has to hold for it, looked at before it is claimed.

With N non-expansive, the step t at most 2 / ||D||^2 and P the projection on the box of pictures [a, b],

    T(x) = P(N(x - t D*(D x - y)))

is non-expansive, as each of its parts is, and maps the box into itself, so that it has a fixed point (Brouwer). The
iteration x <- x + theta (T(x) - x), 0 < theta < 1, then converges to one from every start (Krasnoselskii, Mann), and
||x_{k+1} - x_k|| never grows: relaxing the whole of T, and not N alone, leaves its fixed points where they are.

E. Ryu et al., "Plug-and-play methods provably converge with properly trained denoisers", ICML 2019.
H. Bauschke, P. Combettes, "Convex analysis and monotone operator theory in Hilbert spaces", Springer, 2011, 5.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aplomb.arrays import Shape
from aplomb.errors import BadInput
from aplomb.facts.lipschitz import tight
from aplomb.layers.pad import NO_PADS, Pads
from aplomb.operator import Operator, chain

__all__ = ["RELAXATION", "Terms", "strongest", "terms"]

RELAXATION = 0.5
"""theta: the middle has the best bound of the residual, 1 / sqrt(k + 1) of the box after k iterations."""


@dataclass(frozen=True)
class Terms:
    """How a proximal-gradient run has to be done, and what is proved about it then."""

    step: float
    """t."""
    relaxation: float = 1.0
    """theta; 1 where nothing is proved."""
    box: tuple[float, float] | None = None
    """[a, b]; None does not project."""
    pads: Pads = NO_PADS
    """Pixels that the picture is given below and beside it, free ones, for N to take it as it is."""
    guarantee: str = ""
    notes: tuple[str, ...] = ()


def terms(forward: Operator, denoiser: Any, levels: Sequence[float], shape: Shape, turns: bool = False) -> Terms:
    """The terms of a run on pictures of `shape`, whose denoiser is told `levels`, one an iteration.

    A denoiser is known to be non-expansive if it has a method ``bound(level)`` that says so, a
    `aplomb.operator.Bound` of at most 1; its `multiple` is what sizes have to be, and its `box` the range of pictures.

    >>> from aplomb.operator import identity
    >>> terms(identity, lambda x, level: x, (0.1,), (1, 1, 8, 8)).notes
    ('no convergence is proved: of the denoiser no bound is known',)
    """
    linear = forward.linear_part()
    norm = linear.lipschitz(tight)
    known = norm.kind != "unknown" and norm.value > 0
    # what is found from below is made a little larger, to choose a step by
    step = 1 / (norm.value if known else 1.05 * strongest(linear, shape)) ** 2
    last = levels[-1]
    settled = next(k for k in range(len(levels)) if all(level == last for level in levels[k:]))
    why = ""
    if not hasattr(denoiser, "bound"):
        why = "of the denoiser no bound is known"
    elif not (bound := denoiser.bound(last)).value <= 1:
        why = f"the denoiser's bound is {bound}, more than 1; stable-grey and stable-colour are non-expansive"
    elif not known:
        why = f"no bound of the forward model is known ({norm.reason})"
    elif turns:
        why = "the picture is turned in each iteration, so that each applies another map"
    elif settled == len(levels) - 1 and len(levels) > 1:
        why = "the noise level changes until the end; give a schedule that stays"
    if why:
        return Terms(step, notes=(f"no convergence is proved: {why}",))
    box = getattr(denoiser, "box", (0.0, 1.0))
    multiple = getattr(denoiser, "multiple", 1)
    rows, columns = ((0, -n % multiple) for n in shape[2:])
    return Terms(
        step,
        RELAXATION,
        box,
        (rows, columns),
        f"converges: the denoiser, told {255 * last:.3g} of 255, is non-expansive (bound {bound}), and so is a "
        f"gradient step of {step:.4g} (||D|| {norm}). From iteration {settled + 1} on, the map is averaged and has a "
        f"fixed point: the iterates tend to one from every start, and the residual never grows (in exact arithmetic)",
    )


def strongest(operator: Operator, shape: Shape, iterations: int = 30, seed: int = 0) -> float:
    """||D||, or what is found of it from below by a power iteration on D* D: a scale to choose numbers by, no bound.

    >>> from aplomb.operator import identity
    >>> strongest(3.0 * identity, (1, 1, 4, 4))
    3.0
    """
    known = operator.lipschitz()
    if known.kind == "exact" and known.value:
        return known.value
    gram = chain(operator, operator.adjoint())
    x = np.random.default_rng(seed).normal(size=(1, *shape[1:]))
    size = 0.0
    for _ in range(iterations):
        x = gram(x / np.linalg.norm(x))
        size = float(np.linalg.norm(x))
        if not size:
            raise BadInput("the forward model gives zero for every picture; nothing can be recovered")
    return math.sqrt(size)
