"""Comparing recoveries: one measurement of each picture, every method that undoes its forward model."""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.machine import about
from aplomb.comparison.methods import Answer, Method, free_name
from aplomb.comparison.recognition import words
from aplomb.comparison.result import Comparison, Example, Score
from aplomb.comparison.run import EXAMPLES, QUICK, scored, sound, timed
from aplomb.comparison.sources import Image, pictures, short, sources
from aplomb.degrade.forward import ForwardModel, read_forward
from aplomb.degrade.words import in_words
from aplomb.errors import AplombError, BadInput
from aplomb.metrics import eight_bit
from aplomb.model import Model
from aplomb.operator import Operator
from aplomb.restore.fitting import trained_for
from aplomb.restore.measured import as_given, makes_pictures, measured
from aplomb.restore.recover import recover
from aplomb.restore.start import seen

__all__ = ["compare_recovery"]

MEASURED, SENT_BACK = "measured", "sent back"
"""Names of the row of the input: as it is where it is like the picture, else brought back by the adjoint."""
ITERATIONS = ("pnp", "hqs", "admm", "proximal-gradient")

GIVEN = "The measurement was given; every method gets the same one, and the forward model."
DRAWN = (
    "The measurement is drawn with the seed for each picture, in the range 0..1, and not clipped; every method gets "
    "the same one, in float, and the forward model."
)
PROTOCOL = (
    "Results are clipped to 0..1 and rounded to 8 bits.",
    f"The row {MEASURED!r} is the measurement as it is, if it is a picture of that shape; else {SENT_BACK!r} is the "
    "adjoint of the forward model applied to it, as bright as explains it best.",
    "PSNR with peak 1.0, the true range, over the whole picture and all channels; SSIM with an 11-pixel "
    "Gaussian window of standard deviation 1.5. Over several pictures the mean of the values is given.",
    f"Times are of whole recoveries, networks opened anew; the shortest of up to three within {QUICK:g} s counts.",
)


def compare_recovery(
    images: Any,
    forward: ForwardModel | Operator | str | os.PathLike[str],
    methods: Sequence[str | os.PathLike[str] | Model] | None = None,
    *,
    measurements: Sequence[Any] | None = None,
    sigma: float | None = None,
    seed: int = 0,
    without: Iterable[str] = (),
    engine: str = "auto",
    threads: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    command: str | None = None,
) -> Comparison:
    """Measure clean pictures by a forward model, recover them by every method, and see how well and how fast.

    Parameters
    ----------
    images
        Clean pictures, as of `aplomb.compare`.
    forward
        The forward model with its noise, an operator without noise, or a TOML file, which is read for each picture's
        size.
    methods
        Names that `aplomb.recover` knows; networks, or denoisers for plug-and-play, by name, file or `Model`. None
        takes shipped networks that were trained for the forward model, plug-and-play, and classical methods that fit.
    measurements
        One for each picture, in the order of the pictures, where they are there already; else they are simulated.
    sigma
        Standard deviation of the noise in the measurements that methods are told; None: as `aplomb.recover` has it.
    seed
        Seed of the noise, not negative.
    without
        Names of methods to leave out.
    engine, threads
        Of networks, see `aplomb.recover`.
    progress
        Called with the steps done, the steps in all and what comes next.
    command
        What the report shows as the command; by default the one that runs, or this call.

    Returns
    -------
    comparison
        A method that fails is not fatal; its row says why.

    Raises
    ------
    BadInput, ShapeError
        An unknown method, a picture or measurement that does not fit the forward model, nothing to compare.

    Examples
    --------
    >>> from aplomb.degrade.blur import blur
    >>> from aplomb.degrade.psf import disk
    >>> clean = np.tile(np.linspace(0.2, 0.8, 64), (64, 1))
    >>> clean[20:40, 20:40] = 0.9
    >>> result = compare_recovery({"square": clean}, blur(disk(2), "circular"), ["richardson-lucy"])
    >>> [row.method for row in result.rows], result.rows[1].psnr > result.rows[0].psnr + 3
    (['measured', 'richardson-lucy'], True)
    """
    if seed < 0:
        raise BadInput(f"asked for the seed {seed}; give 0 or more")
    given = sources(images)
    if measurements is not None and len(measurements) != len(given):
        raise BadInput(f"found {len(measurements)} measurements of {len(given)} pictures; give one for each")
    asked = _Asked(methods, frozenset(without), sigma, {"engine": engine, "threads": threads})
    work = _Work(forward, asked, seed, progress)
    for number, (name, load) in enumerate(given):
        work.source(name, load, None if measurements is None else measurements[number])
    if work.first_error is not None and not work.scores:
        raise work.first_error
    return Comparison(
        scores=tuple(work.scores),
        noise=work.told,
        sigma=math.nan if sigma is None else float(sigma),
        seed=seed,
        protocol=(DRAWN if measurements is None else GIVEN, *PROTOCOL, f"Seed {seed}."),
        notes=tuple(dict.fromkeys(work.notes)),
        about=about(_call(images, forward, methods, seed), command),
        examples=tuple(work.examples),
        title="Recoveries compared",
    )


