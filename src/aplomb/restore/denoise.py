"""Denoising, from any image to the same kind of image: estimate the noise, pick the network, run it in tiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ModelError
from aplomb.io import Origin, Picture, from_float, to_float
from aplomb.model import Model, load
from aplomb.restore import guard
from aplomb.restore.estimate import ErrorEstimate
from aplomb.restore.verdict import examine
from aplomb.runtime.choice import check_channels, check_task
from aplomb.runtime.engines import EngineName, Precision
from aplomb.runtime.network import open_network

USUAL = {1: "denoise-grey", 3: "denoise-colour"}
"""The network for a picture of so many channels."""


@dataclass(frozen=True)
class Result:
    """A restored image and how it came about."""

    image: NDArray[Any]
    """Layout, dtype and range of what was given."""
    sigma: float | tuple[float, ...]
    """Noise level that was removed (standard deviation, range 0..1); one a picture for a stack."""
    estimated: bool
    """Whether `sigma` was estimated from the picture."""
    model: str
    engine: str
    precision: str
    seconds: float
    """Time in the network for the result alone, without opening files or the engine."""
    notes: tuple[str, ...] = ()
    """What a careful person would want to know: a level outside the training range, for one."""
    errors: tuple[ErrorEstimate, ...] = ()
    """The estimated error of each picture; empty if it was not asked for."""
    instead: tuple[str, ...] = ()
    """Of each picture, the method that took the place of the network (`never_worse`), or ""."""
    error_map: NDArray[np.float32] | None = None
    """Root mean square error to be expected at each pixel, range 0..1: (H, W), or as many as there are pictures."""

    @property
    def psnr_estimate(self) -> float | tuple[float | None, ...] | None:
        """Estimated PSNR in dB, without a reference; one a picture for a stack; None where it is refused."""
        found = tuple(error.psnr for error in self.errors)
        return found if isinstance(self.sigma, tuple) else next(iter(found), None)

    @property
    def interval(self) -> tuple[float, float] | tuple[tuple[float, float] | None, ...] | None:
        """The PSNRs in dB between which the true one lies in 95 of 100 cases; one pair a picture for a stack."""
        found = tuple(error.interval for error in self.errors)
        return found if isinstance(self.sigma, tuple) else next(iter(found), None)


def denoise(
    image: Picture | ArrayLike,
    sigma: float | Sequence[float] | None = None,
    model: str | Path | Model | None = None,
    *,
    engine: EngineName = "auto",
    precision: Precision = "f32",
    memory: float | None = None,
    threads: int | None = None,
    error: bool = True,
    error_map: bool = False,
    never_worse: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Remove Gaussian noise from an image, or from each image of a stack.

    Parameters
    ----------
    image
        (H, W), (H, W, 3), with alpha (H, W, 4), or a stack (N, H, W) or (N, H, W, C); uint8, uint16, bool, or float
        in 0..1. What comes in comes out: layout, dtype, range; alpha is left as it is.
    sigma
        Standard deviation of the noise in the range 0..1 (25 grey levels of 8 bit are 25 / 255); one number a picture
        for a stack. None estimates it from each picture (Liu, Tanaka and Okutomi, 2013).
    model
        Name of a shipped model, path of an ONNX file, or a loaded `Model`. None takes the shipped one for grey or
        colour pictures.
    engine, precision, threads
        See `aplomb.runtime.engines.open_engine`.
    memory
        Bytes that the network may use beyond the image and the result; None: half of what is free.
    error
        Whether to estimate the error of the result, see `aplomb.estimate_error`. It takes another pass of the network,
        on crops for pictures of more than 4 megapixels.
    error_map
        Whether to make the map of the error to be expected at each pixel, see `aplomb.restore.trust_map`; from a whole
        pass whatever the size.
    never_worse
        Whether to give the result of a classical method (wavelets, non-local means), or the noisy picture, where its
        estimated error is less than the network's. They take a second or two a megapixel.
    progress
        Called with the tiles done and the tiles in all.

    Raises
    ------
    BadInput
        An image that is empty, holds NaN or infinity or has an unknown range; a negative sigma.
    ModelError
        A model that does not fit the image.

    Examples
    --------
    >>> import numpy as np
    >>> clean = np.tile(np.linspace(0.2, 0.8, 64, dtype=np.float32), (64, 1))
    >>> noisy = clean + np.random.default_rng(0).normal(0, 0.1, clean.shape).astype(np.float32)
    >>> result = denoise(noisy, sigma=0.1)
    >>> bool(abs(result.image - clean).mean() < abs(noisy - clean).mean() / 3)
    True
    """
    planes, origin = to_float(image)
    if model is not None:
        model = model if isinstance(model, Model) else load(model)
        check_task(model, "denoise")
    chosen = choose(model, planes.shape[1])
    levels = _levels(planes, sigma)
    notes = guard.notes(planes, levels, chosen, origin.dtype)
    card = chosen.card
    takes_level = bool(card and card.noise_map)
    used = levels
    if card and card.noise_range is not None:
        low, high = card.noise_range
        # told less noise than there is, a network leaves the rest; one that scales with its input is told the truth
        used = np.clip(levels, low, high) if takes_level and not card.homogeneous else levels
    if card is None:
        notes.append(f"{chosen.name} has no Aplomb card: its range, task and noise level are not known")
    elif not card.task:
        notes.append(f"{chosen.name} does not say in its card that it is for denoising")

    if precision != "f32":
        notes.append(_loss(chosen, precision))
    network = open_network(chosen, engine, precision, memory=memory, threads=threads)
    extra = used.astype(np.float32)[:, None]

    def run(x: NDArray[np.float32], extra: NDArray[np.float32], progress: Any = None) -> NDArray[np.float32]:
        return network(x, extra=extra if takes_level else None, progress=progress)

    start = time.perf_counter()
    restored = run(planes, extra, progress)
    seconds = time.perf_counter() - start
    verdict = None
    if (error or error_map or never_worse) and restored.shape == planes.shape and origin.dtype.kind != "b":
        verdict = examine(
            planes,
            restored,
            lambda x, index: run(x, extra[index : index + 1]),
            levels,
            name=chosen.name,
            estimated=sigma is None,
            white=np.iinfo(origin.dtype).max if origin.dtype.kind == "u" else None,
            error_map=error_map,
            never_worse=never_worse,
        )
        restored = verdict.planes
        notes += verdict.notes
    return Result(
        image=from_float(restored, origin),
        sigma=float(levels[0]) if len(levels) == 1 else tuple(map(float, levels)),
        estimated=sigma is None,
        model=chosen.name,
        engine=network.engine.name,
        precision=network.engine.precision,
        seconds=seconds,
        notes=tuple(notes),
        errors=verdict.errors if verdict else (),
        instead=verdict.instead if verdict else (),
        error_map=_grey(verdict.error_map, origin) if verdict and verdict.error_map is not None else None,
    )


