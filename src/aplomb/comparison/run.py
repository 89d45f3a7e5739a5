"""Comparing: the same noise for every method, one protocol for every result."""

from __future__ import annotations

import math
import os
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.machine import about
from aplomb.comparison.methods import Answer, Denoiser, Method, choose
from aplomb.comparison.recognition import words
from aplomb.comparison.result import NOISY, Comparison, Example, Score
from aplomb.comparison.sources import Image, pictures, short, sources
from aplomb.errors import AplombError, BadInput, ShapeError
from aplomb.metrics import eight_bit, psnr, ssim
from aplomb.model import Model

__all__ = ["EXAMPLES", "QUICK", "compare", "scored", "sound", "timed"]

Noise = Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]
Progress = Callable[[int, int, str], None]

WARM = 64
"""Side of the part of a picture on which a method runs first, untimed."""
QUICK, PATIENT = 0.5, 10.0
"""Seconds within which a run is repeated, up to three times; networks: an engine may compile first."""
EXAMPLES = 24
"""Pictures of which magnified parts are kept."""

PROTOCOL = (
    "Noise is drawn with the seed for each picture (so a picture has the same noise alone and in a set), "
    "added in the range 0..1 and not clipped; every method gets the same noisy picture, in float.",
    "Results are clipped to 0..1 and rounded to 8 bits; the row of the noisy picture is the input as it is.",
    "PSNR with peak 1.0, the true range, over the whole picture and all channels; SSIM with an 11-pixel "
    "Gaussian window of standard deviation 1.5. Over several pictures the mean of the values is given.",
    "Every method runs once on a small part, untimed, to load what it needs; then up to three times within "
    f"{QUICK:g} s (networks {PATIENT:g} s), and the shortest time counts. Megapixels a second: pixels of all "
    "pictures over the seconds for all.",
)


def compare(
    images: Any,
    sigma: float | None = None,
    methods: Sequence[str | os.PathLike[str] | Model | Denoiser] | None = None,
    *,
    noise: Noise | None = None,
    seed: int = 0,
    without: Iterable[str] = (),
    max_seconds: float | None = None,
    engine: str = "auto",
    precision: str = "f32",
    threads: int | None = None,
    memory: float | None = None,
    progress: Progress | None = None,
    command: str | None = None,
) -> Comparison:
    """Add noise to clean pictures, remove it by every method, and measure how well and how fast.

    Parameters
    ----------
    images
        Clean pictures: arrays (H, W) or (H, W, 3) of uint8, uint16, bool or float in 0..1, paths of files,
        folders or globs, a sequence of these, or a mapping from names to them. Stacks count image by image.
    sigma
        Standard deviation of Gaussian noise in the range 0..1, 25 / 255 for 25 grey levels of 8 bit; every
        method is told it.
    methods
        Names of classical methods and of shipped networks, paths of ONNX files, models, or functions
        ``f(image, sigma)`` on floats in 0..1. None takes all classical ones, and of the shipped networks
        those that are made for as many channels as the picture has and for that much noise.
    noise
        Another noise, ``noise(image, rng)``, as `aplomb.degrade.noise.noise` makes them. Methods are then
        told `sigma`, or if that is None the root of the mean square of the noise that was drawn.
    seed
        Seed of the noise, not negative.
    without
        Names of methods to leave out.
    max_seconds
        Leave a method out on a picture that it would take longer for, by its time on a small part.
    engine, precision, threads, memory
        For networks, see `aplomb.denoise`.
    progress
        Called with the steps done, the steps in all and what comes next, as "BM3D on house.png".
    command
        What the report shows as the command; by default the one that runs, or this call.

    Returns
    -------
    comparison
        A method that fails is not fatal; its row says why.

    Raises
    ------
    BadInput
        No sigma and no noise, one out of range, an unknown method, no picture that can be read.

    Examples
    --------
    >>> def blur(image, sigma):
    ...     return (image + np.roll(image, 1, 0) + np.roll(image, 1, 1)) / 3
    >>> clean = np.tile(np.linspace(0.2, 0.8, 64), (64, 1))
    >>> result = compare({"ramp": clean}, 25 / 255, [blur], seed=1)
    >>> for row in result.rows:
    ...     print(f"{row.method} {row.psnr:.0f} dB")
    noisy 20 dB
    blur 24 dB
    """
    if sigma is None and noise is None:
        raise BadInput("compare needs sigma, the standard deviation of the noise in the range 0..1, or a noise")
    if sigma is not None and not 0 < sigma <= 1:
        hint = f"; for 8-bit grey levels give {sigma:g} / 255" if 1 < sigma <= 255 else ""
        raise BadInput(f"asked for noise of standard deviation {sigma:g}, found outside 0..1{hint}")
    if max_seconds is not None and not max_seconds > 0:
        raise BadInput(f"asked to leave out what takes more than {max_seconds:g} s; give a time above 0")
    if seed < 0:
        raise BadInput(f"asked for the seed {seed}; give 0 or more")
    options = {"engine": engine, "precision": precision, "threads": threads, "memory": memory}
    chosen = choose(methods or None, without, **options)
    if noise is None:
        from aplomb.degrade.noise import noise as make

        drawn: Noise = make("gaussian", sigma=float(sigma or 0))
        words = f"Gaussian noise of standard deviation {255 * float(sigma or 0):.4g} of 255"
    else:
        drawn, words = noise, f"noise {getattr(noise, '__name__', None) or noise!r}"
    given = sources(images)
    work = _Work(chosen, drawn, sigma, seed, max_seconds, progress, len(given) * len(chosen))
    for name, load in given:
        work.source(name, load)
    if work.first_error is not None and not work.scores:
        raise work.first_error
    if not methods:
        work.pair()
    return Comparison(
        scores=tuple(work.scores),
        noise=words,
        sigma=math.nan if sigma is None else float(sigma),
        seed=seed,
        protocol=(*PROTOCOL, _told(sigma), f"Seed {seed}."),
        notes=tuple(dict.fromkeys(work.notes)),
        about=about(_call(images, sigma, methods, noise, seed), command),
        examples=tuple(work.examples),
    )


