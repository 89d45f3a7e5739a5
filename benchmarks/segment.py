"""Segmentation on held-out pictures: a trained network beside classical methods, and its time for 512 x 512 pixels.

    python benchmarks/segment.py segment-nuclei --model runs/segment-nuclei/model.onnx --csv

The pictures are the test split of the system's recipe in recipes/, which nothing was trained on; methods that learn do
so from its training split. APLOMB_DATA names the data; the mosaics of segment-textures are made by
benchmarks/mosaics.py, --data names their folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from report import ROOT, Report, options

from aplomb import Segmentation, compare_segmentation, load, segment
from aplomb.comparison import SegmentationComparison
from aplomb.data import load_pictures
from aplomb.model import Model
from aplomb.train.annotated import Files, annotated, find_annotated
from aplomb.train.recipe import SegmentRecipe, read_recipe

SYSTEMS = {
    "segment-nuclei": ("otsu", "otsu-watershed", "filter-forest"),
    "segment-membranes": ("otsu", "adaptive-threshold", "filter-forest"),
    "segment-vessels": ("otsu", "adaptive-threshold", "filter-forest"),
    "segment-textures": ("multi-otsu", "texture", "filter-forest"),
}
"""What stands beside the network."""
LEARN = 10
"""Pictures of the training split that classical methods learn from: a forest keeps the features of all their pixels."""


class Pictures(NamedTuple):
    """Test or training pictures of a recipe, as a user would have them."""

    images: dict[str, np.ndarray]
    labels: list[np.ndarray]
    """Classes with 255, or objects with -1, where a pixel does not count: outside of the field of view."""


def measure(
    system: str,
    models: Sequence[str | Path | Model],
    data: Path | None = None,
    quick: bool = False,
    classical: bool = True,
    learn: int = LEARN,
) -> SegmentationComparison:
    """The networks and, unless told otherwise, the classical methods of a system on its test pictures."""
    recipe = read_recipe(ROOT / "recipes" / f"{system}.toml")
    assert isinstance(recipe, SegmentRecipe), f"{system} does not segment"
    sides, _ = find_annotated(recipe, data)
    test = sides["test"] or _beside(sides["train"][0])
    few = np.random.default_rng(recipe.run.seed).permutation(len(sides["train"]))[: 2 if quick else learn]
    known = pictures([sides["train"][i] for i in sorted(few)] if classical else [], recipe)
    asked = pictures(test[: 2 if quick else None], recipe)
    classes = tuple(recipe.labels.classes) if recipe.labels.target == "regions" else None
    loaded = [each if isinstance(each, Model) else load(each) for each in models]
    methods = [*(SYSTEMS[system] if classical else ()), *loaded, *map(Turned, loaded)]
    return compare_segmentation(
        asked.images, asked.labels, methods, target=recipe.labels.target, classes=classes,
        train=(list(known.images.values()), known.labels) if classical else None,
        membranes=system == "segment-membranes",
    )  # fmt: skip


def pictures(files: Sequence[Files], recipe: SegmentRecipe) -> Pictures:
    """Pictures (H, W) or (H, W, 3), 0..1, with their labels."""
    images, labels = {}, []
    for each in files:
        (planes,) = load_pictures([each.picture], channels=recipe.data.channels)
        white = 1 if planes.dtype.kind == "f" else np.iinfo(planes.dtype).max
        image = planes.astype(np.float32) / np.float32(white)
        images[each.picture.name] = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
        labels.append(annotated(each, recipe).labels)
    return Pictures(images, labels)


def _beside(trained: Files) -> list[Files]:
    """The test pictures of a recipe that names none: those in the folder test beside the folder train."""
    place = trained.picture.parent.parent.parent / "test"
    return [Files(path, place / "labels" / path.name) for path in sorted((place / "pictures").iterdir())]


class Turned:
    """A network that is asked about 8 flips and rotations of the picture, as by --uncertainty; its mean answer."""

    def __init__(self, model: Model) -> None:
        self.model, self.name = model, f"{model.name}, 8 views"
        self.last: tuple[np.ndarray, Segmentation] | None = None

    def _asked(self, image: np.ndarray) -> Segmentation:
        if self.last is None or self.last[0] is not image:  # labels and probabilities are asked for one by one
            self.last = image, segment(image, self.model, uncertainty="flips")
        return self.last[1]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Labels (H, W)."""
        return self._asked(image).labels

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """(H, W, K)."""
        return np.moveaxis(self._asked(image).probabilities, 0, -1)


def fast(model: Model) -> tuple[float, int]:
    """Median seconds of a grey or colour picture of 512 x 512 pixels through the network, after a call to warm up."""
    channels = model.card.channels if model.card else 1
    picture = np.random.default_rng(0).random((512, 512, channels) if channels > 1 else (512, 512), np.float32)
    found = [segment(picture, model).seconds for _ in range(6)]
    return float(np.median(found[1:])), len(found) - 1


def main() -> None:
    chosen = options(
        system={"required": True, "choices": tuple(SYSTEMS)},
        model={"nargs": "+", "default": [], "type": Path, "help": "model files"},
        data={"type": Path, "help": "folder of the data, APLOMB_DATA unless given"},
        learn={"type": int, "default": LEARN, "help": "pictures that classical methods learn from"},
        networks={"action": "store_true", "help": "networks alone, without the classical methods"},
        html={"type": Path, "help": "write the page with overlays and confusion matrices there"},
    )
    found = measure(
        chosen.system, chosen.model, chosen.data, chosen.quick, classical=not chosen.networks, learn=chosen.learn
    )
    first = found.columns[0]
    heads = [*(column.title for column in found.columns), "seconds", "difference to the best"]
    report = Report(f"{chosen.system}: {found.subject}", ["method", "kind", f"{first.title} (95 %)", *heads])
    for row in found.rows:
        kind = ", ".join(part for part in (row.kind, row.detail) if part)
        values = [row.values[c.key].value if c.key in row.values else None for c in found.columns]
        span = row.values.get(first.key)
        ends = None if span is None else f"{span.low:.3f} to {span.high:.3f}"
        gap = None if row.difference is None else "{:+.3f} ({:+.3f} to {:+.3f})".format(*row.difference)
        report.add(row.method, kind, ends, *values, row.seconds, gap)
    report.notes += [*found.remarks(), *found.protocol]
    for path in chosen.model:
        median, runs = fast(load(path))
        report.notes.append(f"{path}: {median:.3f} s for 512 x 512 pixels, median of {runs} after one to warm up")
    if chosen.html:
        found.report(chosen.html)
    default = chosen.csv is not None and chosen.csv.name == "segment.csv"
    report.finish(chosen.csv.with_name(f"{chosen.system}.csv") if default else chosen.csv)


if __name__ == "__main__":
    main()
