"""The main job shown on a real photograph: what `aplomb denoise --example` does."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

METHODS = ("gaussian", "median", "wavelet", "total-variation", "non-local-means")
"""Classical methods that take a second at most."""


def example(
    folder: str | os.PathLike[str],
    sigma: float = 25 / 255,
    *,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> str:
    """Denoise a photograph of scikit-image that got known noise, and lay everything out in `folder`.

    Writes noisy.png, restored.png, difference.png (restored minus noisy, on middle grey, contrast times 2),
    comparison.png, comparison.csv and comparison.html, and returns the table. The folder is made if it is not there.

    The network does not see the noise level: it is estimated, as it would be for a picture of yours.

    Raises OutputError if `folder` is a file or cannot be made.
    """
    import skimage.data

    from aplomb import compare, denoise, io, psnr
    from aplomb.metrics import eight_bit

    place = io.make_folder(folder)
    clean = skimage.data.astronaut()
    # the noise of `compare`, so that the picture here is the one in its table
    noisy = clean / np.float32(255) + np.random.default_rng(seed).normal(0, sigma, clean.shape).astype(np.float32)
    result = denoise(noisy)

    io.write(place / "noisy.png", eight_bit(noisy))
    io.write(place / "restored.png", eight_bit(result.image))
    io.write(place / "difference.png", eight_bit(0.5 + 2 * (result.image - noisy)))
    comparison = compare({"astronaut": clean}, sigma, [*METHODS, result.model], seed=seed, progress=progress)
    comparison.to_csv(place / "comparison.csv")
    comparison.figure(place / "comparison.png")
    comparison.report(place / "comparison.html")
    level = result.sigma if isinstance(result.sigma, float) else result.sigma[0]
    return (
        f"astronaut (scikit-image, 512 x 512, RGB) with Gaussian noise of {255 * sigma:.1f} of 255\n"
        f"blind: noise estimated at {255 * level:.1f} of 255, {result.model} on {result.engine} in {result.precision}: "
        f"{psnr(eight_bit(noisy), clean):.2f} dB as saved -> {psnr(eight_bit(result.image), clean):.2f} dB "
        f"in {result.seconds:.2f} s\n\n"
        f"{comparison}\n"
        f"noisy.png, restored.png, difference.png, comparison.png, .csv and .html are in {place}"
    )
