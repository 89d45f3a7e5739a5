"""The noise level estimated from one picture, on Set12 (grey) and McMaster (colour), beside scikit-image's.

The noise is Gaussian, added in float and not clipped. What is compared is estimate / truth: its mean over the pictures
(the bias), the root mean square of its distance from 1, and the worst picture. Photographs have noise of their own,
1 to 2 grey levels, so that at sigma 5 the truth is a little above what was added. APLOMB_DATA names the folder with
set12 and mcmaster.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
from peers import Values, noisy, pictures
from report import Report, folder, options

from aplomb.classical import estimate_sigma

SIGMAS = (5, 15, 25, 50, 75)
Estimate = Callable[[Values], float]


def by_skimage(image: Values) -> float:
    """Median of the finest wavelet coefficients (Donoho and Johnstone)."""
    from skimage.restoration import estimate_sigma as estimate

    return float(estimate(image, average_sigmas=True, channel_axis=-1 if image.ndim == 3 else None))


def main() -> None:
    chosen = options(seed={"type": int, "default": 0, "help": "seed of the noise"})
    data = folder("APLOMB_DATA", "everything, since there are no pictures")
    if data is None:
        sys.exit(0)
    report = Report(
        "Noise level from one picture: estimate / truth",
        ["pictures", "sigma", "method", "mean", "rms error", "least", "most", "seconds a picture"],
    )
    methods: dict[str, Estimate] = {"aplomb": estimate_sigma, "scikit-image": by_skimage}
    for name, channels in {"set12": 1, "mcmaster": 3}.items():
        clean = pictures(data / name, channels, 2 if chosen.quick else None)
        for sigma in SIGMAS[1:3] if chosen.quick else SIGMAS:
            for title, method in methods.items():
                ratios, start = [], time.perf_counter()
                for index, x in enumerate(clean.values()):
                    y = noisy(x, sigma / 255, chosen.seed, index)[0]
                    image = y[0] if channels == 1 else np.ascontiguousarray(y.transpose(1, 2, 0))
                    ratios.append(255 * method(image) / sigma)
                spent = (time.perf_counter() - start) / len(clean)
                r = np.array(ratios)
                error = float(np.sqrt(np.mean((r - 1) ** 2)))
                report.add(name, sigma, title, float(r.mean()), error, float(r.min()), float(r.max()), spent)
    report.finish(chosen.csv)


if __name__ == "__main__":
    main()
