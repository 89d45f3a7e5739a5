"""Camera shake: random trajectories, the blur that they make, and bursts of a picture taken with an unsteady hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ShapeError

__all__ = ["ShakenBurst", "kernel", "shake", "shaken", "trajectory"]

Doubles = NDArray[np.float64]

STEPS = 400
"""Points of a trajectory: more than one a pixel for every length that is sensible."""


@dataclass(frozen=True, eq=False)
class ShakenBurst:
    """A burst of one picture, and what happened to each frame."""

    frames: Doubles
    """(N, H, W) or (N, H, W, C), in 0..1 but for the noise."""
    kernels: tuple[Doubles, ...]
    """The blur of each frame, centred: its centroid is the middle of the kernel."""
    shifts: Doubles
    """(N, 2): how far each frame lies from the clean picture, in pixels down and to the right."""


def trajectory(length: float, seed: int = 0, smoothness: float = 0.98) -> Doubles:
    """A random path of the camera, a hand's tremor: (400, 2) positions in pixels, their mean in the origin.

    The velocity is a mean-reverting walk, so that the path is smooth, with turns:

    .. math:: v_{t+1} = s v_t + \\mathcal N(0, 1), \\qquad x_{t+1} = x_t + v_t

    Parameters
    ----------
    length
        Length of the path in pixels, at least 0.
    seed
        The same seed gives the same shape, whatever the length.
    smoothness
        s, from 0 (a random walk) to below 1 (almost straight).

    Raises
    ------
    BadInput
        A length below 0 or above 400, a smoothness outside [0, 1).

    Examples
    --------
    >>> path = trajectory(12.0, seed=1)
    >>> float(np.hypot(*np.diff(path, axis=0).T).sum().round(6))
    12.0
    """
    if not 0 <= length <= STEPS:
        raise BadInput(f"camera shake: asked for a path of {length:g} pixels; give a length from 0 to {STEPS}")
    if not 0 <= smoothness < 1:
        raise BadInput(f"camera shake: asked for smoothness {smoothness:g}; give 0 (rough) to below 1 (straight)")
    from scipy.signal import lfilter

    push = np.random.default_rng(seed).standard_normal((STEPS - 1, 2))
    push[0] /= np.sqrt(1 - smoothness**2)  # the walk has been going on for long
    velocity = lfilter([1.0], [1.0, -smoothness], push, axis=0)
    velocity *= length / np.hypot(*velocity.T).sum()
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(velocity, axis=0)])
    return np.asarray(path - path.mean(axis=0))


def kernel(path: ArrayLike, shift: tuple[float, float] = (0.0, 0.0)) -> Doubles:
    """The blur of a path: time spent at each pixel, shared between the four nearest ones.

    Parameters
    ----------
    path
        (T, 2) positions in pixels, down and to the right, equally spaced in time.
    shift
        Added to the path; the picture moves by it, fractions of a pixel included.

    Returns
    -------
    psf
        (k, k) with odd k, as small as holds the path; not negative, sums to 1; its middle is the origin.

    Raises
    ------
    ShapeError
        A path that is no list of points.

    Examples
    --------
    >>> kernel([(0.0, 0.0), (0.0, 1.0)])
    array([[0. , 0. , 0. ],
           [0. , 0.5, 0.5],
           [0. , 0. , 0. ]])
    """
    points = np.asarray(path, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not points.size:
        raise ShapeError(f"camera shake: asked for a path of shape (T, 2), found {points.shape}")
    points = points + np.asarray(shift, np.float64)
    radius = max(1, int(np.ceil(np.abs(points).max())))
    whole = np.floor(points).astype(int)
    part = points - whole
    psf = np.zeros((2 * radius + 2, 2 * radius + 2))  # one more for the neighbours of the last pixels, which get 0
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - down - part[:, 0]) * np.abs(1 - right - part[:, 1])
            np.add.at(psf, (whole[:, 0] + down + radius, whole[:, 1] + right + radius), share)
    return np.asarray(psf[:-1, :-1] / len(points))


def shake(length: float, seed: int = 0, smoothness: float = 0.98) -> Doubles:
    """A random camera-shake kernel: `kernel` of a `trajectory`.

    >>> psf = shake(9.0, seed=3)
    >>> float(psf.sum().round(12)), psf.shape[0] % 2
    (1.0, 1)
    """
    return kernel(trajectory(length, seed, smoothness))


def shaken(
    picture: ArrayLike,
    count: int = 8,
    length: tuple[float, float] = (2.0, 20.0),
    shift: float = 3.0,
    sigma: float = 0.0,
    seed: int = 0,
) -> ShakenBurst:
    """A burst of a clean picture: each frame shaken and shifted in its own way, with noise.

    .. math:: y_i(x) = (k_i * u)(x - t_i) + \\mathcal N(0, \\sigma^2)

    The length of each path is drawn evenly from `length`, each shift from a square of ± `shift`. Beyond its border
    the picture is mirrored.

    Parameters
    ----------
    picture
        (H, W) or (H, W, C), floating point in 0..1.
    count
        Frames, at least 1.
    length
        Shortest and longest path in pixels.
    shift
        Largest shift along an axis, in pixels.
    sigma
        Standard deviation of Gaussian noise, range 0..1; not clipped.
    seed
        Seed of everything that is drawn.

    Raises
    ------
    BadInput
        A picture that is not floating point, counts, lengths, shifts or noise that are negative.
    ShapeError
        A picture of another layout.

    Examples
    --------
    >>> burst = shaken(np.eye(32), count=3, seed=5)
    >>> burst.frames.shape, burst.shifts.shape
    ((3, 32, 32), (3, 2))
    """
    from aplomb.degrade.noise import Gaussian

    u = np.asarray(picture)
    if u.ndim not in (2, 3) or not u.size:
        raise ShapeError(f"burst: asked for a picture (H, W) or (H, W, C), found the shape {u.shape}")
    if not np.issubdtype(u.dtype, np.floating):
        raise BadInput(f"burst: asked for floating point in 0..1, found {u.dtype}; divide by the white level first")
    low, high = length
    if count < 1 or shift < 0 or not 0 <= low <= high:
        raise BadInput(
            f"burst: asked for {count} frames, paths of {low:g} to {high:g} pixels, shifts of {shift:g}; "
            "give at least one frame, lengths in order, and nothing negative"
        )
    rng = np.random.default_rng(seed)
    noise = Gaussian(sigma)
    frames, kernels, shifts = [], [], []
    for _ in range(count):
        path = trajectory(rng.uniform(low, high), int(rng.integers(2**31)))
        moved = rng.uniform(-shift, shift, 2)
        kernels.append(kernel(path))
        shifts.append(moved)
        frames.append(noise(_blurred(u.astype(np.float64), kernel(path, (moved[0], moved[1]))), rng))
    return ShakenBurst(np.stack(frames), tuple(kernels), np.stack(shifts))


def _blurred(picture: Doubles, psf: Doubles) -> Doubles:
    """`picture`, mirrored beyond its border, convolved with `psf`."""
    from scipy.signal import fftconvolve

    radius = len(psf) // 2
    more: Any = [(radius, radius)] * 2 + [(0, 0)] * (picture.ndim - 2)
    wide = np.pad(picture, more, mode="symmetric")
    return np.asarray(fftconvolve(wide, psf if picture.ndim == 2 else psf[..., None], mode="valid", axes=(0, 1)))
