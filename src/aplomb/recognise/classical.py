"""Classical segmentation of what networks segment: the same pictures, stacks and results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput
from aplomb.io import Picture, to_float
from aplomb.recognise.prepare import check_flat, laid_out

__all__ = ["Labelled", "by_method"]


@dataclass(frozen=True)
class Labelled:
    """What a classical method found; the fields are those of `aplomb.Segmentation`."""

    labels: NDArray[np.int32]
    """(..., H, W): classes from 0, or regions from 1 with 0 for what is in none, as the method has it."""
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    instances: bool = False
    """Whether labels are the numbers of objects or regions; else connected regions of one class are the objects."""


def by_method(name: str, *, slices: bool = False) -> Callable[[Picture | ArrayLike, Any], Labelled]:
    """A function of a picture, or a stack, that labels it by a method of `aplomb.classical.segment`.

    It is called with the picture and, or None, what is called with the pictures done and the pictures in all. Raises
    BadInput for a name that is not known, or a method that has to learn from labels first.
    """
    from aplomb.classical.segment import SEGMENTERS

    if name not in SEGMENTERS:
        raise BadInput(f"method {name!r} is not known; there are: {', '.join(SEGMENTERS)}")
    method = SEGMENTERS[name]()
    if not callable(method):
        raise BadInput(f"{name} has to learn from labels first: in Python, SEGMENTERS[{name!r}]().fit(images, labels)")

    def find(image: Picture | ArrayLike, progress: Callable[[int, int], None] | None = None) -> Labelled:
        notes = check_flat(image, slices=slices)
        planes, origin = to_float(image)
        found = []
        for index, picture in enumerate(planes):
            found.append(method(np.moveaxis(picture, 0, -1) if len(picture) > 1 else picture[0]))
            if progress is not None:
                progress(index + 1, len(planes))
        return Labelled(
            laid_out(np.stack(found).astype(np.int32), origin), notes=tuple(notes), instances=method.numbers_regions
        )

    return find
