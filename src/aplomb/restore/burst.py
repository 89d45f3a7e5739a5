"""Burst deblurring: several shaken frames of one scene, joined in the Fourier domain into one that is sharp.

Camera shake damps other frequencies in each frame. At each frequency the frames that kept most of it are taken: nothing
is divided by, no blur has to be known, and what is joined is averaged, so that noise falls too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ShapeError
from aplomb.io import Origin, Picture, from_float, to_float
from aplomb.model import Model

__all__ = [
    "LEARNED",
    "BurstResult",
    "burst",
    "features",
    "fuse",
    "learned_weights",
    "magnitudes",
    "power_weights",
    "register",
    "sharpest",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LEARNED = "burst-weights"
"""The shipped model of `weights="learned"`."""
SMOOTHING = 50
"""Magnitudes are smoothed by a Gaussian of the shorter side over this, in frequency samples, as in the paper."""
LEAST_CORRELATION = 0.25
"""Of details, between frames that are laid over each other: shaken ones of one scene have 0.4 and more, others 0.15."""
ROUNDS = 3
"""Of registration: what only one of two frames shows draws their shift towards 0, by less each time."""
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class BurstResult:
    """A burst that became one picture, and how."""

    image: NDArray[Any]
    """Layout, dtype and range of one frame."""
    weights: Floats
    """(N, H, W): the share of each frame at each frequency, in the order of `numpy.fft.fft2`; they sum to 1."""
    shifts: Doubles
    """(N, 2): by how much each frame was moved onto the reference, in pixels down and to the right."""
    reference: int = 0
    """The frame that stayed in its place: the sharpest one."""
    notes: tuple[str, ...] = ()
    """What a careful person would want to know."""

    @property
    def shares(self) -> tuple[float, ...]:
        """The mean weight of each frame over all frequencies."""
        return tuple(map(float, self.weights.mean(axis=(1, 2))))


def burst(
    frames: Picture | ArrayLike | Iterable[Picture | ArrayLike],
    p: float = 11,
    align: bool = True,
    weights: str | Path | Model = "power",
) -> BurstResult:
    """Join the frames of a burst by Fourier burst accumulation.

    .. math::
        u = \\mathcal F^{-1} \\sum_i w_i \\hat a_i, \\qquad
        w_i(\\zeta) = \\frac{|\\hat a_i(\\zeta)|^p}{\\sum_j |\\hat a_j(\\zeta)|^p}

    with magnitudes that are smoothed over frequencies, and averaged over colours. Learned weights are
    :math:`\\mathrm{softmax}_i\\, h(d_i, |\\zeta|, s)` with a small network h, see `features`.

    Parameters
    ----------
    frames
        Two or more pictures of one size and dtype, as `aplomb.denoise` takes them, or a stack of them.
    p
        The power of `weights="power"`: 0 is the mean, infinity takes the largest at each frequency; 10 to 30 is usual.
    align
        Whether to register the frames first, by cross-correlation to a twentieth of a pixel, and move them onto the
        sharpest one. What a moved frame does not show is taken from that one.
    weights
        "power", "learned", or a model that was trained by `aplomb.train.burst`.

    Raises
    ------
    BadInput
        One frame only, frames of different dtypes, frames that do not show the same scene, a power below 0.
    ShapeError
        Frames of different sizes.

    References
    ----------
    Delbracio, Sapiro, "Burst deblurring: removing camera shake through Fourier burst accumulation", CVPR 2015.

    Examples
    --------
    >>> from skimage.data import camera
    >>> from aplomb.degrade.shake import shaken
    >>> clean = camera()[100:228, 150:278] / 255
    >>> taken = shaken(clean, count=6, shift=0, seed=2)
    >>> result = burst(taken.frames, align=False)
    >>> errors = [float(np.square(x - clean).mean()) for x in (result.image, *taken.frames)]
    >>> bool(errors[0] < np.mean(errors[1:]) / 3)
    True
    """
    planes, origin, names = _frames(frames)
    if not p >= 0:
        raise BadInput(f"burst: asked for the power {p:g}; give a number of 0 (the mean) or more, 11 is usual")
    model = None if weights == "power" else _model(weights)
    shifts, reference, notes = np.zeros((len(planes), 2)), sharpest(planes), []
    if align:
        planes, shifts = register(planes, reference, names)
        height, width = planes.shape[2:]
        for name, (down, right) in zip(names, shifts, strict=True):
            if max(abs(down) / height, abs(right) / width) > 0.1:
                notes.append(f"{name} was moved {down:+.0f} rows and {right:+.0f} columns: borders have less of it")
    smooth = magnitudes(planes)
    shares = power_weights(smooth, p) if model is None else learned_weights(smooth, model)
    return BurstResult(from_float(fuse(planes, shares)[None], origin), shares, shifts, reference, tuple(notes))


def _frames(frames: Any) -> tuple[Floats, Origin, list[str]]:
    """All frames (N, C, H, W), the layout of one, and what to call each in a message."""
    single = isinstance(frames, Picture) or (isinstance(frames, np.ndarray) and frames.dtype != object)
    found, names, origins = [], [], []
    for number, frame in enumerate([frames] if single else list(frames), 1):
        planes, origin = to_float(frame, name="the burst" if single else f"frame {number}")
        name = f"frame {number}" + (f" ({frame.name})" if isinstance(frame, Picture) and frame.name != "image" else "")
        names += [name] if len(planes) == 1 else [f"{name}, image {i}" for i in range(1, len(planes) + 1)]
        found += list(planes)
        axes = [(n, axis) for n, axis in zip(origin.shape, origin.axes, strict=True) if axis in "SYX"]
        alpha = None if origin.alpha is None else origin.alpha.reshape(-1, *origin.alpha.shape[-3:])[0]
        one = Origin(origin.dtype, tuple(n for n, _ in axes), "".join(axis for _, axis in axes), alpha)
        origins += [one] * len(planes)
    if len(found) < 2:
        raise BadInput(f"burst: asked to join {len(found)} frame(s); give two or more pictures of one scene")
    for name, planes, origin in zip(names, found, origins, strict=True):
        if planes.shape != found[0].shape:
            raise ShapeError(
                f"burst: {names[0]} is {_size(found[0])}, {name} is {_size(planes)}; give frames of one size"
            )
        if origin.dtype != origins[0].dtype:
            raise BadInput(
                f"burst: {names[0]} is {origins[0].dtype}, {name} is {origin.dtype}; give frames of one kind"
            )
    return np.stack(found), origins[0], names


def _size(planes: Floats) -> str:
    channels, height, width = planes.shape
    return f"{width} x {height} pixels, {({1: 'grey', 3: 'RGB'}).get(channels, f'{channels} channels')}"


# -- registration --------------------------------------------------------------------------------------------


def sharpest(planes: Floats) -> int:
    """The frame (N, C, H, W) with the steepest slopes, at a scale at which noise says little."""
    from scipy.ndimage import gaussian_gradient_magnitude

    return int(np.argmax([np.square(gaussian_gradient_magnitude(frame.mean(axis=0), 1.5)).mean() for frame in planes]))


def register(planes: Floats, reference: int = 0, names: Sequence[str] = ()) -> tuple[Floats, Doubles]:
    """Frames (N, C, H, W) moved onto one of them, and by how much: (N, 2) pixels down and to the right.

    The shift is where the cross-correlation is largest (Guizar-Sicairos et al., Optics Letters 2008), without
    whitening: the phases of what was blurred away are noise. Raises BadInput, with the frame's name, for another scene.
    """
    from skimage.registration import phase_cross_correlation

    names = names or [f"frame {number}" for number in range(1, len(planes) + 1)]
    grey = planes.mean(axis=1, dtype=np.float64)
    still, moved, shifts = grey[reference], [], []
    for name, frame, view in zip(names, planes, grey, strict=True):
        shift, laid = np.zeros(2), view
        for _ in range(ROUNDS):
            step = phase_cross_correlation(still, laid, upsample_factor=20, normalization=None)[0]
            if not step.any():
                break
            shift = shift + step
            laid = np.where(_seen(view.shape, shift), _moved(view[None], shift)[0], still)
        seen = _seen(view.shape, shift)
        alike = correlation(still, laid, seen)
        if alike < LEAST_CORRELATION:
            raise BadInput(
                f"burst: {name} does not overlap {names[reference]}: laid over each other at their best their "
                f"correlation is {alike:.2f}; leave it out, or register the frames yourself and ask for no alignment"
            )
        moved.append(np.where(seen, _moved(frame, shift), planes[reference]) if shift.any() else frame)
        shifts.append(shift)
    return np.stack(moved).astype(np.float32), np.stack(shifts)


def _moved(frame: NDArray[Any], shift: Doubles, margin: int = 16) -> NDArray[Any]:
    """A frame (C, H, W) moved by parts of a pixel, mirrored beyond its border: by phases, which damps nothing."""
    from scipy.fft import fft2, ifft2
    from scipy.ndimage import fourier_shift

    whole = np.rint(shift).astype(int)
    beyond = [(margin + abs(int(n)),) * 2 for n in whole]
    wide = np.pad(frame, ((0, 0), *beyond), mode="symmetric")
    moved = np.stack([ifft2(fourier_shift(fft2(plane), shift)).real for plane in wide])
    return moved[:, beyond[0][0] : -beyond[0][0], beyond[1][0] : -beyond[1][0]]


def _seen(size: tuple[int, ...], shift: Doubles) -> NDArray[np.bool_]:
    """Where a frame that is moved by `shift` has pixels of its own."""
    rows, columns = (np.arange(n) - s for n, s in zip(size, shift, strict=True))
    inside = [(p >= 0) & (p <= n - 1) for p, n in zip((rows, columns), size, strict=True)]
    return np.asarray(inside[0][:, None] & inside[1][None])


def correlation(a: Doubles, b: Doubles, seen: NDArray[np.bool_]) -> float:
    """Correlation of the details of two pictures (H, W), 2 to 8 pixels large, where `seen`; 1 where there are none."""
    from scipy.ndimage import gaussian_filter

    first, second = ((gaussian_filter(x, 2) - gaussian_filter(x, 8))[seen] for x in (a, b))
    if not len(first):
        return 0.0
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt(np.square(first).sum() * np.square(second).sum()))
    return float(first @ second) / size if size > TINY * len(first) else 1.0


# -- weights -------------------------------------------------------------------------------------------------


def magnitudes(planes: Floats) -> Floats:
    """Magnitudes of frames (N, C, H, W): averaged over channels, smoothed over frequencies, (N, H, W)."""
    from scipy.fft import fft2
    from scipy.ndimage import gaussian_filter

    scale = min(planes.shape[2:]) / SMOOTHING
    found = [gaussian_filter(np.abs(fft2(frame)).mean(axis=0), scale, mode="wrap") for frame in planes]
    return np.stack(found).astype(np.float32)


def power_weights(smooth: Floats, p: float) -> Floats:
    """Weights (N, H, W) of Fourier burst accumulation with power `p`, from `magnitudes`.

    >>> power_weights(np.array([[[1.0]], [[3.0]]]), 2).ravel().astype(float).round(3).tolist()
    [0.1, 0.9]
    """
    if np.isinf(p):
        best = (smooth == smooth.max(axis=0)).astype(np.float32)
        return np.asarray(best / best.sum(axis=0))
    return _softmax(p * _relative(smooth))


def learned_weights(smooth: Floats, model: Model) -> Floats:
    """Weights (N, H, W) that a model gives for `magnitudes`: the soft-max of its scores over the frames."""
    from aplomb.runtime.network import open_network

    return _softmax(open_network(model)(features(smooth))[:, 0])


def features(smooth: Floats) -> Floats:
    """What the learned weights go by: (N, 3, H, W) from `magnitudes` (N, H, W).

    The logarithm d of the magnitude relative to the largest of the frames; the frequency, 1 at half the sampling
    rate; the logarithm s of that largest magnitude relative to the noise, over 4. The noise is what is left at the
    corners of the spectrum, where pictures have nothing.
    """
    down, right = (np.abs(np.fft.fftfreq(n)) for n in smooth.shape[1:])
    corner = (down > 0.4)[:, None] & (right > 0.4)[None]
    floor = np.median(smooth[:, corner]) if corner.any() else 0.0
    level = np.log((smooth.max(axis=0) + TINY) / (floor + TINY)) / 4
    radius = 2 * np.hypot(down[:, None], right[None])
    common = [np.broadcast_to(x, smooth.shape) for x in (radius, level)]
    return np.stack([_relative(smooth), *common], axis=1).astype(np.float32)


def fuse(planes: Floats, shares: Floats) -> Floats:
    """The picture (C, H, W) of frames (N, C, H, W) with weights (N, H, W)."""
    from scipy.fft import fft2, ifft2

    total = sum(share * fft2(frame) for share, frame in zip(shares, planes, strict=True))
    return np.asarray(ifft2(total).real, np.float32)


def _relative(smooth: Floats) -> Floats:
    logs = np.log(smooth + TINY)
    return np.asarray(logs - logs.max(axis=0))


def _softmax(scores: Floats) -> Floats:
    """Over frames."""
    grown = np.exp(scores - scores.max(axis=0))
    return np.asarray(grown / grown.sum(axis=0), np.float32)


def _model(weights: str | Path | Model) -> Model:
    from aplomb.model import load
    from aplomb.runtime.choice import check_task

    if isinstance(weights, str) and weights != "learned" and not Path(weights).is_file():
        raise BadInput(f"burst: asked for weights {weights!r}; give power, learned, or the path of a model")
    model = weights if isinstance(weights, Model) else load(LEARNED if weights == "learned" else weights)
    check_task(model, "burst")
    return model
