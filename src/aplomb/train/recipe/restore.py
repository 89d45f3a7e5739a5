"""Recipes of inverse problems: pictures, a forward model that is drawn, where the network starts, its data steps."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from aplomb.train.recipe.denoise import DataPart
from aplomb.train.recipe.parts import JudgePart, Level, Part, Recipe

__all__ = ["CameraPart", "ForwardPart", "RestoreRecipe", "StartPart", "UnrolledPart"]

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ForwardPart(Part):
    """[forward]: what `aplomb.degrade.forward.parse_forward` reads; see `aplomb.train.forward` for what is drawn."""

    step: list[dict[str, Any]] = []
    """What happens to a picture, in order."""
    noise: dict[str, Any] | None = None
    """What is added in the end, drawn for each piece."""
    stored: Annotated[int, Field(ge=1)] | None = None
    """Where a whole picture is measured at a time: so often, before the run; pieces are cut from what the network
    starts with."""


class CameraPart(Part):
    """[camera]: how the pictures came from a camera's raw colours, undone before the forward model."""

    gamma: Annotated[float, Field(gt=0)] = 2.2
    """Exponent from the picture's values to light."""
    matrix: list[list[float]]
    """From the picture's light to the camera's colours, white to white: rows sum to 1."""

    @model_validator(mode="after")
    def _colours(self) -> CameraPart:
        if len(self.matrix) != 3 or any(len(row) != 3 or abs(sum(row) - 1) > 0.01 for row in self.matrix):
            raise ValueError("matrix has three rows of three numbers, each row with the sum 1")
        return self


class StartPart(Part):
    """[start]: what the network sees of a measurement, first."""

    kind: Literal["measured", "adjoint", "data-step", "smooth", "fbp", "anscombe"] = "measured"
    rate: Rate = 0.01
    """Of the data step that begins."""
    mask: bool = False
    """One more channel that holds the mask."""
    level: bool = False
    """One more channel that holds the noise's standard deviation at white."""


class UnrolledPart(Part):
    """[unrolled]: data steps, each behind a pass of the network."""

    rates: list[Rate] = []
    """Weight of what the network says against what was measured, one for each data step."""
    scaled: bool = False
    """Rates are in units of the noise's variance at white."""
    last: Literal["data-step", "network"] = "data-step"
    """What ends the iteration."""
    told: list[Annotated[float, Field(ge=0, le=255)]] = []
    """The noise level that each pass of the network is told, of 255, as a denoiser would be; not less than the
    measurement's."""

    @property
    def passes(self) -> int:
        """How often the network is run."""
        return max(len(self.rates), 1) + int(bool(self.rates) and self.last == "network")


class RestoreLossPart(Part):
    """[loss]: a comparison with the clean picture."""

    kind: Literal["mse", "l1", "charbonnier", "psnr"] = "l1"


class RestoreValidationPart(JudgePart):
    """[validation]: PSNR with fixed measurements, the result clipped and rounded to 8 bit."""

    noise: list[dict[str, Level]] = []
    """Values of [forward.noise] to judge at; without them each picture's are drawn, once."""


class RestoreRecipe(Recipe):
    """A recipe of an inverse problem."""

    task: Literal["restore"]
    data: DataPart
    forward: ForwardPart
    camera: CameraPart | None = None
    start: StartPart = StartPart()
    unrolled: UnrolledPart = UnrolledPart()
    loss: RestoreLossPart = RestoreLossPart()
    validation: RestoreValidationPart = RestoreValidationPart()

    @model_validator(mode="after")
    def _agree(self) -> RestoreRecipe:
        if not self.forward.step and self.forward.noise is None:
            raise ValueError("[forward] is empty: give [[forward.step]], [forward.noise] or both")
        if self.camera is not None and self.data.colour != "colour":
            raise ValueError("[camera] needs [data] colour = 'colour'")
        if self.data.pair:
            raise ValueError("[data] pair is for the task denoise; measurements are simulated here")
        unrolled = self.unrolled
        if unrolled.told and len(unrolled.told) != unrolled.passes:
            raise ValueError(
                f"[unrolled] told has {len(unrolled.told)} levels, the network passes {unrolled.passes} times"
            )
        if self.start.kind == "anscombe":
            if self.forward.step or (self.forward.noise or {}).get("kind") != "poisson":
                raise ValueError("[start] kind = 'anscombe' is for noise of kind 'poisson' and nothing else")
            if not self.start.level or unrolled.rates or unrolled.told:
                raise ValueError("[start] kind = 'anscombe' takes level = true, and no data steps")
        if self.start.level and self.forward.noise is None:
            raise ValueError("[start] level = true needs [forward.noise]")
        if self.forward.stored and (unrolled.rates or unrolled.told or self.start.mask or self.start.level):
            raise ValueError("[forward] stored takes a network alone, without data steps, mask or level")
        if self.unrolled.scaled and self.forward.noise is None:
            raise ValueError("[unrolled] scaled = true needs [forward.noise]")
        return self
