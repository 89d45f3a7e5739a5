"""TIFF files: the one format that holds every dtype, stacks, and the metadata of microscopes and maps."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.errors import ImageFileError
from aplomb.io.picture import Metadata, Picture, upright

__all__ = ["read_tiff", "write_tiff"]

_RESOLUTION_UNITS = {1: "none", 2: "inch", 3: "cm"}
_LOSSLESS = {5: "lzw", 8: "zlib", 32946: "zlib", 50000: "zstd", 32773: "packbits"}
_ALPHA_KINDS = {0: "unspecified", 1: "assocalpha", 2: "unassalpha"}

# document, maker, model, page name, software, date, artist, host, copyright; then GeoTIFF and GDAL
_COPIED = {
    *(269, 271, 272, 285, 305, 306, 315, 316, 33432),
    *(33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113),
}
"""Tags that stay true when pixel values change; they are copied as they are."""
_STRUCTURAL = {
    *range(254, 285),  # size, sample format, strips, orientation, resolution
    *(296, 297, 317, 320, 322, 323, 324, 325, 338, 339, 347, 529, 530, 531, 532, 34675, 50838, 50839),
} - _COPIED
"""Tags that say how the pixels are stored, or that are kept by other means."""


def read_tiff(path: Path, check_claim: Callable[[int, int], None]) -> Picture:
    """Read a TIFF file; `check_claim(pixels, bytes)` is asked before anything is unfolded.

    Raises
    ------
    ImageFileError
        Truncated or damaged; pages of different sizes; CMYK, CIELAB, YCbCr without JPEG, a colour filter
        array; several samples of no stated meaning beside colour; a codec that is not installed.
    """
    import tifffile

    _check_chain(path)
    try:
        with tifffile.TiffFile(path) as tiff:
            return _read_series(path, tiff, check_claim)
    except (ImageFileError, MemoryError):
        raise
    except Exception as error:  # the parser divides, indexes and asserts on whatever a damaged file says
        if "requires the 'imagecodecs' package" in str(error):
            raise ImageFileError(f"{path}: {error}; install it: pip install imagecodecs") from error
        what = f"{type(error).__name__}: {error}"
        raise ImageFileError(f"{path}: found a TIFF file that is truncated or damaged ({what})") from error


def _read_series(path: Path, tiff: Any, check_claim: Callable[[int, int], None]) -> Picture:
    if not tiff.series:
        raise ImageFileError(f"{path}: found a TIFF file without an image")
    series = tiff.series[0]
    pixels = math.prod(n for n, axis in zip(series.shape, series.axes, strict=True) if axis != "S")
    check_claim(pixels, series.nbytes)
    others = sum(1 for other in tiff.series[1:] if not other.keyframe.is_reduced)
    if others:
        raise ImageFileError(
            f"{path}: found {1 + others} images of different sizes in one TIFF file; "
            "asked for one image or a stack of equal ones; split the file first"
        )
    reduced = len(tiff.series) > 1 or len(series.levels) > 1
    notes = ["smaller copies of the image in the file are not kept"] if reduced else []
    metadata = _metadata(tiff, series.keyframe, notes)
    return _picture(path, series.asarray(), series.axes, series.keyframe, metadata, notes)


def _picture(path: Path, stored: NDArray[Any], axes: str, page: Any, metadata: Metadata, notes: list[str]) -> Picture:
    array: NDArray[Any] = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    samples = axes.index("S") if "S" in axes else None
    if samples is not None and samples != array.ndim - 1:  # planes of samples one after the other
        array = np.moveaxis(array, samples, -1)
        axes = axes.replace("S", "") + "S"
    orientation = _orientation(page)
    if orientation != 1:
        seen = (axes.index("Y"), axes.index("X"))
        array = np.moveaxis(upright(np.moveaxis(array, seen, (0, 1)), orientation), (0, 1), seen)
        array = np.ascontiguousarray(array)
        notes.append(f"turned upright (TIFF orientation {orientation})")

    photometric, extra = page.photometric.name, len(page.extrasamples)
    alpha = None
    if photometric == "PALETTE" and metadata.imagej is None:
        array, grey = _palette(array, page.colormap)
        axes += "" if grey else "S"
        notes.append(f"the palette was replaced by the {'grey values' if grey else 'RGB colours'} it stands for")
    elif photometric == "RGB" or (photometric == "YCBCR" and page.compression.name in ("JPEG", "OJPEG")):
        if extra > 1:
            raise ImageFileError(f"{path}: found {3 + extra} samples a pixel; asked for RGB with at most one more")
        if extra:
            alpha, array = array[..., -1].copy(), np.ascontiguousarray(array[..., :-1])
    elif photometric in ("MINISBLACK", "MINISWHITE", "PALETTE"):
        if extra == 1 and page.extrasamples[0] in (1, 2) and array.shape[-1] == 2:
            alpha, array, axes = array[..., -1].copy(), array[..., 0].copy(), axes[:-1]
        elif "S" in axes and page.samplesperpixel > 1:  # spectral bands: each an image of its own
            axes = axes.replace("S", "C" if "C" not in axes else "B")
    else:
        raise ImageFileError(
            f"{path}: found {photometric} colours; asked for grey, RGB or a palette; "
            "convert it with a colour-managed program"
        )
    if alpha is not None and page.extrasamples[0] == 0:
        notes.append("the fourth sample of each pixel, of no stated meaning, was put aside and is kept unchanged")
    return Picture(array, axes, alpha, metadata, "TIFF", str(path), tuple(notes))


def _orientation(page: Any) -> int:
    tag = page.tags.get(274)
    return int(tag.value) if tag is not None and 1 <= int(tag.value) <= 8 else 1


def _palette(array: NDArray[Any], colormap: NDArray[np.uint16]) -> tuple[NDArray[Any], bool]:
    """The values a palette stands for, and whether they are all grey."""
    colours = colormap.T[array]
    if (colormap % 257 == 0).all():
        colours = (colours // 257).astype(np.uint8)
    elif (colormap % 256 == 0).all():
        colours = (colours // 256).astype(np.uint8)
    grey = bool((colours == colours[..., :1]).all())
    return (np.ascontiguousarray(colours[..., 0]) if grey else colours), grey


def _metadata(tiff: Any, page: Any, notes: list[str]) -> Metadata:
    tags = page.tags
    text = {}
    if page.description and not (tiff.is_shaped or tiff.is_imagej or tiff.is_ome):
        text["Description"] = page.description
    resolution = None
    if 282 in tags and 283 in tags:
        x, y = tags[282].value, tags[283].value
        unit = _RESOLUTION_UNITS.get(int(tags[296].value) if 296 in tags else 2, "none")
        said = not (unit == "none" and x[0] == x[1] and y[0] == y[1])  # 1, without unit, says nothing
        if min(*x, *y) > 0 and said:
            turned = _orientation(page) > 4
            resolution = (Fraction(*(y if turned else x)), Fraction(*(x if turned else y)), unit)
    copied = tuple(
        (tag.code, int(tag.dtype), tag.count, tag.value)
        for tag in tags
        if tag.code in _COPIED and not (tag.code == 305 and tag.value == "tifffile.py")
    )
    lost = sorted(tag.code for tag in tags if tag.code not in _COPIED | _STRUCTURAL)
    if lost:
        notes.append("TIFF tags not kept: " + ", ".join(str(code) for code in lost))
    return Metadata(
        icc=page.iccprofile,
        resolution=resolution,
        text=text,
        imagej=dict(tiff.imagej_metadata) if tiff.is_imagej else None,
        ome=tiff.ome_metadata if tiff.is_ome else None,
        tiff_tags=copied,
        compression=_LOSSLESS.get(int(page.compression)),
        white_is_zero=page.photometric.name == "MINISWHITE",
        alpha_kind=_ALPHA_KINDS[int(page.extrasamples[0])] if page.extrasamples else "unassalpha",
    )


def _check_chain(path: Path) -> None:
    """Follow the chain of pages to its end; tifffile reads what it finds of a broken one and says nothing."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(16)
        order, big = "<" if head[:2] == b"II" else ">", head[2:4] in (b"+\0", b"\0+")
        offset_type, count_type, entry, start = ("Q", "Q", 20, 8) if big else ("I", "H", 12, 4)
        width, count_width = struct.calcsize(offset_type), struct.calcsize(count_type)
        seen: set[int] = set()
        try:
            (offset,) = struct.unpack_from(order + offset_type, head, start)
            while offset:
                if offset in seen or offset >= size:
                    raise struct.error(f"page {len(seen) + 1} is said to be at byte {offset} of {size}")
                seen.add(offset)
                stream.seek(offset)
                (count,) = struct.unpack(order + count_type, stream.read(count_width))
                stream.seek(count * entry, os.SEEK_CUR)
                (offset,) = struct.unpack(order + offset_type, stream.read(width))
        except (struct.error, OverflowError, OSError) as error:
            raise ImageFileError(f"{path}: found a TIFF file that is truncated or damaged ({error})") from error


