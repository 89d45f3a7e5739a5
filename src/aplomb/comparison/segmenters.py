"""What segmentations can come from: classical segmenters, networks, and anything that is called like them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.methods import free_name, shipped_for
from aplomb.comparison.sources import Image
from aplomb.errors import AplombError, BadInput
from aplomb.model import Model, load, shipped
from aplomb.recognise.targets import SMALLEST, Target, border_classes, instances_from_borders

__all__ = ["Found", "Learned", "Method", "Question", "choose"]

USUAL = {
    "regions": ("otsu", "multi-otsu", "adaptive-threshold", "colour-k-means", "colour-gaussians", "random-walker",
                "texture", "filter-forest"),
    "objects": ("otsu", "adaptive-threshold", "watershed", "otsu-watershed", "filter-forest"),
}  # fmt: skip
"""Classical methods that are compared if none is named."""


class Question(NamedTuple):
    """What is asked of every method."""

    target: Target
    classes: tuple[str, ...]
    """Of the target regions; of objects, background and object."""
    train: tuple[Sequence[Image], Sequence[NDArray[Any]]] | None
    """Pictures and labels to learn from."""


@dataclass(frozen=True)
class Found:
    """What a method makes of a picture."""

    labels: NDArray[Any]
    """(H, W): classes or objects."""
    probabilities: NDArray[Any] | None = None
    """(K, H, W), where the method has them."""
    seconds: float | None = None
    """As it counts them itself, or None."""


Segmenter = Callable[..., Any]
Learned = Callable[[Image], Found]


@dataclass(frozen=True)
class Method:
    """A segmenter with a name."""

    name: str
    kind: str
    begin: Callable[[int], Learned]
    """Gets it ready with a seed: by then it has learned what it learns."""
    detail: str = ""
    seeded: bool = False
    """Whether another seed may give another result."""
    matched: bool = False
    """Whether the numbers of its classes mean nothing, so that they are matched to those of the reference."""


def choose(methods: Any, question: Question) -> list[Method]:
    """The methods of those names, files, models and functions; None takes the usual ones and fitting shipped networks.

    Raises BadInput for a name that is neither a method nor a model nor a file, and for a method that learns, named
    without pictures to learn from.
    """
    from aplomb.classical.segment import SEGMENTERS

    if methods is None:
        usual = USUAL["regions" if question.target == "regions" else "objects"]
        networks = [model for model in shipped_for("segment") if _fits(model, question)]
        wanted = [*(n for n in usual if n in SEGMENTERS and not _needless(SEGMENTERS[n], n, question)), *networks]
    else:
        single = isinstance(methods, (str, os.PathLike, Model)) or callable(methods)
        wanted = [methods] if single else list(methods)
    found: dict[str, Method] = {}
    for item in wanted:
        method = _method(item, SEGMENTERS, question)
        name = free_name(method.name, found)
        found[name] = dataclasses.replace(method, name=name)
    if not found:
        raise BadInput("no method is left to compare; name at least one")
    return list(found.values())


def _method(item: Any, segmenters: Any, question: Question) -> Method:
    if isinstance(item, Model):
        return _network(item, question)
    if callable(item) or hasattr(item, "fit"):
        kind = "classical" if type(item) in segmenters.values() else "given"
        name = str(getattr(item, "name", getattr(item, "__name__", type(item).__name__)))
        return _function(lambda seed: item, name, kind, question, seeded=False)
    text = str(item)
    known = {name.casefold(): name for name in segmenters}.get(text.casefold())
    if known is not None:
        maker = segmenters[known]
        options = {field.name for field in dataclasses.fields(maker)}
        return _function(
            lambda seed: maker(**_options(options, seed, question)), known, "classical", question,
            seeded="seed" in options,
        )  # fmt: skip
    if text not in shipped() and not Path(text).is_file():
        networks = [model.path.stem for model in shipped_for("segment")]
        raise BadInput(
            f"asked for method {text!r}, which is neither a file nor one of {', '.join([*segmenters, *networks])}"
        )
    try:
        return _network(load(text), question)
    except AplombError as error:
        problem = error

    def refuse(seed: int) -> Learned:
        raise problem

    return Method(Path(text).stem, "network", refuse)


def _options(known: set[str], seed: int, question: Question) -> dict[str, int]:
    """What a classical method is told: the seed, and how many classes there are."""
    count = len(question.classes)
    values = {"seed": seed, "classes": count, "thresholds": min(count - 1, 3)}
    return {name: value for name, value in values.items() if name in known}


def _needless(maker: Any, name: str, question: Question) -> bool:
    """Whether a usual method has nothing to say: none to learn from, or the same as another one."""
    return (question.train is None and not callable(maker())) or (name == "multi-otsu" and len(question.classes) == 2)


def _fits(model: Model, question: Question) -> bool:
    """Whether a shipped network answers this question."""
    card = model.card
    if card is None or (card.target == "regions") != (question.target == "regions"):
        return False
    return question.target != "regions" or set(card.classes) == set(question.classes)


def _network(model: Model, question: Question) -> Method:
    def begin(seed: int) -> Learned:
        return lambda image: _segmented(model, image, question)

    return Method(model.name, "network", begin, "trained elsewhere")


def _segmented(model: Model, image: Image, question: Question) -> Found:
    from aplomb.recognise.segment import segment

    result = segment(image, model)
    if result.instances != (question.target != "regions"):
        gives = "objects" if result.instances else "classes of pixels"
        raise BadInput(f"{model.name} gives {gives}, asked for {question.target}")
    if result.instances:
        return Found(result.labels, None, result.seconds)
    names, found = question.classes, result.classes
    if len(found) != len(names):
        raise BadInput(f"{model.name} gives {len(found)} classes, the labels have {len(names)}")
    if set(found) != set(names):  # told apart by their order
        return Found(result.labels, result.probabilities, result.seconds)
    order = [found.index(name) for name in names]
    return Found(np.argsort(order)[result.labels], result.probabilities[order], result.seconds)


def _function(make: Callable[[int], Any], name: str, kind: str, question: Question, *, seeded: bool) -> Method:
    """A method that is called with a picture, and learns before if it can and there is something to learn from."""
    sample = make(0)
    learns = hasattr(sample, "fit") and question.train is not None
    if not learns and not callable(sample):
        raise BadInput(f"{name} learns from labels; give it pictures with labels to learn from (train, --train-share)")
    objects = question.target != "regions"
    borders = objects and kind == "classical" and learns  # classes are what these learn
    count = len(question.train[0]) if question.train else 0

    def begin(seed: int) -> Learned:
        method = make(seed)
        if learns and question.train is not None:
            images, labels = question.train
            method = method.fit(images, [border_classes(np.maximum(m, 0)) for m in labels] if borders else labels)

        def run(image: Image) -> Found:
            if borders:
                p = np.moveaxis(np.asarray(method.probabilities(image)), -1, 0)
                return Found(instances_from_borders(p))
            labels = np.asarray(method(image))
            if objects and kind == "classical" and not sample.numbers_regions:
                labels = _components(labels)
            if objects or not hasattr(method, "probabilities"):
                return Found(labels)
            return Found(labels, np.moveaxis(np.asarray(method.probabilities(image)), -1, 0))

        return run

    return Method(
        name, kind, begin, f"learned from {count}" if learns else "",
        seeded=seeded, matched=kind == "classical" and not learns and not objects,
    )  # fmt: skip


def _components(labels: NDArray[Any]) -> NDArray[Any]:
    """The connected regions of what is not the darkest class, without those of a few pixels, numbered."""
    from scipy import ndimage

    numbers = np.asarray(ndimage.label(labels > 0)[0], np.int32)
    few = np.bincount(numbers.ravel()) < SMALLEST
    return np.where(few[numbers], 0, numbers)
