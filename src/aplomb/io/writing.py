"""Arrays to files: what each format can hold, and the metadata that goes with it."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.errors import OutputError, ShapeError
from aplomb.io.picture import Picture, guess_axes
from aplomb.io.tiff import write_tiff
from aplomb.io.whole import whole_file

__all__ = ["SUFFIXES", "check_output", "write"]

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        ".bmp": "BMP",
        ".jpeg": "JPEG",
        ".jpg": "JPEG",
        ".png": "PNG",
        ".tif": "TIFF",
        ".tiff": "TIFF",
        ".webp": "WebP",
    }
)
"""The file formats that can be written, by suffix in small letters."""

# format: dtypes it holds, whether it holds alpha, longest side
_ABILITIES: dict[str, tuple[tuple[str, ...], bool, int]] = {
    "PNG": (("bool", "uint8", "uint16"), True, 2**31 - 1),
    "JPEG": (("uint8",), False, 65500),
    "BMP": (("bool", "uint8"), False, 2**31 - 1),
    "WebP": (("uint8",), True, 16383),
}
_SAVING: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "BMP": {},
    "WebP": {"lossless": True, "exact": True},
}


def write(path: str | os.PathLike[str], array: NDArray[Any], like: Picture | None = None) -> tuple[str, ...]:
    """Write an image file; the format follows the suffix, the dtype follows the array.

    Nothing is rescaled or rounded. The file appears whole or not at all, and one that was there stays
    intact if anything goes wrong. PNG, TIFF, BMP and WebP are written without loss, JPEG with quality 95 and
    full resolution of colour.

    Parameters
    ----------
    path
        Output file; see `SUFFIXES`. Its folder must exist.
    array
        Pixel values: (H, W), (H, W, C), and for TIFF stacks of them. Without `like` a fourth sample is alpha.
    like
        The picture that was read: its alpha, ICC profile, EXIF, pixel size, text and layout go with the
        array, as far as the format can hold them. `array` is then laid out like ``like.array``;
        height and width may differ unless there is alpha.

    Returns
    -------
    lost
        What the format could not keep, one sentence each; empty if all of it was kept.

    Raises
    ------
    OutputError
        Unknown suffix, a dtype, alpha or stack that the format cannot hold, missing folder, write-protected
        file, full disk.
    ShapeError
        The array is empty, or does not fit `like`.

    Examples
    --------
    >>> write("half.png", np.full((2, 2), 0.5))
    Traceback (most recent call last):
        ...
    aplomb.errors.OutputError: half.png: PNG holds bool, uint8 or uint16, the image is float64; \
