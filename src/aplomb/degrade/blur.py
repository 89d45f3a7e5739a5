"""Blur: convolution of every channel with a point spread function.

.. math:: y(n) = \\sum_k h(k) \\, x(n - k + c), \\qquad c = (\\lfloor k_h / 2 \\rfloor, \\lfloor k_w / 2 \\rfloor)

A true convolution, so a point in the picture becomes the psf (a layer's `conv` is a correlation). Two borders are
leaves, both computed by FFT: circular, and valid, which gives only what is known and so makes the picture smaller.
The others are a padding before a valid blur: ``chain(pad(..., "reflect"), blur(psf, "valid"))``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from aplomb.arrays import Array, Shape, like, namespace
from aplomb.degrade.psf import Doubles, check_psf
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.conv import Conv
from aplomb.layers.linear import LinearLeaf
from aplomb.layers.pad import Border, Pad, Pads, pad
from aplomb.layers.resample import Downsample
from aplomb.operator import EVERYWHERE, Ask, Bound, GraphWriter, Interval, Operator, chain, identity

__all__ = ["Blur", "BlurBorder", "InverseGram", "as_blur", "blur"]

BlurBorder = Literal["circular", "reflect", "replicate", "zero", "valid"]

AXES = (-2, -1)
ABOVE = 1 + 1e-12
"""What an upper bound is multiplied by, for the rounding of the Fourier transforms."""


@dataclass(frozen=True, eq=False, repr=False)
class Blur(LinearLeaf):
    """Convolution with `psf`, (kh, kw), periodic ("circular") or without border ("valid"), or its adjoint.

    Made by `blur`, which checks the psf. For (N, C, H, W), any C, valid gives (N, C, H - kh + 1, W - kw + 1).
    """

    psf: Doubles
    border: Literal["circular", "valid"] = "circular"
    transposed: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(kh, kw)."""
        return int(self.psf.shape[0]), int(self.psf.shape[1])

    def _wraps(self, axis: int) -> bool:
        return self.border == "circular" and self.size[axis] > 1

    def _apply(self, x: Array) -> Array:
        out = self._output_shape(tuple(x.shape))[2:]
        if self.border == "circular":
            transfer = _transfer(self.psf, out)
            return _filtered(x, transfer.conj() if self.transposed else transfer, out)
        # whatever wraps around lies in the rows and columns that a valid convolution leaves out
        (kh, kw), (h, w) = self.size, (max(a, b) for a, b in zip(out, x.shape[2:], strict=True))
        grid = _fast(h), _fast(w)
        psf = self.psf[::-1, ::-1] if self.transposed else self.psf
        y = _filtered(x, _spectrum(psf, grid), grid)
        return y[:, :, :h, :w] if self.transposed else y[:, :, kh - 1 : h, kw - 1 : w]

    def _onnx(self, graph: GraphWriter, x: str, shape: Shape) -> str:
        # a depthwise convolution, in float32; a layer's convolution is a correlation, hence the flip
        kernel = np.repeat(self.psf[::-1, ::-1].astype(np.float32)[None, None], shape[1], axis=0)
        if self.border == "valid":
            return Conv(kernel, groups=shape[1], transposed=self.transposed)._onnx(graph, x, shape)
        (top, bottom), (left, right) = _around(self.size)
        if self.transposed:
            kernel = kernel[:, :, ::-1, ::-1].copy()
            (top, bottom), (left, right) = (bottom, top), (right, left)
        padding = Pad(((top, bottom), (left, right)), "circular")
        padded = padding._onnx(graph, x, shape)
        return Conv(kernel, groups=shape[1])._onnx(graph, padded, padding._output_shape(shape))

    def _output_shape(self, shape: Shape) -> Shape:
        (kh, kw), full = self.size, self.border == "valid" and self.transposed
        if len(shape) != 4:
            raise ShapeError(f"a blur takes (N, C, H, W), found {shape}")
        if not full and (shape[2] < kh or shape[3] < kw):
            raise ShapeError(
                f"blur by a psf of {kh} x {kw} pixels asked of a picture of {shape[2]} x {shape[3]}, which is smaller; "
                "give a larger picture, or crop the psf"
            )
        more = {"circular": 0, "valid": 1 if self.transposed else -1}[self.border]
        return (*shape[:2], shape[2] + more * (kh - 1), shape[3] + more * (kw - 1))

    def _span(self, interval: Interval, axis: int) -> Interval:
        before, after = (0, self.size[axis] - 1) if self.border == "valid" else _around(self.size)[axis]
        if self.transposed:
            before, after = after, before
        return interval[0] - before, interval[1] + after

    def _adjoint(self) -> Operator:
        return Blur(self.psf, self.border, not self.transposed)

    def _resolvent(self, r: float) -> Operator | None:
        # the DFT diagonalises: (|H|^2 + r)^-1 at each frequency
        return InverseGram(self.psf, 1, r) if self.border == "circular" else None

    def _resolvent_before(self, rest: Operator, r: float) -> Operator | None:
        # T = S H with S every m-th pixel. By Woodbury's identity (T* T + r)^-1 = (1 - T* (T T* + r)^-1 T) / r, and
        # T T* = S H H* S* is a periodic convolution again: each frequency meets its m x m aliases (Zhao et al. 2016)
        if self.border != "circular" or self.transposed or not isinstance(rest, Downsample):
            return None
        both = chain(self, rest)
        return (1 / r) * (identity - chain(both, InverseGram(self.psf, rest.factor, r), both._adjoint()))

    def _lipschitz(self, ask: Ask) -> Bound:
        # Young's inequality: ||h * x|| <= sum |h| ||x||; a border of zeros or none takes rows of that away
        total = math.fsum(abs(self.psf).ravel())
        if self.border == "circular" and self.psf.min() >= 0:
            return Bound(total, "exact", "the psf's sum: Young's inequality, attained by constant pictures")
        return Bound(total * ABOVE, "upper", "sum of the psf's absolute values: Young's inequality")

    def __repr__(self) -> str:
        kh, kw = self.size
        return f"Blur(psf={kh}x{kw}, {self.border!r}{', transposed=True' if self.transposed else ''})"


