"""Forward models that are drawn: a table in which a list stands for what a number, a kind or a file is drawn from.

    [[forward.step]]
    kind = "blur"
    psf = ["motion", "gaussian"]    # one of them
    length = [5, 25]                # from a range
    angle = [0, 180]
    sigma = [0.8, 3]
    border = "circular"

    [forward.noise]
    kind = "gaussian"
    sigma = [1, 12]

Steps are drawn anew for each chunk of a batch, with the places of masks and k-space samples, unless a `seed` is given;
noise is drawn for each piece. A step that was drawn is read by `aplomb.degrade.forward.parse_forward`, which reads the
table when the model is used, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aplomb.arrays import Shape
from aplomb.degrade.forward import parse_forward
from aplomb.errors import BadInput, RecipeError
from aplomb.operator import Operator, identity
from aplomb.train.noise import draw_levels

__all__ = ["ModelDraw", "NoiseDraw"]

RANGES = ("angle", "count", "fraction", "height", "index", "length", "radius", "side", "sigma", "width")
"""Keys whose list is [lowest, highest]: of whole numbers, all between them."""

CHOICES = ("draw", "psf", "sampling")
"""Keys whose list of names has one of them drawn."""

OF_CHOICE = {
    "gaussian": ("sigma", "size"), "disk": ("radius",), "motion": ("length", "angle"),
    "shake": ("length", "smoothness"),
    "random": ("fraction",), "scratches": ("count", "width"), "regions": ("count", "side"), "text": ("text", "height"),
}  # fmt: skip
"""Keys that belong to a psf or a mask; where one of several is drawn, those of the others are left out."""

SEEDED = {"draw", "sampling"}
"""Keys that make a step one that draws its places."""


@dataclass(frozen=True)
class ModelDraw:
    """[[forward.step]]: the operator, drawn where the tables say so.

    >>> steps = ModelDraw([{"kind": "mask", "draw": "random", "fraction": [0.2, 0.4]}])
    >>> seen = [float(steps((1, 1, 64, 64), np.random.default_rng(n)).weight.mean()) for n in range(9)]
    >>> 0.2 <= min(seen) < max(seen) <= 0.4
    True
    """

    steps: list[dict[str, Any]]
    folder: Path = Path(".")
    name: str = "recipe"

    @cached_property
    def fixed(self) -> bool:
        """Whether nothing is drawn."""
        return not any(_drawn(key, value, step) for step in self.steps for key, value in step.items())

    def __call__(self, shape: Shape, rng: np.random.Generator) -> Operator:
        """The operator on pictures of `shape`. Raises RecipeError where the tables are wrong."""
        if not self.steps:
            return identity
        if not self.fixed:
            return self._read([_draw(step, rng) for step in self.steps], shape)
        key = shape[1:]
        if key not in self._kept:
            self._kept[key] = self._read(self.steps, shape)
        return self._kept[key]

    @cached_property
    def _kept(self) -> dict[Shape, Operator]:
        return {}

    def _read(self, steps: list[dict[str, Any]], shape: Shape) -> Operator:
        try:
            return parse_forward({"step": steps}, self.folder, shape).operator
        except BadInput as error:
            raise RecipeError(f"{self.name}: [forward] {error}") from None


def _drawn(key: str, value: Any, step: Mapping[str, Any]) -> bool:
    several = isinstance(value, list) and (key in RANGES or (key in CHOICES and isinstance(value[0], str)))
    return several or ((key in SEEDED or value == "shake") and "seed" not in step)


def _draw(step: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A step with a value for each list, and a seed where it draws its places."""
    found: dict[str, Any] = {}
    chosen: str | None = None
    for key, value in step.items():
        if key in CHOICES and isinstance(value, list) and isinstance(value[0], str):
            found[key] = chosen = value[int(rng.integers(len(value)))]
        elif key in RANGES and isinstance(value, list):
            low, high = value
            whole = isinstance(low, int) and isinstance(high, int) and key in ("count", "index", "side")
            found[key] = int(rng.integers(low, high + 1)) if whole else float(rng.uniform(low, high))
        else:
            found[key] = value
    if chosen is not None:
        mine = OF_CHOICE.get(chosen, ("index", "normalise"))
        others = {key for keys in (*OF_CHOICE.values(), ("index", "normalise")) for key in keys} - set(mine)
        found = {key: value for key, value in found.items() if key not in others or step["kind"] == "fourier"}
    if (SEEDED & set(step) or found.get("psf") == "shake") and "seed" not in step and found.get("draw") != "text":
        found["seed"] = int(rng.integers(2**31))
    return found


