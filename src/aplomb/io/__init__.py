"""Files to arrays and back: the one place where dtype, range, layout and metadata are converted.

::

    picture = read("cell.tif")                   # values, dtype, axes as stored; alpha and metadata aside
    planes, origin = to_float(picture)           # float32 in 0..1, (N, C, H, W)
    result = from_float(planes, origin)          # dtype, range and layout that came in
    write("restored.tif", result, like=picture)  # whole or not at all, with alpha and metadata

Nothing is silently rescaled: what has no agreed white level is refused, and what a format cannot hold is
refused or named. Pillow, tifffile and imagecodecs are imported here and nowhere else, when first needed.
"""

from __future__ import annotations

from aplomb.io.labels import IGNORE, check_classes, class_map, read_labels, write_labels
from aplomb.io.layout import FLOAT_RANGE, Origin, from_float, to_float
from aplomb.io.picture import Metadata, Picture
from aplomb.io.reading import MAX_PIXELS, read
from aplomb.io.whole import make_folder, whole_file
from aplomb.io.writing import SUFFIXES, check_output, write

__all__ = [
    "FLOAT_RANGE",
    "IGNORE",
    "MAX_PIXELS",
    "SUFFIXES",
    "Metadata",
    "Origin",
    "Picture",
    "check_classes",
    "check_output",
    "class_map",
    "from_float",
    "make_folder",
    "read",
    "read_labels",
    "to_float",
    "whole_file",
    "write",
    "write_labels",
]
