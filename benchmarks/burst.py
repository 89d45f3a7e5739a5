"""Bursts of shaken frames joined into one picture, on Set12: the best frame, the mean, Fourier burst accumulation.

    python benchmarks/burst.py [--csv] [--figure docs/images/burst.png]

The middle 256 x 256 pixels of each picture are taken eight times with camera shake of 2 to 20 pixels, shifts of up to 3
pixels and Gaussian noise; kernels are drawn from seeds that the learned weights were not trained on. All methods get
the same registered frames. The best single frame is chosen with the clean picture in hand, which no user has; the
sharpest one is what a user would choose. Since no blind method can know where a picture lies, each result is laid onto
the clean picture by cross-correlation before its PSNR is taken, without 24 pixels at the border. APLOMB_DATA names the
folder with set12.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from peers import pictures
from report import Report, folder, options

from aplomb import psnr, ssim
from aplomb.degrade.shake import ShakenBurst, shaken
from aplomb.model import WEIGHTS, freeze, load, thaw
from aplomb.restore.burst import (
    LEARNED,
    burst,
    fuse,
    learned_weights,
    magnitudes,
    power_weights,
    register,
    sharpest,
)

SIGMAS = (1, 5, 10)
POWERS = (3, 7, 11, 30)
FRAMES = 8
BORDER = 24
HELD_OUT = 1_000_000
"""Added to the seeds of bursts; training draws from those below (`aplomb.train.burst.SEEDS`)."""

Image = NDArray[np.floating]


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


def methods(learned: Path | str) -> dict[str, Callable[[Image], Image]]:
    """From smoothed magnitudes to weights; power 0 is the mean."""
    found: dict[str, Callable[[Image], Image]] = {"mean": lambda smooth: power_weights(smooth, 0)}
    for p in POWERS:
        found[f"Fourier burst accumulation, p = {p}"] = lambda smooth, p=p: power_weights(smooth, p)  # type: ignore[misc]
    model = load(LEARNED if learned == "learned" else learned)
    found["Fourier burst accumulation, learned"] = lambda smooth: learned_weights(smooth, model)
    return found


def middle(picture: Image, size: int = 256) -> Image:
    top, left = ((n - size) // 2 for n in picture.shape)
    return picture[top : top + size, left : left + size]


def main() -> None:
    chosen = options(
        learned={"default": "learned", "help": "a model of python -m aplomb.train.burst, instead of the shipped one"},
        ship={"action": "store_true", "help": "put that model into the package, with these figures in its card"},
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
        ["sigma", "method", "PSNR", "SSIM", "over the best frame", "pictures above it"],
    )
    clean = [middle(np.float64(x[0, 0])) for x in pictures(data / "set12", 1, 2 if chosen.quick else None).values()]
    joins = methods(chosen.learned)
    for sigma in SIGMAS[1:2] if chosen.quick else SIGMAS:
        found: dict[str, list[tuple[float, float]]] = {}
        for index, u in enumerate(clean):
            taken = shaken(u, FRAMES, sigma=sigma / 255, seed=HELD_OUT + index)
            frames = taken.frames[:, None].astype(np.float32)
            single = [scores(frame, u) for frame in taken.frames]
            found.setdefault("best frame", []).append(max(single))
            found.setdefault("sharpest frame", []).append(single[sharpest(frames)])
            registered, _ = register(frames, sharpest(frames))
            smooth = magnitudes(registered)
            for name, weights in joins.items():
                found.setdefault(name, []).append(scores(fuse(registered, weights(smooth))[0], u))
        best = np.array([level for level, _ in found["best frame"]])
        for name, values in found.items():
            levels, alike = np.array(values).T
            above = f"{int((levels > best).sum())} of {len(best)}"
            report.add(sigma, name, float(levels.mean()), float(alike.mean()), float((levels - best).mean()), above)
    report.finish(chosen.csv)
    if chosen.ship:
        ship(Path(chosen.learned), report)


def ship(path: Path, report: Report) -> None:
    """The model at its place, and a card of what was measured beside it."""
    card = load(path).card
    assert card is not None
    figures = {
        f"PSNR in dB at noise {sigma:g} of 255": {
            row[1]: round(row[2], 2) for row in report.rows if row[0] == sigma and row[2] is not None
        }
        for sigma in dict.fromkeys(row[0] for row in report.rows)
    }
    metrics = {"pictures": report.title, "command": " ".join(["python", *sys.argv]), **figures}
    place = WEIGHTS / f"{LEARNED}.onnx"
    card = freeze(thaw(path), place, card=replace(card, name=LEARNED, metrics=metrics))
    place.with_suffix(".md").write_text(card.markdown(), encoding="utf-8")
    print(f"wrote {place}")


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
