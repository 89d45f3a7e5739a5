"""Blind deconvolution: the point spread function from the blurred picture, then the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from aplomb.classical.recovery.base import Floats, Recovery, check_count, check_number
from aplomb.classical.recovery.deconvolve import Wiener, edge_taper, only_blur
from aplomb.degrade.blur import Blur
from aplomb.degrade.forward import ForwardModel
from aplomb.errors import BadInput

__all__ = ["BlindDeconvolution", "estimate_psf"]


@dataclass(frozen=True)
class BlindDeconvolution(Recovery):
    """Deconvolution without knowing the point spread function; of the forward model's, only the size is used.

    .. math:: \\min_{u, h}\\; \\|h * u - y\\|^2 + \\lambda \\|\\nabla u\\|_0 + \\gamma \\|h\\|^2

    over sharp pictures u and kernels h in turns, from coarse to fine (`estimate_psf`); then `final` deconvolves with
    the h that was found. Blur and picture are known up to a shift; h is moved such that its centre of mass is in the
    middle.

    Parameters
    ----------
    final
        The method that uses the kernel.
    strength
        lambda at the end of each scale; larger for noisy pictures.
    rounds
        Turns on each scale.

    References
    ----------
    L. Xu, S. Zheng, J. Jia, "Unnatural L0 sparse representation for natural image deblurring", CVPR 2013. J. Pan, Z.
    Hu, Z. Su, M.-H. Yang, "Deblurring text images via L0-regularized intensity and gradient prior", CVPR 2014 (the
    turns).
    """

    final: Recovery = field(default_factory=Wiener)
    strength: float = 1e-3
    rounds: int = 5
    name: ClassVar[str] = "blind-deconvolution"

    def __post_init__(self) -> None:
        if not isinstance(self.final, Recovery):
            raise BadInput(f"{self.name} needs a method to deconvolve with, as Wiener(); found {self.final!r}")
        check_number(self.name, "a strength", self.strength)
        check_count(self.name, "rounds", self.rounds)

    def _fits(self, forward: ForwardModel) -> str:
        return only_blur(forward) or self.final.fits(forward)

    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        leaf = forward.find(Blur)
        assert leaf is not None
        found = []
        for picture in y:
            psf = estimate_psf(picture.mean(0), leaf.size, self.strength, self.rounds)
            operator = forward.operator.map(
                lambda part, psf=psf: replace(part, psf=psf) if isinstance(part, Blur) else part  # type: ignore[misc]
            )
            found.append(self.final(picture[None], replace(forward, operator=operator), sigma))
        return np.concatenate(found).astype(np.float64)


def estimate_psf(plane: Floats, size: tuple[int, int], strength: float = 1e-3, rounds: int = 5) -> Floats:
    """The point spread function of a blurred plane (H, W), 0..1.

    On each scale, coarse ones first: a picture with few edges is made out of y with the kernel so far, then the kernel
    that leads from the gradients of that picture to those of y.

    Parameters
    ----------
    plane
        (H, W), larger than the kernel.
    size
        (kh, kw), at least the kernel's.
    strength, rounds
        See `BlindDeconvolution`.

    Returns
    -------
    psf
        (kh, kw), non-negative, with sum 1 and its centre of mass in the middle, at most half a pixel off.
    """
    from skimage.transform import resize

    psf = np.zeros((3, 3))
    psf[1, 1] = 1
    for scale in _scales(size):
        small = [min(n, max(3, round(n * scale) | 1)) for n in size]
        coarse: Any = resize(plane, [round(n * scale) for n in plane.shape], order=3, anti_aliasing=True)
        psf = _normalised(np.maximum(resize(psf, small, order=1, anti_aliasing=False), 0))
        psf = _in_turns(np.asarray(coarse), psf, strength, rounds)
    return psf


def _scales(size: tuple[int, int]) -> Iterator[float]:
    """Factors of sqrt(2), from where the kernel has some 3 pixels up to 1."""
    steps = max(0, int(np.floor(2 * np.log2(max(size) / 3))))
    return (2 ** (-k / 2) for k in range(steps, -1, -1))


def _in_turns(y: Floats, psf: Floats, strength: float, rounds: int) -> Floats:
    """The kernel after some rounds on one scale."""
    room = [(n, n) for n in psf.shape]
    padded = np.pad(y, room, mode="symmetric")
    for k in range(rounds):
        tapered = edge_taper(padded, Blur(psf))
        sharp = few_edges(tapered, psf, strength * 1.1 ** (rounds - 1 - k))
        psf = _kernel(sharp, tapered, psf.shape)
    return psf


def few_edges(y: Floats, psf: Floats, strength: float) -> Floats:
    """The u that minimises ||h * u - y||^2 + strength ||grad u||_0, about, by half-quadratic splitting, periodic.

    .. math:: g = \\nabla u \\text{ where } |\\nabla u|^2 > \\lambda / \\beta, \\quad 0 \\text{ elsewhere}; \\qquad
              \\min_u \\|h * u - y\\|^2 + \\beta \\|\\nabla u - g\\|^2

    with beta doubled from 2 lambda on.
    """
    transfer = _transfer(psf, y.shape)
    down, across = _transfer(_DOWN, y.shape), _transfer(_DOWN.T, y.shape)
    power = np.abs(down) ** 2 + np.abs(across) ** 2
    data, weight = transfer.conj() * np.fft.rfft2(y), np.abs(transfer) ** 2
    u, beta = y, 2 * strength
    while beta < 1e5 * max(strength, 1e-12) and beta < 1e3:
        spectrum = np.fft.rfft2(u)
        rows, columns = (np.fft.irfft2(d * spectrum, s=y.shape) for d in (down, across))
        edge = rows**2 + columns**2 > strength / beta
        wanted = down.conj() * np.fft.rfft2(rows * edge) + across.conj() * np.fft.rfft2(columns * edge)
        u = np.fft.irfft2((data + beta * wanted) / (weight + beta * power), s=y.shape)
        beta *= 2
    return np.asarray(u)


_DOWN = np.array([[0.0], [-1.0], [1.0]])


def _transfer(psf: Floats, size: tuple[int, ...]) -> Any:
    whole = np.zeros(size)
    whole[: psf.shape[0], : psf.shape[1]] = psf
    return np.fft.rfft2(np.roll(whole, [-(n // 2) for n in psf.shape], axis=(0, 1)))


def _kernel(sharp: Floats, y: Floats, size: tuple[int, ...], ridge: float = 2.0) -> Floats:
    """The kernel of `size` that leads from the gradients of `sharp` to those of y, by least squares; cleaned."""
    above: Any = 0.0
    below: Any = 0.0
    for kernel in (_DOWN, _DOWN.T):
        d = _transfer(kernel, y.shape)
        from_, to = d * np.fft.rfft2(sharp), d * np.fft.rfft2(y)
        above = above + from_.conj() * to
        below = below + np.abs(from_) ** 2
    whole = np.fft.irfft2(above / (below + ridge), s=y.shape)
    centred = np.roll(whole, [n // 2 for n in size], axis=(0, 1))[: size[0], : size[1]]
    return _normalised(_centred(np.where(centred < 0.05 * centred.max(), 0, centred)))


def _centred(psf: Floats) -> Floats:
    """The kernel, moved by whole pixels such that its centre of mass is in the middle."""
    from scipy.ndimage import center_of_mass, shift

    middle = center_of_mass(psf) if psf.any() else [n // 2 for n in psf.shape]
    move = [float(np.rint(n // 2 - at)) for n, at in zip(psf.shape, middle, strict=True)]
    return np.asarray(shift(psf, move, order=0))


def _normalised(psf: Floats) -> Floats:
    if not psf.any():
        psf = np.zeros_like(psf)
        psf[tuple(n // 2 for n in psf.shape)] = 1
    return np.asarray(psf / psf.sum())
