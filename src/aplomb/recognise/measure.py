"""Objects counted and measured: one row each, with area, place, shape and brightness."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ShapeError
from aplomb.io import Picture, whole_file

__all__ = ["Objects", "PixelSize", "joined", "measure", "pixel_size"]

PixelSize = tuple[float, float, str]
"""Height and width of a pixel, and their unit."""

_MICROMETRE = {"micron", "microns", "um", "\u00b5m", "\u03bcm", "\\u00b5m"}
_PROPERTIES = (
    "label",
    "area",
    "centroid",
    "bbox",
    "equivalent_diameter_area",
    "axis_major_length",
    "axis_minor_length",
    "eccentricity",
    "orientation",
)


@dataclass(frozen=True)
class Objects:
    """A table of objects: columns by name, all of one length.

    `id` is the number of the object in its map, `class` its name, `area` in pixels; `row` and `column` are its
    centroid, `top`, `left`, `bottom` and `right` its bounding box (the last two just outside). `diameter` is that of a
    disc of the same area, `major` and `minor` the axes of the ellipse with the same second moments, in pixels;
    `eccentricity` is 0 for a circle; `orientation` is the angle in degrees of the major axis to the columns' direction,
    in -90..90. `mean` is the mean of the picture there, in the values that its file holds, one column a channel.
    Where the size of a pixel is known there is `area_um2` (or another unit) and `diameter_um`.
    """

    columns: Mapping[str, NDArray[Any]]
    pixels: int
    """Pixels of the maps in all."""
    unit: str = ""

    def __len__(self) -> int:
        return len(self.columns["id"])

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the table, whole or not at all. Raises OutputError."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        for row in zip(*self.columns.values(), strict=True):
            writer.writerow([f"{v:.6g}" if isinstance(v, float | np.floating) else v for v in row])
        with whole_file(path) as temporary:
            temporary.write_text(out.getvalue(), encoding="utf-8")
        return Path(path)

    def __str__(self) -> str:
        """How many, and how large, in words."""
        if not len(self):
            return "no object"
        names, counts = np.unique(self.columns["class"], return_counts=True)
        lines = []
        for name, count in zip(names, counts, strict=True):
            area = self.columns["area"][self.columns["class"] == name]
            line = (
                f"{count} x {name}: area {np.median(area):.4g} pixels (median; {area.min():.4g} to {area.max():.4g}), "
                f"{100 * area.sum() / self.pixels:.3g} % of the picture"
            )
            if self.unit:
                real = self.columns[f"area_{self.unit}2"][self.columns["class"] == name]
                line += f"; {np.median(real):.4g} {self.unit}^2 (median)"
            lines.append(line)
        return "\n".join(lines)


def measure(
    labels: ArrayLike,
    picture: Picture | None = None,
    *,
    classes: Sequence[str] = (),
    instances: bool = True,
    pixel: PixelSize | None = None,
) -> Objects:
    """Count and measure the objects in a map, or in a stack of maps.

    Parameters
    ----------
    labels
        Integers (H, W) or a stack (..., H, W); 0 is background.
    picture
        The picture that was segmented: for mean values, and for the size of a pixel if its file tells one.
    classes
        Names: of a map of objects, of background and objects; of a map of classes, of all.
    instances
        Whether `labels` are numbers of objects; else they are classes, and objects are their connected regions (pixels
        that touch at a corner belong together).
    pixel
        Height, width and unit of a pixel, where no file tells it.

    Raises
    ------
    ShapeError
        The maps and the picture differ in size.
    BadInput
        A size of pixels that is not positive.

    Examples
    --------
    >>> table = measure([[1, 1, 0], [0, 0, 2]], pixel=(0.5, 0.5, "um"))
    >>> table.columns["area"].tolist(), table.columns["area_um2"].tolist()
    ([2.0, 1.0], [0.5, 0.25])
    >>> print(table)
    2 x object: area 1.5 pixels (median; 1 to 2), 50 % of the picture; 0.375 um^2 (median)
    """
    maps = np.asarray(labels)
    if maps.ndim < 2 or maps.dtype.kind not in "bui":
        raise ShapeError(f"maps are asked for as integers (..., H, W), found {maps.dtype} of shape {maps.shape}")
    if pixel is None and picture is not None:
        pixel = pixel_size(picture)
    if pixel is not None and not min(pixel[:2]) > 0:
        raise BadInput(f"a pixel of {pixel[0]} x {pixel[1]} {pixel[2]} was given; give sizes above 0")
    values = None if picture is None else _values(picture, maps.shape)
    flat = maps.reshape(-1, *maps.shape[-2:])
    tables = [
        _rows(each, None if values is None else values[index], classes, instances) for index, each in enumerate(flat)
    ]
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    if len(flat) > 1:
        pages = np.concatenate([np.full(len(table["id"]), index + 1) for index, table in enumerate(tables)])
        columns = {"picture": pages, **columns}
    unit = ""
    if pixel is not None:
        height, width, unit = pixel
        columns[f"area_{unit}2"] = columns["area"] * height * width
        columns[f"diameter_{unit}"] = columns["diameter"] * np.sqrt(height * width)
    return Objects(columns, maps.size, unit)


def joined(tables: Mapping[str, Objects]) -> Objects:
    """The tables of several pictures in one, with a column `file`; what one of them lacks is empty there.

    >>> small = measure([[1, 0]])
    >>> joined({"a.png": small, "b.png": small}).columns["file"].tolist()
    ['a.png', 'b.png']
    """
    names = list(dict.fromkeys(name for table in tables.values() for name in table.columns))
    columns: dict[str, NDArray[Any]] = {
        "file": np.concatenate([np.full(len(table), file, dtype=object) for file, table in tables.items()])
    }
    for name in names:
        parts = [table.columns.get(name, np.full(len(table), "", dtype=object)) for table in tables.values()]
        columns[name] = np.concatenate(parts)
    units = {table.unit for table in tables.values()}
    return Objects(columns, sum(t.pixels for t in tables.values()), units.pop() if len(units) == 1 else "")


def _rows(
    labels: NDArray[Any], values: NDArray[Any] | None, classes: Sequence[str], instances: bool
) -> dict[str, NDArray[Any]]:
    """The table of one map."""
    from skimage.measure import label, regionprops_table

    objects = labels.astype(np.int64) if instances else label(labels, connectivity=2)
    properties = (*_PROPERTIES, *(["intensity_mean"] if values is not None else []))
    found = regionprops_table(objects, values, properties=properties)
    if instances:
        name = classes[1] if len(classes) > 1 else "object"
        kinds = np.full(len(found["label"]), name, dtype=object)
    else:
        which = np.zeros(int(objects.max(initial=0)) + 1, np.int64)
        which[objects.ravel()] = labels.ravel()
        names = [classes[k] if k < len(classes) else f"class {k}" for k in which[found["label"]]]
        kinds = np.array(names, dtype=object)
    table: dict[str, NDArray[Any]] = {
        "id": found["label"],
        "class": kinds,
        "area": np.asarray(found["area"], np.float64),
        "row": found["centroid-0"],
        "column": found["centroid-1"],
        "top": found["bbox-0"],
        "left": found["bbox-1"],
        "bottom": found["bbox-2"],
        "right": found["bbox-3"],
        "diameter": found["equivalent_diameter_area"],
        "major": found["axis_major_length"],
        "minor": found["axis_minor_length"],
        "eccentricity": found["eccentricity"],
        "orientation": np.rad2deg(found["orientation"]),
    }
    means = [name for name in found if name.startswith("intensity_mean")]
    colours = ["mean"] if len(means) < 2 else [f"mean_{c}" for c in ("red", "green", "blue")]
    return table | {title: found[name] for title, name in zip(colours, means, strict=False)}


def _values(picture: Picture, shape: tuple[int, ...]) -> NDArray[Any]:
    """The picture's values as stored, (N, H, W) or (N, H, W, C)."""
    array, axes = picture.array, picture.axes
    order = [*(i for i, a in enumerate(axes) if a not in "SYX"), axes.index("Y"), axes.index("X")]
    colour = [axes.index("S")] if "S" in axes else []
    moved = array.transpose([*order, *colour])
    if moved.shape[: len(order)] != shape:
        raise ShapeError(f"{picture.name}: maps of shape {shape} do not fit pictures of {moved.shape[: len(order)]}")
    samples = moved.shape[len(order) :]
    flat = moved.reshape(-1, *shape[-2:], *samples).astype(np.float64)
    return flat[..., 0] if samples == (1,) else flat


