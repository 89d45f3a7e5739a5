"""Forward models that are drawn: a table in which a list stands for what a number, a file or a kind is drawn from.

    [[forward.step]]
    kind = "bicubic"
    factor = 2

    [forward.noise]
    kind = "poisson"
    peak = [1, 30]
    law = "log-uniform"

Steps are drawn anew for each chunk of a batch, noise for each piece. What is not drawn is read by
`aplomb.degrade.forward.parse_forward`, which is what reads the table when the model is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aplomb.errors import RecipeError
from aplomb.train.noise import draw_levels

__all__ = ["NoiseDraw"]

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
