"""The estimated error beside the true one, on crops of Set12 (grey) and McMaster (colour), as a user would have it.

Gaussian noise in float, not clipped, and the same clipped and rounded to 8 bits; the level known and estimated. For
each: the mean absolute error of the estimated PSNR in dB, the mean width of the 95 % interval, how often it holds the
true PSNR (wanted: 0.93 to 0.97), and how often it was refused, which counts in none of these; by how much, on the mean,
the PSNR is too good that follows from the sensitivity of the network alone. Then maps: Spearman's rank correlation
with the squared error over blocks of 8 x 8 pixels, and the root mean square error over the predicted one in bins of
the prediction, from the least to the largest (wanted: 1); beside ours, maps made in other ways, scaled to the true
mean. APLOMB_DATA names the folder with set12 and mcmaster. The constants in `aplomb.restore.estimate` were chosen with
seed 0 of these sets in view, so that another seed is the test of them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from peers import Network, Values, network, noisy, pictures
from report import Report, folder, options

import aplomb
from aplomb.metrics import eight_bit
from aplomb.model import load
from aplomb.restore.denoise import USUAL
from aplomb.restore.estimate import STEP, Level, judge, push
from aplomb.restore.trust_map import expected_error

SIGMAS = (5, 15, 25, 50)
SETS = {"set12": 1, "mcmaster": 3}


def crops(data: Path, channels: int, side: int, each: int, quick: bool) -> list[Values]:
    """Crops (H, W) or (H, W, C), `each` of a picture, from places drawn once for all."""
    rng = np.random.default_rng(5)
    found = []
    for x in pictures(data, channels, 3 if quick else None).values():
        for _ in range(each):
            top, left = (int(rng.integers(0, size - side + 1)) for size in x.shape[2:])
            cut = x[0, :, top : top + side, left : left + side]
            found.append(cut[0] if channels == 1 else np.ascontiguousarray(cut.transpose(1, 2, 0)))
    return found


def intervals(report: Report, name: str, clean: list[Values], sigma: int, seed: int, kind: str, known: bool) -> None:
    off, widths, held, ideal, refused = [], [], [], [], 0
    for index, x in enumerate(clean):
        y: Any = noisy(x, sigma / 255, seed, index, sigma)
        result = aplomb.denoise(eight_bit(y) if kind == "8 bit" else y, sigma / 255 if known else None)
        image = result.image / np.float32(255) if kind == "8 bit" else result.image
        truth = aplomb.psnr(image, x)
        error = result.errors[0]
        ideal.append(-10 * np.log10(error.ideal) - truth)
        if error.psnr is None or error.interval is None:
            refused += 1
            continue
        off.append(abs(error.psnr - truth))
        widths.append(error.interval[1] - error.interval[0])
        held.append(error.interval[0] <= truth <= error.interval[1])
    means = [float(np.mean(values)) if values else None for values in (off, widths, held)]
    report.add(
        name,
        kind,
        sigma,
        "known" if known else "estimated",
        len(clean),
        *means,
        refused / len(clean),
        float(np.mean(ideal)),
    )


def ways(y: Values, sigma: float, run: Network) -> dict[str, Values]:
    """Maps of the squared error (H, W) on another scale each; for planes (1, C, H, W)."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(1)
    restored, level = run(y, sigma), Level(sigma)

    def smooth(planes: Values, window: float) -> Values:
        return np.asarray(gaussian_filter(planes[0].mean(axis=0), window), np.float32)

    step = push(restored, level, rng)
    slope = (run(y + np.float32(STEP) * step, sigma) - restored) / np.float32(STEP)
    estimate = judge(y, restored, step, slope, level)
    flips = [np.flip(run(np.flip(y, axes).copy(), sigma), axes) for axes in ((2,), (3,), (2, 3))]
    spread = np.var(np.concatenate([restored, *flips]), axis=0)[None]
    found = {f"derivative, window {w:g}": expected_error(step[0], slope[0], estimate, window=w) ** 2 for w in (2, 4, 6)}
    found["local SURE, window 12"] = smooth((y - restored) ** 2 - sigma**2 + 2 * step * slope, 12).clip(1e-3 * sigma**2)
    found["spread over flips, window 2"] = smooth(spread, 2)
    found["response to the push, window 2"] = smooth(slope**2, 2)
    return found


