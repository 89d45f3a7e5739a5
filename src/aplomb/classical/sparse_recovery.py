"""Denoising and inpainting, and any other recovery, with a convolutional dictionary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aplomb.arrays import Array, Shape, like
from aplomb.classical.sparse_coding import dictionary, fista
from aplomb.errors import BadInput, ShapeError
from aplomb.operator import Operator, chain, identity

__all__ = ["sparse_recovery"]


def sparse_recovery(
    y: Array,
    atoms: Array,
    weight: float,
    forward: Operator = identity,
    *,
    stride: int = 4,
    places: int | None = None,
    steps: int = 30,
    rounds: int = 2,
) -> Array:
    """The picture of the sparse code that explains a measurement: denoising, inpainting, deblurring.

    .. math:: \\hat x = \\frac1S \\sum_s D_s c_s, \\quad
              c_s = \\arg\\min_c \\tfrac12 \\|H D_s c - y\\|^2 + \\sum_i \\lambda_i |c_i|

    The atoms lie on a lattice, and the result is the mean over shifts s of it: with all shifts in one dictionary, its
    atoms are so alike that the codes are no good at denoising. A constant atom in each channel carries the local mean
    at no cost. What is large in the code of one round is held down less in the next, ``2 lambda^2 / (abs(c_i) +
    lambda)`` instead of lambda, so that edges keep their height.

    Parameters
    ----------
    y
        Measurement: a picture (N, C, H, W), or what `forward` makes of one; ndarray or tensor.
    atoms
        (K, C, h, w) of norm 1, as those of `aplomb.classical.dictionary`.
    weight
        lambda, in the units of the picture: for denoising 1.4 times the standard deviation of the noise, about; small
        (0.01) where values are missing but not noisy.
    forward
        H: the identity, a mask (``aplomb.layers.linear.Multiply``), or any linear operator with a bound.
    stride
        Of the lattice; half of the atoms' size is a good one.
    places
        How many of the stride^2 shifts to take the mean over; all unless given.
    steps, rounds
        Of `fista`, for each shift and round; one round is plain l1.

    Raises
    ------
    ShapeError, BadInput
        As `aplomb.classical.sparse_coding.dictionary` and `fista` do.

    References
    ----------
    Simon, Elad, "Rethinking the CSC model for natural images", NeurIPS 2019 (shifts). Candes, Wakin, Boyd, "Enhancing
    sparsity by reweighted l1 minimization", J. Fourier Analysis and Applications 14, 2008 (rounds).

    Examples
    --------
    >>> from aplomb.classical.dictionary import cosine_atoms
    >>> noisy = 0.5 + np.random.default_rng(0).normal(0, 0.1, (1, 1, 24, 24))
    >>> clean = sparse_recovery(noisy, cosine_atoms(8), 0.14, places=2)
    >>> bool(clean.std() < 0.4 * noisy.std())
    True
    """
    shape = forward.adjoint().output_shape(tuple(y.shape))
    whole, base = _with_means(np.asarray(atoms), weight, shape)
    every = [(i, j) for i in range(stride) for j in range(stride)]
    if rounds < 1 or (places is not None and not 1 <= places <= len(every)):
        raise BadInput(
            f"a mean over {places} shifts in {rounds} rounds; give 1 to {len(every)} shifts, 1 round or more"
        )
    # places spread over the lattice: a golden step never takes neighbours one after the other
    chosen = every if places is None else [every[int(i * len(every) * 0.618034) % len(every)] for i in range(places)]
    total: Any = 0.0
    for shift in chosen:
        synthesis = dictionary(whole, shape[2:], stride=stride, shift=shift)  # type: ignore[arg-type]
        operator = chain(synthesis, forward)
        code = fista(operator, y, base, steps=steps).value
        for _ in range(rounds - 1 if weight else 0):
            held = like(base, code).reshape(-1, 1, 1) * (2 * weight / (abs(code) + weight))
            code = fista(operator, y, held, steps=steps, start=code).value
        total = total + synthesis(code)
    return total / len(chosen)


def _with_means(atoms: Array, weight: float, shape: Shape) -> tuple[Array, Array]:
    """Constant atoms, one a channel, before the others, and weights that let them pass."""
    if atoms.ndim != 4 or atoms.shape[1] != shape[1]:
        raise ShapeError(f"atoms of shape {atoms.shape} for a picture of shape {shape}; give (K, {shape[1]}, h, w)")
    channels, (height, width) = atoms.shape[1], atoms.shape[2:]
    means = np.eye(channels)[:, :, None, None] * np.full((height, width), 1 / math.sqrt(height * width))
    weights = np.array([0.0] * channels + [float(weight)] * len(atoms))
    return np.concatenate([means.astype(atoms.dtype), atoms]), weights
