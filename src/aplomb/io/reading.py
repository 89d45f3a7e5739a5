"""Files to arrays: what a file is, whether it is sound, and its pixels as stored."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import math
import os
import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.errors import ImageFileError
from aplomb.io.picture import Metadata, Picture, upright
from aplomb.io.tiff import read_tiff

__all__ = ["MAX_PIXELS", "read"]

MAX_PIXELS = 1_000_000_000
"""Pixels that a file may claim before its claim is doubted; see `read`."""

PLAUSIBLE_RATIO = 20
"""Compression beyond which a file larger than the limit is taken for a decompression bomb."""

# format: Pillow's module and opener. The openers are called directly because PIL.Image.open applies a limit
# of its own, a variable of the whole process, at 179 million pixels: less than some telephones take.
_OPENERS = {
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "JPEG": ("PIL.JpegImagePlugin", "jpeg_factory"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
}
# what Pillow and imagecodecs raise on a damaged file, by their documentation and by trial
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    RuntimeError,
    IndexError,
    KeyError,
    struct.error,
    zlib.error,
)

_PNG_COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"cICP")


def read(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read an image file: PNG, JPEG, TIFF (ImageJ, OME, GeoTIFF, stacks), BMP, WebP, or a still GIF.

    The format is told by the content, not by the name. Values and dtype are those stored; a palette becomes
    the colours it stands for, an EXIF orientation is carried out, alpha is put aside, and each such step is
    said in ``notes``.

    Parameters
    ----------
    path
        The file.
    max_pixels
        A file that claims more pixels than this and is at the same time more than 20 times smaller than what
        it would unfold to is refused as a decompression bomb. A large file with ordinary compression passes.

    Raises
    ------
    ImageFileError
        The file is missing, empty, truncated, damaged, not an image, or of a kind that is not read:
        CMYK and other colours than grey and RGB, animations, pages of different sizes.

    Examples
    --------
    >>> import tempfile
    >>> from aplomb.io import write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write(folder + "/ramp.png", np.arange(20, dtype=np.uint16).reshape(4, 5))
    ...     read(folder + "/ramp.png")
    Picture(4 x 5 grey, uint16, axes YX)
    """
    path = Path(path)
    kind = _kind(path)
    if kind == "TIFF":
        return read_tiff(path, functools.partial(_check_claim, path, max_pixels))
    module, opener = _OPENERS[kind]
    opened = getattr(importlib.import_module(module), opener)
    with path.open("rb") as stream:
        with _damage(path, kind):
            image = opened(stream, str(path))
        pixels = image.size[0] * image.size[1]
        _check_claim(path, max_pixels, pixels, 4 * pixels)
        return _read_pillow(path, kind, image)


@contextlib.contextmanager
def _damage(path: Path, kind: str) -> Iterator[None]:
    """Around the decoding only: what goes wrong there is the file's fault."""
    from PIL import Image

    try:
        yield
    except (*_DAMAGE, Image.DecompressionBombError) as error:
        raise ImageFileError(f"{path}: found a {kind} file that is truncated or damaged ({error})") from error


def _kind(path: Path) -> str:
    """The format that the first bytes tell."""
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
    except FileNotFoundError:
        raise ImageFileError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ImageFileError(f"{path}: is a folder; asked for an image file") from None
    except OSError as error:
        raise ImageFileError(f"{path}: cannot be read ({error.strerror})") from error
    if not head:
        raise ImageFileError(f"{path}: the file is empty")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head.startswith(b"BM"):
        return "BMP"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    raise ImageFileError(
        f"{path}: asked for PNG, JPEG, TIFF, BMP, WebP or GIF, found a file that begins with {head[:8]!r}; "
        "convert it first"
    )


def _check_claim(path: Path, max_pixels: int, pixels: int, unfolded: int) -> None:
    """Refuse a header that promises far more than its file can hold."""
    size = path.stat().st_size
    if pixels > max_pixels and unfolded > PLAUSIBLE_RATIO * size:
        raise ImageFileError(
            f"{path}: found {pixels:.2g} pixels claimed by a file of {size} bytes, the limit is "
            f"{max_pixels:.2g}, which looks like a decompression bomb; "
            "if it is sound, read it with a larger max_pixels"
        )


def _read_pillow(path: Path, kind: str, image: Any) -> Picture:
    notes: list[str] = []
    with _damage(path, kind):
        frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format == "MPO":
        notes.append(f"the first of {frames} pictures in the file was read, the others are not kept")
        image.seek(0)
    elif frames > 1:
        raise ImageFileError(f"{path}: found an animation of {frames} frames; save the frames as a TIFF stack")
    chunks = _png_chunks(path) if kind == "PNG" else {}
    depth, colour_type = (chunks[b"IHDR"][8], chunks[b"IHDR"][9]) if kind == "PNG" else (8, 2)
    with _damage(path, kind):
        image.load()
    if image.mode in ("CMYK", "YCCK", "LAB", "YCbCr", "HSV", "F"):
        raise ImageFileError(
            f"{path}: found a {image.mode} image, asked for grey or RGB; convert it with a colour-managed program"
        )
    if kind == "PNG" and depth == 16 and colour_type != 0:
        array, alpha = _png_16(path)
    else:
        array, alpha = _pixels(path, image, notes)
    if kind == "PNG" and depth < 8 and colour_type == 0 and array.dtype != bool:
        notes.append(f"grey of {depth} bits was widened to 8")

    metadata, orientation = _metadata(kind, image, chunks)
    if orientation != 1:
        array = upright(array, orientation)
        alpha = None if alpha is None else upright(alpha, orientation)
        notes.append(f"turned upright (EXIF orientation {orientation})")
        if metadata.resolution is not None and orientation > 4:
            x, y, unit = metadata.resolution
            metadata = dataclasses.replace(metadata, resolution=(y, x, unit))
    axes = "YX" if array.ndim == 2 else "YXS"
    return Picture(array, axes, alpha, metadata, kind, str(path), tuple(notes))


