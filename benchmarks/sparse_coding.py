"""Convolutional sparse coding: atoms learned from photographs, denoising and inpainting beside total variation.

    python benchmarks/sparse_coding.py [--figure docs/images/dictionary.png] [--quick]

Atoms are learned from three of scikit-image's photographs and tried on 128 x 128 pixels of two others: noise of 25 of
255, and half of the pixels missing, at random, in noise of 5 of 255. The weights of all methods are the best of three,
judged on the picture, which flatters all alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from report import options
from skimage import data
from skimage.color import rgb2gray
from skimage.restoration import denoise_tv_chambolle

from aplomb.classical.dictionary import cosine_atoms, learn_atoms
from aplomb.classical.sparse_coding import dictionary
from aplomb.classical.sparse_recovery import sparse_recovery
from aplomb.explanation import first_filters
from aplomb.layers.linear import Multiply
from aplomb.metrics import psnr
from aplomb.operator import identity


def total_variation(y: Any, known: Any, weight: float) -> Any:
    """The picture of least total variation by proximal gradient steps on the known pixels."""
    x = np.where(known > 0, y, y[known > 0].mean())
    for _ in range(1 if known.all() else 100):
        x = denoise_tv_chambolle(x + known * (y - x), weight, eps=1e-5, max_num_iter=200)
    return x


def main() -> None:
    asked = options(figure={"metavar": "PATH", "help": "write the picture of the dictionary"})
    teachers = [rgb2gray(picture()) for picture in (data.astronaut, data.coffee, data.rocket)]
    learned = learn_atoms(teachers, 128, 8, patches=2_000 if asked.quick else 20_000, epochs=1 if asked.quick else 3)
    if asked.figure:
        first_filters(dictionary(learned).adjoint(), name="Dictionary").save(asked.figure)
    side = 48 if asked.quick else 128
    pictures = {
        "camera": data.camera()[100 : 100 + side, 180 : 180 + side] / 255,
        "cat": rgb2gray(data.chelsea())[80 : 80 + side, 120 : 120 + side],
    }
    rng = np.random.default_rng(0)
    print(f"{'PSNR, dB':28}{'given':>8}{'TV':>8}{'cosines':>9}{'learned':>9}")
    for name, clean in pictures.items():
        for task, sigma, share in (("noise 25", 25 / 255, 0.0), ("half missing, noise 5", 5 / 255, 0.5)):
            known = (rng.random(clean.shape) >= share).astype(float)
            y = known * (clean + rng.normal(0, sigma, clean.shape))
            given = np.where(known > 0, y, y[known > 0].mean())
            forward = Multiply(known[None, None]) if share else identity
            scores = [psnr(clean, given)]
            scores.append(max(psnr(clean, total_variation(y, known, s * sigma)) for s in (0.5, 0.8, 1.2)))
            for atoms in (cosine_atoms(8), learned):
                results = [
                    sparse_recovery(y[None, None], atoms, s * sigma, forward, places=4, steps=60 if share else 30)[0, 0]
                    for s in (1.0, 1.4, 2.0)
                ]
                scores.append(max(psnr(clean, x) for x in results))
            print(
                f"{name + ', ' + task:28}" + "".join(f"{s:{w}.2f}" for s, w in zip(scores, (8, 8, 9, 9), strict=True))
            )


if __name__ == "__main__":
    main()
