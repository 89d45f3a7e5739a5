"""What a file holds: the array as stored, and everything that has to survive beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.errors import ShapeError

__all__ = ["Metadata", "Picture", "guess_axes", "upright"]

COLOUR_SAMPLES = (1, 3, 4)
"""Lengths of a last axis that is read as colour: grey, RGB, RGB with alpha."""


@dataclass(frozen=True)
class Metadata:
    """What is not pixels; every field is None or empty where the file had nothing of the kind.

    Examples
    --------
    >>> Metadata(resolution=(Fraction(300), Fraction(300), "inch")).resolution[2]
    'inch'
    """

    icc: bytes | None = None
    """ICC profile, byte for byte."""
    exif: bytes | None = None
    """EXIF block, byte for byte but for the orientation, which reads 1: the array is upright already."""
    resolution: tuple[Fraction, Fraction, str] | None = None
    """Pixels per unit along x and y, and the unit: 'inch', 'cm' or 'none'."""
    text: Mapping[str, str] = field(default_factory=dict)
    """Text by keyword; 'Description' is TIFF's ImageDescription, 'Comment' is JPEG's comment."""
    imagej: Mapping[str, Any] | None = None
    """ImageJ's hyperstack metadata, with spacing, unit, finterval, ranges, labels, overlays."""
    ome: str | None = None
    """OME-XML."""
    png_colour: tuple[tuple[bytes, bytes], ...] = ()
    """PNG's chunks that say how to show colours (gAMA, cHRM, sRGB, cICP), as (name, data)."""
    tiff_tags: tuple[tuple[int, int, int, Any], ...] = ()
    """Further TIFF tags that outlive a change of pixel values, as (code, dtype, count, value)."""
    compression: str | None = None
    """How a TIFF was compressed: 'lzw', 'zlib', 'zstd', 'packbits'; None for not at all or lossy."""
    white_is_zero: bool = False
    """The stored value 0 means white (TIFF only). The array keeps the stored values."""
    alpha_kind: str = "unassalpha"
    """'unassalpha' (straight), 'assocalpha' (premultiplied) or 'unspecified' (a sample of any sense)."""


@dataclass(frozen=True, eq=False)
class Picture:
    """An image as its file stores it, with what must survive when it is written again.

    Parameters
    ----------
    array
        Pixel values, dtype and layout as stored, upright, and without alpha: (H, W), (H, W, C), or a stack
        with further axes in front.
    axes
        One letter an axis: Y rows, X columns, S colour samples; any other letter (N, Z, T, C, I, ...) counts
        images that are independent of each other. Guessed by `guess_axes` if empty; give it where the guess
        is wrong, as for a stack of grey images that are three pixels wide.
    alpha
        Opacity, like `array` without its S axis, or None. No function of Aplomb changes it.
    metadata
        ICC profile, EXIF, pixel size and so on.
    format
        'PNG', 'JPEG', 'TIFF', 'BMP', 'WebP', 'GIF', or '' for an array that comes from no file.
    name
        The path it was read from; only messages use it.
    notes
        What reading changed or left out, a sentence each, for the user to see.

    Raises
    ------
    ShapeError
        `axes` do not fit `array`, or `alpha` does not.

    Examples
    --------
    >>> Picture(np.zeros((4, 5, 3), np.uint8))
    Picture(4 x 5 RGB, uint8, axes YXS)
    >>> Picture(np.zeros((9, 4, 3), np.uint8), axes="ZYX").colour
    'grey'
    """

    array: NDArray[Any]
    axes: str = ""
    alpha: NDArray[Any] | None = None
    metadata: Metadata = field(default_factory=Metadata)
    format: str = ""
    name: str = "image"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.axes:
            object.__setattr__(self, "axes", guess_axes(self.array.shape, self.name))
        fits = len(self.axes) == self.array.ndim == len(set(self.axes)) and {"Y", "X"} <= set(self.axes)
        if not fits:
            raise ShapeError(
                f"{self.name}: axes {self.axes!r} do not fit the shape {self.array.shape}; "
                "give one letter an axis, each once, Y and X among them"
            )
        if self.alpha is not None:
            expected = tuple(n for n, axis in zip(self.array.shape, self.axes, strict=True) if axis != "S")
            if self.alpha.shape != expected:
                raise ShapeError(f"{self.name}: alpha has shape {self.alpha.shape}, the image asks for {expected}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.array.shape[self.axes.index("Y")], self.array.shape[self.axes.index("X")]

    @property
    def images(self) -> int:
        """How many images the array counts."""
        return math.prod(n for n, axis in zip(self.array.shape, self.axes, strict=True) if axis not in "SYX")

    @property
    def colour(self) -> str:
        """'grey', 'RGB', or 'n samples'."""
        samples = self.array.shape[self.axes.index("S")] if "S" in self.axes else 1
        return {1: "grey", 3: "RGB"}.get(samples, f"{samples} samples")

    def __repr__(self) -> str:
        height, width = self.size
        images = self.images
        stack = f"{images} of " if images != 1 else ""
        alpha = " with alpha" if self.alpha is not None else ""
        return f"Picture({stack}{height} x {width} {self.colour}{alpha}, {self.array.dtype}, axes {self.axes})"


def guess_axes(shape: tuple[int, ...], name: str = "image") -> str:
    """Letters for the axes of an array that comes without any.

    Two axes are (H, W). Three are (H, W, C) if the last has length 1, 3 or 4, else a stack of grey images
    (N, H, W). Four are a stack of colour images (N, H, W, C).

    Parameters
    ----------
    shape
        The array's shape.
    name
        What to call the array in a message.

    Raises
    ------
    ShapeError
        There are fewer than two or more than four axes.

    Examples
    --------
    >>> [guess_axes(shape) for shape in ((8, 9), (8, 9, 3), (20, 8, 9), (20, 8, 9, 3))]
    ['YX', 'YXS', 'NYX', 'NYXS']
    """
    if len(shape) == 2:
        return "YX"
    if len(shape) == 3:
        return "YXS" if shape[2] in COLOUR_SAMPLES else "NYX"
    if len(shape) == 4:
        return "NYXS"
    raise ShapeError(
        f"{name}: asked for (H, W), (H, W, C), (N, H, W) or (N, H, W, C), found the shape {shape}; "
        "reshape it, or name its axes with aplomb.io.Picture(array, axes=...)"
    )


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Rows and columns, the first two axes, as orientation 1 to 8 of EXIF and TIFF says they are seen.

    Examples
    --------
    >>> upright(np.array([[1, 2, 3], [4, 5, 6]]), 6).tolist()
    [[4, 1], [5, 2], [6, 3]]
    """
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)
