"""The figure of the guide's page on explanations: python benchmarks/explain.py docs/images/explain.png."""

from __future__ import annotations

import sys

import numpy as np
from skimage.data import camera

import aplomb
from aplomb.io import whole_file


def main(path: str) -> None:
    noisy = camera() / 255 + np.random.default_rng(0).normal(0, 25 / 255, (512, 512))
    found = aplomb.explain(noisy, "denoise-grey", at=(163, 352), sigma=25 / 255)
    print(found)
    with whole_file(path) as temporary:
        found.figure().savefig(temporary)


if __name__ == "__main__":
    main(*sys.argv[1:])
