"""Plug-and-play: a denoiser as the prior of any inverse problem y = D x + noise.

Three iterations, which differ in how data and denoiser meet. N is the denoiser for a noise of standard deviation s, and
P(z) is the x that minimises ||D x - y||^2 + r ||x - z||^2, with r = strength sigma^2 / s^2::

    hqs                 x <- N(P(x)),  s falling
    admm                z <- P(x - u),  x <- N(z + u),  u <- u + z - x
    proximal-gradient   x <- N(x - t D*(D x - y))

The last one converges if N is non-expansive, see `aplomb.restore.convergence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aplomb.errors import BadInput, ShapeError
from aplomb.layers import crop
from aplomb.layers.pad import NO_PADS
from aplomb.operator import Linearity, Operator, chain
from aplomb.restore.convergence import Terms, strongest, terms
from aplomb.restore.unrolled import data_step, start_at

__all__ = ["METHODS", "Denoiser", "Method", "Solution", "levels", "plug_and_play"]

Method = Literal["hqs", "admm", "proximal-gradient"]
METHODS: tuple[Method, ...] = get_args(Method)
Values = NDArray[Any]

FIRST = 49 / 255
"""Noise level at which the schedule begins, as DPIR has it."""
LAST = 0.255 / 255
"""No measurement is taken to be better than this: without noise the data step would leave nothing to the denoiser."""

LOWEST = 1 / 255
"""A fixed level is not lower than this, where denoisers do nothing."""

Denoiser = Callable[[Any, float], Any]
"""``denoiser(x, level)``: pictures (N, C, H, W) in 0..1 with a noise of standard deviation `level`, denoised."""


@dataclass(frozen=True)
class Solution:
    """What an iteration came to, and how."""

    x: Values
    """The last iterate, (N, C, H, W)."""
    residuals: tuple[float, ...]
    """||x_{k+1} - x_k|| of each iteration, root mean square."""
    levels: tuple[float, ...]
    """Noise level that the denoiser was told in each iteration, range 0..1."""
    method: Method
    guarantee: str = ""
    """What is proved about the iteration; empty if nothing is."""
    notes: tuple[str, ...] = ()
    """Among them why nothing is proved."""


def levels(sigma: float, iterations: int, first: float = FIRST) -> tuple[float, ...]:
    """Noise levels that fall from `first` to `sigma`, evenly on a logarithmic scale.

    >>> [round(255 * level, 2) for level in levels(1 / 255, 3)]
    [49.0, 7.0, 1.0]
    """
    last = max(sigma, LAST)
    return tuple(map(float, np.geomspace(max(first, last), last, iterations))) if iterations > 1 else (last,)


def plug_and_play(
    y: Values,
    forward: Operator,
    denoiser: Denoiser,
    *,
    sigma: float,
    method: Method = "hqs",
    iterations: int = 8,
    schedule: Sequence[float] | None = None,
    strength: float = 0.23,
    start: Values | None = None,
    turns: bool = False,
    tolerance: float = 1e-4,
    solves: int = 20,
    progress: Callable[[int, int, float], None] | None = None,
) -> Solution:
    """Recover x from y = D x + noise, with a denoiser as the prior.

    .. math:: x_{k+1} = N_{s_k}\\Big(\\arg\\min_x \\|D x - y\\|^2 + r_k \\|x - x_k\\|^2\\Big), \\qquad
              r_k = \\lambda \\sigma^2 / s_k^2

    for ``method="hqs"``; the others stand at the top of the module. The data step is in closed form where D has
    one, and by conjugate gradients elsewhere.

    Parameters
    ----------
    y
        The measurement, as D gives it: (N, C, H, W).
    forward
        D, linear or affine.
    denoiser
        N, called with pictures (N, C, H, W) and a level in 0..1. `aplomb.restore.prior.prior` gives the shipped ones.
    sigma
        Standard deviation of the noise in y, range 0..1.
    method
        "hqs" (half-quadratic splitting), "admm" or "proximal-gradient".
    iterations
        How many.
    schedule
        Noise level of the denoiser in each iteration. Unless given, it falls from 49 / 255 to sigma, see `levels`.
    strength
        The number :math:`\\lambda`; the more, the less the measurement is trusted.
    start
        x_0; D* y unless given.
    turns
        Whether iteration k turns and mirrors the picture for the denoiser, in the k-th of 8 ways, and back.
    tolerance, solves
        Of the conjugate gradients in a data step without closed form: they end at the tolerance, or after so many
        iterations, and the next data step goes on from there.
    progress
        Called with the iterations done, the iterations in all and the last residual.

    Raises
    ------
    BadInput
        A D that is nonlinear, a sigma below 0, another method, numbers that make no iteration.
    ShapeError
        y, or the start, does not fit D.

    References
    ----------
    S. Venkatakrishnan, C. Bouman, B. Wohlberg, "Plug-and-play priors for model based reconstruction", GlobalSIP 2013.
    K. Zhang et al., "Plug-and-play image restoration with deep denoiser prior", IEEE TPAMI 44 (10), 2021.

    Examples
    --------
    >>> from aplomb.layers import downsample
    >>> from scipy.ndimage import gaussian_filter
    >>> def smooth(x, level):
    ...     return gaussian_filter(x, (0, 0, 9 * level, 9 * level))
    >>> found = plug_and_play(np.ones((1, 1, 4, 4)), downsample(2), smooth, sigma=0.01, iterations=30)
    >>> found.x.shape, len(found.residuals), found.residuals[-1] < found.residuals[0]
    ((1, 1, 8, 8), 30, True)
    """
    if method not in METHODS:
        raise BadInput(f"plug-and-play by {method!r} asked for; known are {', '.join(METHODS)}")
    _check(forward, sigma, strength)
    x = _start(y, forward, start)
    height, width = x.shape[2:]
    norm = strongest(forward.linear_part(), x.shape)
    noise = max(sigma / norm, LAST)
    told = _told(schedule, noise, iterations, method, strength)
    agreed = Terms(1.0)
    if method == "proximal-gradient":
        agreed = terms(forward, denoiser, told, x.shape, turns)
        if agreed.pads != NO_PADS:
            # what the measurement does not see: zeros around it would be seen, and mirrored borders amplify
            forward = chain(crop(agreed.pads), forward)
            x = np.pad(x, ((0, 0), (0, 0), *agreed.pads), mode="symmetric")
    run = _Run(y, forward, denoiser, noise * norm, strength, turns, tolerance, solves, agreed)
    residuals = []
    iterates = {"hqs": _hqs, "admm": _admm, "proximal-gradient": _proximal_gradient}[method](run, told, x)
    for k, after in enumerate(iterates, 1):
        residuals.append(float(np.sqrt(np.mean(np.square(after - x)))))
        x = after
        if progress is not None:
            progress(k, len(told), residuals[-1])
    return Solution(x[:, :, :height, :width], tuple(residuals), told, method, agreed.guarantee, agreed.notes)


# -- iterations: each gives one iterate after the other ------------------------------------------------------


def _hqs(run: _Run, told: Sequence[float], x: Values) -> Iterator[Values]:
    for k, level in enumerate(told):
        x = run.denoise(run.fit(x, level), level, k)
        yield x


def _admm(run: _Run, told: Sequence[float], x: Values) -> Iterator[Values]:
    u, before = np.zeros_like(x), told[0]
    for k, level in enumerate(told):
        u = u * (level / before) ** 2  # the multiplier itself is u r, and r changes with the level
        z = run.fit(x - u, level)
        x = run.denoise(z + u, level, k)
        u, before = u + z - x, level
        yield x


def _proximal_gradient(run: _Run, told: Sequence[float], x: Values) -> Iterator[Values]:
    for k, level in enumerate(told):
        z = run.denoise(x - run.terms.step * run.gradient(x), level, k)
        if run.terms.box is not None:
            z = np.clip(z, *run.terms.box)
        x = x + run.terms.relaxation * (z - x)
        yield x


@dataclass(frozen=True)
class _Run:
    """What the iterations are made of."""

    y: Values
    forward: Operator
    denoiser: Denoiser
    sigma: float
    strength: float
    turns: bool
    tolerance: float
    solves: int
    terms: Terms

    def gradient(self, x: Values) -> Values:
        """D*(D x - y), of half the squared misfit."""
        return np.asarray(self.forward.linear_part().adjoint()(self.forward(x) - self.y)).astype(x.dtype, copy=False)

    def fit(self, z: Values, level: float) -> Values:
        """The x that minimises ||D x - y||^2 + r ||x - z||^2."""
        r = self.strength * (self.sigma / level) ** 2
        return np.asarray(data_step(z, self.y, self.forward, r, self.tolerance, self.solves)).astype(
            z.dtype, copy=False
        )

    def denoise(self, x: Values, level: float, k: int) -> Values:
        if not self.turns:
            return np.asarray(self.denoiser(x, level))
        # of the 8 ways, each with its own inverse: k quarter turns, mirrored in the second half
        turned = np.rot90(x, k % 4, (2, 3))
        turned = np.flip(turned, 3) if k % 8 > 3 else turned
        y = np.asarray(self.denoiser(np.ascontiguousarray(turned), level))
        return np.rot90(np.flip(y, 3) if k % 8 > 3 else y, -(k % 4), (2, 3))


# -- what is asked for ---------------------------------------------------------------------------------------


def _check(forward: Operator, sigma: float, strength: float) -> None:
    if forward.linearity is Linearity.NONLINEAR:
        raise BadInput(f"plug-and-play needs a forward model that is linear or affine, found {forward!r}")
    if not 0 <= sigma < np.inf:
        raise BadInput(f"sigma is {sigma}; give a standard deviation of 0 or more, in the units of the measurement")
    if not 0 < strength < np.inf:
        raise BadInput(f"strength is {strength}; give a number above 0 (0.23 is usual)")


def _told(
    schedule: Sequence[float] | None, noise: float, iterations: int, method: Method, strength: float
) -> tuple[float, ...]:
    if schedule is None:
        if iterations < 1:
            raise BadInput(f"plug-and-play in {iterations} iterations asked for; give at least 1")
        if method == "hqs":
            return levels(noise, iterations)
        # a step of 1 / ||D||^2 is a data step of strength sigma^2 / s^2 = ||D||^2
        return (max(noise * strength**0.5, LOWEST),) * iterations
    told = tuple(float(level) for level in schedule)
    if not told or not all(0 < level < np.inf for level in told):
        raise BadInput(f"the schedule is {list(schedule)}; give a noise level above 0, range 0..1, for each iteration")
    return told


def _start(y: Values, forward: Operator, start: Values | None) -> Values:
    back = forward.linear_part().adjoint()
    shape = back.output_shape(y.shape)
    if forward.output_shape(shape) != y.shape:
        raise ShapeError(
            f"the forward model makes {forward.output_shape(shape)} of pictures of {shape}, y has {y.shape}"
        )
    if start is None:
        return np.asarray(start_at(y, forward))
    if start.shape != shape:
        raise ShapeError(f"the start has the shape {start.shape}, the forward model takes {shape}")
    return np.asarray(start)
