"""A recipe: one TOML file that says what is trained, on what, and how. Read strictly.

    [network]    which network, with its keyword arguments
    [data]       which pictures, in which pieces
    [noise]      what is added to them
    [loss]       what is minimised
    [optimiser]  by which rule
    [schedule]   for how long
    [validation] how it is judged meanwhile
    [run]        batch, seed, precision, averaging, checkpoints

A key that is not known, or a value that is not allowed, ends in one line with the file, the line and what is
allowed there.
"""

from __future__ import annotations

import inspect
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aplomb.errors import RecipeError

__all__ = ["SUPERVISED", "Recipe", "parse_recipe", "read_recipe"]

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Level = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Range = Level | Annotated[list[Level], Field(min_length=2, max_length=2)]
"""A value, or [lowest, highest] of a range to draw from."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NetworkPart(Part):
    """[network]. Keys other than these three are the keyword arguments of the network's maker."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: str
    """A name in `aplomb.nets.NETWORKS`."""
    init: str | None = None
    """Model file, shipped name or run folder to take weights from, as far as names and shapes fit."""
    gain: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor on the last convolution of each branch of a sum, at the start: near the identity."""

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class DataPart(Part):
    """[data]. Places are folders, globs or files, relative to --data or $APLOMB_DATA."""

    train: list[str]
    validation: list[str] = []
    """Pictures for validation; without them `validation_fraction` of the training files."""
    test: list[str] = []
    pair: list[str] = []
    """Second noisy pictures of the same scenes, in the order of `train` (noise2noise only)."""
    validation_fraction: Share = 0.1
    test_fraction: Share = 0.0
    limit: Positive | None = None
    """So many files of the training places, drawn by the seed, before the split."""
    colour: Literal["grey", "colour"] = "grey"
    crop: Positive = 128
    """Side of the square pieces, in pixels. A smaller picture is mirrored at its edges up to it."""
    random_crop: bool = True
    """A random place for each piece; else the centre."""
    augment: bool = True
    """The eight flips and rotations by right angles, at random."""
    scales: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] = [1.0]
    """Each picture is shown at these sizes: detail gets finer, and what JPEG did to colours fades."""
    saturation: Range | None = None
    """Colour: a pixel's distance from its grey is multiplied by a factor from this range, one for each piece."""
    repeat: Positive = 1
    """Pieces of each picture in one epoch."""

    @property
    def channels(self) -> int:
        return 1 if self.colour == "grey" else 3

    @model_validator(mode="after")
    def _fits(self) -> DataPart:
        if self.colour == "grey" and self.saturation is not None:
            raise ValueError("saturation needs colour = 'colour'")
        return self


class NoisePart(Part):
    """[noise]. A range [a, b] is drawn from for each piece. `sigma` is in 8-bit grey levels."""

    kind: Literal["gaussian", "poisson", "poisson-gaussian", "salt-and-pepper", "speckle", "none"] = "gaussian"
    sigma: Range | None = None
    """Standard deviation in 8-bit grey levels: Gaussian, also of Poisson-Gaussian; speckle at white."""
    peak: Range | None = None
    """Photons at white: Poisson, Poisson-Gaussian."""
    fraction: Range | None = None
    """Share of pixels hit, 0..1: salt and pepper."""
    law: Literal["uniform", "log-uniform"] = "uniform"
    once: bool = False
    """Each picture gets its noise once and for all, so that no clean picture is ever seen."""

    @model_validator(mode="after")
    def _complete(self) -> NoisePart:
        needs = {
            "gaussian": ("sigma",), "speckle": ("sigma",), "poisson": ("peak",), "none": (),
            "poisson-gaussian": ("sigma", "peak"), "salt-and-pepper": ("fraction",),
        }[self.kind]  # fmt: skip
        for name in ("sigma", "peak", "fraction"):
            value = getattr(self, name)
            if (value is not None) != (name in needs):
                raise ValueError(f"noise {self.kind!r} {'needs' if value is None else 'takes no'} {name!r}")
            low, high = value if isinstance(value, list) else (value, value)
            if value is not None and low > high:
                raise ValueError(f"{name} = [{low}, {high}]: give the lowest first")
            if value is not None and low == 0 and (name == "peak" or self.law == "log-uniform"):
                raise ValueError(f"{name} must be above 0")
        return self