def _grey(planes: NDArray[np.float32], origin: Origin) -> NDArray[np.float32]:
    """Planes (N, 1, H, W) in the layout of the pictures, without colour."""
    kept = [(n, axis) for n, axis in zip(origin.shape, origin.axes, strict=True) if axis != "S"]
    shape, axes = tuple(n for n, _ in kept), "".join(axis for _, axis in kept)
    return from_float(planes, Origin(np.dtype(np.float32), shape, axes))


def choose(model: str | Path | Model | None, channels: int) -> Model:
    """The model for pictures of so many channels: the usual one unless given. ModelError if it takes others."""
    if model is None:
        if channels not in USUAL:
            raise ModelError(f"no shipped network takes pictures with {channels} channels; give one with model=...")
        model = USUAL[channels]
    chosen = model if isinstance(model, Model) else load(model)
    check_channels(chosen, channels)
    return chosen


def _levels(planes: NDArray[np.float32], sigma: float | Sequence[float] | None) -> NDArray[np.float64]:
    """One noise level a picture."""
    if sigma is None:
        from aplomb.classical.noise_level import estimate_sigma

        return np.array([estimate_sigma(np.moveaxis(p, 0, -1) if len(p) > 1 else p[0]) for p in planes], np.float64)
    levels = np.atleast_1d(np.asarray(sigma, np.float64))
    if levels.ndim != 1 or len(levels) not in (1, len(planes)):
        raise BadInput(f"sigma has {levels.size} values for {len(planes)} picture(s); give one, or one a picture")
    if not np.isfinite(levels).all() or (levels < 0).any():
        raise BadInput(f"sigma is {sigma}; give a standard deviation of 0 or more, in the range 0..1")
    if (levels > 1).any():
        raise BadInput(
            f"sigma is {sigma}, which is more than the whole range 0..1; for 8-bit grey levels divide by 255"
        )
    return np.broadcast_to(levels, len(planes)).copy()


def _loss(model: Model, precision: Precision) -> str:
    """What the card says about a precision."""
    measured = (model.card.metrics if model.card else {}).get(f"loss of {precision}", {}).get("loss_db")
    if not measured:
        return f"what {precision} loses against f32 was not measured for {model.name}"
    losses = ", ".join(f"{loss:.3f} dB at {level}" for level, loss in measured.items())
    return f"{precision} loses {losses} of 255 against f32, measured on other pictures (see its card)"
