"""Classical recovery on one picture a family: PSNR of every method that fits, beside the plainest start.

    APLOMB_DATA=... python benchmarks/recover_classical.py [family ...]

Pictures: 05 of set12 (not one that defaults were chosen on), the third of mcmaster, one slice of ct and one of mri.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from aplomb.classical.recovery import fitting
from aplomb.degrade.blur import blur
from aplomb.degrade.forward import ForwardModel
from aplomb.degrade.fourier import mri, read_mask
from aplomb.degrade.interference import interference
from aplomb.degrade.noise import Gaussian
from aplomb.degrade.psf import gaussian, read_psf
from aplomb.degrade.radon import radon
from aplomb.degrade.sample import bicubic, mask, mosaic
from aplomb.degrade.sensing import hadamard
from aplomb.io import read
from aplomb.layers import downsample
from aplomb.metrics import psnr
from aplomb.operator import chain

DATA = Path(os.environ.get("APLOMB_DATA", ""))
Floats = np.ndarray


def picture(folder: str, number: int) -> Floats:
    array = np.asarray(read(sorted((DATA / folder).glob("*.*"))[number]).array, np.float64) / 255
    return array[None, None] if array.ndim == 2 else np.moveaxis(array, -1, 0)[None]


def slices() -> Floats:
    ct = picture("ct", 40).reshape(1, 1, 256, 2, 256, 2).mean((3, 5))
    return ct * (np.hypot(*(np.mgrid[:256, :256] - 128)) < 127)


def families() -> dict[str, tuple[ForwardModel, Callable[[], Floats]]]:
    house, noise = (lambda: picture("set12", 4)), Gaussian(2.55 / 255)
    seen = np.random.default_rng(0).random((256, 256)) < 0.3
    kernel = read_psf(DATA / "blur-kernels" / "Levin09.mat", 2)
    sampled = read_mask(DATA / "mri-masks" / "Q_Cartesian30.mat", (256, 256))
    return {
        "motion blur, noise 2.55": (ForwardModel(blur(kernel), noise), house),
        "super-resolution x2": (ForwardModel(bicubic(2)), house),
        "blur 1.6, x2, noise 2.55": (ForwardModel(chain(blur(gaussian(1.6), "circular"), downsample(2)), noise), house),
        "30 % of pixels": (ForwardModel(mask(seen)), house),
        "mosaic": (ForwardModel(mosaic("RGGB")), lambda: picture("mcmaster", 2)),
        "interference, noise 2.55": (ForwardModel(interference((0.1, 0.13), 0.15), noise), house),
        "Hadamard 30 %": (ForwardModel(hadamard((256, 256), 0.3, 0)), house),
        "MRI Cartesian 30 %, noise 2.55": (
            ForwardModel(mri(sampled), noise),
            lambda: picture("mri", 40)[:, :, 32:288, 32:288],
        ),
        "CT 60 angles, noise 0.3": (ForwardModel(radon(256, np.arange(0, 180, 3)), Gaussian(0.3)), slices),
    }


def main(wanted: list[str]) -> None:
    for family, (forward, picture) in families().items():
        if wanted and not any(word in family for word in wanted):
            continue
        clean = picture()
        y = forward.simulate(clean, np.random.default_rng(0))
        print(f"{family}: " + (f"measured {psnr(y, clean, peak=1):.2f} dB" if y.shape == clean.shape else ""))
        for name, method in fitting(forward).items():
            start = time.perf_counter()
            quality = psnr(method(y, forward), clean, peak=1)
            print(f"    {name:28} {quality:6.2f} dB {time.perf_counter() - start:7.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