write .tif, or convert it first, for example numpy.rint(image * 65535).astype('uint16')
    """
    path = Path(path)
    picture, kind = _checked(path, np.asarray(array), like)
    same_size = like is None or picture.size == like.size
    with whole_file(path) as temporary:
        if kind == "TIFF":
            lost = write_tiff(temporary, picture, same_size)
        else:
            lost = _save(temporary, kind, picture, same_size)
    return tuple(f"{kind} did not keep: {thing}" for thing in lost)


def check_output(path: str | os.PathLike[str], like: Picture) -> None:
    """Raise what `write` would raise for a result like this picture, before the work is done.

    Examples
    --------
    >>> check_output("missing/out.png", Picture(np.zeros((2, 2), np.uint8)))
    Traceback (most recent call last):
        ...
    aplomb.errors.OutputError: missing/out.png: the folder ... does not exist; create it first
    """
    _checked(Path(path), like.array, like)
    with contextlib.suppress(_Untouched), whole_file(path):
        raise _Untouched


class _Untouched(Exception):
    """Leaves `whole_file` before anything is put in place."""


def _checked(path: Path, array: NDArray[Any], like: Picture | None) -> tuple[Picture, str]:
    """What is to be written, dressed, and the format; OutputError if the format cannot hold it."""
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise OutputError(f"{path}: asked for the suffix {path.suffix!r}; known are: {', '.join(SUFFIXES)}")
    picture = _dressed(path, array, like)
    if kind != "TIFF":
        _check_ability(path, kind, picture)
    elif picture.array.dtype.kind not in "buif" or picture.array.dtype.itemsize > 8:
        raise OutputError(f"{path}: TIFF holds bool, integers and floats up to 64 bits, the image is {array.dtype}")
    if picture.array.dtype == bool and (picture.alpha is not None or picture.axes[-1] != "X"):
        raise OutputError(f"{path}: bool images are written in black and white only; convert it to uint8 first")
    return picture, kind


def _dressed(path: Path, array: NDArray[Any], like: Picture | None) -> Picture:
    """The array as a picture with the axes, alpha and metadata that it shall be written with."""
    if array.size == 0:
        raise ShapeError(f"{path}: the image is empty, its shape is {array.shape}; give at least one pixel")
    if like is None:
        axes = guess_axes(array.shape, str(path))
        if "S" in axes and array.shape[-1] == 4:
            return Picture(array[..., :3], axes, array[..., 3], name=str(path))
        return Picture(array, axes, name=str(path))
    if array.ndim == like.array.ndim:
        axes = like.axes
    elif array.ndim == like.array.ndim + 1 and "S" not in like.axes:  # grey became colour
        axes = like.axes + "S"
    else:
        raise ShapeError(f"{path}: asked to write {array.shape} like a picture of shape {like.array.shape}")
    if like.alpha is not None and like.alpha.dtype != array.dtype:
        raise OutputError(
            f"{path}: the image is {array.dtype} and its alpha {like.alpha.dtype}; "
            "convert both, or leave alpha out with dataclasses.replace(picture, alpha=None)"
        )
    return dataclasses.replace(like, array=array, axes=axes, name=str(path))


def _check_ability(path: Path, kind: str, picture: Picture) -> None:
    dtypes, holds_alpha, longest = _ABILITIES[kind]
    array = picture.array
    if array.dtype.name not in dtypes:
        remedy = {
            "f": "write .tif, or convert it first, for example numpy.rint(image * 65535).astype('uint16')",
            "u": "write .png or .tif" if array.dtype == np.uint16 else "write .tif",
        }.get(array.dtype.kind, "write .png or .tif" if array.dtype == bool else "write .tif")
        if array.dtype.kind == "f" and "uint16" not in dtypes:
            remedy = remedy.replace("65535", "255").replace("uint16", "uint8")
        known = " or ".join(filter(None, (", ".join(dtypes[:-1]), dtypes[-1])))
        raise OutputError(f"{path}: {kind} holds {known}, the image is {array.dtype}; {remedy}")
    samples = array.shape[-1] if picture.axes.endswith("S") else 1
    if picture.axes not in ("YX", "YXS") or samples not in (1, 3):
        raise OutputError(f"{path}: {kind} holds one grey or RGB image, the array has shape {array.shape}; write .tif")
    if picture.alpha is not None and not holds_alpha:
        raise OutputError(
            f"{path}: {kind} holds no alpha; write .png or .tif, or leave it out with "
            "dataclasses.replace(picture, alpha=None)"
        )
    if picture.alpha is not None and picture.metadata.alpha_kind != "unassalpha":
        raise OutputError(f"{path}: {kind} holds straight alpha only, the picture's is of another kind; write .tif")
    if max(picture.size) > longest:
        raise OutputError(f"{path}: {kind} holds up to {longest} pixels a side, the image is {picture.size}; use .tif")


def _save(path: Path, kind: str, picture: Picture, same_size: bool) -> list[str]:
    """Encode by Pillow, or by imagecodecs where Pillow would drop half of the bits."""
    from PIL import Image

    metadata, array = picture.metadata, picture.array
    lost: list[str] = []
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if metadata.white_is_zero:
        array = ~array if array.dtype == bool else np.iinfo(array.dtype).max - array
    if picture.alpha is not None:
        array = np.concatenate([array if array.ndim == 3 else array[..., None], picture.alpha[..., None]], axis=-1)
    array = np.ascontiguousarray(array)
    if kind == "WebP" and (array.ndim == 2 or array.shape[-1] == 2):
        grey = array if array.ndim == 2 else array[..., 0]
        rest = [] if array.ndim == 2 else [array[..., 1]]
        array = np.stack([grey, grey, grey, *rest], axis=-1)
        lost.append("grey as such; the three colours are equal instead")
    options = {**_SAVING[kind], **_metadata_options(kind, picture, same_size, lost)}
    if array.dtype == np.uint16 and array.ndim == 3:
        path.write_bytes(_png_16(array, options))
    else:
        Image.fromarray(array).save(path, format=kind, **options)
    return lost


def _metadata_options(kind: str, picture: Picture, same_size: bool, lost: list[str]) -> dict[str, Any]:
    """Pillow's options for what the format can hold; the rest is appended to `lost`."""
    from PIL.PngImagePlugin import PngInfo

    metadata = picture.metadata
    options: dict[str, Any] = {}
    if metadata.icc is not None and kind != "BMP":
        options["icc_profile"] = metadata.icc
    too_long = kind == "JPEG" and len(metadata.exif or b"") > 65533
    if metadata.exif is not None and kind != "BMP" and not too_long:
        options["exif"] = metadata.exif
    if metadata.resolution is not None:
        x, y, unit = metadata.resolution
        scale = {"inch": 1.0, "cm": 2.54}.get(unit)
        if scale is None or kind == "WebP" or not same_size:
            lost.append("pixel size")
        else:
            options["dpi"] = (float(x) * scale, float(y) * scale)
    text = dict(metadata.text)
    if kind == "PNG":
        info = PngInfo()
        for name, data in metadata.png_colour:
            info.add(name, data)
        for key in list(text):
            info.add_text(key, text.pop(key))
        options["pnginfo"] = info
    elif kind == "JPEG" and "Comment" in text:
        options["comment"] = text.pop("Comment")
    lost += [f"text {key!r}" for key in text]
    for thing, there in (
        ("ICC profile", kind == "BMP" and metadata.icc is not None),
        ("EXIF", (kind == "BMP" or too_long) and metadata.exif is not None),
        ("gamma and primaries", kind != "PNG" and bool(metadata.png_colour)),
        ("ImageJ metadata", metadata.imagej is not None),
        ("OME-XML", metadata.ome is not None),
        ("TIFF tags " + ", ".join(str(tag[0]) for tag in metadata.tiff_tags), bool(metadata.tiff_tags)),
    ):
        if there:
            lost.append(thing)
    return options


def _png_16(array: NDArray[Any], options: dict[str, Any]) -> bytes:
    """A PNG of 16 bits: the pixels by imagecodecs, the metadata from a file of one pixel by Pillow."""
    import imagecodecs
    from PIL import Image

    pixels = imagecodecs.png_encode(array)
    with io.BytesIO() as stream:
        Image.new("RGB", (1, 1)).save(stream, format="PNG", **options)
        small = stream.getvalue()
    header = 8 + 25  # signature and IHDR
    return bytes(pixels[:header] + small[header : small.index(b"IDAT") - 4] + pixels[header:])
