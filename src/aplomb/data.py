"""Pictures for training: find them in folders, split them by file, load them into memory.

    files = find_pictures(["train400", "extra/*.png"], root="~/pictures")
    split = split_files(files, validation=0.25, seed=0)
    arrays = load_pictures(split.train, channels=1)

A split is by file: crops of one photograph never stand on both sides.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.errors import BadInput, ImageFileError
from aplomb.io import Picture, read

__all__ = ["SUFFIXES", "Split", "find_pictures", "load_pictures", "misnamed", "split_files"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
"""Names that are taken from a folder; a file named one by one, or by a glob, may end as it likes."""


@dataclass(frozen=True)
class Split:
    """Files for training, for validation (which chooses the weights) and for the test, which nothing sees."""

    train: tuple[Path, ...]
    validation: tuple[Path, ...] = ()
    test: tuple[Path, ...] = ()


def find_pictures(
    places: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    root: str | os.PathLike[str] | None = None,
) -> list[Path]:
    """Image files of folders (with those inside them), globs and single files, sorted, each once.

    Parameters
    ----------
    places
        Folders, files, or patterns with ``*``, ``?`` or ``**``; relative ones are looked for in `root`.
    root
        Folder that relative places start from; the working directory if None.

    Raises
    ------
    ImageFileError
        A place does not exist, or holds no picture.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.png", "a.png", "notes.txt"):
    ...         _ = Path(folder, name).touch()
    ...     [file.name for file in find_pictures(".", folder)]
    ['a.png', 'b.png']
    """
    found: dict[Path, None] = {}
    for place in [places] if isinstance(places, (str, os.PathLike)) else places:
        path = Path(root or ".").expanduser() / Path(place).expanduser()
        if path.is_dir():
            files = [f for f in sorted(path.rglob("*")) if f.suffix.lower() in SUFFIXES and not f.name.startswith(".")]
        elif path.is_file():
            files = [path]
        else:
            files = [Path(f) for f in sorted(glob.glob(str(path), recursive=True)) if os.path.isfile(f)]
        if not files:
            what = "holds no picture" if path.is_dir() else "does not exist"
            raise ImageFileError(
                f"asked for pictures in {path}, which {what}; "
                f"give a folder with files {', '.join(SUFFIXES)}, a glob, or set APLOMB_DATA"
            )
        found.update(dict.fromkeys(files))
    return list(found)


def misnamed(pictures: Sequence[Path], partners: Sequence[Path]) -> str:
    """Empty, or why files that stand side by side in the order of their names do not belong together.

    That order is all there is where the two have names of their own. It is wrong for certain where some names are
    alike and others stand beside a stranger, and where the first numbers in the names are the same ones in another
    order.

    Parameters
    ----------
    pictures, partners
        As many of each, such as pictures and label files.

    Examples
    --------
    >>> misnamed([Path("21_training.tif"), Path("22_training.tif")], [Path("21_manual.gif"), Path("22_manual.gif")])
    ''
    >>> misnamed([Path("b.png"), Path("c.png")], [Path("c.tif"), Path("d.tif")])
    'b.png would belong to c.tif; give both the same names'
    >>> misnamed([Path("cell10.png"), Path("cell2.png")], [Path("02-labels.png"), Path("10-labels.png")])
    'cell10.png would belong to 02-labels.png; give both the same names'
    """
    names, others = [file.stem for file in pictures], [file.stem for file in partners]
    if not set(names) & set(others):
        names, others = [_first_number(name) for name in names], [_first_number(name) for name in others]
        if len(set(names)) < len(names) or set(names) != set(others):
            return ""
    for name, other, picture, partner in zip(names, others, pictures, partners, strict=True):
        if name != other:
            return f"{picture.name} would belong to {partner.name}; give both the same names"
    return ""


def split_files(files: Sequence[Path], *, validation: float = 0.0, test: float = 0.0, seed: int = 0) -> Split:
    """Draw a share of `files` for validation and one for the test, by a permutation from `seed`.

    Shares are rounded to whole files, and one that is not zero gets at least one file.

    Raises
    ------
    BadInput
        Shares that are negative or leave nothing to train on.

    Examples
    --------
    >>> split = split_files([Path(str(n)) for n in range(80)], validation=0.25)
    >>> len(split.train), len(split.validation), len(split.test)
    (60, 20, 0)
    """
    counts = [0 if share == 0 else max(1, round(share * len(files))) for share in (validation, test)]
    if min(validation, test) < 0 or sum(counts) >= len(files):
        raise BadInput(
            f"asked to split {len(files)} file(s), {validation:g} for validation and {test:g} for the test: "
            "nothing is left to train on; give more pictures or smaller shares"
        )
    order = np.random.default_rng(seed).permutation(len(files))
    cut, end = counts[0], sum(counts)
    pick = [sorted(part) for part in (order[end:], order[:cut], order[cut:end])]
    return Split(*(tuple(files[i] for i in part) for part in pick))


def load_pictures(files: Sequence[Path], *, channels: int) -> list[NDArray[Any]]:
    """Pictures as arrays (C, H, W) of the dtype stored: uint8, uint16 or float; a stack gives several.

    Colour becomes grey by ITU-R BT.601, Y = 0.299 R + 0.587 G + 0.114 B, rounded for integers; grey becomes
    colour by repetition.

    Parameters
    ----------
    files
        Image files.
    channels
        1 or 3.

    Raises
    ------
    ImageFileError
        Some cannot be read: one line names them all and gives the first reason.

    Examples
    --------
    >>> import tempfile
    >>> from aplomb.io import write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write(folder + "/red.png", np.full((4, 5, 3), (255, 0, 0), np.uint8))
    ...     load_pictures([Path(folder, "red.png")], channels=1)[0][0, 0, :2].tolist()
    [76, 76]
    """
    arrays: list[NDArray[Any]] = []
    broken: list[tuple[Path, str]] = []
    for file in files:
        try:
            arrays.extend(_planes(read(file), channels))
        except BadInput as error:
            broken.append((file, str(error)))
    if broken:
        names = ", ".join(str(file) for file, _ in broken[:20]) + (", ..." if len(broken) > 20 else "")
        raise ImageFileError(
            f"{len(broken)} of {len(files)} pictures cannot be used: {names}; "
            f"the first because {broken[0][1]}; mend them or take them out"
        )
    return arrays


def _planes(picture: Picture, channels: int) -> list[NDArray[Any]]:
    array, axes = picture.array, picture.axes
    if array.dtype.name not in ("uint8", "uint16", "float16", "float32", "float64"):
        if array.dtype.kind != "b":
            raise BadInput(f"{picture.name}: found {array.dtype}, whose white level is not known")
        array = array.astype(np.float32)
    if array.dtype.kind == "f":
        array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise BadInput(f"{picture.name}: found values that are NaN or infinite")
        if array.size and (array.min() < -3 or array.max() > 4):
            raise BadInput(f"{picture.name}: asked for floats in 0..1, found {array.min():g} to {array.max():g}")
    if "S" not in axes:
        array, axes = array[..., None], axes + "S"
    order = [axes.index(a) for a in axes if a not in "SYX"] + [axes.index(a) for a in "SYX"]
    array = array.transpose(order)
    array = array.reshape(-1, *array.shape[-3:])
    if array.shape[1] == 4:
        array = array[:, :3]
    if array.shape[1] == channels:
        pass
    elif array.shape[1] == 3 and channels == 1:
        luma = np.tensordot(array.astype(np.float64), (0.299, 0.587, 0.114), axes=([1], [0]))[:, None]
        array = (np.rint(luma) if array.dtype.kind == "u" else luma).astype(array.dtype)
    elif array.shape[1] == 1 and channels == 3:
        array = np.repeat(array, 3, axis=1)
    else:
        raise BadInput(f"{picture.name}: asked for {channels} channel(s), found {array.shape[1]}")
    return [np.ascontiguousarray(image) for image in array]


def _first_number(name: str) -> str:
    found = re.search(r"\d+", name)
    return str(int(found.group())) if found else ""