SUPERVISED = ("mse", "l1", "charbonnier", "psnr")
"""Losses that compare with clean pictures."""


class LossPart(Part):
    """[loss]."""

    kind: Literal["mse", "l1", "charbonnier", "psnr", "sure", "noise2noise", "neighbour2neighbour"] = "mse"
    sigma: Level | None = None
    """Of pictures that are noisy already, in 8-bit grey levels; estimated from each if not given."""
    gamma: Level = 1.0
    """Weight of neighbour2neighbour's second term at the end of the run."""


class OptimiserPart(Part):
    """[optimiser]."""

    kind: Literal["sgd", "momentum", "adam", "adamw", "muon"] = "adam"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    lr_ends: Annotated[float, Field(gt=0)] | None = None
    """Muon: learning rate of the AdamW for first layer, last layer and biases."""
    momentum: Share = 0.9
    beta1: Share = 0.9
    beta2: Share = 0.999
    weight_decay: Level = 0.0
    clip: Annotated[float, Field(gt=0)] | None = None
    """Largest l2 norm of the gradient."""


class SchedulePart(Part):
    """[schedule]: exactly one of epochs, steps, megapixels."""

    epochs: Annotated[float, Field(gt=0)] | None = None
    steps: Positive | None = None
    megapixels: Annotated[float, Field(gt=0)] | None = None
    """Pixels shown, in millions."""
    warmup: Share = 0.0
    """Share of the run in which the learning rate rises."""
    decay: Literal["constant", "cosine"] = "constant"
    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Learning rate at the end, as a share of the highest."""

    @model_validator(mode="after")
    def _one(self) -> SchedulePart:
        if sum(v is not None for v in (self.epochs, self.steps, self.megapixels)) != 1:
            raise ValueError("give exactly one of epochs, steps, megapixels")
        return self


class ValidationPart(Part):
    """[validation]: PSNR with a fixed noise, the output clipped and rounded to 8 bit."""

    sigma: list[Level] = []
    """Noise levels to judge at, in 8-bit grey levels; without them the middle of [noise]."""
    every: Positive = 1000
    """Steps between two validations."""
    patience: Positive | None = None
    """Stop after so many validations without a better one."""
    limit: Positive | None = None
    """So many of the validation pictures, the first ones."""


class RunPart(Part):
    """[run]."""

    batch: Positive | Literal["pattern", "epoch"] = 16
    """Pieces for one step; "pattern" is 1, "epoch" all of them."""
    chunk: Positive | None = None
    """Pieces that go through the network at a time; the others of the batch follow and gradients add up."""
    precision: Literal["f32", "bf16"] = "f32"
    average: Share = 0.0
    """Decay of the exponential moving average of the weights, which is validated and kept; 0 is none."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    checkpoint: Positive = 200
    """Steps between two checkpoints."""


class Recipe(Part):
    """A recipe, checked. `text` is the file as it was read."""

    network: NetworkPart
    data: DataPart
    noise: NoisePart
    loss: LossPart = LossPart()
    optimiser: OptimiserPart = OptimiserPart()
    schedule: SchedulePart
    validation: ValidationPart = ValidationPart()
    run: RunPart = RunPart()
    title: str = ""
    """One line for the model's card."""
    text: str = Field(default="", exclude=True)
    name: str = Field(default="recipe", exclude=True)

    @model_validator(mode="after")
    def _agree(self) -> Recipe:
        kind, noise = self.loss.kind, self.noise
        if kind in SUPERVISED and (noise.kind == "none" or noise.once):
            raise ValueError(f"loss {kind!r} needs clean pictures, [noise] leaves none; take sure, noise2noise ...")
        if kind == "sure" and noise.kind not in ("gaussian", "none"):
            raise ValueError(f"loss 'sure' holds for Gaussian noise, not for {noise.kind!r}")
        if kind == "noise2noise" and (noise.kind == "none") != bool(self.data.pair):
            raise ValueError("loss 'noise2noise' takes either noise to draw twice, or noise 'none' and [data] pair")
        if (noise.kind == "none" or noise.once) and (self.data.scales != [1.0] or self.data.saturation is not None):
            raise ValueError("scales and saturation change the noise of pictures that are noisy already")
        if self.data.pair and kind != "noise2noise":
            raise ValueError(f"[data] pair is for loss 'noise2noise', not for {kind!r}")
        if kind == "neighbour2neighbour" and self.data.crop % 2:
            raise ValueError("neighbour2neighbour takes an even crop")
        return self


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read and check a recipe file.

    Raises
    ------
    RecipeError
        The file is missing or not TOML, a key is unknown or missing, a value is not allowed; with the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as text ({error})") from None
    return parse_recipe(text, os.fspath(path))


