"""Sections of a recipe that every task has: network, optimiser, schedule, run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "JudgePart", "Level", "NetworkPart", "OptimiserPart", "Part", "PicturesPart", "Positive", "Range", "Recipe",
    "RunPart", "SchedulePart", "Share",
]  # fmt: skip

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


class PicturesPart(Part):
    """What every [data] has. Places are folders, globs or files, relative to --data or $APLOMB_DATA."""

    train: Annotated[list[str], Field(min_length=1)]
    validation: list[str] = []
    """Pictures for validation; without them `validation_fraction` of the training files."""
    test: list[str] = []
    validation_fraction: Share = 0.1
    test_fraction: Share = 0.0
    limit: Positive | None = None
    """So many files of the training places, drawn by the seed, before the split."""
    colour: Literal["grey", "colour"] = "grey"
    repeat: Positive = 1
    """Pieces of each picture in one epoch."""

    @property
    def channels(self) -> int:
        return 1 if self.colour == "grey" else 3

    @property
    def side(self) -> int:
        """Pixels a side of what the network is shown in training."""
        raise NotImplementedError


class JudgePart(Part):
    """What every [validation] has."""

    every: Positive = 1000
    """Steps between two validations."""
    patience: Positive | None = None
    """Stop after so many validations without a better one."""
    limit: Positive | None = None
    """So many of the validation pictures, the first ones."""


class Recipe(Part):
    """A recipe, checked; the tasks have subclasses. `text` is the file as it was read."""

    task: Literal["denoise", "restore", "segment", "classify"]
    title: str = ""
    """One line for the model's card."""
    network: NetworkPart
    data: PicturesPart
    optimiser: OptimiserPart = OptimiserPart()
    schedule: SchedulePart
    validation: JudgePart = JudgePart()
    run: RunPart = RunPart()
    text: str = Field(default="", exclude=True)
    name: str = Field(default="recipe", exclude=True)
