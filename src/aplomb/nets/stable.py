"""Denoisers that are non-expansive by construction: no change of the picture comes out larger than it went in.

`gradient_steps`, which ships, walks down learned penalties of the picture's filter responses,

    x <- x - A* clip(A x, w(level)),    ||A||^2 <= 2,

with other filters A at each step. A clip has slopes in [0, 1], so the Jacobian I - A* D A is symmetric with eigenvalues
in [-1, 1], whatever the widths w are: each step is non-expansive in the picture, for every map of noise levels, and so
is any number of them. Filters alternate between scales, behind a pixel-unshuffle, which only moves pixels.

`averaged` is (I + R) / 2 with a network R of bounded convolutions, padded once, that is itself non-expansive.

References: Goujon et al., "A neural-network-based convex regularizer for inverse problems", IEEE TCI 2023 (one penalty,
iterated to its minimum, where here each step has its own); Chen and Pock, "Trainable nonlinear reaction diffusion",
IEEE TPAMI 2017 (steps with their own filters, without a bound); Pesquet et al., "Learning maximally monotone operators
for image recovery", SIAM J. Imaging Sciences 2021 (averaged).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from aplomb.errors import BadInput
from aplomb.layers import (
    bounded_conv,
    clip_by,
    conv,
    downsample,
    group_sort,
    orthogonal_conv,
    pad,
    pixel_unshuffle,
    relu,
    sigmoid,
    spline,
    take,
)
from aplomb.layers.tied import Tied
from aplomb.operator import Operator, chain, identity, stack

LIMIT = 1.4142
"""Largest norm of the filters, a little below the root of two."""


def gradient_steps(
    channels: int = 1,
    width: int = 48,
    scales: Sequence[int] = (4, 2) * 6,
    size: int = 3,
    hidden: int = 6,
    seed: int = 0,
) -> Operator:
    """Non-expansive denoiser of pictures with `channels` channels plus one that holds the noise level (range 0..1).

    `scales` has the pixel-unshuffle of each step, `width` the filters, of `size` x `size` taps there, and `hidden` the
    units from which the clip's widths follow the level. Picture sizes must be multiples of the largest scale.

    >>> from aplomb.facts.lipschitz import tight
    >>> from aplomb.facts.level import with_level
    >>> net = gradient_steps(width=8, scales=(2, 2))
    >>> net.output_shape((1, 2, 16, 16)), with_level(net, 0.1).lipschitz(tight).value
    ((1, 1, 16, 16), 1.0)
    """
    if channels < 1 or width < 1 or not scales or hidden < 1:
        raise BadInput(f"gradient_steps(channels={channels}, width={width}, scales={scales}): give one or more of each")
    rng = np.random.default_rng(seed)

    def step(scale: int) -> Operator:
        # filters that answer to no constant picture, and widths that grow with the level from the start
        shape = (width, channels * scale**2, size, size)
        filters = rng.normal(size=shape)
        filters -= filters.mean(axis=(1, 2, 3), keepdims=True)
        filters /= 2 * np.linalg.norm(filters) / width**0.5
        analysis = chain(pixel_unshuffle(scale), bounded_conv(shape[1], width, size, limit=LIMIT, balanced=True))
        # log(width) grows with the level by straight pieces, between knots that are powers of two; a sigmoid gives no
        # width of 0, from which no gradient leads away
        knots = 0.25 / 2.0 ** np.arange(hidden)
        first = {"1.weight": -1 / knots, "1.bias": np.ones(hidden)}
        second = {"3.weight": -rng.uniform(0.4, 0.8, (width, hidden)), "3.bias": rng.uniform(-5.5, -3.0, width)}
        widths = chain(downsample(scale), conv(1, hidden, 1), relu, conv(hidden, width, 1), sigmoid)
        return Tied(descend, (_with(analysis, {"1.weight": filters}), _with(widths, first | second)))

    return chain(*map(step, scales), take(0, channels, of=channels + 1))


def descend(analysis: Operator, widths: Operator) -> Operator:
    """(x, level) -> (x - A* clip(A x, widths(level)), level)."""
    channels = analysis.input_channels() or 1
    both = channels + 1
    x, level = take(0, channels, of=both), take(channels, both, of=both)
    clipped = chain(stack(chain(x, analysis), chain(level, widths)), clip_by)
    return stack(x - chain(clipped, analysis.adjoint()), level)


def averaged(
    channels: int = 1,
    width: int = 32,
    layers: int = 6,
    activation: Literal["spline", "group-sort"] = "spline",
    orthogonal: bool = False,
    seed: int = 0,
) -> Operator:
    """Firmly non-expansive denoiser (I + R) / 2, without a noise level: R has `layers` convolutions of norm 1 or less.

    `orthogonal` takes those between the first and the last from `orthogonal_conv`.

    >>> averaged(layers=2).output_shape((1, 1, 16, 16))
    (1, 1, 16, 16)
    """
    if activation not in ("spline", "group-sort") or layers < 2 or channels < 1 or width < 2 or width % 2:
        raise BadInput(f"averaged(width={width}, layers={layers}, activation={activation!r}): even width, 2 layers")
    bend = spline(width, reach=0.5) if activation == "spline" else group_sort
    between = [
        orthogonal_conv(width, seed=seed + n)
        if orthogonal
        else bounded_conv(width, width, padding="valid", seed=seed + n)
        for n in range(1, layers - 1)
    ]
    first = bounded_conv(channels, width, padding="valid", seed=seed)
    last = bounded_conv(width, channels, padding="valid", seed=seed + layers)
    inside = [bend]
    for layer in between:
        inside += [layer, bend]
    r = chain(pad(2 if orthogonal else layers), first, *inside, last)
    return 0.5 * (identity + r)


def _with(operator: Operator, weights: dict[str, np.ndarray]) -> Operator:
    places = operator.weights()
    return operator.with_weights({n: w.astype(np.float32).reshape(places[n].shape) for n, w in weights.items()})
