"""Measurements in the layouts that people have, and the one in which forward models work.

Where a forward model makes pictures of pictures (blur, masks, mosaics), a measurement is a picture as `aplomb.denoise`
takes it. Where it makes k-space, sinograms or sums of pixels, it is an array: complex (H, W), with coils (K, H, W), or
real, channels first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import AsComplex, Fourier, from_complex, to_complex
from aplomb.degrade.radon import Projection
from aplomb.degrade.sensing import Blocks, Hadamard
from aplomb.errors import BadInput, ShapeError
from aplomb.io import Origin, Picture, from_float, to_float

__all__ = ["Measured", "as_given", "makes_pictures", "measured"]


@dataclass(frozen=True)
class Measured:
    """A measurement, and what is needed to give the picture back as its owner would have it."""

    y: NDArray[np.float32]
    """(N, C, H, W), as the forward model makes it."""
    origin: Origin | None
    """Layout, dtype and range, where the measurement is a picture."""
    rank: int
    box: tuple[float, float] = (0.0, 1.0)
    """Range of the values that are wanted; (-1, 1) for the parts of complex pictures."""

    def as_given(self, x: NDArray[Any]) -> NDArray[Any]:
        """The picture (N, C, H, W), laid out as the measurement was."""
        if self.origin is not None:
            return from_float(x, self.origin)
        picture = to_complex(x) if self.box[0] < 0 else x
        if self.rank == 4:
            return picture
        return np.asarray(picture[0, 0] if picture.shape[1] == 1 else picture[0])


def makes_pictures(forward: ForwardModel) -> bool:
    """Whether measurements are pictures; else they are k-space, sinograms or sums of pixels.

    >>> from aplomb.degrade.sample import mosaic
    >>> makes_pictures(ForwardModel(mosaic()))
    True
    """
    return not any(forward.find(kind) is not None for kind in (Fourier, Projection, Blocks, Hadamard))


def measured(measurement: Picture | ArrayLike, forward: ForwardModel) -> Measured:
    """Check a measurement against its forward model.

    Raises
    ------
    BadInput, ShapeError
        It has another size or other channels than the model gives, it is not complex where it should be, or holds NaN.

    Examples
    --------
    >>> from aplomb.degrade.fourier import mri
    >>> measured(np.ones((8, 8), complex), ForwardModel(mri(np.ones((8, 8), bool)))).y.shape
    (1, 2, 8, 8)
    """
    spectrum = forward.find(Fourier) is not None
    if makes_pictures(forward):
        planes, origin = to_float(measurement, name="measurement")
        forward.check_measurement(planes)
        return Measured(planes, origin, np.ndim(measurement) if not isinstance(measurement, Picture) else 0)
    array = np.asarray(measurement.array if isinstance(measurement, Picture) else measurement)
    if not 2 <= array.ndim <= 4 or not array.size:
        raise ShapeError(f"a measurement is an array of 2 to 4 axes that is not empty, found the shape {array.shape}")
    if spectrum and array.dtype.kind != "c" and array.ndim < 4:
        raise BadInput(
            f"the forward model measures k-space, which is complex, found {array.dtype} of shape {array.shape}; give "
            "complex numbers (H, W), with coils (K, H, W)"
        )
    if not spectrum and array.dtype.kind == "c":
        raise BadInput("the measurement is complex, and the forward model makes real numbers; give those")
    rank = array.ndim
    array = array.reshape((1,) * (4 - rank) + array.shape)
    y = (from_complex(array) if array.dtype.kind == "c" else array).astype(np.float32)
    forward.check_measurement(y)
    parts = spectrum and forward.find(AsComplex) is None
    return Measured(y, None, rank, (-1.0, 1.0) if parts else (0.0, 1.0))


def as_given(y: NDArray[Any], forward: ForwardModel) -> NDArray[Any]:
    """A measurement (1, C, H, W) of this forward model in the layout that people have; what `measured` undoes.

    >>> from aplomb.degrade.fourier import mri
    >>> as_given(np.ones((1, 2, 8, 8)), ForwardModel(mri(np.ones((8, 8), bool)))).dtype
    dtype('complex128')
    """
    if makes_pictures(forward):
        return np.asarray(y[0, 0] if y.shape[1] == 1 else np.moveaxis(y[0], 0, -1))
    y = to_complex(y) if forward.find(Fourier) is not None else y
    return np.asarray(y[0, 0] if y.shape[1] == 1 else y[0])