def parse_recipe(text: str, name: str = "recipe") -> Recipe:
    """Check a recipe given as text; `name` stands for the file in messages.

    Raises
    ------
    RecipeError
        As `read_recipe`.

    Examples
    --------
    >>> parse_recipe('[network]\\nname = "residual-32"\\n[data]\\ntrane = ["x"]', "r.toml")
    Traceback (most recent call last):
        ...
    aplomb.errors.RecipeError: r.toml, line 4: [data] has no key 'trane'; its keys are train, validation, \
test, pair, validation_fraction, test_fraction, limit, colour, crop, random_crop, augment, scales, saturation, repeat
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{name}: not valid TOML: {error}") from None
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        found = error.errors()
        # an unknown key explains a missing one, so it is told first
        raise RecipeError(
            _explain(next((e for e in found if e["type"] == "extra_forbidden"), found[0]), text, name)
        ) from None
    recipe = recipe.model_copy(update={"text": text, "name": name})
    _check_network(recipe.network, text, name)
    return recipe


def _check_network(part: NetworkPart, text: str, name: str) -> None:
    from aplomb.nets import NETWORKS

    if part.name not in NETWORKS:
        where = _line(text, ("network", "name"))
        raise RecipeError(f"{name}, line {where}: no network {part.name!r}; known are {', '.join(sorted(NETWORKS))}")
    allowed = inspect.signature(NETWORKS[part.name]).parameters
    for key in part.arguments:
        if key not in allowed:
            where = _line(text, ("network", key))
            keys = ", ".join(["name", "init", "gain", *allowed])
            raise RecipeError(f"{name}, line {where}: network {part.name!r} has no {key!r}; its keys are {keys}")


def _explain(error: Any, text: str, name: str) -> str:
    loc = tuple(str(p) for p in error["loc"] if not isinstance(p, int))
    section, key = (loc[0] if loc else ""), (loc[1] if len(loc) > 1 else "")
    where = f"{name}, line {_line(text, loc[:2])}"
    fields = Recipe.model_fields
    if error["type"] == "extra_forbidden":
        if len(loc) == 1:
            sections = ", ".join(k for k in fields if k not in ("text", "name"))
            return f"{where}: no section or key {section!r} in a recipe; there are {sections}"
        keys = ", ".join(fields[section].annotation.model_fields)  # type: ignore[union-attr]
        return f"{where}: [{section}] has no key {key!r}; its keys are {keys}"
    if error["type"] == "missing":
        return f"{where}: [{section}] is missing" if len(loc) == 1 else f"{where}: [{section}] needs the key {key!r}"
    message = str(error["msg"]).removeprefix("Value error, ")
    place = f"[{section}] {key}".strip() if section else "the recipe"
    found = f", found {error['input']!r}" if error["type"] != "value_error" else ""
    return f"{where}: {place}: {message[:1].lower()}{message[1:]}{found}"


def _line(text: str, loc: tuple[str, ...]) -> int:
    """Line of the key loc[1] in the table loc[0]; of the table if the key is not there; else 1."""
    table, best = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            table = head[1].strip("\"'")
            if loc[:1] == (table,):
                best = number
        elif found := re.match(r"\s*[\"']?([\w-]+)[\"']?\s*=", line):
            if (table, found[1]) == loc or (not table and loc == (found[1],)):
                return number
    return best
