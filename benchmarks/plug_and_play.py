"""Plug-and-play with the shipped denoisers, family by family, beside the smooth picture that it starts from.

Grey pictures of Set12 (``--tune``: of train400, on which the settings were chosen), PSNR in dB of results clipped and
rounded to 8 bit, mean over pictures. Blur is circular, with the first two of Levin's kernels. APLOMB_DATA names the
folder with set12, train400, blur-kernels and mri-masks. Columns: the start, half-quadratic splitting with denoise-grey
and with stable-grey, ADMM, and the proximal-gradient run that is proved to converge.

``--denoisers`` asks instead what a better denoiser gives: the same iteration with stable-grey, FFDNet (APLOMB_PEERS
names the folder of published weights) and denoise-grey, how well each takes out noise, and how well it deblurs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from inverse_families import deblur_dpir
from peers import Values, ffdnet, noisy, pictures
from report import Report, folder, options

import aplomb
from aplomb.degrade.blur import blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import kspace_mask, mri, to_complex
from aplomb.degrade.noise import Gaussian
from aplomb.degrade.psf import gaussian, read_psf
from aplomb.degrade.sample import mask
from aplomb.degrade.sensing import gaussian as sensing
from aplomb.layers import downsample
from aplomb.metrics import eight_bit, psnr
from aplomb.operator import Operator, chain
from aplomb.restore.prior import prior
from aplomb.restore.start import smoothest

RUNS = {
    "hqs": ("hqs", "denoise-grey"),
    "hqs, stable": ("hqs", "stable-grey"),
    "admm": ("admm", "denoise-grey"),
    "proved": ("proximal-gradient", "stable-grey"),
}


def families(data: Path) -> Iterator[tuple[str, float, Callable[[tuple[int, int]], Operator]]]:
    """Name, noise of 255, and the operator for pictures of a size."""
    for index in (0, 1):
        kernel = read_psf(data / "blur-kernels" / "Levin09.mat", index)
        yield f"blur, kernel {index + 1}", 2.55, lambda size, kernel=kernel: blur(kernel, "circular")
    for factor in (2, 3):
        soft = chain(blur(gaussian(1.6, 25), "circular"), downsample(factor))
        yield f"x{factor} after Gaussian blur 1.6", 0.0, lambda size, soft=soft: soft
    for missing in (0.5, 0.8):
        yield (
            f"{missing:.0%} of pixels missing", 0.0,
            lambda size, missing=missing: mask(np.random.default_rng(0).random(size) >= missing),
        )  # fmt: skip
    yield "25 % block Gaussian", 0.0, lambda size: sensing(32, 0.25, seed=0, orthonormal=True)
    yield "30 % radial k-space", 0.0, lambda size: mri(kspace_mask("radial", size, 0.3, seed=0))


def measurement(y: Values) -> Values:
    """As `aplomb.recover` takes it."""
    return y if y.shape[1] > 2 else to_complex(y)[0, 0] if y.shape[1] == 2 else y[0, 0]


def by_denoiser(data: Path) -> Report:
    """How well denoisers take out noise of 15, 25 and 50, and how well they deblur: pictures of `deblur_dpir`."""
    peers = folder("APLOMB_PEERS", "FFDNet")
    models = [aplomb.load("stable-grey"), *([] if peers is None else [ffdnet(peers, 1)]), aplomb.load("denoise-grey")]
    samples = list(deblur_dpir(data, False))
    report = Report("A denoiser alone and in plug-and-play, PSNR in dB", ["denoiser", "15, 25, 50", "deblurring"])
    for model in models:
        denoiser = prior(model)
        alone = [
            psnr(eight_bit(sample.clean), eight_bit(denoiser(noisy(sample.clean, sigma / 255, 0), sigma / 255)))
            for sample in samples[:3]
            for sigma in (15, 25, 50)
        ]
        found = [aplomb.recover(s.y[0, 0], s.forward, "hqs", model=model).image for s in samples]
        deblurred = [psnr(eight_bit(s.clean[0, 0]), eight_bit(x)) for s, x in zip(samples, found, strict=True)]
        report.add(model.name, float(np.mean(alone)), float(np.mean(deblurred)))
    x, y = np.array([row[1:] for row in report.rows], float).T
    slope = np.polyfit(x, y, 1)[0]
    report.notes.append(f"a denoiser that is 1 dB better deblurs {slope:.2f} dB better (least squares)")
    return report


def main() -> None:
    given = options(
        count={"type": int, "default": 3}, tune={"action": "store_true"}, runs={"default": "hqs"},
        denoisers={"action": "store_true", "help": "one iteration with several denoisers"},
    )  # fmt: skip
    data = folder("APLOMB_DATA", "everything")
    if data is None:
        sys.exit(0)
    if given.denoisers:
        by_denoiser(data).finish(given.csv)
        return
    found = pictures(data / ("train400" if given.tune else "set12"), 1, 1 if given.quick else given.count)
    names = [name for name in RUNS if name.split(",")[0] in given.runs.split(",") or given.runs == "all"]
    report = Report("Plug-and-play, PSNR in dB", ["forward model", "noise", "start", *names])
    for name, sigma, make in families(data):
        rows = []
        for index, clean in enumerate(found.values()):
            clean = clean[:, :, : clean.shape[2] // 96 * 96, : clean.shape[3] // 96 * 96]
            forward = ForwardModel(make(clean.shape[2:]), Gaussian(sigma / 255))
            y = forward.simulate(clean, np.random.default_rng(index)).astype(np.float32)
            results = [smoothest(y, forward.operator)]
            for run in names:
                method, model = RUNS[run]
                image = aplomb.recover(measurement(y), forward, method, model=model).image
                results.append(image if image.ndim == 4 else image[None, None])
            rows.append([psnr(eight_bit(clean), eight_bit(x)) for x in results])
        report.add(name, sigma, *map(float, np.mean(rows, axis=0)))
    report.finish(given.csv)


if __name__ == "__main__":
    main()