@dataclass
class _Work:
    """What is collected while pictures and methods go by."""

    methods: Sequence[Method]
    noise: Noise
    sigma: float | None
    seed: int
    max_seconds: float | None
    progress: Progress | None
    steps: int
    done: int = 0
    scores: list[Score] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    first_error: AplombError | None = None
    warm: dict[tuple[str, int], float] = field(default_factory=dict)
    """Seconds a pixel by method and channels, from the warm-up."""

    def source(self, name: str, load: Callable[[], Any]) -> None:
        """All pictures of one file or array."""
        start = self.done
        try:
            for number, (label, clean) in enumerate(pictures(name, load())):
                if number:
                    self.steps += len(self.methods)
                self.picture(label, clean)
        except AplombError as error:
            self.notes.append(f"{name} left out: {error}")
            self.first_error = self.first_error or error
            self.advance(max(0, start + len(self.methods) - self.done))

    def picture(self, name: str, clean: Image) -> None:
        """Every method on one picture."""
        from aplomb.comparison.figure import cut, detailed, reduced

        rng = np.random.default_rng([self.seed, zlib.crc32(np.ascontiguousarray(clean).tobytes())])
        noisy = np.asarray(self.noise(clean, rng), np.float32)
        level = self.sigma if self.sigma is not None else float(np.sqrt(np.mean(np.square(noisy - clean))))
        pixels = clean.shape[0] * clean.shape[1]
        self.scores.append(scored(NOISY, "input", name, noisy, clean, 0.0, pixels, ""))
        region = detailed(clean, 128 if len(self.methods) <= 5 else 96)
        crops = {"clean": cut(eight_bit(clean), region), NOISY: cut(eight_bit(noisy), region)}
        for method in self.methods:
            self.advance(0, f"{method.name} on {name}")
            channels = clean.shape[2] if clean.ndim == 3 else 1
            if method.takes(channels, level):
                score, result = self.measure(method, name, noisy, clean, level)
                self.scores.append(score)
                if result is not None:
                    crops[method.name] = cut(result, region)
            self.advance(1)
        if len(self.examples) < EXAMPLES:
            size = (clean.shape[0], clean.shape[1])
            self.examples.append(Example(name, size, region, reduced(eight_bit(clean)), crops))

    def measure(
        self, method: Method, name: str, noisy: Image, clean: Image, level: float
    ) -> tuple[Score, NDArray[np.uint8] | None]:
        """One method on one picture; whatever it raises is its score's problem."""
        pixels = clean.shape[0] * clean.shape[1]
        try:
            expected = self._pace(method, noisy, level) * pixels
            if self.max_seconds is not None and expected > self.max_seconds:
                problem = f"left out: about {expected:.0f} s expected, {self.max_seconds:g} s allowed"
                return Score(method.name, method.kind, name, pixels=pixels, problem=problem), None
            answer, seconds = timed(method, noisy, level)
            result = sound(answer.image, clean.shape)
        except Exception as error:  # a method may be anybody's code
            return Score(method.name, method.kind, name, pixels=pixels, problem=words(error)), None
        self.notes.extend(f"{method.name}: {note}" for note in answer.notes)
        shown = result.astype(np.float32) / np.float32(255)
        return scored(method.name, method.kind, name, shown, clean, seconds, pixels, answer.detail), result

    def _pace(self, method: Method, noisy: Image, level: float) -> float:
        """Seconds a pixel, from runs on a small part; they also load what the method needs."""
        key = (method.name, noisy.ndim)
        if key not in self.warm:
            self.warm[key] = 0.0
            part = noisy[:WARM, :WARM]
            method.run(part, level)
            if self.max_seconds is not None:
                part = noisy[: 2 * WARM, : 2 * WARM]
                start = time.perf_counter()
                method.run(part, level)
                self.warm[key] = (time.perf_counter() - start) / (part.shape[0] * part.shape[1])
        return self.warm[key]

    def pair(self) -> None:
        """In a set of grey and colour pictures the two usual networks are one method, each has its own."""
        from aplomb.restore.denoise import USUAL

        usual = [name for name in USUAL.values() if any(name == score.method for score in self.scores)]
        if len(usual) > 1:
            name = " / ".join(usual)
            self.scores = [replace(s, method=name) if s.method in usual else s for s in self.scores]
            self.examples = [
                replace(e, crops={name if key in usual else key: crop for key, crop in e.crops.items()})
                for e in self.examples
            ]

    def advance(self, steps: int, what: str = "") -> None:
        """Tell the progress."""
        self.done += steps
        if self.progress is not None:
            self.progress(self.done, self.steps, what)


