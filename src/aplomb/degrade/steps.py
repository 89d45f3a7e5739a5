"""The steps of a forward model as tables: which kinds there are, and what their keys make (see `forward`)."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aplomb.arrays import Shape
from aplomb.degrade import masks
from aplomb.degrade.blur import blur
from aplomb.degrade.interference import interference
from aplomb.degrade.psf import check_psf, disk, gaussian, motion, read_psf
from aplomb.degrade.sample import bicubic, mask, mosaic
from aplomb.degrade.shake import shake
from aplomb.errors import BadInput, ImageFileError, ShapeError
from aplomb.layers.resample import downsample
from aplomb.operator import Operator

__all__ = ["KINDS", "Here", "call"]


@dataclass(frozen=True)
class Here:
    """What a step may need to know besides its keys: where files are, and the shape of what arrives, if known."""

    folder: Path
    shape: Shape | None

    def size(self, asked: Any) -> tuple[int, int]:
        if asked is None and self.shape is not None:
            return self.shape[2], self.shape[3]
        numbers = [asked, asked] if isinstance(asked, int) else asked
        if not isinstance(numbers, list) or len(numbers) != 2 or not all(type(n) is int and n > 0 for n in numbers):
            found = "nothing" if asked is None else repr(asked)
            raise BadInput(f"size = [height, width] of the picture is needed, in pixels, found {found}")
        return numbers[0], numbers[1]

    def square(self, asked: Any) -> int:
        height, width = self.size(asked)
        if height != width:
            raise ShapeError(f"tomography takes square pictures, found {height} x {width}; pad or crop it")
        return height


def _blur(here: Here, psf: Any, border: Any = "reflect", **numbers: Any) -> Operator:
    drawn: dict[str, Callable[..., Any]] = {"gaussian": gaussian, "disk": disk, "motion": motion, "shake": shake}
    if not isinstance(psf, str):
        kernel = call("psf of numbers", lambda normalise=False: check_psf(_array(psf), normalise=normalise), numbers)
    elif psf in drawn:
        kernel = call(f"psf {psf!r}", drawn[psf], numbers)
    else:
        reader = lambda index=0, normalise=False: read_psf(here.folder / psf, index, normalise=normalise)  # noqa: E731
        kernel = call(f"psf {psf!r}", reader, numbers)
    return blur(kernel, border)


def _mask(here: Here, file: Any = None, draw: Any = None, size: Any = None, **numbers: Any) -> Operator:
    if (file is None) == (draw is None):
        raise BadInput("give either file, a picture of what is seen, or draw: random, scratches, regions or text")
    if file is not None:
        _none_left("mask from a file", {**numbers, **({} if size is None else {"size": size})})
        return mask(_picture(here.folder / file))
    shape = here.size(size)
    kinds: dict[str, Callable[..., Any]] = {
        "random": lambda fraction=0.5, seed=0: masks.random_pixels(shape, fraction, seed),
        "scratches": lambda count=10, width=2.0, seed=0: masks.scratches(shape, count, width, seed),
        "regions": lambda count=5, side=16, seed=0: masks.regions(shape, count, side, seed),
        "text": lambda text="Aplomb", height=16.0: masks.lettering(shape, text, height),
    }
    if draw not in kinds:
        raise BadInput(f"draw = {draw!r} is not known; known are {', '.join(kinds)}")
    return mask(call(f"mask {draw!r}", kinds[draw], numbers))


def _interference(here: Here, frequency: Any, amplitude: Any, phase: Any = 0.0) -> Operator:
    if not isinstance(frequency, list) or len(frequency) != 2:
        raise BadInput(f"frequency = [down, across] in cycles per pixel is needed, found {frequency!r}")
    return interference((frequency[0], frequency[1]), amplitude / 255, math.radians(phase))


def _fourier(
    here: Here, mask: Any = None, sampling: Any = None, maps: Any = None, real: bool = True, size: Any = None,
    **numbers: Any,
) -> Operator:  # fmt: skip
    from aplomb.degrade.fourier import kspace_mask, mri, read_mask

    if (mask is None) == (sampling is None):
        raise BadInput("give either mask, a file, or sampling: cartesian, radial or random")
    if mask is not None:
        _none_left("fourier with a mask from a file", numbers)
        sampled = read_mask(here.folder / mask)
    else:
        drawn: Callable[..., Any] = lambda fraction=0.3, seed=0: kspace_mask(  # noqa: E731
            sampling, here.size(size), fraction=fraction, seed=seed
        )
        sampled = call(f"sampling {sampling!r}", drawn, numbers)
    return mri(sampled, None if maps is None else _numbers(here.folder / maps), real)


def _gaussian(
    here: Here, block: int = 32, fraction: float = 0.25, seed: int = 0, orthonormal: bool = False
) -> Operator:
    from aplomb.degrade.sensing import gaussian

    return gaussian(block, fraction, seed, orthonormal)


def _hadamard(
    here: Here, fraction: float = 0.25, seed: int = 0, signs: bool = True, low: float = 0.0, size: Any = None
) -> Operator:
    from aplomb.degrade.sensing import hadamard

    return hadamard(here.size(size), fraction, seed, signs, low)


def _radon(here: Here, angles: Any, circle: bool = True, size: Any = None) -> Operator:
    from aplomb.degrade.radon import radon

    return radon(here.square(size), _angles(angles, 180), circle)


def _fan_beam(
    here: Here, angles: Any, source_distance: float, detector_distance: float = 0.0, detectors: int | None = None,
    spacing: float | None = None, size: Any = None,
) -> Operator:  # fmt: skip
    from aplomb.degrade.radon import fan_beam

    turns = _angles(angles, 360)
    return fan_beam(here.square(size), turns, source_distance, detector_distance, detectors, spacing)


KINDS: dict[str, Callable[..., Operator]] = {
    "blur": _blur,
    "downsample": lambda here, factor=2: downsample(factor),
    "bicubic": lambda here, factor=2, antialias=True: bicubic(factor, antialias),
    "mask": _mask,
    "mosaic": lambda here, pattern="RGGB": mosaic(pattern),
    "interference": _interference,
    "fourier": _fourier,
    "gaussian": _gaussian,
    "hadamard": _hadamard,
    "radon": _radon,
    "fan-beam": _fan_beam,
}
"""Steps by kind."""


def call(what: str, function: Callable[..., Any], keys: Mapping[str, Any], *first: Any) -> Any:
    """`function` with the keys of a table as its arguments; what it does not know, or misses, is named."""
    prefix = f"{what}: " if what else ""
    parameters = [*inspect.signature(function).parameters.values()][len(first) :]
    known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    if len(known) == len(parameters) and (unknown := [key for key in keys if key not in known]):
        raise BadInput(f"{prefix}no key {unknown[0]!r}; its keys are {', '.join(known) or 'none'}")
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if missing := [name for name in needed if name not in keys]:
        raise BadInput(f"{prefix}the key {missing[0]!r} is missing; its keys are {', '.join(known)}")
    try:
        return function(*first, **keys)
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, BadInput):
            raise
        shown = ", ".join(f"{key} = {value!r}" for key, value in keys.items())
        raise BadInput(f"{prefix}{shown} cannot be used ({error}); check the kinds of the values") from None


def _none_left(what: str, numbers: Mapping[str, Any]) -> None:
    if numbers:
        raise BadInput(f"{what} takes no {next(iter(numbers))!r}")


def _angles(angles: Any, full: float) -> Any:
    """Degrees as given, or so many of them, evenly over `full` degrees."""
    return np.arange(angles) * (full / angles) if isinstance(angles, int) and angles > 0 else angles


def _array(rows: Any) -> Any:
    try:
        return np.asarray(rows, np.float64)
    except (ValueError, TypeError):
        raise BadInput(f"rows of numbers of one length are needed, found {rows!r}") from None


def _numbers(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ImageFileError(f"{path} cannot be read as .npy: {error}") from None


def _picture(path: Path) -> Any:
    """(H, W), True where a mask file is not black."""
    from aplomb.io import read

    if path.suffix.lower() == ".npy":
        return _numbers(path)
    picture = read(path)
    return picture.array.any(axis=picture.axes.index("S")) if "S" in picture.axes else picture.array != 0
