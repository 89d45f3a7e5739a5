"""Forward models: y = D x + noise, an operator with what is known of the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from aplomb.arrays import Array, Shape
from aplomb.degrade.noise import Gaussian, Noise
from aplomb.errors import BadInput, ShapeError
from aplomb.operator import Linearity, Operator

__all__ = ["ForwardModel"]

Leaf = TypeVar("Leaf", bound=Operator)


@dataclass(frozen=True)
class ForwardModel:
    """How a measurement comes from a picture: y = D x + noise.

    Parameters
    ----------
    operator
        D, linear or affine, on (N, C, H, W).
    noise
        What the measurement adds, or None where nothing is known of it.
    name
        For messages and reports.

    Raises
    ------
    BadInput
        The operator is nonlinear.

    Examples
    --------
    >>> from aplomb.degrade.blur import blur
    >>> from aplomb.degrade.psf import disk
    >>> model = ForwardModel(blur(disk(2), "valid"), Gaussian(0.01))
    >>> y = model.simulate(np.zeros((1, 1, 32, 32)), np.random.default_rng(0))
    >>> y.shape, model.picture_shape(y.shape), model.sigma
    ((1, 1, 28, 28), (1, 1, 32, 32), 0.01)
    """

    operator: Operator
    noise: Noise | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.operator.linearity is Linearity.NONLINEAR:
            raise BadInput(f"{self._named} is nonlinear; a forward model is linear or affine")

    @property
    def _named(self) -> str:
        return f"forward model {self.name or repr(self.operator)}"

    @property
    def linear(self) -> Operator:
        """The linear part of the operator: D x = linear x + offset."""
        return self.operator.linear_part()

    @property
    def sigma(self) -> float | None:
        """Standard deviation of the noise in 0..1 where it is Gaussian (0 for none at all), else None."""
        return self.noise.sigma if isinstance(self.noise, Gaussian) else None

    def find(self, kind: type[Leaf]) -> Leaf | None:
        """The first leaf of that kind, or None."""
        return next((leaf for leaf in self.operator.leaves() if isinstance(leaf, kind)), None)

    def simulate(self, picture: Array, rng: np.random.Generator) -> Array:
        """The measurement of a picture (N, C, H, W) in 0..1, with noise drawn from `rng`; ShapeError if it fits not."""
        measured = self.operator(picture)
        return measured if self.noise is None else self.noise(measured, rng)

    def picture_shape(self, measured: Shape) -> Shape:
        """Shape of the pictures whose measurement has the shape `measured`; ShapeError if there are none."""
        try:
            picture = self.linear.adjoint().output_shape(measured)
            back = self.operator.output_shape(picture)
        except ShapeError as error:
            raise ShapeError(f"a measurement of shape {tuple(measured)} does not fit {self._named}: {error}") from None
        if back != tuple(measured):
            raise ShapeError(f"a measurement of shape {tuple(measured)} does not fit {self._named}, which gives {back}")
        return picture

    def check_measurement(self, y: Array) -> None:
        """Refuse an array that this model cannot have given.

        Raises
        ------
        ShapeError
            The shape does not fit.
        BadInput
            It is not floating point, or has values that are NaN or infinite.
        """
        self.picture_shape(tuple(y.shape))
        values = np.asarray(y)
        if values.dtype.kind != "f":
            raise BadInput(f"a measurement must be floating point, found {values.dtype}; scale it as the picture")
        if not np.isfinite(values).all():
            raise BadInput("the measurement has values that are NaN or infinite; mend or mask them first")

    def centred(self, y: Array) -> Array:
        """The measurement without what the model adds to any picture, y - D 0: what the linear part is to explain."""
        if self.operator.linearity is Linearity.LINEAR:
            return y
        return y - self.operator(0 * self.linear.adjoint()(y))
