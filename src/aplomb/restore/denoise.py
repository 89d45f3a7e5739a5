"""Denoising, from any image to the same kind of image: estimate the noise, pick the network, run it in tiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ModelError, ShapeError
from aplomb.io import Picture, from_float, to_float
from aplomb.model import Model, load, shipped
from aplomb.runtime.engines import Engine, EngineName, Precision, open_engine
from aplomb.runtime.tiles import apply, free_memory, plan

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
    """Time in the network, without opening files or the engine."""
    notes: tuple[str, ...] = ()
    """What a careful person would want to know: a level outside the training range, for one."""


def denoise(
    image: Picture | ArrayLike,
    sigma: float | Sequence[float] | None = None,
    model: str | Path | Model | None = None,
    *,
    engine: EngineName = "auto",
    precision: Precision = "f32",
    memory: float | None = None,
    threads: int | None = None,
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
    chosen = choose(model, planes.shape[1])
    notes: list[str] = []
    levels = _levels(planes, sigma)
    card = chosen.card
    takes_level = bool(card and card.noise_map)
    used = levels
    if card and card.noise_range is not None:
        low, high = card.noise_range
        # told less noise than there is, a network leaves the rest; one that scales with its input is told the truth
        used = np.clip(levels, low, high) if takes_level and not card.homogeneous else levels
        for level, beyond, end in (
            (levels.max(), "above", high if levels.max() > high * 1.01 else None),
            (levels.min(), "below", low if levels.min() < low * 0.99 else None),
        ):
            if end is not None:
                trained = f"what {chosen.name} was trained for ({255 * end:.0f} of 255)"
                notes.append(f"noise level {255 * level:.1f} is {beyond} {trained}")
    if card is None:
        notes.append(f"{chosen.name} has no Aplomb card: its range, task and noise level are not known")
    elif card.task != "denoise":
        notes.append(f"{chosen.name} is made for the task {card.task or 'unknown'!r}, not for denoising")

    if precision != "f32":
        notes.append(_loss(chosen, precision))
    runner = open_engine(chosen, engine, precision, threads)
    halo, multiple, values = _facts(chosen)
    layout = plan(
        planes.shape,
        halo=halo,
        multiple=multiple,
        values_per_pixel=values,
        memory=free_memory() / 2 if memory is None else memory,
    )
    start = time.perf_counter()
    extra = used.astype(np.float32)[:, None] if takes_level else None
    restored = apply(_checked(runner, chosen), planes, layout, extra=extra, progress=progress)
    seconds = time.perf_counter() - start
    return Result(
        image=from_float(restored, origin),
        sigma=float(levels[0]) if len(levels) == 1 else tuple(map(float, levels)),
        estimated=sigma is None,
        model=chosen.name,
        engine=runner.name,
        precision=runner.precision,
        seconds=seconds,
        notes=tuple(notes),
    )


def choose(model: str | Path | Model | None, channels: int) -> Model:
    """The model for pictures of so many channels: the usual one unless given. ModelError if it takes others."""
    if model is None:
        if channels not in USUAL:
            raise ModelError(f"no shipped network takes pictures with {channels} channels; give one with model=...")
        model = USUAL[channels]
    chosen = model if isinstance(model, Model) else load(model)
    wanted = chosen.card.channels if chosen.card else chosen.channels_in
    if wanted is not None and wanted != channels:
        others = [name for name in shipped() if (c := load(name).card) and c.channels == channels]
        raise ModelError(
            f"model {chosen.name} takes pictures with {wanted} channel(s), this one has {channels}; "
            f"for it there is {' or '.join(others) or 'no shipped model'}, or convert the picture"
        )
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


def _facts(model: Model) -> tuple[int | None, int, float]:
    """Halo, multiple and values per pixel: from the card, else from the network itself."""
    if model.card:
        return model.card.halo, model.card.multiple, model.card.values_per_pixel
    from aplomb.model import facts

    try:
        return facts(model.operator)
    except (ModelError, ShapeError):
        return None, 1, 256.0  # one pass over the whole picture is right for any network that takes its size


def _checked(runner: Engine, model: Model) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        y = runner(x)
        if y.ndim != 4 or y.shape[2:] != x.shape[2:]:
            raise ModelError(
                f"model {model.name} makes {y.shape} of {x.shape}: it changes the size, so it is no denoiser"
            )
        return y

    return run
