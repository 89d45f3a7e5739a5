"""What stability costs: PSNR against the strongest amplification that is proved, and that is found.

The pictures are those of BSD that recipes/stable-grey.toml holds out: the nearest to BSD68 there is here. BM3D on them
beside its published 31.07 / 28.57 dB on BSD68 (sigma 15 / 25) says how near. Gains are searched for around noisy
pieces of 64 x 64 pixels; "attacked" is the PSNR after the worst change that was found, of 2 grey levels (rms), was
added to the noisy piece, and beside it the PSNR without.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from denoising import bm3d
from peers import Values, dncnn_17, network, noisy
from report import ROOT, Report, folder, options

from aplomb.data import find_pictures, load_pictures, split_files
from aplomb.facts.gain import gain_at
from aplomb.facts.level import with_level
from aplomb.facts.lipschitz import tight
from aplomb.metrics import eight_bit, psnr
from aplomb.model import Model, load
from aplomb.operator import Operator
from aplomb.train.recipe import read_recipe

SIGMAS = (5, 15, 25)
PUBLISHED = {"convex ridge regulariser": (36.96, 30.55, 28.10), "averaged CNN": (36.46, None, 27.7)}
"""Denoisers with a guarantee on BSD68, as their papers have them."""


def held_out(limit: int | None) -> list[Values]:
    """The pictures that the recipe splits off for validation, (1, 1, H, W) in 0..1."""
    recipe = read_recipe(ROOT / "recipes" / "stable-grey.toml")
    files = find_pictures(recipe.data.train, Path(os.environ["APLOMB_DATA"]))
    split = split_files(files, validation=recipe.data.validation_fraction, test=0.0, seed=recipe.run.seed)
    return [p[None].astype(np.float32) / 255 for p in load_pictures(split.validation[:limit], channels=1)]


def mean_psnr(restore, clean: list[Values], sigma: int) -> float:
    """Mean over the pictures."""
    found = [
        psnr(eight_bit(restore(noisy(x, sigma / 255, sigma, index), sigma / 255)[0, 0]), eight_bit(x[0, 0]))
        for index, x in enumerate(clean)
    ]
    return float(np.mean(found))


def attacked(operator: Operator, clean: list[Values], sigma: float, pieces: int) -> tuple[float, float, float]:
    """The strongest gain found; mean PSNR of pieces without and with the worst change of 2 grey levels."""
    gains, plain, worse = [], [], []
    for index, x in enumerate(clean[:pieces]):
        piece = x[:, :, 100:164, 100:164].astype(np.float64)
        y = piece + np.random.default_rng(index).normal(0, sigma, piece.shape)
        local = gain_at(operator, y, radius=1e-3, iterations=25)
        worst = gain_at(operator, y, radius=2 / 255, iterations=15, start=local.change)
        gains += [local.value, worst.value]
        plain.append(psnr(np.clip(operator(y), 0, 1), piece))
        worse.append(psnr(np.clip(operator(y + worst.change), 0, 1), piece))
    return max(gains), float(np.mean(plain)), float(np.mean(worse))


def main() -> None:
    chosen = options(
        without_bm3d={"action": "store_true", "help": "BM3D takes minutes"},
        figure={"type": Path, "help": "write the figure of PSNR against gain there"},
    )
    clean = held_out(2 if chosen.quick else None)
    report = Report(
        f"Denoisers on {len(clean)} held-out pictures of BSD",
        ["method", "5", "15", "25", "bound", "gain found at 25", "bound / gain", "piece at 25", "the same, attacked"],
    )
    for name in ("stable-grey", "denoise-grey"):
        model: Model = load(name)
        run = network(model)
        values = [mean_psnr(run, clean, s) for s in SIGMAS]
        operator = with_level(model.operator, 25 / 255, 1)
        _row(report, name, values, operator, clean, chosen.quick)
    if (place := folder("APLOMB_PEERS", "published networks")) is not None:
        peer = dncnn_17(place)
        values = [None, None, mean_psnr(network(peer), clean, 25)]
        _row(report, "DnCNN-17 (published weights, for 25)", values, peer.operator, clean, chosen.quick)
    if not (chosen.without_bm3d or chosen.quick):
        report.add("BM3D", *(mean_psnr(bm3d, clean, s) for s in SIGMAS), None, None, None, None, None)
    for name, figures in PUBLISHED.items():
        report.add(f"{name}, published on BSD68", *figures, 1.0, None, None, None, None)
    report.finish(chosen.csv)
    if chosen.figure:
        _figure(report, chosen.figure)


def _figure(report: Report, path: Path) -> None:
    """PSNR at sigma 25 over gain: a dot where the gain was found, a bar up to what is proved."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xscale="log", xlabel="amplification of a change (l2)", ylabel="PSNR at sigma 25 (dB)")
    for method, *_, value, bound, gain, _, plain, worse in report.rows:
        if gain is None:
            if value is not None:
                axes.axhline(value, color="0.8", lw=1, zorder=0)
                axes.annotate(method, (1.0, value), (0, 2), xycoords=("axes fraction", "data"),
                              textcoords="offset points", ha="right", color="0.45", fontsize=8)  # fmt: skip
            continue
        (dot,) = axes.plot([gain], [value], "o", ms=8)
        if bound < 100:
            axes.plot([gain, bound], [value, value], "|-", color=dot.get_color(), ms=12)
        note = f"{method}\nproved: {bound:.3g}; attacked: {worse - plain:+.2f} dB"
        axes.annotate(note, (gain, value), (8, -4), textcoords="offset points", va="top", fontsize=9)
    axes.axvline(1.0, color="0.6", ls=":", lw=1)
    axes.set_xlim(0.8, 8)
    axes.margins(y=0.25)
    figure.savefig(path, dpi=110)


def _row(report: Report, name: str, values: list, operator: Operator, clean: list[Values], quick: bool) -> None:
    bound = operator.lipschitz(tight).value
    gain, plain, worse = attacked(operator, clean, 25 / 255, 1 if quick else 8)
    report.add(name, *values, bound, gain, bound / gain, plain, worse)


if __name__ == "__main__":
    main()