NUMBERS = {
    "gaussian": ("sigma",), "poisson": ("peak",), "poisson-gaussian": ("gain", "read_noise"),
}  # fmt: skip
"""Kinds of noise, and the numbers that each has; those in 8-bit grey levels are divided by 255."""

GREY_LEVELS = ("sigma", "read_noise")


@dataclass(frozen=True)
class NoiseDraw:
    """[forward.noise]: kind, and a number or a range for each of its numbers.

    >>> draw = torch.Generator().manual_seed(0)
    >>> y, level = NoiseDraw("gaussian", {"sigma": 25.5})(torch.zeros(1, 1, 64, 64), draw, draw)
    >>> round(float(y.std()), 1), round(float(level), 1)
    (0.1, 0.1)
    """

    kind: str
    ranges: Mapping[str, float | list[float]]
    law: str = "uniform"

    @classmethod
    def read(cls, table: Mapping[str, Any] | None, name: str) -> NoiseDraw | None:
        """From [forward.noise] of the recipe `name`. Raises RecipeError for an unknown kind, key or range."""
        if not table:
            return None
        numbers = {key: value for key, value in table.items() if key not in ("kind", "law")}
        kind, law = table.get("kind"), table.get("law", "uniform")
        if kind not in NUMBERS:
            raise RecipeError(f"{name}: [forward.noise] kind {kind!r}; known are {', '.join(NUMBERS)}")
        if sorted(numbers) != sorted(NUMBERS[kind]):
            wanted, found = ", ".join(NUMBERS[kind]), ", ".join(numbers) or "nothing"
            raise RecipeError(f"{name}: [forward.noise] {kind} takes {wanted}, and law; found {found}")
        if law not in ("uniform", "log-uniform"):
            raise RecipeError(f"{name}: [forward.noise] law {law!r}; give uniform or log-uniform")
        for key, value in numbers.items():
            ends = value if isinstance(value, list) else [value, value]
            least_above = law == "log-uniform" or key == "peak"
            if len(ends) != 2 or not all(isinstance(v, (int, float)) for v in ends) or not 0 <= ends[0] <= ends[1]:
                raise RecipeError(f"{name}: [forward.noise] {key} = {value}; give a number, or [lowest, highest]")
            if least_above and ends[0] == 0:
                raise RecipeError(f"{name}: [forward.noise] {key} must be above 0")
        return cls(kind, numbers, law)

    def at(self, values: Mapping[str, float]) -> NoiseDraw:
        """The same with some of its numbers fixed."""
        return NoiseDraw(self.kind, {**self.ranges, **values}, self.law)

    def __call__(
        self, clean: Tensor, draw: torch.Generator, device_draw: torch.Generator, together: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Noisy measurements (N, ...), and their noise's standard deviation at white (N, 1, 1, 1).

        ::

            gaussian          y = x + sigma n                            n ~ N(0, 1)
            poisson           y = Poisson(peak x) / peak
            poisson-gaussian  y = gain Poisson(x / gain) + read_noise n

        `draw` (on the CPU) draws the numbers, one for each piece or one for all `together`, `device_draw` the noise.
        """
        n = len(clean)
        found = {}
        for key, value in self.ranges.items():
            ends = value if value is None or not isinstance(value, list) else [float(v) for v in value]
            drawn = draw_levels(ends, 1 if together else n, self.law, draw).expand(n, 1, 1, 1)
            found[key] = (drawn / 255 if key in GREY_LEVELS else drawn).to(clean.device)

        def normal() -> Tensor:
            return torch.randn(clean.shape, generator=device_draw, device=clean.device)

        if self.kind == "gaussian":
            return torch.addcmul(clean, normal(), found["sigma"]), found["sigma"]
        light = clean.clamp_min(0)
        gain = 1 / found["peak"] if self.kind == "poisson" else found["gain"]
        counted = torch.poisson(light / gain, generator=device_draw) * gain
        if self.kind == "poisson":
            return counted, gain.sqrt()
        return counted + found["read_noise"] * normal(), (gain + found["read_noise"] ** 2).sqrt()
