"""Hold a method of your own against classical ones and a network, under one protocol.

You learn that a method is a function ``f(image, sigma)`` on floats in 0..1, and that one call gives the table, and a
page that others can check. The method here is a local Wiener filter of five lines: where a window varies no more than
noise does, its mean is taken, elsewhere the pixel is kept in proportion.
"""

import tempfile
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter
from skimage.data import camera

import aplomb


def local_wiener(image: np.ndarray, sigma: float) -> np.ndarray:
    mean = uniform_filter(image, 5)
    variance = uniform_filter(image**2, 5) - mean**2
    signal = np.maximum(variance - sigma**2, 0)
    return mean + signal / (signal + sigma**2) * (image - mean)


clean = camera()[100:228, 150:278]
result = aplomb.compare({"camera, 128 x 128": clean}, 25 / 255, [local_wiener, "median", "gaussian", "denoise-grey"])
print(result)

with tempfile.TemporaryDirectory() as folder:
    page = Path(folder, "report.html")
    result.report(page)
    print(f"\nthe report is one file of {page.stat().st_size / 1e3:.0f} kB")

ranking = [row.method for row in result.rows]
assert ranking[0] == "noisy"
assert ranking.index("local_wiener") > ranking.index("median")
