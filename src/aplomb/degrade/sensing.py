"""Compressed sensing: fewer random measurements than pixels, of blocks or of the whole picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from aplomb.arrays import Array, Shape, like, namespace
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.linear import LinearLeaf
from aplomb.operator import (
    EVERYWHERE,
    Ask,
    Bound,
    GraphWriter,
    Grid,
    Interval,
    Operator,
    chain,
    identity,
)

__all__ = ["gaussian", "hadamard"]


@dataclass(frozen=True, eq=False, repr=False)
class Blocks(LinearLeaf):
    """y = A b for every block b of size x size pixels of every channel, row by row; or its transpose.

    `rows` is A, (M, size^2). M numbers a block become M channels of a picture of blocks, so that a picture
    (N, C, H, W) becomes (N, C M, H / size, W / size): the convolution with the rows, a block a step.
    """

    rows: npt.NDArray[np.float64]
    size: int
    transposed: bool = False

    def _apply(self, x: Array) -> Array:
        xp, s, m, rows = namespace(x), self.size, len(self.rows), like(self.rows, x)
        n, c, h, w = x.shape
        if self.transposed:
            y = xp.permute_dims(xp.reshape(x, (n, c // m, m, h, w)), (0, 1, 3, 4, 2)) @ rows
            y = xp.permute_dims(xp.reshape(y, (n, c // m, h, w, s, s)), (0, 1, 2, 4, 3, 5))
            return xp.reshape(y, (n, c // m, h * s, w * s))
        blocks = xp.permute_dims(xp.reshape(x, (n, c, h // s, s, w // s, s)), (0, 1, 2, 4, 3, 5))
        y = xp.reshape(blocks, (n, c, h // s, w // s, s * s)) @ rows.T
        return xp.reshape(xp.permute_dims(y, (0, 1, 4, 2, 3)), (n, c * m, h // s, w // s))

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        s, m = self.size, len(self.rows)
        channels = shape[1] // m if self.transposed else shape[1]
        weight = np.tile(self.rows.reshape(m, 1, s, s), (channels, 1, 1, 1)).astype(np.float32)
        op = "ConvTranspose" if self.transposed else "Conv"
        where = {"strides": (s, s), "kernel_shape": (s, s), "group": channels}
        return graph.node(op, [x, graph.constant(weight)], doc="exact", **where)

    def _output_shape(self, shape: Shape) -> Shape:
        s, m = self.size, len(self.rows)
        if len(shape) != 4 or min(shape[1:]) < 1 or (self.transposed and shape[1] % m):
            wanted = f"(N, C {m}, rows, columns of blocks)" if self.transposed else "pictures (N, C, H, W)"
            raise ShapeError(f"measurement of blocks of {s}x{s} takes {wanted}, found {shape}")
        n, c, h, w = shape
        if self.transposed:
            return (n, c // m, h * s, w * s)
        if h % s or w % s:
            near = ", ".join(f"{max(s, k - k % s)} or {max(s, k - k % s) + s}" for k in (h, w))
            raise ShapeError(f"measurement of blocks of {s}x{s} needs multiples of {s}, found {shape}; near: {near}")
        return (n, c * m, h // s, w // s)

    def _span(self, interval: Interval, axis: int) -> Interval:
        lo, hi = interval
        if math.isinf(lo) or math.isinf(hi):
            return interval
        return (lo // self.size, -(-hi // self.size)) if self.transposed else (lo * self.size, hi * self.size)

    def grid(self, axis: int = 0) -> Grid:
        return Grid(1, Fraction(1, self.size)) if self.transposed else Grid(self.size, Fraction(self.size))

    def _multiply_adds(self, shape: Shape) -> int:
        blocks = shape if self.transposed else self._output_shape(shape)
        return math.prod(blocks) * self.size**2

    @property
    def _orthonormal(self) -> bool:
        return bool(abs(self.rows @ self.rows.T - np.eye(len(self.rows))).max() < 1e-13)

    @property
    def isometry(self) -> bool:
        return self._orthonormal and (self.transposed or len(self.rows) == self.size**2)

    @property
    def coisometry(self) -> bool:
        return self._orthonormal and (not self.transposed or len(self.rows) == self.size**2)

    def _adjoint(self) -> Operator:
        return Blocks(self.rows, self.size, not self.transposed)

    def _resolvent(self, r: float) -> Operator | None:
        if self.transposed or self._orthonormal:
            return None
        # (A* A + r)^-1 = (I - A* G A) / r with G = (A A* + r)^-1 = L L*, a matrix of the size of the measurement
        lower = np.linalg.cholesky(np.linalg.inv(self.rows @ self.rows.T + r * np.eye(len(self.rows))))
        inner = Blocks(lower.T @ self.rows, self.size)
        return (1 / r) * (identity - chain(inner, inner._adjoint()))

    def _lipschitz(self, ask: Ask) -> Bound:
        if self._orthonormal:
            return Bound(1.0, "exact", "orthonormal rows")
        # blocks do not overlap, so the norm of one is that of all; rounded up by more than the error of the SVD
        return Bound(float(np.linalg.norm(self.rows, 2)) * (1 + 1e-12), "exact", "largest singular value of a block")

    def _input_channels(self, wanted: int | None) -> int | None:
        m = len(self.rows)
        return None if wanted is None else wanted * m if self.transposed else wanted // m


@dataclass(frozen=True, eq=False, repr=False)
class Hadamard(LinearLeaf):
    """y = P H D x: signs D, Walsh-Hadamard transform H of the whole picture, of which P keeps the rows `keep`.

    H is orthonormal, its rows in natural order, and acts on the pixels row by row. (N, C, H, W) to (N, C, M, 1).
    """

    size: tuple[int, int]
    keep: npt.NDArray[np.int64]
    signs: npt.NDArray[np.int8]
    transposed: bool = False

    def _apply(self, x: Array) -> Array:
        xp, (n, c), (h, w) = namespace(x), x.shape[:2], self.size
        keep = xp.asarray(self.keep, device=x.device)
        if self.transposed:
            y = xp.zeros((n, c, h * w), dtype=x.dtype, device=x.device)
            y[:, :, keep] = x[:, :, :, 0]
            return xp.reshape(walsh_hadamard(y) * like(self.signs, x), (n, c, h, w))
        y = walsh_hadamard(xp.reshape(x, (n, c, h * w)) * like(self.signs, x))
        return y[:, :, keep][:, :, :, None]

    def _output_shape(self, shape: Shape) -> Shape:
        m, (h, w) = len(self.keep), self.size
        before, after = ((m, 1), (h, w)) if self.transposed else ((h, w), (m, 1))
        if len(shape) != 4 or shape[2:] != before:
            wanted = f"(N, C, {before[0]}, {before[1]})"
            raise ShapeError(f"{m} Hadamard measurements of {h}x{w} pixels take {wanted}, found {shape}")
        return (*shape[:2], *after)

    def _span(self, interval: Interval, axis: int) -> Interval:
        return EVERYWHERE

    def grid(self, axis: int = 0) -> Grid:
        return Grid(0)

    @property
    def isometry(self) -> bool:
        return self.transposed or len(self.keep) == math.prod(self.size)

    @property
    def coisometry(self) -> bool:
        return not self.transposed or len(self.keep) == math.prod(self.size)

    def _adjoint(self) -> Operator:
        return Hadamard(self.size, self.keep, self.signs, not self.transposed)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "rows of an orthonormal matrix")


def walsh_hadamard(x: Array) -> Array:
    """Orthonormal Walsh-Hadamard transform of the last axis, a power of two, in natural order: n log n additions.

    >>> walsh_hadamard(np.array([1.0, 0.0, 0.0, 1.0]))
    array([1., 0., 0., 1.])
    """
    xp, shape, n, half = namespace(x), x.shape, x.shape[-1], 1
    while half < n:
        pairs = xp.reshape(x, (*shape[:-1], n // (2 * half), 2, half))
        a, b = pairs[..., 0, :], pairs[..., 1, :]
        x = xp.reshape(xp.stack([a + b, a - b], axis=-2), shape)
        half *= 2
    return x * n**-0.5


def sequency(n: int) -> npt.NDArray[np.int64]:
    """Number of sign changes along each row of the Hadamard matrix of size `n`, rows in natural order.

    >>> sequency(4)
    array([0, 3, 1, 2])
    """
    order = np.arange(n)
    rows, gray = np.zeros(n, np.int64), order ^ (order >> 1)
    for bit in range(n.bit_length() - 1):
        rows = (rows << 1) | ((gray >> bit) & 1)  # row of natural order: the Gray code with its bits reversed
    found = np.empty(n, np.int64)
    found[rows] = order
    return found


def gaussian(size: int = 32, fraction: float = 0.25, seed: int = 0, orthonormal: bool = False) -> Operator:
    """Measure each block of pixels by a random Gaussian matrix, the same for all blocks and channels.

    .. math:: y_b = A x_b

    It is a convolution with M kernels and a stride of one block, and is frozen as such.

    Parameters
    ----------
    size
        Pixels along a side of a block; pictures are multiples of it.
    fraction
        M / size^2, measurements a pixel, above 0 and at most 1.
    seed
        The same seed draws the same matrix.
    orthonormal
        False: independent entries of variance 1 / M, so that lengths are kept on average. True: rows of such a matrix
        made orthonormal, so that A A* = I and the norm is 1.

    Returns
    -------
    operator
        (N, C, H, W) to (N, C M, H / size, W / size), with a resolvent in closed form.

    Raises
    ------
    BadInput
        A number is out of its range.

    References
    ----------
    L. Gan, "Block compressed sensing of natural images", International Conference on Digital Signal Processing, 2007.

    Examples
    --------
    >>> gaussian(16, fraction=0.25).output_shape((1, 1, 64, 48))
    (1, 64, 4, 3)
    """
    if size < 1:
        raise BadInput(f"measurement of blocks of {size}x{size} pixels; give a size of at least 1")
    count = _count(size * size, fraction)
    rows = np.random.default_rng(seed).standard_normal((count, size * size)) / math.sqrt(count)
    return Blocks(np.linalg.qr(rows.T)[0].T.copy() if orthonormal else rows, int(size))


def hadamard(
    shape: tuple[int, int], fraction: float = 0.25, seed: int = 0, signs: bool = True, low: float = 0.0
) -> Operator:
    """Measure a whole picture by rows of the Walsh-Hadamard matrix, drawn at random: what a single-pixel camera does.

    .. math:: y = P H D x

    Parameters
    ----------
    shape
        (H, W) of the picture, powers of two.
    fraction
        Measurements a pixel, above 0 and at most 1.
    seed
        The same seed draws the same rows and signs.
    signs
        Whether pixels are multiplied by random signs D first. They spread every picture over all rows, so that any
        rows will do; without them most of a natural picture is in the rows of low sequency.
    low
        Share of the measurements that are the rows of lowest sequency (sign changes, the frequency of this transform),
        0..1; the others are drawn. Useful without `signs`.

    Returns
    -------
    operator
        (N, C, H, W) to (N, C, M, 1), M measurements; T T* = I, so its norm is 1 and its resolvent known.

    Raises
    ------
    ShapeError
        A size is not a power of two; those near it are named.
    BadInput
        A number is out of its range.

    References
    ----------
    M. F. Duarte et al., "Single-pixel imaging via compressive sampling", IEEE Signal Processing Magazine 25 (2), 2008.

    Examples
    --------
    >>> hadamard((32, 64), fraction=0.1).output_shape((1, 3, 32, 64))
    (1, 3, 205, 1)
    """
    if len(shape) != 2 or min(shape) < 1:
        raise ShapeError(f"Hadamard measurements need a size (H, W) of at least 1x1, found {tuple(shape)}")
    h, w = (int(n) for n in shape)
    for n in (h, w):
        if n & (n - 1):
            below = 1 << (n.bit_length() - 1)
            raise ShapeError(f"Hadamard measurements need powers of two, found {h}x{w}; near {n}: {below}, {2 * below}")
    if not 0 <= low <= 1:
        raise BadInput(f"rows of low sequency are a share of 0..1 of the measurements, found {low}")
    count = _count(h * w, fraction)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(np.array([-1, 1], np.int8), h * w) if signs else np.ones(h * w, np.int8)
    frequency = np.hypot(sequency(h)[:, None] / h, sequency(w) / w).ravel()
    first = np.argsort(frequency, kind="stable")[: round(low * count)]
    others = rng.permutation(np.setdiff1d(np.arange(h * w), first))[: count - len(first)]
    return Hadamard((h, w), np.sort(np.concatenate([first, others])), drawn)


def _count(pixels: int, fraction: float) -> int:
    if not 0 < fraction <= 1:
        raise BadInput(f"measurements are a fraction above 0 and at most 1 of the pixels, found {fraction}")
    return max(1, round(fraction * pixels))
