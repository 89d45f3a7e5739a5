"""Magnetic resonance imaging by one inverse Fourier transform: zero-filled, and gridded by density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from aplomb.classical.recovery.base import Floats, Recovery, check_number
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import AsComplex, Coils, Fourier
from aplomb.degrade.sample import Mask
from aplomb.errors import BadInput, ShapeError

__all__ = ["Gridded", "ZeroFilled", "gridded_inverse"]


def only_kspace(forward: ForwardModel) -> str:
    """Why this forward model is no sampled Fourier transform; empty if it is."""
    kinds = [type(leaf) for leaf in forward.operator.leaves()]
    if kinds[-2:] == [Fourier, Mask] and set(kinds[:-2]) <= {AsComplex, Coils}:
        return ""
    return "it needs a forward model of magnetic resonance: coils or none, a Fourier transform, a mask of k-space"


class _Inverse(Recovery):
    """The adjoint of k-space's sampling, with a weight for each place."""

    def _fits(self, forward: ForwardModel) -> str:
        return only_kspace(forward)

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        mask, maps = forward.find(Mask), forward.find(Coils)
        assert mask is not None
        x = forward.operator.adjoint()(y * self._weight(mask.weight[0] != 0))
        if maps is not None:  # each place as often as the coils see it
            x = x / np.maximum((np.abs(maps.maps) ** 2).sum(0), 1e-12)
        return np.asarray(x)

    def _weight(self, measured: npt.NDArray[np.bool_]) -> Floats:
        raise NotImplementedError


@dataclass(frozen=True)
class ZeroFilled(_Inverse):
    """Zero for what was not measured, then the inverse Fourier transform; coils are combined by their maps.

    .. math:: x = \\Big(\\sum_k |S_k|^2\\Big)^{-1} \\sum_k \\bar S_k F^* M y_k

    Of all pictures that explain the measurement it is the one of least energy.

    References
    ----------
    P. B. Roemer et al., "The NMR phased array", Magnetic Resonance in Medicine 16 (2), 1990 (the combination of coils).
    """

    name: ClassVar[str] = "zero-filled"

    def _weight(self, measured: npt.NDArray[np.bool_]) -> Floats:
        return np.ones(measured.shape)


@dataclass(frozen=True)
class Gridded(_Inverse):
    """Zero-filled, with each place weighted by how rare measured places are around it.

    .. math:: x = F^* (w M y), \\qquad w = (G * 1) / (G * M)

    with a Gaussian G. Edges keep their height, which zero-filling makes too low where high frequencies are sampled
    rarely; noise and streaks are stronger, too. Samples between the places of the grid take `gridded_inverse`.

    Parameters
    ----------
    width
        Standard deviation of G in places of k-space.
    largest
        No weight is larger.

    References
    ----------
    J. I. Jackson, C. H. Meyer, D. G. Nishimura, A. Macovski, "Selection of a convolution function for Fourier inversion
    using gridding", IEEE Trans. Medical Imaging 10 (3), 1991.
    """

    width: float = 3.0
    largest: float = 1.5
    name: ClassVar[str] = "gridded"

    def __post_init__(self) -> None:
        check_number(self.name, "a width", self.width, 1e-3)
        check_number(self.name, "a largest weight", self.largest, 1.0)

    def _weight(self, measured: npt.NDArray[np.bool_]) -> Floats:
        from scipy.ndimage import gaussian_filter

        density = gaussian_filter(measured.astype(float), self.width, mode="nearest")
        return np.asarray(1 / np.maximum(density, 1 / self.largest))


