"""What `aplomb.denoise` does after the network has run: estimates the error, maps it, and may overrule the network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aplomb.restore.estimate import STEP, ErrorEstimate, Level, judge, push, reported
from aplomb.restore.trust_map import expected_error

__all__ = ["UNTOUCHED", "Verdict", "examine"]

Values = NDArray[np.float32]
Run = Callable[[Values], Values]

MOST = 4 * 2**20
"""Pixels of a picture above which its error is estimated from crops, at the cost of at most so many pixels."""

CROPS, SIDE = 8, 512

UNTOUCHED = "the noisy picture"
"""The method that does nothing, among those that may take the place of a network."""


@dataclass(frozen=True)
class Verdict:
    """Pictures (N, C, H, W) as they are given out, and what is known of their errors, picture by picture."""

    planes: Values
    errors: tuple[ErrorEstimate, ...]
    instead: tuple[str, ...]
    """The method that took the place of the network, or ""."""
    error_map: Values | None
    """(N, 1, H, W)"""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Tried:
    name: str
    run: Run
    error: ErrorEstimate
    error_map: Values


def examine(
    planes: Values,
    restored: Values,
    network: Callable[[Values, int], Values],
    levels: NDArray[np.float64],
    *,
    name: str,
    estimated: bool,
    white: int | None,
    error_map: bool = False,
    never_worse: bool = False,
) -> Verdict:
    """Judge `restored`, which ``network(planes, index)`` made of each picture of `planes`.

    `white` is the level of white of integers: their results are clipped, and the rounding of what was given is noise
    that a level given by the user does not hold (an estimated one does).
    """
    chosen: list[_Tried] = []
    notes: list[str] = []
    for index, noisy in enumerate(planes):

        def run(x: Values, index: int = index) -> Values:
            y = network(x, index)
            return np.clip(y, 0, 1) if white else y

        sigma = float(levels[index])
        rounding = 1 / white / math.sqrt(12) if white and not estimated else 0.0
        level = Level.of(noisy, math.hypot(sigma, rounding), estimated=estimated)
        whole = error_map or noisy[0].size <= MOST
        ready = np.clip(restored[index], 0, 1) if white else restored[index]
        best = first = _try(name, run, noisy, level, whole, ready)
        if never_worse and level.sigma > 0:
            others = [_try(other, method, noisy, level, whole) for other, method in _classical(sigma).items()]
            best = min([first, *others], key=lambda tried: tried.error.mse)
        chosen.append(best)
        where = f"image {index + 1}: " if len(planes) > 1 else ""
        if best is not first:
            restored = restored.copy()
            restored[index] = best.run(noisy[None])[0]
            less = f"{_rms(best.error):.1f} of 255 against {_rms(first.error):.1f}"
            notes.append(f"{where}{best.name} in the place of {name}: its estimated error is less ({less}, rms)")
        elif best.error.worse_than_noise:
            more = f"{_rms(best.error):.1f} of 255 against {255 * math.sqrt(best.error.noise):.1f}"
            notes.append(
                f"{where}the estimated error is above the noise ({more}, rms): do not use this result; "
                "never_worse (--never-worse) takes a method that does better"
            )
    if unknown := [index for index, tried in enumerate(chosen) if tried.error.reason]:
        first = chosen[unknown[0]]
        some = f" of {len(unknown)} of {len(planes)} images" if len(planes) > 1 else ""
        where = f"image {unknown[0] + 1}: " if len(planes) > 1 else ""
        notes.append(f"the error{some} is not known: {where}{first.error.reason}{_own_account(first)}")
    return Verdict(
        restored,
        tuple(tried.error for tried in chosen),
        tuple(tried.name if tried.name != name else "" for tried in chosen),
        np.stack([tried.error_map[None] for tried in chosen]) if error_map else None,
        tuple(notes),
    )


def _try(name: str, run: Run, noisy: Values, level: Level, whole: bool, ready: Values | None = None) -> _Tried:
    """A method judged on a picture (C, H, W), or on crops of it; `ready` is its result, if it is there."""
    places = [(slice(None), slice(None))] if whole else _crops(*noisy.shape[1:])
    rng = np.random.default_rng(0)
    steps, slopes, errors = [], [], []
    for rows, columns in places:
        y = noisy[None, :, rows, columns]
        f = run(y) if ready is None or not whole else ready[None]
        step = push(f, level, rng)
        slope = (run(y + np.float32(STEP) * step) - f) / np.float32(STEP)
        errors.append(judge(y, f, step, slope, level))
        steps.append(step[0])
        slopes.append(slope[0])
    if len(errors) == 1:
        return _Tried(name, run, errors[0], expected_error(steps[0], slopes[0], errors[0], clipped=level.clipped(f[0])))
    return _Tried(name, run, _pooled(errors, level), np.zeros(0, np.float32))


def _crops(height: int, width: int) -> list[tuple[slice, slice]]:
    """Evenly spread, on the lattice of any usual network."""
    down = max(1, min(round(math.sqrt(CROPS * height / width)), CROPS))
    across = CROPS // down
    tops, lefts = (
        [int(start) // 64 * 64 for start in np.linspace(0, max(size - SIDE, 0), count)]
        for size, count in ((height, down), (width, across))
    )
    return [(slice(top, top + SIDE), slice(left, left + SIDE)) for top in tops for left in lefts]


def _pooled(errors: Sequence[ErrorEstimate], level: Level) -> ErrorEstimate:
    """Of a picture, from crops of it: their mean, with how much they differ in the place of the spread of each."""
    mse = np.array([e.mse for e in errors])
    noise = float(np.mean([e.noise for e in errors]))
    ideal = float(np.mean([e.ideal for e in errors]))
    between = float(np.var(mse, ddof=1)) / len(mse)
    # the uncertainty of the noise level is common to all of them
    common = (2 * level.spread * noise) ** 2
    return reported(float(mse.mean()), math.sqrt(between + common), noise, ideal, len(mse) * SIDE**2)


def _classical(sigma: float) -> dict[str, Run]:
    """What may take the place of a network: methods that take a second or so a megapixel, and doing nothing."""
    from aplomb.classical import NonLocalMeans, WaveletShrinkage

    def planes(method: NonLocalMeans | WaveletShrinkage) -> Run:
        def run(x: Values) -> Values:
            image = x[0, 0] if x.shape[1] == 1 else np.ascontiguousarray(x[0].transpose(1, 2, 0))
            y = method(image, sigma)
            return np.asarray(y[None] if x.shape[1] == 1 else y.transpose(2, 0, 1), np.float32)[None]

        return run

    methods = {method.name: planes(method) for method in (WaveletShrinkage(), NonLocalMeans())}
    return {**methods, UNTOUCHED: lambda x: x}


def _own_account(tried: _Tried) -> str:
    """What a method says of its own error: for the networks that ship, 0 to 2 dB too good on photographs."""
    if tried.error.ideal <= 0 or tried.name == UNTOUCHED:
        return ""
    return f"; by the sensitivity of {tried.name} alone it would be {-10 * math.log10(tried.error.ideal):.1f} dB PSNR"


def _rms(error: ErrorEstimate) -> float:
    return 255 * math.sqrt(max(error.mse, 0.0))