def write_tiff(path: Path, picture: Picture, same_size: bool) -> list[str]:
    """Write a picture; returns what could not be kept.

    Pixel size, geographic tags, ImageJ metadata and OME-XML are written only if the size is the one of the
    file that they come from.
    """
    import tifffile

    metadata, array, axes = picture.metadata, picture.array, picture.axes
    if "S" in axes and axes[-1] != "S":
        array, axes = np.moveaxis(array, axes.index("S"), -1), axes.replace("S", "") + "S"
    rgb = axes[-1] == "S" and array.shape[-1] == 3
    options: dict[str, Any] = {"photometric": "rgb" if rgb else "minisblack"}
    if metadata.white_is_zero and not rgb:
        options["photometric"] = "miniswhite"
    lost = ["EXIF"] if metadata.exif else []
    lost += [f"text {key!r}" for key in metadata.text if key != "Description"]
    lost += ["gamma and primaries"] if metadata.png_colour else []
    tags: list[tuple[int, int, int, Any, bool]] = []
    if same_size:
        tags = [(*tag, True) for tag in metadata.tiff_tags]
        if metadata.resolution is not None:
            x, y, unit = metadata.resolution
            options["resolution"] = (x.as_integer_ratio(), y.as_integer_ratio())
            options["resolutionunit"] = {"none": 1, "inch": 2, "cm": 3}[unit]
    elif metadata.resolution is not None or metadata.tiff_tags:
        lost.append("pixel size and place, since the size of the image changed")

    if metadata.imagej is not None:
        if same_size and picture.alpha is None and array.dtype.name in ("uint8", "uint16", "float32"):
            # ImageJ opens its own files uncompressed, and has its own place for what others put into tags
            tifffile.imwrite(path, array, imagej=True, metadata={**metadata.imagej, "axes": axes}, **options)
            return lost
        lost.append("ImageJ metadata")

    if picture.alpha is not None:
        array = np.concatenate([array if axes[-1] == "S" else array[..., None], picture.alpha[..., None]], axis=-1)
        axes = axes if axes[-1] == "S" else axes + "S"
        options |= {"extrasamples": [metadata.alpha_kind], "planarconfig": "contig"}
    elif axes[-1] not in "XS":  # spectral bands side by side
        options["planarconfig"] = "contig"
    description = metadata.text.get("Description")
    if metadata.ome is not None and same_size and "FileName=" not in metadata.ome:
        description = metadata.ome
    elif metadata.ome is not None:
        lost.append("OME-XML")
    tifffile.imwrite(
        path,
        array,
        description=None if description is None else description.encode(),
        metadata={"axes": axes} if description is None else None,
        ome=False,
        software=False,
        iccprofile=metadata.icc,
        compression=metadata.compression,
        extratags=tags,
        **options,
    )
    return lost