def gridded_inverse(
    samples: npt.ArrayLike, places: npt.ArrayLike, shape: tuple[int, int], weights: npt.ArrayLike | None = None
) -> npt.NDArray[np.complex128]:
    """The picture of samples anywhere in k-space, as on spokes: gridding, inverse FFT, roll-off taken back.

    .. math:: x(n) \\approx \\frac{1}{\\sqrt{H W}} \\sum_m w_m y_m \\exp(2 \\pi i \\langle k_m, n / (H, W) \\rangle)

    Each sample is spread over 4 x 4 places of a grid twice as fine with a Kaiser-Bessel window, whose transform is
    divided out of the picture.

    Parameters
    ----------
    samples
        y, (M,), complex.
    places
        k, (M, 2): row and column in steps of the picture's Fourier transform, 0 in the middle, in [-H/2, H/2) and
        [-W/2, W/2).
    shape
        (H, W) of the picture.
    weights
        w, (M,): the area of k-space that a sample stands for, as 1 on a full grid and in proportion to the distance
        from the middle on spokes. None: 1.

    Returns
    -------
    picture
        (H, W), complex, its origin in the middle.

    Raises
    ------
    ShapeError, BadInput
        The shapes do not fit each other, or a place lies outside.

    References
    ----------
    J. I. Jackson et al., as for `Gridded`. P. J. Beatty, D. G. Nishimura, J. M. Pauly, "Rapid gridding reconstruction
    with a minimal oversampling ratio", IEEE Trans. Medical Imaging 24 (6), 2005 (the window's parameter).

    Examples
    --------
    >>> places = np.stack(np.meshgrid(range(-4, 4), range(-4, 4), indexing="ij"), -1).reshape(-1, 2)
    >>> flat = gridded_inverse(np.ones(64) / 8, places, (8, 8))  # a flat spectrum is a point in the middle
    >>> round(float(flat[4, 4].real), 2), bool(abs(np.delete(flat.ravel(), 36)).max() < 0.01)
    (1.0, True)
    """
    values: npt.NDArray[Any] = np.asarray(samples, np.complex128).ravel()
    where = np.asarray(places, np.float64)
    scale = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    if where.shape != (len(values), 2) or scale.shape != values.shape:
        raise ShapeError(
            f"gridding takes M samples, (M, 2) places and M weights, found {values.shape}, {where.shape}, {scale.shape}"
        )
    if (where < -np.array(shape) / 2).any() or (where >= np.array(shape) / 2).any():
        raise BadInput(f"gridding takes places from -N/2 to N/2 for a picture of {shape[0]}x{shape[1]}, found others")
    fine, width = tuple(2 * n for n in shape), 4
    beta = np.pi * np.sqrt((width / 2) ** 2 * 1.5**2 - 0.8)
    grid = np.zeros(fine, np.complex128)
    at = 2 * where + np.array(fine) / 2 - (np.array(fine) % 2) / 2
    for i in range(width):
        for j in range(width):
            place = np.floor(at).astype(int) - width // 2 + 1 + np.array([i, j])
            spread = np.prod(_kaiser_bessel(at - place, width, beta), axis=1)
            np.add.at(grid, (place[:, 0] % fine[0], place[:, 1] % fine[1]), spread * scale * values)
    picture = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(grid))) * (fine[0] * fine[1]) / np.sqrt(np.prod(shape))
    top, left = (shape[0] - shape[0] // 2, shape[1] - shape[1] // 2)
    cut = picture[top : top + shape[0], left : left + shape[1]]
    rows, columns = (_roll_off(n, width, beta) for n in shape)
    return np.asarray(cut / np.outer(rows, columns))


def _kaiser_bessel(distance: Floats, width: int, beta: float) -> Floats:
    inside = np.maximum(1 - (2 * distance / width) ** 2, 0)
    return np.where(np.abs(distance) <= width / 2, np.i0(beta * np.sqrt(inside)), 0)


def _roll_off(n: int, width: int, beta: float) -> Floats:
    """The transform of the window, which the picture (n pixels of 2 n) was multiplied by."""
    steps = np.linspace(-width / 2, width / 2, 2001)
    at = (np.arange(n) - n // 2) / (2 * n)
    window = _kaiser_bessel(steps, width, beta)
    return np.asarray(np.trapezoid(window * np.cos(2 * np.pi * at[:, None] * steps), steps, axis=1))
