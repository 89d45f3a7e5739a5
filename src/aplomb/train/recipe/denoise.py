"""Recipes of denoisers: pictures, noise, loss, validation by PSNR."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from aplomb.train.recipe.parts import JudgePart, Level, Part, PicturesPart, Positive, Range, Recipe

__all__ = ["SUPERVISED", "DataPart", "DenoiseRecipe", "LossPart", "NoisePart", "ValidationPart"]


class DataPart(PicturesPart):
    """[data]."""

    pair: list[str] = []
    """Second noisy pictures of the same scenes, in the order of `train` (noise2noise only)."""
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

    @property
    def side(self) -> int:
        return self.crop

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


class ValidationPart(JudgePart):
    """[validation]: PSNR with a fixed noise, the output clipped and rounded to 8 bit."""

    sigma: list[Level] = []
    """Noise levels to judge at, in 8-bit grey levels; without them the middle of [noise]."""


class DenoiseRecipe(Recipe):
    """A recipe of a denoiser."""

    task: Literal["denoise"] = "denoise"
    data: DataPart
    noise: NoisePart
    loss: LossPart = LossPart()
    validation: ValidationPart = ValidationPart()

    @model_validator(mode="after")
    def _agree(self) -> DenoiseRecipe:
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
