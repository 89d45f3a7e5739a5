"""How often the notes on the input are right: false alarms on white noise, and faults that were seeded.

Pictures of Set12, McMaster and CBSD432 (every 18th) get Gaussian noise of 5, 15, 25, 50 of 255 and are rounded and
clipped to 8 bits, as files are. The first rows count the pictures (%) in which each fault is found though there is
none: white noise kept in float, in 8 bits, and in 8 bits on 72 other pictures of CBSD432, which had no part in setting
the limits. The others count, in every third picture, where the seeded fault is found, and where something else is
found besides. Poisson noise is the only noise where it is seeded; "peak" is the mean count at white. APLOMB_DATA
names the folder with the pictures; polyu and oct in it, which hold real noise, come last. `--only WORD` takes the
rows that begin so.
"""

from __future__ import annotations

import io
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from report import Report, folder, options
from scipy import ndimage

from aplomb.io import read, to_float
from aplomb.restore.detect import LIMITS, measure

Values = NDArray[np.float32]
Seed = Callable[[Values, float, np.random.Generator], Values]

SIGMAS = (5, 15, 25, 50)
FAULTS = [*LIMITS, "equal"]
OTHERS = "white noise, 8 bits, other pictures"


def white(x: Values, s: float, rng: np.random.Generator) -> Values:
    return x + rng.normal(0, s, x.shape)


def filed(x: Values) -> Values:
    """As an 8-bit file holds it."""
    return (np.clip(np.rint(x * 255), 0, 255) / 255).astype(np.float32)


def jpeg(quality: int, x: Values, s: float, rng: np.random.Generator) -> Values:
    """Stored as JPEG after the noise; cropped, so that the blocks begin anywhere."""
    array, file = np.rint(filed(white(x, s, rng)) * 255).astype(np.uint8), io.BytesIO()
    Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
    array = np.asarray(Image.open(file))
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return array[:, 3:, 5:] / np.float32(255)


def striped(amount: float, x: Values, s: float, rng: np.random.Generator) -> Values:
    """Each column with an offset of its own."""
    return white(x, s, rng) + amount * s * rng.normal(0, 1, x.shape[2])


def wave(amount: float, x: Values, s: float, rng: np.random.Generator) -> Values:
    """A plane wave of any direction and a period of 2.4 to 12 pixels."""
    down, across = rng.uniform(0.08, 0.42, 2)
    i, j = np.mgrid[: x.shape[1], : x.shape[2]]
    return white(x, s, rng) + amount * s * np.sin(2 * np.pi * (down * i + across * j))


def overexposed(share: float, x: Values, s: float, rng: np.random.Generator) -> Values:
    """So much light that the brightest area, a disc of that share, is cut off."""
    i, j = np.mgrid[: x.shape[1], : x.shape[2]]
    centre, radius = rng.uniform(0.3, 0.7, 2) * x.shape[1:], np.sqrt(share * x[0].size / np.pi)
    light = 2 * np.exp(-((np.hypot(i - centre[0], j - centre[1]) / radius) ** 4) * np.log(2))
    return white(x + light.astype(np.float32), s, rng)


def blurred(width: int, x: Values, s: float, rng: np.random.Generator) -> Values:
    """Noise through a box of `width` pixels a side (2: along rows only)."""
    box = (0, 1, 2) if width == 2 else (0, width, width)
    n = ndimage.uniform_filter(rng.normal(0, s, x.shape), box)
    return x + n * s / n.std()


def demosaicked(x: Values, s: float, rng: np.random.Generator) -> Values:
    """Noise in a Bayer mosaic, interpolated linearly; grey pictures become colour."""
    y = white(np.broadcast_to(x, (3, *x.shape[1:])), s, rng)
    r, c = np.mgrid[: x.shape[1], : x.shape[2]]
    corner, cross = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4, np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    seen = (((r % 2 == 0) & (c % 2 == 0), corner), ((r + c) % 2 == 1, cross), ((r % 2 == 1) & (c % 2 == 1), corner))
    return np.stack([ndimage.convolve(p * m, k, mode="mirror") for p, (m, k) in zip(y, seen, strict=True)])


def counted(peak: float, x: Values, s: float, rng: np.random.Generator) -> Values:
    """Photons, scaled so that the brightest pixel is white."""
    y = rng.poisson(np.maximum(x, 0) * peak)
    return y / y.max()


def uneven(ratio: float, x: Values, s: float, rng: np.random.Generator) -> Values:
    """The last channel with that times the noise of the others; grey pictures become colour."""
    levels = np.array([1, 1, ratio])[:, None, None]
    return np.broadcast_to(x, (3, *x.shape[1:])) + rng.normal(0, s, (3, *x.shape[1:])) * levels