@dataclass(frozen=True)
class _Asked:
    methods: Sequence[Any] | None
    without: frozenset[str]
    sigma: float | None
    options: dict[str, Any]

    def choose(self, forward: ForwardModel, shape: tuple[int, ...]) -> list[Method]:
        """The methods for one forward model. Raises BadInput for a name that is none, or if nothing is left."""
        from aplomb.classical.recovery import RECOVERIES, fitting
        from aplomb.model import load, shipped

        known = ("network", *ITERATIONS, *RECOVERIES)
        networks = trained_for(forward, 1 if len(shape) == 2 else shape[2])
        if unknown := sorted(self.without - {*known}):
            raise BadInput(f"asked to leave out {unknown[0]!r}, which is not a method; known are {', '.join(known)}")
        wanted: Sequence[Any] = [*networks, "pnp", *fitting(forward)] if self.methods is None else self.methods
        found: dict[str, Method] = {}
        for item in [wanted] if isinstance(wanted, (str, os.PathLike, Model)) else wanted:
            if str(item) in self.without:
                continue
            arguments: dict[str, Any] = {"method": str(item)}
            if str(item) in known:
                name = str(item)
            elif isinstance(item, Model) or str(item) in shipped() or os.path.isfile(item):
                network = item if isinstance(item, Model) else load(item)
                name, arguments = network.name, {"model": network}
            else:
                raise BadInput(f"asked for method {str(item)!r}, which is neither a file nor one of {', '.join(known)}")
            name = free_name(name, found)
            run = self._runs(forward, shape, arguments)
            found[name] = Method(name, "classical" if name in RECOVERIES else "network", run)
        if not found:
            raise BadInput("no method is left to compare; name at least one")
        return list(found.values())

    def _runs(self, forward: ForwardModel, shape: tuple[int, ...], arguments: dict[str, Any]) -> Any:
        """A recovery as a method: of a measurement as people have it, the picture (H, W) or (H, W, C)."""

        def run(y: NDArray[Any], level: float) -> Answer:
            result = recover(y, forward, sigma=self.sigma, **arguments, **self.options)
            image = np.asarray(result.image)
            if not makes_pictures(forward) and image.ndim == 3:
                image = np.moveaxis(image, 0, -1)
            return Answer(image.reshape(shape) if image.size == math.prod(shape) else image, detail=result.model)

        return run


