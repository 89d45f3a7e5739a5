"""Classical segmenters: shares of pixels told right on pictures with a known answer, and the figure of the guide.

    python benchmarks/segment_classical.py [--figure docs/images/segment-classical.png]

The mosaic is made of scikit-image's brick, grass and gravel, each brought to mean 0.5 and standard deviation 0.15,
so that grey values say little; methods learn from the upper left quarters and are tried on the lower right ones.
Clusters are named as fits the answer best, which flatters them.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
from report import options
from skimage import data
from skimage.segmentation import mark_boundaries

from aplomb.classical.segment import (
    FilterForest,
    MultiOtsu,
    Otsu,
    OtsuWatershed,
    RandomWalker,
    RegionGrowing,
    TextureDiscriminator,
)

SIDE = 256
CLICKS = [(43, 43), (42, 269), (103, 342), (72, 5)]


def mosaic() -> tuple[Any, Any, list[Any], list[Any]]:
    """A picture of three textures and its answer, and pictures of each with theirs."""
    sources = [brick.astype(float) for brick in (data.brick(), data.grass(), data.gravel())]
    textures = [0.5 + 0.15 * (texture - texture.mean()) / texture.std() for texture in sources]
    rows, columns = np.mgrid[:SIDE, :SIDE]
    truth = np.where(np.hypot(rows - SIDE / 2, columns - SIDE / 2) < 0.28 * SIDE, 2, columns > SIDE / 2)
    picture = np.choose(truth, [texture[-SIDE:, -SIDE:] for texture in textures])
    return picture, truth, [t[:SIDE, :SIDE] for t in textures], [np.full((SIDE, SIDE), k) for k in range(3)]


def named(labels: Any, truth: Any) -> Any:
    """Clusters with the numbers that agree best."""
    return max((np.array(p)[labels] for p in permutations(range(3))), key=lambda tried: np.mean(tried == truth))


def main() -> None:
    asked = options(figure={"metavar": "PATH", "help": "write the figure"})
    picture, truth, learned, classes = mosaic()
    results = {
        "multi-otsu, 2 thresholds": named(MultiOtsu(2)(picture), truth),
        "texture, clustered": named(TextureDiscriminator(3)(picture), truth),
        "texture, fitted": TextureDiscriminator().fit(learned, classes)(picture),
        "filter-forest": FilterForest(trees=30).fit(learned, classes)(picture),
    }
    for name, labels in results.items():
        print(f"{name:26} {100 * np.mean(labels == truth):5.1f} % of the pixels right")
    coins = data.coins()[80:] / 255
    regions = {
        "otsu": Otsu()(coins),
        "otsu-watershed": OtsuWatershed(distance=12, smallest=200, width=2.0)(coins),
        "region-growing, 4 clicks": RegionGrowing(0.15)(coins, seeds=CLICKS),
        "random-walker": RandomWalker()(coins),
    }
    print(f"coins: otsu-watershed finds {regions['otsu-watershed'].max()} objects of 18")
    if asked.figure:
        draw(asked.figure, coins, regions, picture, results)


def draw(path: str, coins: Any, regions: dict[str, Any], picture: Any, results: dict[str, Any]) -> None:
    """Borders of the regions over the coins, and classes of the mosaic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 6), layout="constrained")
    axes = figure.subplots(2, 5)
    axes[0, 0].imshow(coins, cmap="gray")
    axes[0, 0].set_title("coins")
    for axis, (name, labels) in zip(axes[0, 1:], regions.items(), strict=True):
        axis.imshow(mark_boundaries(coins, labels, color=(1, 0.8, 0), mode="thick"))
        axis.set_title(name)
        if "clicks" in name:
            axis.plot(*np.array(CLICKS).T[::-1], "c+", markersize=9, markeredgewidth=2)
    axes[1, 0].imshow(picture, cmap="gray")
    axes[1, 0].set_title("brick, grass, gravel")
    for axis, (name, labels) in zip(axes[1, 1:], results.items(), strict=True):
        axis.imshow(labels, cmap="viridis", vmin=0, vmax=2, interpolation="nearest")
        axis.set_title(name)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(path, dpi=70)


if __name__ == "__main__":
    main()
