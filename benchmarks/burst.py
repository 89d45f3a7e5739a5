"""Bursts of shaken frames joined into one picture, on Set12: the best frame, the mean, Fourier burst accumulation.

    python benchmarks/burst.py [--csv] [--figure docs/images/burst.png]

Each picture is taken eight times with camera shake of 2 to 20 pixels, shifts of up to 3 pixels and Gaussian noise; the
kernels are drawn from seeds that the learned weights were not trained on. All methods get the same registered frames.
The best single frame is chosen with the clean picture in hand, which no user has; the sharpest one is what a user would
choose. Since no blind method can know where a picture lies, each result is laid onto the clean picture by
cross-correlation before its PSNR is taken, without 24 pixels at the border. APLOMB_DATA names the folder with set12.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from peers import pictures
from report import Report, folder, options

from aplomb import psnr, ssim
from aplomb.degrade.shake import ShakenBurst, shaken
from aplomb.restore.burst import BurstResult, burst, register, sharpest

SIGMAS = (1, 5, 10)
POWERS = (3, 7, 11, 30)
FRAMES = 8
BORDER = 24
HELD_OUT = 1_000_000
"""Added to the seeds of bursts; training draws from those below (`aplomb.train.burst.SEEDS`)."""

Image = NDArray[np.floating]
Join = Callable[[Image], BurstResult]


def on_clean(image: Image, clean: Image) -> Image:
    """`image` moved onto `clean`, and its range cut off."""
    from scipy.ndimage import shift
    from skimage.registration import phase_cross_correlation

    inside = (slice(BORDER, -BORDER),) * 2
    off = phase_cross_correlation(clean[inside], image[inside], upsample_factor=20, normalization=None)[0]
    return np.clip(shift(np.float64(image), off, order=5, mode="mirror"), 0, 1)[inside]


def scores(image: Image, clean: Image) -> tuple[float, float]:
    """PSNR and SSIM inside."""
    found, wanted = on_clean(image, clean), clean[BORDER:-BORDER, BORDER:-BORDER]
    return psnr(found, wanted), ssim(found, wanted)


def methods(learned: str) -> dict[str, Join]:
    """All that join registered frames."""
    joins: dict[str, Join] = {"mean": lambda frames: burst(frames, 0, align=False)}
    for p in POWERS:
        joins[f"Fourier burst accumulation, p = {p}"] = lambda frames, p=p: burst(frames, p, align=False)  # type: ignore[misc]
    joins["Fourier burst accumulation, learned"] = lambda frames: burst(frames, align=False, weights=learned)
    return joins


def main() -> None:
    chosen = options(
        learned={"default": "learned", "help": "a model of python -m aplomb.train.burst, instead of the shipped one"},
        figure={"type": Path, "metavar": "PATH", "help": "draw the figure of the guide's page, nothing else"},
    )
    data = folder("APLOMB_DATA", "everything, since there are no pictures")
    if data is None:
        sys.exit(0)
    if chosen.figure is not None:
        draw(chosen.figure)
        return
    report = Report(
        f"Bursts of {FRAMES} shaken frames, Set12",
        ["sigma", "method", "PSNR", "SSIM", "over the best frame", "pictures above it", "seconds a picture"],
    )
    clean = {name: np.float64(x[0, 0]) for name, x in pictures(data / "set12", 1, 2 if chosen.quick else None).items()}
    for sigma in SIGMAS[1:2] if chosen.quick else SIGMAS:
        found: dict[str, list[tuple[float, float]]] = {}
        spent: dict[str, float] = {}
        for index, u in enumerate(clean.values()):
            taken = shaken(u, FRAMES, sigma=sigma / 255, seed=HELD_OUT + index)
            single = [scores(frame, u) for frame in taken.frames]
            frames = taken.frames[:, None].astype(np.float32)
            found.setdefault("best frame", []).append(max(single))
            found.setdefault("sharpest frame", []).append(single[sharpest(frames)])
            start = time.perf_counter()
            registered = register(frames, sharpest(frames))[0][:, 0]
            spent["registration"] = spent.get("registration", 0) + time.perf_counter() - start
            for name, join in methods(chosen.learned).items():
                start = time.perf_counter()
                image = join(registered).image
                spent[name] = spent.get(name, 0) + time.perf_counter() - start
                found.setdefault(name, []).append(scores(image, u))
        best = np.array([p for p, _ in found["best frame"]])
        for name, values in found.items():
            levels, alike = np.array(values).T
            above = f"{int((levels > best).sum())} of {len(best)}"
            seconds = spent[name] / len(best) if name in spent else None
            report.add(
                sigma, name, float(levels.mean()), float(alike.mean()), float((levels - best).mean()), above, seconds
            )
        report.add(sigma, "registration", None, None, None, None, spent["registration"] / len(best))
    report.finish(chosen.csv)


def draw(path: Path) -> None:
    """Three of eight frames, their kernels, the mean and the result, of scikit-image's photograph."""
    from matplotlib.figure import Figure
    from skimage.data import camera

    clean = camera()[60:252, 130:322] / 255
    taken: ShakenBurst = shaken(clean, FRAMES, (6.0, 20.0), sigma=5 / 255, seed=3)
    result, mean = burst(taken.frames), burst(taken.frames, 0)
    order = np.argsort([-share for share in result.shares])
    shown = [(taken.frames[i], f"frame {i + 1}: {100 * result.shares[i]:.0f} %", i) for i in (*order[:2], order[-1])]
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    for axis, (image, title, index) in zip(axes, shown, strict=False):
        axis.imshow(image, "gray", vmin=0, vmax=1)
        axis.set_title(title, fontsize=10)
        corner = axis.inset_axes((0.72, 0.72, 0.28, 0.28))
        corner.imshow(taken.kernels[index], "magma")
        corner.set(xticks=[], yticks=[])
    lower = ((mean.image, "mean"), (result.image, "Fourier burst accumulation, p = 11"), (clean, "clean"))
    for axis, (image, title) in zip(axes[3:], lower, strict=True):
        value = "" if image is clean else f": {scores(image, clean)[0]:.1f} dB"
        axis.imshow(image, "gray", vmin=0, vmax=1)
        axis.set_title(f"{title}{value}", fontsize=10)
    for axis in axes:
        axis.axis("off")
    figure.savefig(path, dpi=90)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
