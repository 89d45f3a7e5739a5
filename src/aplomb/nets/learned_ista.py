"""Sparse coding as networks: learned ISTA, and the forward pass that is a layered pursuit.

    c_0 = shrink(A y),    c_{k+1} = shrink(c_k + A (y - B c_k)),    x = C c_K

With A = t D*, B = C = D and thresholds t lambda these are the steps of ISTA in the dictionary D (`unrolled_ista`).
Learned, as many steps come closer than ISTA's, since A need not be the adjoint of B; all steps share their weights,
as in the paper. `thresholding_network` is one step in each of several layers: an ordinary network.

References: Gregor and LeCun, "Learning fast approximations of sparse coding", ICML 2010; Sreter and Giryes, "Learned
convolutional sparse coding", ICASSP 2018; Simon and Elad, "Rethinking the CSC model for natural images", NeurIPS 2019
(three sets of weights A, B, C, and the stride); Papyan, Romano and Elad, "Convolutional neural networks analyzed via
convolutional sparse coding", JMLR 18, 2017 (layers).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

import numpy as np

from aplomb.arrays import Array
from aplomb.errors import BadInput
from aplomb.facts.lipschitz import tight
from aplomb.layers import channel_clip, relu, take
from aplomb.layers.conv import Conv
from aplomb.layers.tied import Tied
from aplomb.operator import Operator, chain, identity, stack

__all__ = ["learned_ista", "thresholding_network", "unrolled_ista"]


@dataclass(frozen=True)
class Unrolled:
    """The expression of `steps` steps with one set of weights; equal ones are recognised, as a function would be."""

    steps: int

    @property
    def __name__(self) -> str:
        return f"ista_{self.steps}"

    def __call__(self, analysis: Operator, synthesis: Operator, shrink: Operator, picture: Operator) -> Operator:
        """From A, B, the shrinkage, and C; a bias of A is what the shrinkage subtracts."""
        atoms = synthesis.input_channels() or 1
        # the state is (A y, c), both as large as a code: A (y - B c) = A y - A B c
        seen, code = take(0, atoms, of=2 * atoms), take(atoms, 2 * atoms, of=2 * atoms)
        explained = chain(code, synthesis, analysis.linear_part())
        step = chain(code + seen - explained, shrink)
        first = chain(analysis, shrink)
        if self.steps == 1:
            return chain(first, picture)
        states = [stack(seen, step)] * (self.steps - 2)
        return chain(analysis, stack(identity, shrink), *states, step, picture)


def learned_ista(
    channels: int = 1,
    atoms: int = 64,
    size: int = 8,
    steps: int = 8,
    stride: int = 2,
    threshold: float = 0.05,
    non_negative: bool = False,
    seed: int = 0,
) -> Operator:
    """Learned ISTA that restores pictures: `steps` steps in `atoms` atoms of `size` x `size` pixels.

    It starts as ISTA in a dictionary of random atoms. Picture sizes must be multiples of the stride. `non_negative`
    codes are those of ReLUs, others of soft shrinkage; either way each atom has its own threshold.

    >>> net = learned_ista(atoms=16, size=6, steps=3)
    >>> net.output_shape((1, 1, 32, 32)), net.parameters == 3 * 16 * 36 + 16
    ((1, 1, 32, 32), True)
    """
    if min(channels, atoms, steps, stride) < 1 or size < stride or not threshold >= 0:
        raise BadInput(
            f"learned_ista({channels=}, {atoms=}, {size=}, {steps=}, {stride=}, {threshold=}): give 1 or more of each, "
            "size >= stride, threshold >= 0"
        )
    d = np.random.default_rng(seed).normal(size=(atoms, channels, size, size))
    d /= np.sqrt(np.square(d).sum(axis=(1, 2, 3), keepdims=True))
    before = (size - stride) // 2
    pads = (before, size - stride - before)
    dictionary = Conv(d.astype(np.float32), None, (stride, stride), (pads, pads), transposed=True)
    # thresholds as they are after the step
    return unrolled_ista(dictionary, threshold * _norm(dictionary) ** 2, steps, non_negative=non_negative)


def unrolled_ista(
    dictionary: Operator,
    weight: float | Array,
    steps: int,
    *,
    step: float | None = None,
    non_negative: bool = False,
) -> Operator:
    """The network whose weights are ISTA's: what `steps` steps from zero make of y, D c, and where training starts.

    `dictionary` is the adjoint of a convolution, `weight` lambda, one or (K,); `step` is 1 / ||D||^2 unless given.

    >>> from aplomb.layers import conv
    >>> D = conv(1, 4, 3, bias=False).adjoint()
    >>> unrolled_ista(D, 0.1, 5).parameters == 3 * 4 * 9 + 4
    True
    """
    if not _is_dictionary(dictionary) or steps < 1:
        raise BadInput(f"{steps} steps of ISTA in {dictionary!r}: give 1 or more, in the adjoint of a convolution")
    t = 1 / _norm(dictionary) ** 2 if step is None else float(step)
    if not (math.isfinite(t) and t > 0):
        raise BadInput(f"ISTA with step {t}; give a finite number above 0")
    kind = dictionary.weight.dtype
    thresholds = np.broadcast_to((t * np.asarray(weight)).astype(kind), dictionary.channels[:1])
    analysis = replace(dictionary, weight=(t * dictionary.weight).astype(kind), transposed=False)
    shrink: Operator = relu
    if non_negative:
        analysis = replace(analysis, bias=-thresholds)
    else:
        shrink = identity - channel_clip(thresholds)
    return Tied(Unrolled(steps), (analysis, dictionary, shrink, dictionary))


def thresholding_network(dictionaries: Sequence[Operator], weights: Sequence[float | Array]) -> Operator:
    """Layered thresholding, c_i = max(D_i* c_{i-1} - lambda_i, 0), as the network that it is: convolutions and ReLUs.

    One non-negative step of ISTA in each layer, from zero and with step 1. The other way round, the layers of any such
    network are dictionaries, ``layer.linear_part().adjoint()``, with weights ``-layer.bias``.

    >>> from aplomb.layers import conv
    >>> thresholding_network([conv(1, 4, bias=False).adjoint(), conv(4, 8, bias=False).adjoint()], [0.1, 0.2])
    chain(conv(1, 4, 3, pads=((1, 1), (1, 1))), ReLU(), conv(4, 8, 3, pads=((1, 1), (1, 1))), ReLU())
    """
    if not dictionaries or len(dictionaries) != len(weights):
        raise BadInput(f"{len(dictionaries)} dictionaries and {len(weights)} weights; give one weight a layer")
    layers: list[Operator] = []
    for dictionary, weight in zip(dictionaries, weights, strict=True):
        if not _is_dictionary(dictionary):
            raise BadInput(f"{dictionary!r} is no dictionary; give the adjoint of a convolution")
        bias = -np.broadcast_to(np.asarray(weight), dictionary.channels[:1])
        layers += [replace(dictionary, bias=bias, transposed=False), relu]
    return chain(*layers)


def _is_dictionary(operator: Operator) -> TypeGuard[Conv]:
    return isinstance(operator, Conv) and operator.transposed and operator.bias is None


def _norm(dictionary: Operator) -> float:
    return dictionary.lipschitz(tight).value
