"""Which pixels count when two label maps are compared, and that the maps can be compared at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ShapeError

__all__ = ["counted", "label_array"]

Labels = NDArray[np.integer[Any]]


def label_array(labels: ArrayLike, name: str) -> Labels:
    """Labels as an array of whole numbers from 0; BadInput for anything else.

    Examples
    --------
    >>> label_array([[True, False]], "labels").tolist()
    [[1, 0]]
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "bui":
        raise BadInput(f"asked to compare label maps, the {name} are {array.dtype}; give whole numbers")
    if array.size == 0:
        raise ShapeError(f"asked to compare label maps, the {name} are empty, of shape {array.shape}")
    if array.min() < 0:
        raise BadInput(f"asked to compare label maps, the {name} go down to {array.min()}; labels begin at 0")
    return array.astype(np.int64)


def counted(
    first: NDArray[Any], reference: NDArray[Any], mask: ArrayLike | None, ignore: int | None = None
) -> NDArray[np.bool_]:
    """The pixels that count: inside the mask, and where the reference is not `ignore`.

    Raises
    ------
    ShapeError
        The shapes differ, or no pixel is left.
    BadInput
        The mask is neither bool nor made of 0 and 1.

    Examples
    --------
    >>> counted(np.array([0, 1, 1]), np.array([0, 1, 255]), None, ignore=255).tolist()
    [True, True, False]
    """
    if first.shape != reference.shape:
        raise ShapeError(f"asked to compare an array of shape {first.shape} with a reference of {reference.shape}")
    keep = np.ones(reference.shape, bool) if ignore is None else reference != ignore
    if mask is not None:
        field = np.asarray(mask)
        if field.shape != reference.shape:
            raise ShapeError(f"the mask has shape {field.shape}, the reference {reference.shape}")
        if field.dtype != bool and not np.isin(field, (0, 1)).all():
            raise BadInput("the mask holds other values than 0 and 1; give a bool array, for example mask > 0")
        keep &= field.astype(bool)
    if not keep.any():
        raise ShapeError("asked to compare label maps, but no pixel counts: all are ignored or outside the mask")
    return keep
