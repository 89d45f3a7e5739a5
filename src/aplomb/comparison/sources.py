"""Where pictures come from, whatever the caller gave, and the call in words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.errors import BadInput
from aplomb.io import Picture, read, to_float

__all__ = ["Image", "pictures", "short", "sources"]

Image = NDArray[np.float32]
"""(H, W) or (H, W, C), 0..1; noise may reach beyond."""


def sources(images: Any) -> list[tuple[str, Callable[[], Any]]]:
    """Names of what was given, and how to get each.

    Raises BadInput if nothing was given, ImageFileError for a path at which there is no picture.

    >>> [name for name, load in sources([np.zeros((2, 2)), np.ones((2, 2))])]
    ['picture 1', 'picture 2']
    """
    from aplomb.data import find_pictures

    if isinstance(images, Mapping):
        return [(str(name), partial(_opened, value)) for name, value in images.items()]
    several = isinstance(images, Sequence) and not isinstance(images, str)
    found: list[tuple[str, Callable[[], Any]]] = []
    for item in images if several else [images]:
        if isinstance(item, (str, os.PathLike)):
            for path in find_pictures(item):
                found.append((_free(path, {name for name, _ in found}), partial(read, path)))
        else:
            number = f" {len(found) + 1}" if several and len(images) > 1 else ""
            found.append((f"picture{number}", partial(_opened, item)))
    if not found:
        raise BadInput("compare was given no picture; give an array, a file or a folder")
    return found


def pictures(name: str, image: Any) -> Iterator[tuple[str, Image]]:
    """(H, W) or (H, W, C) in 0..1, one after the other, with their names."""
    planes, _ = to_float(image, **({} if isinstance(image, Picture) else {"name": name}))
    for number, plane in enumerate(planes):
        label = f"{name} [{number}]" if len(planes) > 1 else name
        yield label, plane[0] if len(plane) == 1 else np.ascontiguousarray(np.moveaxis(plane, 0, -1))


def short(value: Any) -> str:
    """A value in a call as Python, arrays and long lists abridged.

    >>> short({"a": np.zeros((2, 3))}), short([0.5, "otsu"])
    ("{'a': <array (2, 3)>}", "[0.5, 'otsu']")
    """
    if isinstance(value, np.ndarray):
        return f"<array {value.shape}>"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {short(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(short, value)) + "]"
    if isinstance(value, os.PathLike):
        return repr(str(value))
    return str(getattr(value, "name", getattr(value, "__name__", repr(value))))


def _opened(value: Any) -> Any:
    return read(value) if isinstance(value, (str, os.PathLike)) else value


def _free(path: Path, taken: set[str]) -> str:
    """The file's name, with as many of its folders as it takes to tell it from others."""
    for depth in range(1, len(path.parts) + 1):
        name = "/".join(path.parts[-depth:])
        if name not in taken:
            return name
    return str(path)