def pixel_size(picture: Picture) -> PixelSize | None:
    """Height, width and unit of a pixel, as OME-XML, ImageJ or a TIFF in centimetres tell; None if none does.

    Dots per inch are left alone: they say how a picture is printed, not what it shows.
    """
    meta = picture.metadata
    if meta.ome:
        sizes = [re.search(rf'PhysicalSize{axis}="([^"]+)"', meta.ome) for axis in "YX"]
        unit = re.search(r'PhysicalSizeXUnit="([^"]+)"', meta.ome)
        if sizes[0] and sizes[1]:
            return _checked(float(sizes[0][1]), float(sizes[1][1]), unit[1] if unit else "um")
    if meta.resolution is None or not all(meta.resolution[:2]):
        return None
    x, y, per = meta.resolution
    if meta.imagej is not None:
        named = str(meta.imagej.get("unit", ""))
        return _checked(float(1 / y), float(1 / x), named) if named and named not in ("pixel", "inch") else None
    if picture.format == "TIFF" and per == "cm":
        return _checked(float(10_000 / y), float(10_000 / x), "um")
    return None


def _checked(height: float, width: float, unit: str) -> PixelSize | None:
    unit = "um" if unit.strip().lower() in _MICROMETRE else unit.strip()
    return (height, width, unit) if min(height, width) > 0 else None