def maps(report: Report, name: str, clean: list[Values], sigma: int, seed: int, run: Network) -> None:
    """One row a way: predicted beside true error in bins, mean over crops."""
    from scipy.stats import spearmanr

    rows: dict[str, list[list[float]]] = {}
    for index, x in enumerate(clean):
        planes = x[None, None] if x.ndim == 2 else np.ascontiguousarray(x.transpose(2, 0, 1))[None]
        y = noisy(planes, sigma / 255, seed, index, sigma)
        true = ((run(y, sigma / 255) - planes) ** 2)[0].mean(axis=0)
        for way, found in ways(y, sigma / 255, run).items():
            # each on the same scale where SURE did not set it, so that only the shape is compared
            square = found if way.startswith("derivative") else found * true.mean() / found.mean()
            bins = np.array_split(np.argsort(square, axis=None), 10)
            ratios = [float(np.sqrt(true.ravel()[b].mean() / square.ravel()[b].mean())) for b in bins]
            rank = spearmanr(blocks(square).ravel(), blocks(true).ravel()).statistic
            rows.setdefault(way, []).append([float(rank), *(ratios[i] for i in (0, 2, 5, 7, 9))])
    for way, found in rows.items():
        report.add(name, sigma, way, *map(float, np.mean(found, axis=0)))


def blocks(a: Values) -> Values:
    """Means over blocks of 8 x 8."""
    h, w = (side // 8 for side in a.shape)
    return np.asarray(a[: 8 * h, : 8 * w].reshape(h, 8, w, 8).mean(axis=(1, 3)))


def main() -> None:
    chosen = options(
        sets={"nargs": "+", "choices": list(SETS), "default": list(SETS), "help": "pictures to measure on"},
        side={"type": int, "default": 192, "help": "side of the crops"},
        each={"type": int, "default": 2, "help": "crops of a picture"},
        kinds={"nargs": "+", "choices": ["float", "8 bit"], "default": ["float", "8 bit"], "help": "kinds of pictures"},
        levels={"nargs": "+", "choices": ["known", "estimated"], "default": ["known", "estimated"]},
        seed={"type": int, "default": 0, "help": "seed of the noise"},
        only={"choices": ["intervals", "maps"], "help": "half of it"},
    )
    data = folder("APLOMB_DATA", "everything, since there are no pictures")
    if data is None:
        sys.exit(0)
    shown = f"crops of {chosen.side} x {chosen.side}"
    report = Report(
        f"Estimated error, {shown}: off and width in dB, coverage of the 95 % interval",
        ["pictures", "kind", "sigma", "level", "crops", "off", "width", "coverage", "refused", "by sensitivity"],
    )
    mapped = Report(
        f"Where not to trust, {shown}: rank correlation; true over predicted rms error in bins of the prediction",
        ["pictures", "sigma", "map", "rank", "bin 1", "bin 3", "bin 6", "bin 8", "bin 10"],
    )
    for name in chosen.sets:
        clean = crops(data / name, SETS[name], chosen.side, chosen.each, chosen.quick)
        if chosen.only != "maps":
            for kind in chosen.kinds:
                for sigma in SIGMAS[1:3] if chosen.quick else SIGMAS:
                    for level in chosen.levels:
                        intervals(report, name, clean, sigma, chosen.seed, kind, level == "known")
        if chosen.only != "intervals":
            run = network(load(USUAL[SETS[name]]))
            for sigma in (25,) if chosen.quick else SIGMAS[1:]:
                maps(mapped, name, clean, sigma, chosen.seed, run)
    for table, suffix in ((report, ""), (mapped, "-map")):
        if table.rows:
            table.finish(chosen.csv and chosen.csv.with_name(f"{chosen.csv.stem}{suffix}.csv"))


if __name__ == "__main__":
    main()
