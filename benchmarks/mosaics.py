"""Mosaics of textures that have one and the same histogram, with labels: what grey levels cannot tell apart.

    python benchmarks/mosaics.py runs/mosaics

Each texture's grey levels are equalised over the whole picture. Training mosaics are cut from the left half of the
pictures, test mosaics from the right half, so that no pixel is in both. A mosaic has a region for each of five points
(their Voronoi cells), filled with a texture each.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aplomb.data import find_pictures, load_pictures
from aplomb.io import write

TEXTURES = ("bark", "brick", "grass", "sand", "weave")
SIDE = 256
COUNTS = {"train": 60, "test": 20}


def texture(name: str, rotation: str, place: Path) -> NDArray[np.uint8]:
    """One picture, its grey levels equalised."""
    from skimage.exposure import equalize_hist

    (picture,) = load_pictures(find_pictures(f"brodatz/{name}.{rotation}.png", place), channels=1)
    return np.rint(255 * equalize_hist(picture[0])).astype(np.uint8)


def mosaic(textures: list[list[NDArray[np.uint8]]], rng: np.random.Generator) -> tuple[NDArray[np.uint8], ...]:
    """Picture and labels, (SIDE, SIDE) each; `textures` has the pictures of each class."""
    points = rng.uniform(0, SIDE, (len(textures), 2))
    y, x = np.mgrid[:SIDE, :SIDE]
    distance = [(y - py) ** 2 + (x - px) ** 2 for py, px in points]
    labels = np.argmin(distance, axis=0).astype(np.uint8)
    picture = np.zeros_like(labels)
    for number, pictures in enumerate(textures):
        source = pictures[rng.integers(len(pictures))]
        top, left = (int(rng.integers(n - SIDE + 1)) for n in source.shape)
        inside = labels == number
        picture[inside] = source[top : top + SIDE, left : left + SIDE][inside]
    return picture, labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    if not (place := os.environ.get("APLOMB_DATA")):
        sys.exit("set APLOMB_DATA to the folder with brodatz/")
    whole = [[texture(name, rotation, Path(place)) for rotation in ("000", "060", "120")] for name in TEXTURES]
    for seed, (side, count) in enumerate(COUNTS.items()):
        half = slice(0, 256) if side == "train" else slice(256, None)
        textures = [[picture[:, half] for picture in pictures] for pictures in whole]
        rng = np.random.default_rng(seed)
        for kind in ("pictures", "labels"):
            (folder / side / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            for kind, array in zip(("pictures", "labels"), mosaic(textures, rng), strict=True):
                write(folder / side / kind / f"{number:03}.png", array)
    print(f"wrote {COUNTS['train']} mosaics to train on and {COUNTS['test']} for the test into {folder}")


if __name__ == "__main__":
    main()
