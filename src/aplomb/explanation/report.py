"""Everything that was asked about one picture, written into a folder: what ``aplomb explain`` does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from aplomb.errors import BadInput
from aplomb.explanation.channels import activations, first_filters
from aplomb.explanation.pixel import explain
from aplomb.explanation.subject import mirrored, pixel_of, subject
from aplomb.io import Picture, make_folder
from aplomb.model import Model

__all__ = ["Report", "report"]


@dataclass(frozen=True)
class Report:
    """What was found, in words and as plain values, and the files that were written."""

    text: str
    values: dict[str, Any]
    files: tuple[Path, ...]


def report(
    picture: Picture | ArrayLike,
    folder: str | os.PathLike[str],
    model: str | Path | Model | None = None,
    *,
    at: tuple[int, int] | None = None,
    sigma: float | None = None,
    layer: int | None = None,
    filters: bool = False,
    label: int | None = None,
) -> Report:
    """Explain a pixel, or show a layer or the first filters, or explain the class for a network that has classes.

    `layer` and `filters` are shown instead of a pixel, unless `at` asks for one, too; for a classifier, `layer` is
    also the one of Grad-CAM. Errors as of `explain`, `activations`, `first_filters` and `attribute`.
    """
    given = subject(picture, model, 0.0 if sigma is None else sigma)
    chosen = given.model
    assert chosen is not None  # a name, a file or a Model was given
    shape = given.operator.output_shape(mirrored(given.operator, given.x).shape)
    place = make_folder(folder)
    text: list[str] = []
    values: dict[str, Any] = {}
    files: list[Path] = []
    if filters:
        files.append(first_filters(chosen).save(place / "filters.png"))
    if layer is not None:
        files.append(activations(picture, layer, chosen, at, sigma).save(place / f"layer-{layer}.png"))
    if len(shape) == 2:
        found = _classes(picture, chosen, label, layer, place, files)
        values["classes"] = found
        text += [f"{chosen.name}: class {found[0]['class']} of {shape[1]}, score {found[0]['score']:.4g}, probability "
                 f"{100 * found[0]['probability']:.1f} %"]  # fmt: skip
    elif label is not None:
        raise BadInput(f"class {label} was asked for, and {chosen.name} gives pictures, no classes; leave --class out")
    elif at is not None or not (filters or layer is not None):
        pixel = explain(picture, chosen, at, sigma)
        files += pixel.save(place)
        values["pixel"] = pixel.to_dict()
        if at is None:
            middle = "{}, column {}".format(*pixel_of(None, given.x.shape[2:]))
            text += [f"no pixel was given: this is the middle, row {middle}", ""]
        text += [str(pixel), ""]
    return Report("\n".join(text).rstrip(), {**values, "files": [str(f) for f in files]}, tuple(files))


def _classes(
    picture: Picture | ArrayLike, model: Model, label: int | None, layer: int | None, place: Path, files: list[Path]
) -> list[dict[str, Any]]:
    try:
        from aplomb.explanation.classes import attribute
    except ModuleNotFoundError as error:
        raise BadInput(
            f"class attributions need {error.name}, which is not installed; pip install 'aplomb[explain]'"
        ) from None
    found = []
    for method in ("integrated-gradients", "grad-cam"):
        one = attribute(picture, model, label, method=method, layer=layer)
        files.append(one.save(place / f"{method}.png"))
        found.append(one.to_dict())
    return found