def timed(method: Method, noisy: Image, level: float) -> tuple[Answer, float]:
    """The answer, and the seconds of the shortest of up to three runs."""
    shortest, total, runs = math.inf, 0.0, 0
    limit = PATIENT if method.kind == "network" else QUICK
    while runs < 3 and (runs == 0 or total < limit):
        start = time.perf_counter()
        answer = method.run(noisy.copy(), level)
        seconds = time.perf_counter() - start
        total, runs = total + seconds, runs + 1
        shortest = min(shortest, seconds if answer.seconds is None else answer.seconds)
    return answer, shortest


def sound(image: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The result in 8 bits, if it is a picture like the input."""
    if image.shape != shape:
        raise ShapeError(f"it made {image.shape} of a picture of shape {shape}")
    if not np.isfinite(image).all():
        raise BadInput("its result holds NaN or infinite values")
    return eight_bit(image.astype(np.float32))


def scored(
    method: str, kind: str, picture: str, image: Image, clean: Image, seconds: float, pixels: int, detail: str
) -> Score:
    """What a result in 0..1 is worth."""
    try:
        similarity = ssim(image, clean)
    except ShapeError:  # smaller than its window
        similarity = math.nan
    return Score(method, kind, picture, psnr(image, clean), similarity, seconds, pixels, detail)


def _told(sigma: float | None) -> str:
    if sigma is None:
        return "Every method is told the root mean square of the noise that was drawn on the picture."
    return f"Every method is told the standard deviation, {255 * sigma:.4g} of 255."


def _call(images: Any, sigma: Any, methods: Any, noise: Any, seed: int) -> str:
    """The call as Python."""
    level = "None" if sigma is None else f"{255 * sigma:.6g} / 255"
    more = "" if methods is None else f", {short(methods)}"
    more += "" if noise is None else f", noise={short(noise)}"
    return f"aplomb.compare({short(images)}, {level}{more}, seed={seed})"
