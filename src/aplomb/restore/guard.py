"""What in a picture is not what the network was trained for, in words: the notes of a result.

Denoisers are trained on pictures that use the range 0..1, with white Gaussian noise of one known level added, not
clipped. `detect` measures how far a picture is from that; here each fault gets one line: what was found, how
strong, what to do. The limits are such that an ordinary noisy photograph gets none (``benchmarks/guards.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from aplomb.model import Card, Model
from aplomb.restore.detect import Faults, measure, sample

__all__ = ["notes"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

LOOKED_AT = 4  # pictures of a stack


def notes(planes: Floats, levels: Doubles, model: Model, dtype: npt.DTypeLike = np.float32) -> list[str]:
    """What a careful person would want to know before trusting a result.

    Parameters
    ----------
    planes
        The pictures, (N, C, H, W) in 0..1. Of a stack, at most 4 are looked at, evenly chosen.
    levels
        Noise level of each picture, (N,), in the range 0..1.
    model
        The network that will run; without a card, nothing is said of what it was trained for.
    dtype
        What the pictures were stored as.

    Returns
    -------
    notes
        One line each; none for what the network was trained for.

    Examples
    --------
    >>> from aplomb.model import load
    >>> rng = np.random.default_rng(0)
    >>> picture = rng.normal(0.5, 0.1, (1, 1, 256, 256)).astype(np.float32)
    >>> notes(picture, np.array([0.1]), load("denoise-grey"))
    []
    >>> striped = picture + rng.normal(0, 0.1, 256).astype(np.float32)
    >>> print(notes(striped, np.array([0.1]), load("denoise-grey"))[0])
    column stripes, about 0.9 times as strong as the noise: the network keeps them as structure; subtract a dark \
frame, or each column's median offset, first
    """
    found = _outside(levels, model)
    for index in sorted({*np.linspace(0, len(planes) - 1, LOOKED_AT).astype(int).tolist()}):
        place = f" (picture {index + 1} of {len(planes)})" if len(planes) > 1 else ""
        lines = _words(measure(planes[index]), planes[index], float(levels[index]), model, np.dtype(dtype))
        found += [line + place for line in lines]
    return found


def _outside(levels: Doubles, model: Model) -> list[str]:
    """Levels beyond those of the training."""
    if model.card is None or model.card.noise_range is None:
        return []
    low, high = model.card.noise_range
    ends = ((levels.max(), "above", high), (levels.min(), "below", low))
    return [
        f"noise level {255 * level:.1f} is {side} what {model.name} was trained for ({255 * end:.0f} of 255)"
        for level, side, end in ends
        if not model.card.covers(level) and (level > end) == (side == "above")
    ]


def _words(faults: Faults, picture: Floats, sigma: float, model: Model, dtype: np.dtype[np.generic]) -> Iterator[str]:
    for share, end in zip(faults.clipped, ("lowest", "highest"), strict=True):
        if "clipped" in faults.found and share == max(faults.clipped):
            value = float(picture.min() if end == "lowest" else picture.max())
            yield (
                f"{100 * share:.1f} % of the picture is cut off at its {end} value ({value:.3g} of 1): what was there "
                "is lost and its noise is not Gaussian; do not measure there (a mask or empty background does no harm)"
            )
    # the kind of a noise that is weak beside what will be removed does not matter
    faint = sigma > 3 * max(faults.noise, default=1.0)
    for fault in faults.found:
        if faint and fault in ("correlated", "brightness", "channels"):
            continue
        if fault == "range":
            yield _range(faults, sigma, model.card, model.name, dtype)
        elif fault == "equal":
            yield (
                "all channels are the same, so their noise is one and counts more than the network expects; "
                "denoise one channel with denoise-grey"
            )
        elif fault == "correlated":
            yield (
                f"the noise is correlated between neighbouring pixels (its finest detail has {100 * faults.fine:.0f} % "
                "of the energy of white noise), as after demosaicking, resizing, JPEG or another denoiser: an estimate "
                "is too low and blotches stay; use the raw picture, halve its size, or give a higher sigma"
            )
        elif fault == "brightness":
            yield _brightness(faults, picture)
        elif fault == "channels":
            each = ", ".join(f"{255 * level:.1f}" for level in faults.noise)
            yield (
                f"noise differs between the channels (about {each} of 255), the network is told one level; "
                "denoise each channel with denoise-grey"
            )
        elif fault in ("columns", "rows"):
            name, amount = fault[:-1], getattr(faults, fault)
            yield (
                f"{name} stripes, about {amount:.1f} times as strong as the noise: the network keeps them as "
                f"structure; subtract a dark frame, or each {name}'s median offset, first"
            )
        elif fault == "interference":
            yield (
                f"periodic interference, a period of {1 / np.hypot(*faults.frequency):.1f} pixels "
                f"({faults.interference:.0f} times its surroundings in the spectrum): the network keeps it as "
                "texture; filter that frequency out first"
            )
        elif fault == "blocks":
            yield (
                f"JPEG blocks of 8 x 8 pixels ({faults.blocks:.0f} standard errors): the network may keep their edges, "
                "and the noise is no longer white; use the picture before compression"
            )


def _range(faults: Faults, sigma: float, card: Card | None, name: str, dtype: np.dtype[np.generic]) -> str:
    low, high = faults.used
    line = f"the picture uses {100 * (high - low):.2g} % of the range ({low:.3g} to {high:.3g} of 1)"
    if dtype == np.uint8:
        line += f", {round(255 * (high - low)) + 1} grey values"
    line += "; noise levels are relative to the whole range"
    if card is None or not card.homogeneous:
        return line + f", and {name} was trained on pictures that use it: divide picture and sigma by {high:.3g} first"
    level = sigma / max(high, 1e-9)
    line += f"; {name} scales with the picture, stretched its noise would be {255 * level:.0f} of 255"
    return line + ("" if card.covers(level) else ", for which it was not trained")


def _brightness(faults: Faults, picture: Floats) -> str:
    ratio = max(faults.brightness, 1 / faults.brightness)
    places = ("bright", "dark") if faults.brightness > 1 else ("dark", "bright")
    line = f"noise is {ratio:.1f} times as strong in {places[0]} areas as in {places[1]} ones"
    if faults.brightness > 1:
        from aplomb.classical.noise_level import estimate_poisson_gaussian

        tiles = [sample(plane)[::2] for plane in picture]  # seams are edges, which the estimate leaves out
        gain, read = estimate_poisson_gaussian(np.stack([t.reshape(-1, t.shape[2]) for t in tiles], axis=-1))
        if gain > 0:
            line += f" (gain {gain:.2g}, read noise {read:.2g})"
        return line + ": the network expects one level; make it one by a square root first (Anscombe, see the guide)"
    return line + ": the network expects one level; denoise with more than one sigma and take each where it holds"
