"""Classical methods: the baselines that every network is compared with, and the noise level from one picture."""

from __future__ import annotations

from aplomb.classical.filters import (
    AdaptiveMedian,
    Denoiser,
    GaussianFilter,
    HighPassClip,
    MeanFilter,
    MedianFilter,
    average,
)
from aplomb.classical.noise_level import estimate_poisson_gaussian, estimate_sigma
from aplomb.classical.restore import (
    BM3D,
    Bilateral,
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
"""The denoisers by name, each called as ``method(image, sigma)``, in the order in which they are presented."""

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
