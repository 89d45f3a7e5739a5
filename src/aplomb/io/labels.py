"""Label files: pictures whose values are classes or objects, not light.

Any loss or scaling that a photograph survives ruins labels, so a file is looked at before it is believed:
`read_labels` refuses what cannot be labels, `class_map` turns grey values into classes 0..K-1, and
`check_classes` looks at all maps of a training set together.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ImageFileError, OutputError, ShapeError
from aplomb.io.picture import Picture
from aplomb.io.reading import read
from aplomb.io.writing import SUFFIXES, write

__all__ = ["IGNORE", "check_classes", "class_map", "read_labels", "write_labels"]

IGNORE = 255
"""The class of pixels that don't count."""

FEW_VALUES = 32
"""So many different values may have gaps between them and still be classes."""

RESTLESS = 0.2
"""Share of neighbours that differ, among pixels that are not 0, beyond which many values are those of a photograph.

Label maps are flat but for borders, pictures carry noise: on the nuclei and membranes of `tests/test_io_labels.py`
label maps stay below 0.03, and pictures lie above 0.25."""


def read_labels(path: str | os.PathLike[str], size: tuple[int, int] | None = None) -> NDArray[np.int32]:
    """Labels of each pixel, from a PNG or TIFF file of 1, 8, 16 or 32 bits, values as stored.

    Parameters
    ----------
    path
        The file: grey, or colour with equal channels.
    size
        Height and width of the picture that the labels belong to, in pixels.

    Returns
    -------
    labels
        (H, W), int32, 0 and above.

    Raises
    ------
    ImageFileError
        The file is not readable; is a JPEG, which alters values; has colours that differ (a palette among
        them) or transparent pixels; is a stack; holds values that are negative, not whole, or beyond 31 bits;
        or holds more than 32 values, and more than 20 % of neighbouring pixels that are not 0 differ: a photograph,
        not labels.
    ShapeError
        The size is another one than the picture's.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_labels(folder + "/cells.png", np.array([[0, 1], [1, 300]]))
    ...     read_labels(folder + "/cells.png", size=(2, 2)).tolist()
    [[0, 1], [1, 300]]
    """
    picture = read(path)
    values = _one_plane(picture)
    name = picture.name
    if size is not None and values.shape != tuple(size):
        raise ShapeError(
            f"{name}: the labels have {values.shape[0]} x {values.shape[1]} pixels, the picture {size[0]} x {size[1]}; "
            "give the labels of this picture"
        )
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or (values != np.rint(values)).any():
            raise ImageFileError(f"{name}: found values that are not whole numbers; labels are, so is it a picture?")
    if values.min() < 0 or values.max() > np.iinfo(np.int32).max:
        raise ImageFileError(f"{name}: found values from {values.min()} to {values.max()}; number labels from 0")
    labels = values.astype(np.int32)
    restless = _restlessness(labels)
    if restless > RESTLESS and len(np.unique(labels)) > FEW_VALUES:
        raise ImageFileError(
            f"{name}: {restless:.0%} of neighbouring pixels differ, so these are intensities, not labels; "
            "give the file with the labels"
        )
    return labels


def class_map(
    labels: ArrayLike, values: Sequence[int] | None = None, ignore: int | None = None
) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
    """Classes 0..K-1 in place of grey values such as 0 and 255, and the values they stand for.

    Parameters
    ----------
    labels
        (H, W), whole numbers from 0.
    values
        The value of each class. None: the values that are there, in rising order; give them for the further
        pictures of a set, where a class may be absent.
    ignore
        The value of pixels that don't count; they become `IGNORE`.

    Returns
    -------
    classes
        (H, W), uint8.
    values
        K whole numbers.

    Raises
    ------
    BadInput
        A value that is not among `values`; without `values`, one value only, or more than 32 values, with gaps
        between them or restless as in `read_labels`: intensities, or the remains of a JPEG; more than 255
        classes; another number of axes.

    Examples
    --------
    >>> classes, values = class_map([[0, 255], [128, 0]])
    >>> classes.tolist(), values
    ([[0, 2], [1, 0]], (0, 128, 255))
    >>> class_map([[0, 255]], values=values)[0].tolist()
    [[0, 2]]
    """
    array = _whole(labels)
    if array.ndim != 2:
        raise ShapeError(f"asked for a map of classes (H, W), found the shape {array.shape}")
    counts = array != ignore if ignore is not None else np.ones(array.shape, bool)
    there = np.unique(array[counts])
    if values is None:
        _check_values(there, _restlessness(array))
        values = tuple(int(value) for value in there)
    known = np.asarray(values, dtype=np.int64)
    if len(known) > IGNORE or len(np.unique(known)) < len(known) or known.ndim != 1:
        raise BadInput(f"asked for the classes {tuple(values)!r}; give up to {IGNORE} different values")
    strange = np.setdiff1d(there, known)
    if strange.size:
        raise BadInput(f"found the label {strange[0]}, which is none of the classes {tuple(values)!r}")
    order = np.argsort(known)
    place = np.searchsorted(known[order], np.where(counts, array, known[0]))
    return np.where(counts, order[place], IGNORE).astype(np.uint8), tuple(int(value) for value in values)