@dataclass
class _Work:
    """What is collected while pictures and methods go by."""

    forward: Any
    asked: _Asked
    seed: int
    progress: Callable[[int, int, str], None] | None
    done: int = 0
    steps: int = 0
    told: str = ""
    """The forward model in words."""
    scores: list[Score] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    first_error: AplombError | None = None

    def source(self, name: str, load: Callable[[], Any], measurement: Any) -> None:
        """All pictures of one file or array."""
        try:
            for label, clean in pictures(name, load()):
                self.picture(label, clean, measurement)
        except AplombError as error:
            self.notes.append(f"{name} left out: {error}")
            self.first_error = self.first_error or error

    def picture(self, name: str, clean: Image, measurement: Any) -> None:
        """Every method on one picture."""
        from aplomb.comparison.figure import cut, detailed, reduced

        planes = (clean[None] if clean.ndim == 2 else np.moveaxis(clean, -1, 0))[None].astype(np.float32)
        forward = self._model(planes.shape)
        if measurement is None:
            rng = np.random.default_rng([self.seed, zlib.crc32(np.ascontiguousarray(clean).tobytes())])
            y = np.asarray(forward.simulate(planes, rng), np.float32)
        else:
            y = measured(measurement, forward).y
        if forward.picture_shape(y.shape) != planes.shape:
            raise BadInput(f"{name} has the shape {clean.shape}, and the measurement belongs to a picture of another")
        methods = self.asked.choose(forward, clean.shape)
        self.told = self.told or in_words(forward)
        self.steps += len(methods)
        same = y.shape == planes.shape
        shown = _as_picture(y if same else seen(y, forward.operator))
        pixels = clean.shape[0] * clean.shape[1]
        first = MEASURED if same and makes_pictures(forward) else SENT_BACK
        self.scores.append(scored(first, "input", name, shown.astype(np.float32), clean, 0.0, pixels, ""))
        region = detailed(clean, 128 if len(methods) <= 5 else 96)
        crops = {"clean": cut(eight_bit(clean), region), first: cut(eight_bit(shown.astype(np.float32)), region)}
        theirs = as_given(y, forward)
        for method in methods:
            self._tell(f"{method.name} on {name}")
            score, result = _measure(method, name, theirs, clean)
            self.scores.append(score)
            if result is not None:
                crops[method.name] = cut(result, region)
            self.done += 1
        self._tell("")
        if len(self.examples) < EXAMPLES:
            size = (clean.shape[0], clean.shape[1])
            self.examples.append(Example(name, size, region, reduced(eight_bit(clean)), crops))

    def _model(self, shape: tuple[int, ...]) -> ForwardModel:
        if isinstance(self.forward, (str, os.PathLike)):
            return read_forward(self.forward, shape)
        return self.forward if isinstance(self.forward, ForwardModel) else ForwardModel(self.forward)

    def _tell(self, what: str) -> None:
        if self.progress is not None:
            self.progress(self.done, self.steps, what)


def _measure(method: Method, name: str, y: NDArray[Any], clean: Image) -> tuple[Score, NDArray[np.uint8] | None]:
    """One method on one measurement; whatever it raises is its score's problem."""
    pixels = clean.shape[0] * clean.shape[1]
    try:
        answer, seconds = timed(method, y, 0.0)
        result = sound(answer.image, clean.shape)
    except Exception as error:  # a method may be anybody's network
        return Score(method.name, method.kind, name, pixels=pixels, problem=words(error)), None
    shown = result.astype(np.float32) / np.float32(255)
    return scored(method.name, method.kind, name, shown, clean, seconds, pixels, answer.detail), result


def _as_picture(planes: NDArray[Any]) -> NDArray[Any]:
    """(1, C, H, W) as (H, W) or (H, W, C)."""
    return planes[0, 0] if planes.shape[1] == 1 else np.moveaxis(planes[0], 0, -1)


def _call(images: Any, forward: Any, methods: Any, seed: int) -> str:
    """The call as Python."""
    more = "" if methods is None else f", {short(methods)}"
    return f"aplomb.compare_recovery({short(images)}, {short(forward)}{more}, seed={seed})"