@dataclass(frozen=True, eq=False, repr=False)
class InverseGram(LinearLeaf):
    """(T T* + r I)^-1 for T = a circular blur, then every `factor`-th pixel: a division at each frequency.

    .. math:: \\hat y(f) = \\hat x(f) / (\\tfrac 1 {m^2} \\sum_a |\\hat h(f + a)|^2 + r)

    with the sum over the m x m frequencies that alias to f; for m = 1 it is (T* T + r I)^-1, too.

    Reference: N. Zhao, Q. Wei, A. Basarab, N. Dobigeon, D. Kouame, J.-Y. Tourneret, "Fast single image super-resolution
    using a new analytical solution for l2-l2 problems", IEEE Trans. Image Processing 25 (8), 2016.
    """

    psf: Doubles
    factor: int
    r: float

    def _wraps(self, axis: int) -> bool:
        return True

    def _apply(self, x: Array) -> Array:
        size = int(x.shape[2]), int(x.shape[3])
        m, (h, w) = self.factor, size
        power = abs(_transfer(self.psf, (m * h, m * w), half=False)) ** 2
        aliased = power.reshape(m, h, m, w).mean((0, 2))[:, : w // 2 + 1]
        return _filtered(x, 1 / (aliased + self.r), size)

    def _output_shape(self, shape: Shape) -> Shape:
        fine = (*shape[:2], *(n * self.factor for n in shape[2:]))
        Blur(self.psf)._output_shape(fine if len(shape) == 4 else shape)
        return shape

    def _span(self, interval: Interval, axis: int) -> Interval:
        return EVERYWHERE

    def _adjoint(self) -> Operator:
        return self

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(ABOVE / self.r, "upper", "1 / r, as no eigenvalue of T T* is negative")


def blur(psf: npt.ArrayLike, border: BlurBorder = "reflect") -> Operator:
    """Blur by a point spread function, the same for all channels.

    Parameters
    ----------
    psf
        (kh, kw), non-negative, of sum 1 (see `aplomb.degrade.psf`).
    border
        What lies beyond the picture: "circular" (the other end; the one with a fast exact resolvent), "reflect" (the
        mirror, without the edge), "replicate" (the edge), "zero", or "valid" (nothing: the result is smaller).

    Returns
    -------
    operator
        On (N, C, H, W), any C. Its bound is 1 where the border copies nothing: exact for circular, an upper bound for
        zero and valid (how much is lost depends on the picture's size). Reflect and replicate use edge pixels several
        times, so theirs is that of the padding (see `aplomb.layers.pad`), which is not tight.

    Raises
    ------
    BadInput
        The psf is none (see `check_psf`), or the border is not known.
    ShapeError
        On applying it: the picture is smaller than the psf.

    Examples
    --------
    >>> point = np.zeros((1, 1, 3, 5))
    >>> point[0, 0, 1, 2] = 1
    >>> blur([[0.5, 0.25, 0.25]], "circular")(point)[0, 0, 1].round(12)
    array([0.  , 0.5 , 0.25, 0.25, 0.  ])
    >>> blur(np.full((3, 3), 1 / 9), "valid").output_shape((1, 3, 32, 32))
    (1, 3, 30, 30)
    """
    if border not in get_args(BlurBorder):
        raise BadInput(f"blur with border {border!r} asked for, known are: {', '.join(get_args(BlurBorder))}")
    checked = check_psf(psf)
    if border == "circular" or border == "valid":
        return Blur(checked, border)
    return chain(pad(_around(checked.shape), cast(Border, border)), Blur(checked, "valid"))


def as_blur(operator: Operator) -> tuple[Doubles, BlurBorder] | None:
    """The psf and the border of an operator that is one `blur` and nothing else; None for any other.

    >>> psf, border = as_blur(blur(np.full((3, 3), 1 / 9), "reflect"))
    >>> psf.shape, border
    ((3, 3), 'reflect')
    >>> as_blur(identity) is None
    True
    """
    *before, last = operator.leaves()
    if not isinstance(last, Blur) or last.transposed:
        return None
    if not before:
        return last.psf, last.border
    (first, *more) = before
    if more or not isinstance(first, Pad) or first.pads != _around(last.size) or last.border != "valid":
        return None
    return last.psf, first.border


def _around(size: tuple[int, ...]) -> Pads:
    """Pixels before and after the one in question that its result needs."""
    top, left = ((n - 1) - n // 2 for n in size)
    return (top, size[0] // 2), (left, size[1] // 2)


def _fast(n: int) -> int:
    from scipy.fft import next_fast_len

    return int(next_fast_len(n, real=True))


def _filtered(x: Array, transfer: Array, size: tuple[int, ...]) -> Array:
    """`x`, enlarged by zeros to `size`, multiplied by `transfer` at each frequency."""
    xp = namespace(x)
    frequencies = xp.fft.rfftn(x, s=size, axes=AXES)
    kind = frequencies if np.iscomplexobj(transfer) else xp.real(frequencies[:0])
    return xp.fft.irfftn(frequencies * like(transfer, kind), s=size, axes=AXES)


def _transfer(psf: Array, size: tuple[int, ...], *, half: bool = True) -> Array:
    """The DFT of a psf whose centre is the origin; `half` leaves out what follows by symmetry."""
    centre = psf.shape[0] // 2, psf.shape[1] // 2
    return _dft(psf.tobytes(), psf.shape, tuple(size), centre, half)


def _spectrum(psf: Array, size: tuple[int, ...]) -> Array:
    """The DFT of a psf whose first pixel is the origin."""
    return _dft(psf.tobytes(), psf.shape, tuple(size), (0, 0), True)


@lru_cache(maxsize=16)
def _dft(data: bytes, shape: tuple[int, int], size: tuple[int, int], origin: tuple[int, int], half: bool) -> Array:
    """Kept, because an iterative method asks for the same one hundreds of times."""
    whole = np.zeros(size)
    whole[: shape[0], : shape[1]] = np.frombuffer(data).reshape(shape)
    whole = np.roll(whole, (-origin[0], -origin[1]), axis=(0, 1))
    found: Array = np.fft.rfft2(whole) if half else np.fft.fft2(whole)
    return found