def _pixels(path: Path, image: Any, notes: list[str]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Array and alpha of an image that Pillow holds without loss."""
    key = image.info.get("transparency")
    if image.mode in ("P", "PA"):
        had_alpha = key is not None or image.mode == "PA"
        colours = np.asarray(image.convert("RGBA" if had_alpha else "RGB"))
        array = np.ascontiguousarray(colours[..., :3])
        grey = "icc_profile" not in image.info and bool((array == array[..., :1]).all())
        notes.append(f"the palette was replaced by the {'grey values' if grey else 'RGB colours'} it stands for")
        return (array[..., 0].copy() if grey else array), (colours[..., 3].copy() if had_alpha else None)
    array = np.array(image)
    if image.mode in ("LA", "RGBA"):
        alpha = np.ascontiguousarray(array[..., -1])
        array = array[..., 0] if image.mode == "LA" else array[..., :3]
        return np.ascontiguousarray(array), alpha
    if image.mode == "I" and array.min() >= 0 and array.max() <= 65535:
        array = array.astype(np.uint16)
    if image.mode not in ("1", "L", "RGB", "I", "I;16", "I;16B", "I;16L"):
        raise ImageFileError(f"{path}: found pixels of Pillow's mode {image.mode}; asked for grey or RGB")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if key is None:
        return array, None
    notes.append("the transparent colour was replaced by alpha")
    if array.dtype == bool:  # no format holds bool with alpha
        array = array.astype(np.uint8) * np.uint8(255)
    opaque = (array != np.asarray(key)).reshape(*array.shape[:2], -1).any(axis=-1)
    white = 65535 if array.dtype == np.uint16 else 255
    return array, np.where(opaque, white, 0).astype(np.uint16 if white > 255 else np.uint8)


def _png_16(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """A PNG of 16 bits with several samples a pixel, of which Pillow keeps 8 bits."""
    import imagecodecs

    with _damage(path, "PNG"):
        array = imagecodecs.png_decode(path.read_bytes())
    if array.ndim == 3 and array.shape[-1] in (2, 4):
        alpha = np.ascontiguousarray(array[..., -1])
        array = array[..., 0] if array.shape[-1] == 2 else array[..., :3]
        return np.ascontiguousarray(array), alpha
    return array, None


def _png_chunks(path: Path) -> dict[bytes, bytes]:
    """The chunks in front of the pixels, by name."""
    chunks: dict[bytes, bytes] = {}
    with path.open("rb") as stream:
        stream.seek(8)
        while len(head := stream.read(8)) == 8 and head[4:] != b"IDAT":
            chunks[head[4:]] = stream.read(int.from_bytes(head[:4], "big"))
            stream.seek(4, os.SEEK_CUR)
    return chunks


def _metadata(kind: str, image: Any, chunks: dict[bytes, bytes]) -> tuple[Metadata, int]:
    info = image.info
    exif, orientation = _upright_exif(info["exif"]) if info.get("exif") else (None, 1)
    text = {str(key): str(value) for key, value in getattr(image, "text", {}).items()} if kind == "PNG" else {}
    text.pop("Raw profile type exif", None)
    if kind == "JPEG" and info.get("comment"):
        text["Comment"] = info["comment"].decode("utf-8", "replace")
    resolution = None
    if "dpi" in info and all(0 < v < math.inf for v in info["dpi"]):
        x, y = (Fraction(float(v)).limit_denominator(100_000) for v in info["dpi"])
        resolution = (x, y, "inch")
    colour = tuple((name, chunks[name]) for name in _PNG_COLOUR if name in chunks)
    return Metadata(info.get("icc_profile"), exif, resolution, text, png_colour=colour), orientation


def _upright_exif(exif: bytes) -> tuple[bytes, int]:
    """The EXIF block with orientation 1, otherwise unchanged, and the orientation it had."""
    start = 6
    if not exif.startswith(b"Exif\0\0"):  # some formats store it without this mark, some with
        exif = b"Exif\0\0" + exif
    order = {b"II": "<", b"MM": ">"}.get(exif[start : start + 2])
    try:
        if order is None:
            return exif, 1
        (first,) = struct.unpack_from(order + "I", exif, start + 4)
        (count,) = struct.unpack_from(order + "H", exif, start + first)
        for entry in range(start + first + 2, start + first + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, entry)
            if tag == 0x0112 and 2 <= value <= 8:
                changed = bytearray(exif)
                struct.pack_into(order + "H", changed, entry + 8, 1)
                return bytes(changed), value
    except struct.error:  # a broken EXIF block does not make the picture unreadable
        pass
    return exif, 1
