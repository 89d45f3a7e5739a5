"""The classical segmenters by name, all called as ``method(image)``: what networks are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from aplomb.classical.colour import ColourGaussians, ColourKMeans
from aplomb.classical.forest import FilterForest, FittedForest
from aplomb.classical.regions import OtsuWatershed, RandomWalker, RegionGrowing, Watershed
from aplomb.classical.segmenter import Segmenter
from aplomb.classical.texture import FittedTextures, TextureDiscriminator, laws_filters, texture_energies
from aplomb.classical.threshold import AdaptiveThreshold, MultiOtsu, Otsu

__all__ = [
    "SEGMENTERS",
    "AdaptiveThreshold",
    "ColourGaussians",
    "ColourKMeans",
    "FilterForest",
    "FittedForest",
    "FittedTextures",
    "MultiOtsu",
    "Otsu",
    "OtsuWatershed",
    "RandomWalker",
    "RegionGrowing",
    "Segmenter",
    "TextureDiscriminator",
    "Watershed",
    "laws_filters",
    "texture_energies",
]

SEGMENTERS: Mapping[str, Callable[..., Segmenter | FilterForest]] = MappingProxyType(
    {
        maker.name: maker
        for maker in (
            Otsu,
            MultiOtsu,
            AdaptiveThreshold,
            RegionGrowing,
            Watershed,
            OtsuWatershed,
            RandomWalker,
            ColourKMeans,
            ColourGaussians,
            TextureDiscriminator,
            FilterForest,
        )
    }
)
"""What makes a segmenter, by name: ``SEGMENTERS["multi-otsu"](thresholds=3)(image)``.

"texture" and "filter-forest" learn from labels, ``SEGMENTERS[name]().fit(images, labels)(image)``; the latter has
to, the former clusters otherwise. All results are label maps (H, W), int32."""
