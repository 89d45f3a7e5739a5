"""Pictures as a recogniser takes them: flat, with its channels, standardised where it was trained so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput
from aplomb.io import Origin, Picture, to_float
from aplomb.model import Model
from aplomb.runtime.choice import channels_of, check_channels

__all__ = ["check_flat", "laid_out", "prepared", "standardised"]

Floats = NDArray[np.float32]


def prepared(image: Picture | ArrayLike, model: Model, *, slices: bool = False) -> tuple[Floats, Origin, list[str]]:
    """Planes (N, C, H, W) in 0..1 with the channels that `model` takes, how they looked before, and notes.

    Grey that is stored as RGB with equal channels counts as grey. Raises BadInput for a volume, unless `slices` says
    that each of its slices is a picture; ModelError for other channels; and what `aplomb.io.to_float` raises.
    """
    notes = check_flat(image, slices=slices)
    planes, origin = to_float(image)
    if channels_of(model) == 1 and planes.shape[1] == 3 and (planes == planes[:, :1]).all():
        planes = np.ascontiguousarray(planes[:, :1])
        notes.append("grey stored as RGB: its channels are equal, one is taken")
    check_channels(model, planes.shape[1])
    return planes, replace(origin, alpha=None), notes


def check_flat(image: Picture | ArrayLike, *, slices: bool) -> list[str]:
    """Raise BadInput for a volume, unless `slices` says that each slice is a picture; notes on what is a stack."""
    if not isinstance(image, Picture):
        return []
    sizes = dict(zip(image.axes, image.array.shape, strict=True))
    if sizes.get("Z", 1) > 1 and not slices:
        raise BadInput(
            f"{image.name}: found a volume of {sizes['Z']} slices (axes {image.axes}), flat pictures are asked for; "
            "give one slice, or take each by itself with slices=True (--slices): objects then end with their slice"
        )
    if sizes.get("C", 1) > 1:
        return [f"the file has {sizes['C']} channels side by side (axes {image.axes}); each is taken as a grey picture"]
    return []


def laid_out(values: NDArray[Any], origin: Origin) -> NDArray[Any]:
    """Values (N, ...) with the axes that count pictures as they were; those of one picture without."""
    counts = [n for n, axis in zip(origin.shape, origin.axes, strict=True) if axis not in "SYX"]
    return values.reshape(*counts, *values.shape[1:])


def standardised(planes: Floats) -> Floats:
    """Each picture minus its mean, over its standard deviation, channel by channel over the whole picture.

    .. math:: (x - \\bar x) / \\sqrt{\\overline{(x - \\bar x)^2}}

    A channel that is the same everywhere becomes 0.

    Parameters
    ----------
    planes
        (N, C, H, W).

    Examples
    --------
    >>> standardised(np.array([[[[1, 3], [3, 1]]]], np.float32))[0, 0]
    array([[-1.,  1.],
           [ 1., -1.]], dtype=float32)
    """
    mean = planes.mean(axis=(2, 3), keepdims=True, dtype=np.float64)
    deviation = planes.std(axis=(2, 3), keepdims=True, dtype=np.float64)
    # rounding alone gives a constant picture some deviation
    return np.asarray((planes - mean) / np.where(deviation > 1e-6, deviation, np.inf), np.float32)