def thrice(x: Values, s: float, rng: np.random.Generator) -> Values:
    """Grey stored as RGB."""
    return np.repeat(white(x, s, rng)[:1], 3, axis=0)


def dim(share: float, x: Values, s: float, rng: np.random.Generator) -> Values:
    """A 12-bit camera's picture, with noise clipped, in that share of the range."""
    return np.clip(white(x, s, rng), 0, 1) * share


SEEDED: list[tuple[str, str, Seed]] = [
    *((f"JPEG, quality {q}", "blocks", partial(jpeg, q)) for q in (10, 30, 50, 70, 90)),
    *((f"stripes, {a} sigma", "columns", partial(striped, a)) for a in (0.25, 0.5, 1, 2)),
    *((f"interference, {a} sigma", "interference", partial(wave, a)) for a in (0.25, 0.5, 1, 2)),
    *((f"overexposed, {100 * p:g} %", "clipped", partial(overexposed, p)) for p in (0.01, 0.03, 0.1)),
    ("correlated, 3 x 3", "correlated", partial(blurred, 3)),
    ("correlated, 1 x 2", "correlated", partial(blurred, 2)),
    ("demosaicked", "correlated", demosaicked),
    *((f"Poisson, peak {p}", "brightness", partial(counted, p)) for p in (10, 30, 60, 200)),
    *((f"one channel {r} times", "channels", partial(uneven, r)) for r in (2, 3)),
    ("grey as RGB", "equal", thrice),
    ("uses 2 % of the range", "range", partial(dim, 0.02)),
]


def main() -> None:
    chosen = options(
        seed={"type": int, "default": 0, "help": "seed of the noise"},
        only={"default": "", "help": "rows that begin with this word"},
    )
    data = folder("APLOMB_DATA", "everything, since there are no pictures")
    if data is None:
        sys.exit(0)
    clean = [*planes(data / "set12"), *planes(data / "mcmaster"), *planes(data / "cbsd432", 18)]
    clean = clean[:: 8 if chosen.quick else 1]
    report = Report(
        "Faults found, in % of the pictures", ["picture", "sigma", "pictures", *FAULTS, "seeded", "others", "ms"]
    )
    print(f"{len(clean)} pictures", file=sys.stderr)
    others = planes(data / "cbsd432", 6, 1)[:: 8 if chosen.quick else 1]
    cases = [(name, "", white) for name in ("white noise, float", "white noise, 8 bits", OTHERS)] + SEEDED
    for row, (name, wanted, seed) in enumerate(cases):
        if not name.startswith(chosen.only):
            continue
        keep = wanted in ("range", "brightness") or name.endswith("float")
        for sigma in (None,) if wanted == "brightness" else SIGMAS[1:2] if chosen.quick else SIGMAS:
            some = others if name == OTHERS else clean[:: 3 if wanted else 1]
            draws = (np.random.default_rng((chosen.seed, row, sigma or 0, i)) for i in range(len(some)))
            made = (seed(x, (sigma or 0) / 255, rng) for x, rng in zip(some, draws, strict=True))
            tell(report, name, sigma, wanted, ((y if keep else filed(y)).astype(np.float32) for y in made))
    if (data / "polyu").is_dir() and "real".startswith(chosen.only[:4]):
        for end in ("real", "mean"):
            files = sorted((data / "polyu").glob(f"*_{end}.JPG"))[:: 10 if chosen.quick else 1]
            tell(report, f"real: polyu, {end}", None, "", (to_float(read(f))[0][0] for f in files))
        for name in ("test", "average"):
            files = sorted((data / "oct").glob(f"*/{name}.tif"))
            tell(report, f"real: oct, {name}", None, "", (to_float(read(f))[0][0] for f in files))
    report.finish(chosen.csv)


def planes(place: Path, step: int = 1, first: int = 0) -> list[Values]:
    """Pictures of a folder, each (C, H, W) in 0..1."""
    files = sorted(f for f in place.iterdir() if f.suffix in (".png", ".jpg", ".tif"))
    return [to_float(read(f))[0][0] for f in files[first::step]]


def tell(report: Report, name: str, sigma: int | None, wanted: str, pictures: Iterator[Values]) -> None:
    """One row."""
    counts: Counter[str] = Counter()
    number, spent = 0, 0.0
    for picture in pictures:
        start = time.process_time()
        found = measure(picture).found
        spent += time.process_time() - start
        number += 1
        counts.update(found)
        counts["others"] += any(f != wanted for f in found)
    cells = [100 * counts[fault] / number for fault in FAULTS]
    seeded = 100 * counts[wanted] / number if wanted else None
    others = 100 * counts["others"] / number
    report.add(name, sigma, number, *cells, seeded, others, 1000 * spent / number)


if __name__ == "__main__":
    main()
