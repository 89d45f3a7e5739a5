"""Tomography: filtered back-projection, and SART."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np

from aplomb.classical.recovery.base import Floats, Recovery, check_count, check_number, each_plane
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.radon import FanBeam, Projection, Radon
from aplomb.errors import BadInput

__all__ = ["SART", "FilteredBackProjection", "parallel"]

Window = Literal["ramp", "shepp-logan", "cosine", "hamming", "hann"]

_WINDOWS: tuple[Window, ...] = ("ramp", "cosine", "hann")
_TIMES = (4, 2, 1)


def _loudness(sigma: float, beams: Projection) -> int:
    """0, 1 or 2, by the standard deviation of the noise that inversion by a ramp leaves in the picture."""
    level = np.pi * sigma / np.sqrt(12 * len(beams.angles))
    return int(level > 0.02) + int(level > 0.08)


def only_projection(forward: ForwardModel) -> str:
    """Why this forward model is no tomography; empty if it is and nothing else."""
    operator = forward.operator
    if isinstance(operator, Projection) and not operator.transposed:
        return ""
    return "it needs a forward model of one Radon transform, radon or fan_beam, and nothing else"


def _turn(angles: Floats) -> str:
    """Why angles do not go evenly around the whole circle; empty if they do."""
    inner = np.diff(np.sort(angles % 360))
    if len(angles) > 2 and np.ptp(inner) < 1e-6 and abs(inner[0] * len(angles) - 360) < 1e-3:
        return ""
    return "a fan beam needs angles that go evenly around 360 degrees"


@dataclass(frozen=True)
class FilteredBackProjection(Recovery):
    """Inversion of the Radon transform: every projection filtered by a ramp, then smeared back along its rays.

    .. math:: x = \\frac{\\pi}{2 K} \\sum_k B_{\\phi_k} F^{-1}\\big(2 |f|\\, W(f)\\, F y_k\\big)

    by `skimage.transform.iradon`. K angles are taken to go evenly around 180 or 360 degrees. Fan beams are first sorted
    into parallel ones (`parallel`).

    Parameters
    ----------
    window
        W, which damps high frequencies and the noise with them: ramp (none), shepp-logan, cosine, hamming, hann. None:
        by the noise that the ramp would leave in the picture, about ``pi sigma / sqrt(12 K)``: the ramp below 0.02,
        cosine below 0.08, else hann.

    Raises
    ------
    BadInput
        The window is not known; the forward model is no tomography, or one by fan beams that do not go around.

    References
    ----------
    A. C. Kak, M. Slaney, "Principles of computerized tomographic imaging", IEEE Press, 1988, chapter 3.
    """

    window: Window | None = None
    name: ClassVar[str] = "filtered-back-projection"

    def __post_init__(self) -> None:
        if self.window is not None and self.window not in get_args(Window):
            raise BadInput(
                f"{self.name} asked for the window {self.window!r}, known are: {', '.join(get_args(Window))}"
            )

    def _fits(self, forward: ForwardModel) -> str:
        reason, operator = only_projection(forward), forward.operator
        return reason or (_turn(operator.angles) if isinstance(operator, FanBeam) else "")

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        from skimage.transform import iradon

        operator = forward.operator
        if isinstance(operator, FanBeam):
            y, operator = parallel(y, operator)
        assert isinstance(operator, Radon)
        window, beams = self.window or _WINDOWS[_loudness(sigma, operator)], operator

        def one(sinogram: Floats) -> Floats:
            return np.asarray(
                iradon(sinogram, beams.angles, output_size=beams.size, filter_name=window, circle=beams.circle)
            )

        return each_plane(one, y)


def parallel(y: Floats, beams: FanBeam) -> tuple[Floats, Radon]:
    """The sinogram of parallel beams that fan beams around the whole circle make up, by linear interpolation.

    A ray at distance s and direction phi is in the fan at angle phi - gamma, sin(gamma) = s / D_s.
    """
    from scipy.ndimage import map_coordinates

    count, order = len(beams.angles), np.argsort(beams.angles % 360)
    first, step = float((beams.angles % 360)[order[0]]), 360 / count
    target = Radon(beams.size, np.arange(0, 180, step))
    s = (np.arange(target.detectors) - target.detectors // 2)[:, None]
    gamma = np.arcsin(s / beams.source_distance)
    u = (beams.source_distance + beams.detector_distance) * np.tan(gamma) / beams.spacing + beams.detectors // 2
    beta = ((target.angles[None, :] - np.rad2deg(gamma) - first) / step) % count
    places = np.stack(np.broadcast_arrays(u, beta))

    def one(sinogram: Floats) -> Floats:
        around = np.concatenate([sinogram[:, order], sinogram[:, order[:1]]], axis=1)
        return np.asarray(map_coordinates(around, places, order=1, mode="constant"))

    return each_plane(one, y), target


@dataclass(frozen=True)
class SART(Recovery):
    """Simultaneous algebraic reconstruction: one projection after the other is fitted.

    .. math:: x \\leftarrow x + r\\, \\frac{1}{D_k^T 1} D_k^T \\frac{y_k - D_k x}{D_k 1}

    over the angles k, each as far as possible from those before. Parallel beams in a circle are computed by
    `skimage.transform.iradon_sart`, others with the operator of each angle.

    Parameters
    ----------
    iterations
        Times around. None: 4, 2 or 1, by the noise as for `FilteredBackProjection`.
    relaxation
        r.

    References
    ----------
    A. H. Andersen, A. C. Kak, "Simultaneous algebraic reconstruction technique (SART): a superior implementation of the
    ART algorithm", Ultrasonic Imaging 6, 1984.
    """

    iterations: int | None = None
    relaxation: float = 0.15
    name: ClassVar[str] = "sart"

    def __post_init__(self) -> None:
        check_count(self.name, "iterations", self.iterations)
        check_number(self.name, "a relaxation", self.relaxation)

    def _fits(self, forward: ForwardModel) -> str:
        return only_projection(forward)

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        beams = forward.operator
        assert isinstance(beams, Projection)
        times = self.iterations or _TIMES[_loudness(sigma, beams)]
        if isinstance(beams, Radon) and beams.circle:
            return each_plane(lambda sinogram: self._by_library(sinogram, beams, times), y)
        return self._by_operator(y, beams, times)

    def _by_library(self, sinogram: Floats, beams: Radon, times: int) -> Floats:
        from skimage.transform import iradon_sart

        x = None
        for _ in range(times):
            x = iradon_sart(sinogram, beams.angles, image=x, relaxation=self.relaxation)
        return np.asarray(x)

    def _by_operator(self, y: Floats, beams: Projection, times: int) -> Floats:
        from skimage.transform.radon_transform import order_angles_golden_ratio

        x = np.zeros((*y.shape[:2], beams.size, beams.size))
        picture, ray = np.ones((1, 1, *x.shape[2:])), np.ones((1, 1, y.shape[2], 1))
        steps = []
        for k in order_angles_golden_ratio(beams.angles):
            forth = replace(beams, angles=beams.angles[k : k + 1])
            back = forth.adjoint()
            # rays that only touch the picture would be divided by next to nothing
            lengths, weights = forth(picture), back(ray)
            rays = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 1)
            pixels = np.divide(self.relaxation, weights, out=np.zeros_like(weights), where=weights > 1e-6)
            steps.append((k, forth, back, rays, pixels))
        for _ in range(times):
            for k, forth, back, rays, pixels in steps:
                x = x + pixels * back((y[..., k : k + 1] - forth(x)) * rays)
        return np.asarray(x)
