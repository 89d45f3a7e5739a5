"""System A6: residual networks and a U-Net against their ancestor, the median and the Gaussian, at sigma 20.

The ancestor is a high-pass filter whose output is clipped softly and added back (A4). The document's order is
networks > ancestor > median of radius 3 and Gaussian of sigma 1; its figures are for one picture of its own. Here:
Set12 with noise of 20/255, mean PSNR. The networks are trained beforehand by the recipes (recipes/denoise-residual*),
and given as NAME=PATH; those that are missing are left out. APLOMB_DATA names the folder with set12.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from peers import Values, network, noisy, pictures
from report import ROOT, Report, folder, options

from aplomb.classical import HighPassClip
from aplomb.metrics import eight_bit, psnr, ssim
from aplomb.model import WEIGHTS, load

SIGMA = 20
Method = Callable[[Values], Values]

NETWORKS = {
    "residual 3x16": ("denoise-residual-3x16", 20.91),
    "residual 5x32": ("denoise-residual-5x32", 21.01),
    "residual 6x32 (A5)": ("denoise-residual", None),
    "U-Net, 3 poolings, 32 channels": ("denoise-unet", 20.99),
}
"""Title: name of the recipe, and PSNR in the document."""


def gaussian(image: Values) -> Values:
    """Gaussian of standard deviation 1 pixel."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(image, 1, mode="mirror"))


def median(image: Values) -> Values:
    """Median over the pixels that are at most 3 pixels away."""
    from scipy.ndimage import median_filter

    y, x = np.mgrid[-3:4, -3:4]
    return np.asarray(median_filter(image, footprint=x * x + y * y <= 9, mode="mirror"))


def place(recipe: str, given: dict[str, str]) -> Path | None:
    """The frozen model of a recipe: as given, in the package, or where training puts it."""
    paths = [WEIGHTS / f"{recipe}.onnx", ROOT / "runs" / recipe / "model.onnx", ROOT / "runs" / f"{recipe}.onnx"]
    if recipe in given:
        paths = [Path(given[recipe])]  # and no other, should it not be there
    return next((path for path in paths if path.is_file()), None)


def main() -> None:
    chosen = options(
        model={
            "action": "append",
            "default": [],
            "help": "RECIPE=PATH of a trained network; repeat for more",
        },
        seed={"type": int, "default": 0, "help": "seed of the noise"},
    )
    data = folder("APLOMB_DATA", "everything, since there are no pictures")
    if data is None:
        sys.exit(0)
    given = dict(item.split("=", 1) for item in chosen.model)
    ancestor = HighPassClip()
    methods: list[tuple[str, str, float | None, Method]] = [
        ("noisy", "", None, lambda image: image),
        ("Gaussian, sigma 1", "filter", 18.23, gaussian),
        ("median, radius 3", "filter", 18.45, median),
        ("high-pass and soft clipping (A4)", "ancestor", 19.97, lambda image: ancestor(image, SIGMA / 255)),
    ]
    for title, (recipe, published) in NETWORKS.items():
        path = place(recipe, given)
        if path is None:
            print(
                f"Left out: {title}. Train it with aplomb train recipes/{recipe}.toml, or give --model {recipe}=PATH."
            )
            continue
        run = network(load(path))
        methods.append((title, "network", published, lambda image, r=run: r(image[None, None], SIGMA / 255)[0, 0]))

    report = Report(
        f"A6: mean PSNR in dB and SSIM on Set12 at sigma {SIGMA}",
        ["method", "kind", "PSNR", "SSIM", "the document, one picture"],
    )
    clean = [x[0, 0] for x in pictures(data / "set12", 1, 3 if chosen.quick else None).values()]
    found: dict[str, list[float]] = {}
    for title, kind, published, method in methods:
        values = []
        for index, image in enumerate(clean):
            restored = eight_bit(method(noisy(image, SIGMA / 255, chosen.seed, index)))
            values.append((psnr(restored, eight_bit(image)), ssim(restored, eight_bit(image))))
        p, s = (float(v) for v in np.mean(values, axis=0))
        found.setdefault(kind, []).append(p)
        report.add(title, kind or None, p, s, published)
    holds = found["ancestor"][0] > max(found["filter"])
    holds = holds and ("network" not in found or min(found["network"]) > found["ancestor"][0])
    tested = "networks > ancestor > filters" if "network" in found else "ancestor > filters (no network was there)"
    report.notes.append(f"the order {tested} {'holds' if holds else 'DOES NOT HOLD'}")
    report.finish(chosen.csv)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
