"""Largest singular value of a convolution, certified from above.

A convolution on the infinite lattice multiplies each frequency w by its symbol, the matrix
W(w) = sum_k K_k exp(-i k . w); its norm is the supremum over w of the largest singular value of W(w). Zero padding,
cropping and finite pictures only leave rows and columns out. The supremum is bounded by the maximum on a grid of
frequencies, in three steps, each of which can only make the result larger:

1. eigenvalues of W W* on the grid, at those frequencies that a cheaper bound does not rule out;
2. rounding: float64 sums, products and eigenvalues have known error bounds, which are added;
3. from the grid to the supremum: a trigonometric polynomial of degree (k - 1) / 2 cannot fall faster from its maximum
   than a cosine, so that the grid's maximum is at least cos(pi (k - 1) / (2 N)) of the supremum, on each axis.

References: Sedghi, Gupta and Long, "The singular values of convolutional layers", ICLR 2019 (circular); Pfister and
Bresler, "Bounding multivariate trigonometric polynomials", IEEE TSP 2019, and Duffin and Schaeffer, 1938 (step 3);
Delattre et al., "Efficient bound of Lipschitz constant for convolutional layers by Gram iteration", ICML 2023 (the
cheaper bound); Higham, "Accuracy and stability of numerical algorithms", 2002 (step 2).
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from aplomb.arrays import Array

__all__ = ["convolution_norm", "matrix_norm"]

_KNOWN: dict[bytes, float] = {}
"""Bounds that were computed, by kernel: a layer is asked for its own and for that of all it is a part of."""
U, U_SINGLE = 2.0**-53, 2.0**-24
"""Unit roundoff of float64 and of float32."""
MEMORY = 2**22
"""Bytes of symbols that a thread works on at once: what fits a cache."""


def convolution_norm(kernel: Array, stride: tuple[int, int] = (1, 1), dilation: tuple[int, int] = (1, 1)) -> float:
    """Upper bound of the norm of the convolution by `kernel` (N2, N1, kh, kw), for pictures of every size.

    It holds for zero padding and for circular borders, and for the transposed convolution. Infinite if a weight is
    infinite or no number.

    >>> mean = np.full((1, 1, 3, 3), 1 / 9)
    >>> 1 <= convolution_norm(mean) < 1.005
    True
    """
    kernel = np.ascontiguousarray(kernel, np.float64)
    if not np.isfinite(kernel).all():
        return math.inf
    key = hashlib.sha256(kernel).digest() + repr((kernel.shape, stride, dilation)).encode()
    if key not in _KNOWN:
        _KNOWN[key] = _convolution_norm(kernel, stride, dilation)
    return _KNOWN[key]


def _convolution_norm(kernel: Array, stride: tuple[int, int], dilation: tuple[int, int]) -> float:
    if stride != (1, 1):
        # with a stride, pixels go to channels first, which moves them and no more; holes count then
        kernel = _unshuffled(_dilated(kernel, dilation), stride)
    used = [np.flatnonzero(np.abs(kernel).max(axis=(0, 1, 3 - axis))) for axis in (0, 1)]
    if not all(len(u) for u in used):
        return 0.0
    kernel = kernel[:, :, used[0][0] : used[0][-1] + 1, used[1][0] : used[1][-1] + 1]
    # the smaller side is that of the Gram matrix
    kernel = kernel if kernel.shape[0] <= kernel.shape[1] else kernel.transpose(1, 0, 2, 3)
    # a power of two, so that no rounding comes in, and squares neither overflow nor vanish
    scale = math.ldexp(1.0, math.frexp(float(np.abs(kernel).max()))[1] - 1)
    kernel = kernel / scale
    sizes = _sizes(kernel)
    covered = _largest(kernel, sizes) / (_cosines(kernel.shape[2:], sizes) * (1 - 16 * U))
    return math.nextafter(covered * scale, math.inf)


def _cosines(taps: Sequence[int], sizes: Sequence[int]) -> float:
    """Share of the supremum that the largest value on a grid of `sizes` frequencies has at least, rounded down."""
    whole = math.prod(math.cos(math.pi * (k - 1) / (2 * n)) for k, n in zip(taps, sizes, strict=True))
    return whole * (1 - 4 * sum(taps) * U)  # near pi / 2, a cosine loses as many units as there are taps


def matrix_norm(matrix: Array) -> float:
    """Upper bound of the largest singular value of `matrix`, a rounding error above it.

    >>> 5 <= matrix_norm(np.array([[3.0], [4.0]])) < 5.000001
    True
    """
    return convolution_norm(np.asarray(matrix)[:, :, None, None])


def _sizes(kernel: Array) -> list[int]:
    """Frequencies on each axis: 0.24 % lost for 3 x 3 taps, more for wide layers and large kernels."""
    small = kernel.shape[0]
    fine = 32 if small <= 64 else 24 if small <= 128 else 12
    most = max(3 * fine, 512 // max(1, small))
    return [1 if k == 1 else max(k, min(fine * (k - 1), most)) for k in kernel.shape[2:]]


def _dilated(kernel: Array, dilation: tuple[int, int]) -> Array:
    n2, n1, kh, kw = kernel.shape
    holes = np.zeros((n2, n1, dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1))
    holes[:, :, :: dilation[0], :: dilation[1]] = kernel
    return holes


def _unshuffled(kernel: Array, stride: tuple[int, int]) -> Array:
    """The same map behind a pixel-unshuffle by `stride`: tap s q + r becomes tap q of channel r."""
    n2, n1, kh, kw = kernel.shape
    (sy, sx), (qy, qx) = stride, (-(-kh // stride[0]), -(-kw // stride[1]))
    whole = np.zeros((n2, n1, qy * sy, qx * sx))
    whole[:, :, :kh, :kw] = kernel
    return whole.reshape(n2, n1, qy, sy, qx, sx).transpose(0, 1, 3, 5, 2, 4).reshape(n2, n1 * sy * sx, qy, qx)


def _largest(kernel: Array, sizes: list[int]) -> float:
    """Bound of the largest singular value over the grid, with the rounding errors of its computation."""
    n2, n1, kh, kw = kernel.shape
    rows, columns = sizes
    # a real kernel's symbol at -w is the conjugate of that at w, so half of the columns do
    frequencies = np.indices((rows, columns // 2 + 1)).reshape(2, -1).T
    taps = kernel.reshape(n2, n1, -1).transpose(2, 0, 1).reshape(kh * kw, -1)

    def wave_error(unit: float) -> float:
        """Of a symbol: sums of kh kw terms, with waves that are off by some units."""
        return float((kh * kw + 16) * 2 * unit * np.linalg.norm(np.abs(kernel).sum(axis=(2, 3))))

    def symbol(some: Array, kind: type) -> Array:
        waves = (_waves(rows, kh)[some[:, 0], :, None] * _waves(columns, kw)[some[:, 1], None, :]).reshape(-1, kh * kw)
        return (waves.astype(kind) @ taps.astype(kind)).reshape(-1, n2, n1)

    def cheap(some: Array) -> Array:
        return (np.sqrt(_eigenvalue_above(symbol(some, np.complex64))) + wave_error(U_SINGLE)) ** 2

    def exact(some: Array) -> tuple[float, float]:
        """Largest eigenvalue of any of W W*, and the largest trace."""
        w = symbol(some, np.complex128)
        gram = w @ w.conj().transpose(0, 2, 1)
        trace = np.einsum("foo->f", gram).real.max()
        return float(np.linalg.eigvalsh(gram)[:, -1].max()), float(trace)

    count = max(1, min(64, MEMORY // (16 * n1 * n2)))
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        pieces = np.array_split(frequencies, -(-len(frequencies) // count))
        above = np.concatenate([*pool.map(cheap, pieces)])
        order = np.argsort(-above)
        best = trace = 0.0
        step = count * (os.cpu_count() or 1)
        for start in range(0, len(order), step):
            if above[order[start]] <= best:
                break
            some = frequencies[order[start : start + step]]
            for value, size in pool.map(exact, np.array_split(some, -(-len(some) // count))):
                best, trace = max(best, value), max(trace, size)
    # what was left out is below `best`; products of N1 terms and eigenvalues of N x N matrices have these errors
    rest = (2 * n1 + 16 * n2 + 8) * 2 * U * trace
    return math.sqrt(best + rest) + wave_error(U)


def _eigenvalue_above(w: Array) -> Array:
    """Gram iteration, ||G^8||_F^(1/8): at least the largest eigenvalue of G = W W*, within N^(1/16) of it.

    In single precision, with its rounding errors; it only rules frequencies out.
    """
    n2, n1 = w.shape[1:]
    scale = np.maximum(np.square(np.abs(w)).sum((1, 2)), np.finfo(np.float32).tiny)
    power = (w @ w.conj().transpose(0, 2, 1)) / scale[:, None, None]
    for _ in range(3):
        power = power @ power
    # rounded products of N1 and N terms, relative to eigenvalues that are at least 1 / N of the trace
    above = scale * np.linalg.norm(power, axis=(1, 2)) ** 0.125 * (1 + 4 * U_SINGLE * n2 * (n1 + n2))
    return above.astype(np.float64)


def _waves(n: int, taps: int) -> Array:
    """exp(-2 pi i f k / n), (n, taps); the product is reduced first, so that large ones lose nothing."""
    turns = np.outer(np.arange(n), np.arange(taps)) % n / n
    return np.exp(-2j * np.pi * turns)
