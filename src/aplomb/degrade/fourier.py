"""Magnetic resonance imaging: k-space, coils and sampling, as operators on pairs of real channels.

Complex channel k is the real channels 2k, its real part, and 2k + 1, its imaginary part, so that adjoints are those
of the real inner product and networks see what they know. k-space lies with its zero frequency in the middle,
at row H // 2 and column W // 2, as ``numpy.fft.fftshift`` puts it. Masks are made and read in ``trajectory.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aplomb.arrays import Array, Shape, like, namespace
from aplomb.degrade.sample import Mask
from aplomb.degrade.sample import mask as sampling
from aplomb.degrade.trajectory import check_mask, kspace_mask, read_mask
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.linear import LinearLeaf
from aplomb.operator import EVERYWHERE, Ask, Bound, Compose, Grid, Interval, Operator, chain

__all__ = ["as_complex", "coils", "fourier", "from_complex", "kspace_mask", "mri", "read_mask", "to_complex"]


def to_complex(x: Array) -> Array:
    """Complex channels (N, C, H, W) of real ones (N, 2 C, H, W).

    >>> to_complex(np.array([[[[1.0]], [[2.0]]]])).ravel()
    array([1.+2.j])
    """
    return x[:, 0::2] + 1j * x[:, 1::2]


def from_complex(z: Array) -> Array:
    """Real channels (N, 2 C, H, W) of complex ones (N, C, H, W).

    >>> from_complex(np.array([[[[1 + 2j]]]])).ravel()
    array([1., 2.])
    """
    xp, (n, c, *rest) = namespace(z), z.shape
    return xp.reshape(xp.stack([xp.real(z), xp.imag(z)], axis=2), (n, 2 * c, *rest))


@dataclass(frozen=True, eq=False, repr=False)
class Fourier(LinearLeaf):
    """Unitary 2-D DFT of every complex channel, origin and zero frequency in the middle; or its inverse.

    X[k] = 1 / sqrt(H W) sum_n x[n] exp(-2 pi i <k, n / (H, W)>), where k and n count from the middle.
    """

    inverse: bool = False

    def _apply(self, x: Array) -> Array:
        xp = namespace(x)
        z = xp.fft.ifftshift(to_complex(x), axes=(2, 3))
        z = (xp.fft.ifftn if self.inverse else xp.fft.fftn)(z, axes=(2, 3), norm="ortho")
        return from_complex(xp.fft.fftshift(z, axes=(2, 3)))

    def _output_shape(self, shape: Shape) -> Shape:
        return _pairs(self, shape)

    def _span(self, interval: Interval, axis: int) -> Interval:
        return EVERYWHERE

    def grid(self, axis: int = 0) -> Grid:
        return Grid(0)

    @property
    def isometry(self) -> bool:
        return True

    @property
    def coisometry(self) -> bool:
        return True

    def _adjoint(self) -> Operator:
        return Fourier(not self.inverse)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "unitary")


@dataclass(frozen=True, eq=False, repr=False)
class AsComplex(LinearLeaf):
    """Real pictures as complex ones of imaginary part 0, C channels to 2 C; transposed: the real part."""

    transposed: bool = False

    def _apply(self, x: Array) -> Array:
        if self.transposed:
            return x[:, 0::2]
        xp, (n, c, h, w) = namespace(x), x.shape
        return xp.reshape(xp.stack([x, 0 * x], axis=2), (n, 2 * c, h, w))

    def _output_shape(self, shape: Shape) -> Shape:
        if self.transposed:
            n, c, h, w = _pairs(self, shape)
            return (n, c // 2, h, w)
        if len(shape) != 4:
            raise ShapeError(f"{self!r} takes pictures (N, C, H, W), found {shape}")
        return (shape[0], 2 * shape[1], *shape[2:])

    @property
    def isometry(self) -> bool:
        return not self.transposed

    @property
    def coisometry(self) -> bool:
        return self.transposed

    def _adjoint(self) -> Operator:
        return AsComplex(not self.transposed)

    def _resolvent_before(self, rest: Operator, r: float) -> Operator | None:
        # On real pictures Re F* M^2 F is a circular filter whose response is the even part of M^2: the odd part
        # belongs to a filter with imaginary values, of which the real part sees nothing.
        parts = rest.parts if isinstance(rest, Compose) else ()
        if self.transposed or len(parts) != 2 or parts[0] != Fourier() or not isinstance(parts[1], Mask):
            return None
        weight = np.asarray(parts[1].weight, np.float64)
        if len(weight) != 1:  # another mask for each channel, so no filter of complex ones
            return None
        response = np.fft.ifftshift(weight[0] ** 2)
        even = np.fft.fftshift(response + np.roll(response[::-1, ::-1], 1, axis=(0, 1))) / 2
        return chain(self, Fourier(), sampling(1 / (even + r)), Fourier(inverse=True), self._adjoint())

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(1.0, "exact", "the same values, and zeros")

    def _input_channels(self, wanted: int | None) -> int | None:
        return None if wanted is None else 2 * wanted if self.transposed else wanted // 2


@dataclass(frozen=True, eq=False, repr=False)
class Coils(LinearLeaf):
    """y_k = S_k x, one complex channel seen by K receiver coils; transposed: sum_k conj(S_k) y_k."""

    maps: npt.NDArray[np.complexfloating]
    transposed: bool = False

    def _apply(self, x: Array) -> Array:
        xp, z = namespace(x), to_complex(x)
        maps = to_complex(like(from_complex(self.maps[None]), x))
        return from_complex(xp.sum(xp.conj(maps) * z, axis=1, keepdims=True) if self.transposed else maps * z)

    def _output_shape(self, shape: Shape) -> Shape:
        k, h, w = self.maps.shape
        before, after = (2 * k, 2) if self.transposed else (2, 2 * k)
        if len(shape) != 4 or shape[1:] != (before, h, w):
            raise ShapeError(f"{k} coil maps of {h}x{w} take (N, {before}, {h}, {w}), found {shape}")
        return (shape[0], after, h, w)

    def grid(self, axis: int = 0) -> Grid:
        return Grid(0)

    @property
    def _gain(self) -> npt.NDArray[np.float64]:
        """(H, W): sum_k |S_k|^2, all that S* S does."""
        return np.asarray((abs(self.maps) ** 2).sum(axis=0), np.float64)

    @property
    def isometry(self) -> bool:
        # as maps are that were normalised (ESPIRiT's are)
        return not self.transposed and bool(abs(self._gain - 1).max() < 1e-13)

    @property
    def coisometry(self) -> bool:
        return self.transposed and self._adjoint().isometry

    def _adjoint(self) -> Operator:
        return Coils(self.maps, not self.transposed)

    def _resolvent(self, r: float) -> Operator | None:
        return None if self.transposed else sampling(1 / (self._gain + r))

    def _lipschitz(self, ask: Ask) -> Bound:
        # pixels do not mix, and at each one the column of S_k has this length
        return Bound(float(np.sqrt(self._gain.max())), "exact", "root of the largest sum of squared maps")

    def _input_channels(self, wanted: int | None) -> int | None:
        return 2 * len(self.maps) if self.transposed else 2


def _pairs(operator: Operator, shape: Shape) -> Shape:
    if len(shape) != 4 or shape[1] % 2:
        wanted = "(N, 2 C, H, W), real and imaginary parts by turns"
        raise ShapeError(f"{operator!r} takes {wanted}, found {shape}; put as_complex() before it for real pictures")
    return shape


def fourier() -> Operator:
    """Unitary centred 2-D Fourier transform on pairs of channels: picture to k-space; `adjoint` goes back.

    >>> x = np.zeros((1, 2, 4, 4))
    >>> x[0, 0, 2, 2] = 1.0  # a point in the middle has a flat spectrum
    >>> fourier()(x)[0, 0, 0]
    array([0.25, 0.25, 0.25, 0.25])
    """
    return Fourier()


def as_complex() -> Operator:
    """C real channels as 2 C, imaginary parts 0; the adjoint takes real parts.

    >>> as_complex()(np.ones((1, 1, 1, 1))).ravel()
    array([1., 0.])
    """
    return AsComplex()


def coils(maps: npt.ArrayLike) -> Operator:
    """One complex channel as K receiver coils see it: y_k = S_k x, (N, 2, H, W) to (N, 2 K, H, W).

    Parameters
    ----------
    maps
        S, (K, H, W), complex sensitivities.

    Raises
    ------
    BadInput
        Not of that shape, not finite, or zero everywhere.

    References
    ----------
    K. P. Pruessmann, M. Weiger, M. B. Scheidegger, P. Boesiger, "SENSE: sensitivity encoding for fast MRI",
    Magnetic Resonance in Medicine 42 (5), 1999.

    Examples
    --------
    >>> coils(np.ones((4, 8, 8))).output_shape((1, 2, 8, 8))
    (1, 8, 8, 8)
    """
    found: npt.NDArray[Any] = np.asarray(maps)
    if found.ndim != 3 or not found.size:
        raise ShapeError(f"coil maps need the shape (K, H, W), found {found.shape}")
    if found.dtype.kind not in "biufc" or not np.isfinite(found).all():
        raise BadInput(f"coil maps need finite complex numbers, found {found.dtype}; mask them where nothing is known")
    if not found.any():
        raise BadInput("coil maps are zero everywhere: nothing would be measured; give the sensitivities")
    return Coils(found.astype(np.complex128))


def mri(mask: npt.ArrayLike, maps: npt.ArrayLike | None = None, real: bool = True) -> Operator:
    """The forward model of magnetic resonance imaging: picture to masked k-space.

    .. math:: y_k = M F S_k x

    The resolvent is known in closed form for one coil; with coil maps it takes conjugate gradients
    (``aplomb.degrade.solve``).

    Parameters
    ----------
    mask
        M, (H, W), True where k-space is measured, zero frequency in the middle: of `kspace_mask` or `read_mask`.
    maps
        S, (K, H, W), complex coil sensitivities; None: one coil that sees all places alike.
    real
        Whether pictures are real, (N, C, H, W), or complex, pairs of channels (N, 2 C, H, W). With maps C is 1.

    Returns
    -------
    operator
        To (N, 2 C, H, W) or, with maps, (N, 2 K, H, W): zero where nothing is measured.

    Raises
    ------
    BadInput
        The mask is empty, or mask and maps are of different sizes.

    Examples
    --------
    >>> model = mri(kspace_mask("radial", (64, 64), fraction=0.3, seed=0))
    >>> model.output_shape((1, 1, 64, 64)), model.resolvent(0.1) is None
    ((1, 2, 64, 64), False)
    """
    kept = check_mask(mask)
    before = () if maps is None else (coils(maps),)
    for leaf in before:
        leaf.output_shape((1, 2, *kept.shape))
    return chain(*([AsComplex()] if real else []), *before, Fourier(), sampling(kept))
