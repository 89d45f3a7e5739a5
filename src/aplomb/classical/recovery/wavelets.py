"""Sparse recovery in orthogonal wavelets for any linear operator: ISTA, and FISTA with momentum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from aplomb.classical.recovery.base import Floats, Recovery, check_count, check_number
from aplomb.classical.recovery.scale import gain, least_squares, norm_bound, unbounded
from aplomb.degrade.forward import ForwardModel
from aplomb.errors import BadInput
from aplomb.operator import Operator

__all__ = ["FISTA", "ISTA"]


@dataclass(frozen=True)
class ISTA(Recovery):
    """The picture with the fewest wavelets among those that explain the measurement, for any linear operator D.

    .. math:: x = \\arg\\min_u \\frac{1}{2 g^2} \\|D u - y\\|^2 + \\lambda \\|W u\\|_1

    with the details W u of an orthogonal wavelet transform (PyWavelets, periodic) and g the gain of D, as for total
    variation. Iterative soft thresholding repeats a gradient step and a shrinkage of the details:

    .. math:: x_{k+1} = W^T \\mathrm{soft}_{t \\lambda_k}\\big(W (x_k - t D^T (D x_k - y) / g^2)\\big),
              \\qquad t = g^2 / \\|D\\|^2

    The threshold falls geometrically to lambda over the first half of the steps (continuation), which makes late steps
    out of early ones. With `shifts`, every step shifts the lattice of the wavelets at random (from a fixed seed): that
    minimises, on the way, the mean over all lattices, and leaves no blocks.

    Parameters
    ----------
    strength
        lambda. None: ``0.8 sigma / g``, at least 0.0015.
    wavelet
        Name of an orthogonal wavelet of PyWavelets.
    levels
        Octaves; as many as the picture allows, at most.
    iterations
        Number of steps.
    shifts
        Whether the lattice moves. Without it, the minimum above is approached.

    Raises
    ------
    BadInput
        A parameter is negative, the wavelet is unknown or not orthogonal; D is not linear, or nothing is known about
        its norm.

    References
    ----------
    I. Daubechies, M. Defrise, C. De Mol, "An iterative thresholding algorithm for linear inverse problems with a
    sparsity constraint", Communications on Pure and Applied Mathematics 57, 2004. M. A. T. Figueiredo, R. D. Nowak, "An
    EM algorithm for wavelet-based image restoration", IEEE Trans. Image Processing 12 (8), 2003 (with the shifts).
    """

    strength: float | None = None
    wavelet: str = "db4"
    levels: int = 4
    iterations: int = 200
    shifts: bool = True
    name: ClassVar[str] = "wavelet-ista"
    _momentum: ClassVar[bool] = False

    def __post_init__(self) -> None:
        import pywt

        check_number(self.name, "a strength", self.strength)
        check_count(self.name, "levels", self.levels)
        check_count(self.name, "iterations", self.iterations)
        if self.wavelet not in pywt.wavelist(kind="discrete") or not pywt.Wavelet(self.wavelet).orthogonal:
            raise BadInput(f"{self.name} needs an orthogonal wavelet, as haar, db4 or sym8; found {self.wavelet!r}")

    def _fits(self, forward: ForwardModel) -> str:
        return unbounded(forward.operator)

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        y, operator = forward.centred(y), forward.linear
        scale = gain(operator, forward.picture_shape(y.shape))
        strength = max(0.8 * sigma / scale, 1.5e-3) if self.strength is None else self.strength
        start = least_squares(operator, y, 10)
        operator, y = (1 / scale) * operator, y / scale
        shrinkage = Shrinkage(self.wavelet, self.levels, start.shape[2:])
        rng = np.random.default_rng(0) if self.shifts else None
        return descend(y, operator, max(strength, 1e-9), start, shrinkage, self.iterations, self._momentum, rng)


@dataclass(frozen=True)
class FISTA(ISTA):
    """As `ISTA`, with momentum: each step starts from a point ahead of the last two.

    .. math:: z_k = x_k + \\frac{t_{k-1} - 1}{t_k} (x_k - x_{k-1}), \\qquad t_k = \\frac{1 + \\sqrt{1 + 4 t_{k-1}^2}}{2}

    The distance to the minimum falls as 1 / k^2 instead of 1 / k. Parameters and errors are those of `ISTA`.

    References
    ----------
    A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse problems", SIAM J.
    Imaging Sciences 2 (1), 2009.
    """

    name: ClassVar[str] = "wavelet-fista"
    _momentum: ClassVar[bool] = True


def descend(
    y: Floats,
    operator: Operator,
    strength: float,
    x: Floats,
    shrink: Callable[[Floats, float, tuple[int, int]], Floats],
    iterations: int,
    momentum: bool,
    rng: np.random.Generator | None,
) -> Floats:
    """Gradient steps on 1/2 ||D x - y||^2, each followed by a shrinkage."""
    adjoint = operator.adjoint()
    rate = 1 / norm_bound(operator) ** 2
    falling = np.geomspace(max(0.3, strength), strength, max(iterations * 4 // 5, 1))
    ahead, t = x, 1.0
    for k in range(iterations):
        threshold = rate * falling[min(k, len(falling) - 1)]
        shift = (0, 0) if rng is None else tuple(rng.integers(0, 1 << 8, 2).tolist())
        before, x = x, shrink(ahead - rate * adjoint(operator(ahead) - y), threshold, shift)
        t, last = (1 + np.sqrt(1 + 4 * t * t)) / 2, t
        ahead = x + momentum * (last - 1) / t * (x - before)
    return x


@dataclass(frozen=True)
class Shrinkage:
    """Soft thresholding of the details of planes (H, W) of one size, mirrored to a multiple of 2^levels."""

    wavelet: str
    levels: int
    size: tuple[int, ...]

    def __call__(self, x: Floats, threshold: float, shift: tuple[int, int]) -> Floats:
        """Planes of `x` (N, C, H, W), shrunk on the lattice moved by `shift` rows and columns."""
        import pywt

        longest = pywt.Wavelet(self.wavelet).dec_len - 1
        levels = min(self.levels, *(max((n // longest).bit_length() - 1, 0) for n in self.size))
        room = [(0, -n % (1 << levels)) for n in self.size]
        moved = np.roll(np.pad(x, [(0, 0), (0, 0), *room], mode="symmetric"), shift, axis=(2, 3))
        options: dict[str, Any] = {"mode": "periodization", "axes": (2, 3)}
        rough, *details = pywt.wavedec2(moved, self.wavelet, level=levels, **options)
        soft = [tuple(np.sign(d) * np.maximum(np.abs(d) - threshold, 0) for d in band) for band in details]
        back = pywt.waverec2([rough, *soft], self.wavelet, **options)
        back = np.roll(back, (-shift[0], -shift[1]), axis=(2, 3))
        return np.asarray(back[:, :, : self.size[0], : self.size[1]])
