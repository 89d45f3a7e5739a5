"""What classifications can come from: classical classifiers, networks, and anything that is called like them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.methods import free_name, shipped_for
from aplomb.errors import AplombError, BadInput, ShapeError
from aplomb.model import Model, load, shipped

__all__ = ["Answer", "Method", "choose"]

SLOW = ("evolved",)
"""Classical methods that are compared only if they are named: they learn for minutes."""


@dataclass(frozen=True)
class Answer:
    """What a method says of N pictures."""

    labels: NDArray[np.int64]
    """(N,): numbers of classes."""
    probabilities: NDArray[Any] | None
    """(N, K), where the method has them."""
    seconds: float
    """For all pictures."""
    learning: float = 0.0
    """Seconds of learning."""


Pictures = NDArray[np.float32]
"""(N, H, W) or (N, H, W, C), 0..1."""


@dataclass(frozen=True)
class Method:
    """A classifier with a name."""

    name: str
    kind: str
    run: Callable[[Pictures, NDArray[np.int64], Pictures, int], Answer]
    """Learns from pictures and classes, and tells those of others, with a seed."""
    detail: str = ""


def choose(methods: Any, classes: Sequence[str]) -> list[Method]:
    """The methods of those names, files, models and functions; None takes the classical ones and fitting networks.

    Raises BadInput for a name that is neither a method nor a model nor a file.
    """
    from aplomb.classical.classify import CLASSIFIERS

    if methods is None:
        networks = [m for m in shipped_for("classify") if m.card and set(m.card.classes) == set(classes)]
        wanted: list[Any] = [*(name for name in CLASSIFIERS if name not in SLOW), *networks]
    else:
        single = isinstance(methods, (str, os.PathLike, Model)) or callable(methods) or hasattr(methods, "fit")
        wanted = [methods] if single else list(methods)
    found: dict[str, Method] = {}
    for item in wanted:
        method = _method(item, CLASSIFIERS, classes)
        name = free_name(method.name, found)
        found[name] = replace(method, name=name)
    if not found:
        raise BadInput("no method is left to compare; name at least one")
    return list(found.values())


def _method(item: Any, makers: Any, classes: Sequence[str]) -> Method:
    if isinstance(item, Model):
        return _network(item, classes)
    if hasattr(item, "fit"):
        name = str(getattr(item, "name", type(item).__name__))
        return Method(name, "given", _learning(lambda seed: item, len(classes)), "learned")
    if callable(item):
        name = str(getattr(item, "name", getattr(item, "__name__", type(item).__name__)))
        return Method(name, "given", lambda images, labels, others, seed: _asked(item, others, len(classes)))
    text = str(item)
    known = {name.casefold(): name for name in makers}.get(text.casefold())
    if known is not None:
        return Method(known, "classical", _learning(lambda seed: makers[known](seed=seed), len(classes)), "learned")
    if text not in shipped() and not Path(text).is_file():
        names = ", ".join([*makers, *(model.path.stem for model in shipped_for("classify"))])
        raise BadInput(f"asked for method {text!r}, which is neither a file nor one of {names}")
    try:
        return _network(load(text), classes)
    except AplombError as error:
        problem = error

    def refuse(images: Pictures, labels: NDArray[np.int64], others: Pictures, seed: int) -> Answer:
        raise problem

    return Method(Path(text).stem, "network", refuse)


def _learning(make: Callable[[int], Any], count: int) -> Callable[..., Answer]:
    def run(images: Pictures, labels: NDArray[np.int64], others: Pictures, seed: int) -> Answer:
        start = time.perf_counter()
        fitted = make(seed).fit(images, labels)
        learning = time.perf_counter() - start
        return replace(_asked(fitted, others, count), learning=learning)

    return run


def _asked(classifier: Any, images: Pictures, count: int) -> Answer:
    """What a function of pictures says, checked."""
    start = time.perf_counter()
    if hasattr(classifier, "probabilities"):
        p = np.asarray(classifier.probabilities(images))
        seconds = time.perf_counter() - start
        if p.shape != (len(images), count):
            raise ShapeError(f"it made probabilities {p.shape} of {len(images)} pictures of {count} classes")
        return Answer(p.argmax(axis=1).astype(np.int64), p, seconds)
    labels = np.asarray(classifier(images))
    seconds = time.perf_counter() - start
    if labels.shape != (len(images),):
        raise ShapeError(f"it made {labels.shape} of {len(images)} pictures; give one class a picture")
    if labels.dtype.kind not in "bui" or labels.min() < 0 or labels.max() >= count:
        raise BadInput(f"it made {labels.dtype}, {labels.min()} to {labels.max()}; give classes from 0 to {count - 1}")
    return Answer(labels.astype(np.int64), None, seconds)


def _network(model: Model, classes: Sequence[str]) -> Method:
    def run(images: Pictures, labels: NDArray[np.int64], others: Pictures, seed: int) -> Answer:
        from aplomb.recognise.classify import classify

        result = classify(others, model)
        if len(result.classes) != len(classes):
            raise BadInput(f"{model.name} gives {len(result.classes)} classes, the labels have {len(classes)}")
        p = result.probabilities
        if set(result.classes) == set(classes):  # otherwise told apart by their order
            p = p[:, [result.classes.index(name) for name in classes]]
        return Answer(p.argmax(axis=1).astype(np.int64), p, result.seconds)

    return Method(model.name, "network", run, "trained elsewhere")
