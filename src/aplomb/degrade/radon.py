"""Computed tomography: line integrals of a picture, in parallel and in fan beams, with exact transposes.

A ray is the line at distance s from the axis of rotation, the pixel (size // 2, size // 2), in the direction phi:

    x(t) = centre + s cos(phi) + t sin(phi),  y(t) = centre - s sin(phi) + t cos(phi),

x to the right and y down, in pixels. The integral along it is a sum of samples one pixel apart, each interpolated
bilinearly, zeros outside. For parallel beams that is what ``skimage.transform.radon`` does, number by number. No matrix
is stored (512 x 512 pixels at 180 angles would have 190 million entries): weights are computed again ray by ray, the
same ones for the transpose, which adds where the other reads.
"""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from aplomb.arrays import Array, Shape, like, namespace, torch_of
from aplomb.errors import BadInput, ShapeError
from aplomb.layers.linear import LinearLeaf
from aplomb.operator import EVERYWHERE, Ask, Bound, Grid, Interval, Operator

__all__ = ["fan_beam", "radon"]

Doubles = npt.NDArray[np.float64]

CHUNK = 2**16
"""Samples read at a time on a CPU, so that they stay in its cache; a GPU takes 256 times as many."""


@dataclass(frozen=True, eq=False, repr=False)
class Projection(LinearLeaf):
    """What beams share: a picture (N, C, size, size) to its sinogram (N, C, detectors, angles), or the transpose."""

    size: int
    angles: Doubles
    """Degrees."""
    transposed: bool = field(default=False, kw_only=True)

    @property
    @abstractmethod
    def detectors(self) -> int:
        """Rays at an angle."""

    @abstractmethod
    def _rays(self) -> tuple[Doubles, Doubles, Doubles]:
        """Distances s and directions phi, both (angles, detectors), and the positions t of samples."""

    # -- readings --------------------------------------------------------------------------------------------

    def _apply(self, x: Array) -> Array:
        torch = torch_of(x)
        if torch is None:
            return self._compute(like(x, x))
        return _differentiable(torch).apply(x, self)

    def _compute(self, x: Array) -> Array:
        n, c = x.shape[:2]
        flat = self._spread(x) if self.transposed else self._gather(x)
        return namespace(x).reshape(flat, (n, c, *self._output_shape(x.shape)[2:]))

    @property
    def _width(self) -> int:
        """Of the picture with a margin of zeros, in which samples outside land: one pixel before, two behind."""
        return self.size + 3

    def _samples(self, x: Array, batch: int, chunk: int) -> Iterator[tuple[slice, Array, Array, Array]]:
        """Rays, some at a time: which, and for their samples the pixel above and left, and how far beyond it they lie.

        The pixel is an index into the picture with its margin, row by row.
        """
        xp, (s, phi, t), centre = namespace(x), self._rays(), self.size // 2 + 1

        def there(array: Doubles) -> Array:
            return xp.asarray(array, dtype=x.dtype, device=x.device)

        sine, cosine = np.sin(phi), np.cos(phi)
        right, down = there((centre + s * cosine).reshape(-1, 1)), there((centre - s * sine).reshape(-1, 1))
        sine, cosine, t = there(sine.reshape(-1, 1)), there(cosine.reshape(-1, 1)), there(t)
        room = chunk if str(x.device) == "cpu" else 256 * chunk
        rays = max(1, room // (len(t) * max(1, batch)))
        for start in range(0, s.size, rays):
            some = slice(start, start + rays)
            u = xp.clip(right[some] + sine[some] * t, 0, self.size + 1)
            v = xp.clip(down[some] + cosine[some] * t, 0, self.size + 1)
            i, j = xp.astype(v, xp.int64), xp.astype(u, xp.int64)
            yield some, i * self._width + j, u - xp.astype(j, x.dtype), v - xp.astype(i, x.dtype)

    def _gather(self, x: Array) -> Array:
        """(N C, pixels) to (N C, rays)."""
        xp, w, n = namespace(x), self._width, self.size
        batch = x.shape[0] * x.shape[1]
        padded = xp.zeros((batch, w, w), dtype=x.dtype, device=x.device)
        padded[:, 1 : n + 1, 1 : n + 1] = xp.reshape(x, (batch, n, n))
        pixels = xp.reshape(padded, (batch, w * w))
        sums = []
        for _, at, right, down in self._samples(x, batch, CHUNK):
            flat = xp.reshape(at, (-1,))
            shape = (batch, *at.shape)
            a, b, c, d = (xp.reshape(xp.take(pixels[:, k:], flat, axis=1), shape) for k in (0, 1, w, w + 1))
            above = a + right * (b - a)
            below = c + right * (d - c)
            sums.append(xp.sum(above + down * (below - above), axis=2))
        there = xp.reshape(xp.concat(sums, axis=1), (batch, len(self.angles), self.detectors))
        return xp.permute_dims(there, (0, 2, 1))

    def _spread(self, y: Array) -> Array:
        """(N C, rays) to (N C, pixels), with the weights of `_gather`."""
        xp, w, n = namespace(y), self._width, self.size
        batch = y.shape[0] * y.shape[1]
        rays = xp.reshape(xp.permute_dims(y, (0, 1, 3, 2)), (batch, -1, 1))
        pixels = xp.zeros((batch, w * w), dtype=y.dtype, device=y.device)
        # more at a time, since bincount makes a picture of its own each time
        for some, at, right, down in self._samples(y, batch, 4 * CHUNK):
            below = down * rays[:, some]
            above = rays[:, some] - below
            b, d = right * above, right * below
            for k, values in ((0, above - b), (1, b), (w, below - d), (w + 1, d)):
                _add(pixels[:, k:], xp.reshape(at, (-1,)), xp.reshape(values, (batch, -1)))
        return xp.reshape(pixels, (batch, w, w))[:, 1 : n + 1, 1 : n + 1]

    # -- facts -----------------------------------------------------------------------------------------------

    def _output_shape(self, shape: Shape) -> Shape:
        picture, sinogram = (self.size, self.size), (self.detectors, len(self.angles))
        before, after = (sinogram, picture) if self.transposed else (picture, sinogram)
        if len(shape) != 4 or shape[2:] != before:
            what = "a sinogram (N, C, detectors, angles)" if self.transposed else "pictures (N, C, size, size)"
            raise ShapeError(f"{self!r} takes {what} of {before[0]}x{before[1]}, found {shape}")
        return (*shape[:2], *after)

    def _span(self, interval: Interval, axis: int) -> Interval:
        return EVERYWHERE

    def grid(self, axis: int = 0) -> Grid:
        return Grid(0)

    def _adjoint(self) -> Projection:
        return replace(self, transposed=not self.transposed)

    def _lipschitz(self, ask: Ask) -> Bound:
        return Bound(
            _schur(self._adjoint() if self.transposed else self),
            "upper",
            "Schur's test: lengths of rays in the picture, weights of pixels",
        )


@dataclass(frozen=True, eq=False, repr=False)
class Radon(Projection):
    """Parallel beams: detector k sees s = k - detectors // 2, and phi is the angle."""

    circle: bool = True

    @property
    def detectors(self) -> int:
        return self.size if self.circle else self.size + math.ceil(math.sqrt(2) * self.size - self.size)

    def _rays(self) -> tuple[Doubles, Doubles, Doubles]:
        s = np.arange(self.detectors, dtype=np.float64) - self.detectors // 2
        shape = (len(self.angles), self.detectors)
        return np.broadcast_to(s, shape), np.broadcast_to(np.deg2rad(self.angles)[:, None], shape), s


@dataclass(frozen=True, eq=False, repr=False)
class FanBeam(Projection):
    """Fan beams: the ray to the detector at u, u = (k - detectors // 2) spacing, leaves the middle one by gamma.

    tan(gamma) = u / (source_distance + detector_distance); s = source_distance sin(gamma); phi = angle + gamma.
    """

    source_distance: float
    detector_distance: float
    count: int
    spacing: float

    @property
    def detectors(self) -> int:
        return self.count

    def _rays(self) -> tuple[Doubles, Doubles, Doubles]:
        u = (np.arange(self.count) - self.count // 2) * self.spacing
        gamma = np.arctan2(u, self.source_distance + self.detector_distance)
        phi = np.deg2rad(self.angles)[:, None] + gamma
        reach = math.ceil(math.sqrt(2) * (self.size // 2 + 1))
        return (
            np.broadcast_to(self.source_distance * np.sin(gamma), phi.shape),
            phi,
            np.arange(-reach, reach + 1, dtype=np.float64),
        )


def _add(pixels: Array, at: Array, values: Array) -> None:
    """pixels[:, at[k]] += values[:, k], also where places repeat."""
    if torch_of(pixels) is not None:
        pixels.index_add_(1, at, values)
        return
    for row, weights in zip(pixels, values, strict=True):
        row += np.bincount(at, weights, minlength=len(row)).astype(row.dtype, copy=False)


@functools.cache
def _differentiable(torch: Any) -> Any:
    """A projection as torch's autograd has to see it.

    Left to itself, it would keep the places and weights of every sample, gigabytes for a picture of 512 x 512; but the
    derivative of a linear map is its transpose, which needs nothing kept.
    """

    class Projected(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(context: Any, x: Array, projection: Projection) -> Array:
            context.projection = projection
            return projection._compute(x)

        @staticmethod
        def backward(context: Any, gradient: Array) -> tuple[Array, None]:
            return Projected.apply(gradient, context.projection._adjoint()), None

    return Projected


@functools.lru_cache(maxsize=64)
def _schur(projection: Projection) -> float:
    """Root of (largest row sum) (largest column sum), which no norm of a matrix of non-negative numbers exceeds."""
    rows = projection._compute(np.ones((1, 1, projection.size, projection.size))).max()
    sinogram = np.ones((1, 1, projection.detectors, len(projection.angles)))
    columns = projection._adjoint()._compute(sinogram).max()
    # sums of at most 10^6 terms are off by less than this
    return float(np.sqrt(rows * columns)) * (1 + 1e-9)


def radon(size: int, angles: npt.ArrayLike, circle: bool = True) -> Operator:
    """Radon transform: integrals of a picture along parallel lines, in the layout of ``skimage.transform.radon``.

    .. math:: y(s, \\phi) = \\int f(s \\cos\\phi + t \\sin\\phi,\\; -s \\sin\\phi + t \\cos\\phi) \\, dt

    Parameters
    ----------
    size
        Pixels along a side of the picture, which is square.
    angles
        Degrees, any number of them.
    circle
        True: `size` detectors, for an object within the circle that touches the sides; of what is in the corners, rays
        miss a part. False: as many and as long rays as see all of it.

    Returns
    -------
    operator
        (N, C, size, size) to (N, C, detectors, angles), in units of the picture times pixels. Its adjoint,
        the exact transpose, is the unfiltered back-projection; its norm is bounded by Schur's test when asked for.

    Raises
    ------
    BadInput
        The size is below 1, or there is no angle, or one that is not finite.

    References
    ----------
    A. C. Kak, M. Slaney, "Principles of Computerized Tomographic Imaging", IEEE Press, 1988, chapter 3.

    Examples
    --------
    >>> y = radon(32, [0, 45, 90])(np.ones((1, 1, 32, 32)))
    >>> y.shape, float(y[0, 0, 16, 0])
    ((1, 1, 32, 3), 32.0)
    """
    return Radon(_size(size), _angles(angles), bool(circle))


def fan_beam(
    size: int,
    angles: npt.ArrayLike,
    source_distance: float,
    detector_distance: float = 0.0,
    detectors: int | None = None,
    spacing: float | None = None,
) -> Operator:
    """Integrals of a picture along the rays from a point source to a flat detector, which turn around it together.

    .. math:: \\tan\\gamma = u / (D_s + D_d), \\quad s = D_s \\sin\\gamma, \\quad \\phi = \\beta + \\gamma

    Parameters
    ----------
    size
        Pixels along a side of the picture, which is square.
    angles
        Beta, degrees; at 0 the source is above the picture, and angles grow as those of `radon` do.
    source_distance
        D_s, pixels from the source to the axis of rotation; the source is outside the picture at every angle.
    detector_distance
        D_d, pixels from the axis to the detector, at least 0; 0: a detector imagined at the axis.
    detectors
        Their number; None: as many as see the circle that touches the sides of the picture. The ray to number
        detectors // 2 meets the axis.
    spacing
        Pixels between two detectors; None: as far apart as the shadows of two pixels at the axis, (D_s + D_d) / D_s.

    Returns
    -------
    operator
        (N, C, size, size) to (N, C, detectors, angles), in units of the picture times pixels; adjoint and norm as of
        `radon`.

    Raises
    ------
    BadInput
        The source is within the picture, or a number is out of its range.

    References
    ----------
    A. C. Kak, M. Slaney, "Principles of Computerized Tomographic Imaging", IEEE Press, 1988, section 3.4.

    Examples
    --------
    >>> fan_beam(64, np.arange(0, 360, 2), source_distance=128, detector_distance=64).output_shape((1, 1, 64, 64))
    (1, 1, 69, 180)
    """
    side, degrees = _size(size), _angles(angles)
    corner = math.sqrt(2) * (side // 2 + 1)
    if not (math.isfinite(source_distance) and source_distance > corner):
        wanted = f"above {corner:.4g} for a picture of {side}x{side}"
        raise BadInput(
            f"a fan beam needs its source outside the picture, at a distance {wanted}, found {source_distance}"
        )
    if not (math.isfinite(detector_distance) and detector_distance >= 0):
        raise BadInput(f"a fan beam needs a detector distance of at least 0, found {detector_distance}")
    whole = float(source_distance) + float(detector_distance)
    if spacing is None:
        spacing = whole / source_distance
    if not (math.isfinite(spacing) and spacing > 0):
        raise BadInput(f"a fan beam needs detectors at a spacing above 0, found {spacing}")
    if detectors is None:
        detectors = 2 * math.ceil(whole * math.tan(math.asin(side / 2 / source_distance)) / spacing) + 1
    if detectors < 1:
        raise BadInput(f"a fan beam needs at least 1 detector, found {detectors}")
    return FanBeam(side, degrees, float(source_distance), float(detector_distance), int(detectors), float(spacing))


def _size(size: int) -> int:
    if size < 1:
        raise BadInput(f"tomography of {size}x{size} pixels: give a size of at least 1")
    return int(size)


def _angles(angles: npt.ArrayLike) -> Doubles:
    found = np.asarray(angles, np.float64)
    if found.ndim != 1 or not found.size or not np.isfinite(found).all():
        raise BadInput(f"tomography needs a list of finite angles in degrees, found an array of shape {found.shape}")
    return found
