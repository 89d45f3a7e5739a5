"""What every classical recovery is: ``method(y, forward, sigma=None)``, checked, a `name`, and `fits`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt

from aplomb.degrade.forward import ForwardModel
from aplomb.errors import BadInput, ShapeError

__all__ = ["Floats", "Recovery", "check_count", "check_number", "each_plane"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recovery(ABC):
    """What all recoveries share."""

    name: ClassVar[str]

    @final
    def fits(self, forward: ForwardModel) -> str:
        """Why the method cannot undo this forward model, in a few words; empty if it can."""
        return self._fits(forward)

    @abstractmethod
    def _fits(self, forward: ForwardModel) -> str:
        """As `fits`."""

    @final
    def __call__(self, y: npt.ArrayLike, forward: ForwardModel, sigma: float | None = None) -> npt.NDArray[np.floating]:
        """The recovered picture.

        Parameters
        ----------
        y
            Measurement as the forward model makes it: (N, C, H, W), floating point. Nothing is clipped.
        forward
            How y came from a picture: y = D x + noise.
        sigma
            Standard deviation of the noise in y, pictures being in 0..1. None: the forward model's; where its noise
            follows the light, the root of its mean variance at y; where nothing is known of it, 0.

        Returns
        -------
        x
            Picture (N, C, H, W) of the dtype of y.

        Raises
        ------
        BadInput
            The method does not fit the forward model (`fits` says why), y is not floating point or not finite, sigma
            is negative or not finite.
        ShapeError
            y has a shape that the forward model does not make.
        """
        array = np.asarray(y)
        if array.ndim != 4 or array.size == 0:
            raise ShapeError(f"{self.name} needs a measurement (N, C, H, W), found shape {array.shape}")
        if not np.issubdtype(array.dtype, np.floating):
            raise BadInput(f"{self.name} needs floating point, found {array.dtype}; scale pictures to 0..1")
        if not np.isfinite(array).all():
            raise BadInput(f"{self.name} needs finite values, found NaN or infinity; fill them first")
        if sigma is not None and (np.ndim(sigma) or not np.isfinite(sigma) or sigma < 0):
            raise BadInput(f"{self.name} needs one noise level, 0 or above, found {sigma!r}")
        if reason := self.fits(forward):
            raise BadInput(f"{self.name} cannot recover this: {reason}")
        forward.check_measurement(array)
        checked = array.astype(np.float64)
        level = _level(forward, checked) if sigma is None else float(sigma)
        return self._recover(checked, forward, level).astype(array.dtype)

    @abstractmethod
    def _recover(self, y: Floats, forward: ForwardModel, sigma: float) -> Floats:
        """The picture of a checked measurement, in float64."""


def _level(forward: ForwardModel, y: Floats) -> float:
    """Standard deviation of the noise that the forward model states."""
    if forward.noise is None:
        return 0.0
    return float(np.sqrt(forward.noise.variance(np.maximum(y, 0)).mean()))


def each_plane(one: Callable[[Floats], Floats], y: Floats) -> Floats:
    """The result of `one` on each channel (H, W) of each picture."""
    n, c = y.shape[:2]
    planes = [one(plane) for plane in y.reshape(n * c, *y.shape[2:])]
    return np.stack(planes).reshape(n, c, *planes[0].shape)


def check_number(name: str, what: str, value: float | None, low: float = 0.0) -> None:
    """Refuse a parameter that is no finite number or below `low`."""
    if value is not None and not (np.ndim(value) == 0 and np.isfinite(value) and value >= low):
        raise BadInput(f"{name} needs {what} of at least {low:g}, found {value!r}")


def check_count(name: str, what: str, value: int | None, low: int = 1) -> None:
    """Refuse a parameter that is no whole number of at least `low`."""
    if value is not None and not (isinstance(value, (int, np.integer)) and value >= low):
        raise BadInput(f"{name} needs {what}, a whole number of at least {low}, found {value!r}")