def check_classes(maps: Sequence[ArrayLike], classes: int, ignore: int | None = IGNORE) -> None:
    """Refuse a set of class maps in which a class has no pixel at all.

    Parameters
    ----------
    maps
        Class maps, of any size each.
    classes
        K: labels have to be 0..K-1.
    ignore
        The label of pixels that don't count.

    Raises
    ------
    BadInput
        A class is in none of the maps, a label is none of the classes, or there is no map.

    Examples
    --------
    >>> check_classes([np.array([[0, 1]]), np.array([[0, 0]])], classes=3)
    Traceback (most recent call last):
        ...
    aplomb.errors.BadInput: the class 2 of 3 has no pixel in the 2 label maps; add a picture that shows it
    """
    if not maps:
        raise BadInput("asked to check the classes of no label map; give at least one")
    there = np.unique(np.concatenate([np.unique(_whole(labels)) for labels in maps]))
    there = there[there != ignore] if ignore is not None else there
    if there.size and there[-1] >= classes:
        raise BadInput(f"found the label {there[-1]} where classes go from 0 to {classes - 1}; see aplomb.io.class_map")
    missing = np.setdiff1d(np.arange(classes), there)
    if missing.size:
        raise BadInput(
            f"the class {missing[0]} of {classes} has no pixel in the {len(maps)} label maps; "
            "add a picture that shows it"
        )


def write_labels(path: str | os.PathLike[str], labels: ArrayLike) -> None:
    """Write labels as PNG or TIFF in the smallest of uint8, uint16 and uint32 that holds them, whole or not at all.

    Parameters
    ----------
    path
        Output file, ``.png``, ``.tif`` or ``.tiff``. PNG holds labels up to 65,535.
    labels
        (H, W), whole numbers from 0 to 4,294,967,295.

    Raises
    ------
    OutputError
        Another suffix, labels that the format cannot hold, or a place that cannot be written.
    BadInput, ShapeError
        Values that are no labels, or another number of axes.

    Examples
    --------
    >>> write_labels("cells.png", np.array([[0, 70_000]]))
    Traceback (most recent call last):
        ...
    aplomb.errors.OutputError: cells.png: PNG holds labels up to 65,535, found 70,000; write .tif
    """
    array, target = _whole(labels), Path(path)
    kind = SUFFIXES.get(target.suffix.lower())
    if kind not in ("PNG", "TIFF"):
        raise OutputError(
            f"{target}: asked for labels as {target.suffix or 'a file without suffix'}; write .png or .tif"
        )
    if array.ndim != 2 or array.size == 0:
        raise ShapeError(f"{target}: asked to write labels of shape {array.shape}; give (H, W)")
    largest = int(array.max())
    if largest > np.iinfo(np.uint32).max:
        raise OutputError(f"{target}: found the label {largest:,}; files hold up to {np.iinfo(np.uint32).max:,}")
    if kind == "PNG" and largest > np.iinfo(np.uint16).max:
        raise OutputError(f"{target}: PNG holds labels up to 65,535, found {largest:,}; write .tif")
    write(target, array.astype(np.min_scalar_type(largest)))


def _one_plane(picture: Picture) -> NDArray[Any]:
    """The stored values, (H, W), if the file can hold labels."""
    name, array = picture.name, picture.array
    if picture.format == "JPEG":
        raise ImageFileError(f"{name}: JPEG alters values, so it cannot hold labels; save them as PNG or TIFF")
    if picture.axes == "YXS":
        if (array != array[..., :1]).any():
            palette = any("palette" in note for note in picture.notes)
            raise ImageFileError(
                f"{name}: found {'a palette of colours' if palette else 'colours'}, asked for labels; "
                "save the numbers themselves as grey values"
            )
        array = array[..., 0]
    elif picture.axes != "YX":
        raise ImageFileError(f"{name}: found a stack of {picture.images} pictures, asked for labels of one; split it")
    if picture.alpha is not None and picture.alpha.min() != picture.alpha.max():
        raise ImageFileError(f"{name}: found labels with transparent pixels; save them without alpha")
    return array


def _whole(labels: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(labels)
    if array.dtype.kind not in "bui":
        raise BadInput(f"asked for labels, found {array.dtype}; give whole numbers")
    if array.size and array.min() < 0:
        raise BadInput(f"asked for labels, found {array.min()}; they begin at 0")
    return array.astype(np.int64)


def _check_values(there: NDArray[np.int64], restless: float) -> None:
    """Refuse values that, by their number and order, are not those of classes."""
    if there.size < 2:
        only = f"the value {there[0]} only" if there.size else "no pixel that counts"
        raise BadInput(f"asked for a map of classes, found {only}: nothing is marked")
    gaps = there[-1] - there[0] + 1 > there.size
    if there.size > FEW_VALUES and (gaps or restless > RESTLESS):
        raise BadInput(
            f"asked for a map of classes, found {there.size} different values between {there[0]} and {there[-1]}: "
            "intensities, objects, or the remains of a JPEG; give a file with one value a class"
        )


def _restlessness(labels: NDArray[np.integer[Any]]) -> float:
    """Share of the pairs of horizontal and vertical neighbours that differ; pairs with a 0 do not count.

    Small objects are mostly border, but what they border on is the ground.
    """
    differ = pairs = 0
    for one, other in ((labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])):
        marked = (one != 0) & (other != 0)
        pairs += int(marked.sum())
        differ += int((marked & (one != other)).sum())
    return differ / pairs if pairs else 0.0
