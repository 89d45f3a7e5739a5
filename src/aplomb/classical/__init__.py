"""Classical methods: the baselines of every comparison, and the noise level from one picture."""

from __future__ import annotations

from aplomb.classical.filters import (
    AdaptiveMedian,
    Denoiser,
    GaussianFilter,
    MeanFilter,
    MedianFilter,
    average,
)
from aplomb.classical.noise_level import estimate_poisson_gaussian, estimate_sigma
from aplomb.classical.restore import (
    BM3D,
    Bilateral,
    HighPassClip,
    NonLocalMeans,
    TotalVariation,
    WaveletShrinkage,
    Wiener,
)

BASELINES: dict[str, Denoiser] = {
    method.name: method
    for method in (
        MeanFilter(),
        GaussianFilter(),
        MedianFilter(),
        AdaptiveMedian(),
        HighPassClip(),
        Wiener(),
        Bilateral(),
        TotalVariation(),
        WaveletShrinkage(),
        NonLocalMeans(),
        BM3D(),
    )
}
"""The denoisers by name, called as ``method(image, sigma)``, in the order of presentation."""

__all__ = [
    "BASELINES",
    "BM3D",
    "AdaptiveMedian",
    "Bilateral",
    "Denoiser",
    "GaussianFilter",
    "HighPassClip",
    "MeanFilter",
    "MedianFilter",
    "NonLocalMeans",
    "TotalVariation",
    "WaveletShrinkage",
    "Wiener",
    "average",
    "estimate_poisson_gaussian",
    "estimate_sigma",
]
