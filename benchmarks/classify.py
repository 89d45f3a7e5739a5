"""Handwritten digits (MNIST) by every classical method, by evolved features and by networks, on one split.

The last 10,000 of the 60,000 training pictures are the test; the methods learn from the first ``--train`` of the
others, evolution from the first ``--evolve``. With ``--cifar`` it is the 3,000 pictures of CIFAR-10 that are there,
and the split that recipes/classify-cifar.toml makes of them; what is not a network sees them in grey. Networks are
given by ``--model FILE``, as often as one likes. Each accuracy has Wilson's 95 % interval, and p is McNemar's against
the best. APLOMB_DATA names the folder with mnist/mnist-train.npz and cifar10-3k/cifar10-3k.npz.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from report import ROOT, Report, folder, options

import aplomb
from aplomb.classical.classify import CLASSIFIERS, Classifier
from aplomb.classical.evolve import evolve
from aplomb.classical.features import FEATURES, features
from aplomb.metrics import accuracy, expected_calibration_error, mcnemar, proportion_interval

HELD_OUT = 10_000
Floats = NDArray[np.floating]


class Pictures(NamedTuple):
    """Pictures (N, H, W) or (N, H, W, 3), uint8, and their classes; those that are learned from, and the test."""

    title: str
    known: NDArray[np.uint8]
    classes: NDArray[np.int64]
    test: NDArray[np.uint8]
    truth: NDArray[np.int64]


def digits(data: Path) -> Pictures:
    """MNIST's training pictures."""
    with np.load(data / "mnist" / "mnist-train.npz") as file:
        images, labels = file["images"], file["labels"].astype(np.int64)
    return Pictures("MNIST", images[:-HELD_OUT], labels[:-HELD_OUT], images[-HELD_OUT:], labels[-HELD_OUT:])


def cifar(data: Path) -> Pictures:
    """The split of recipes/classify-cifar.toml."""
    from aplomb.train.classifying import Classifying
    from aplomb.train.recipe import read_recipe

    recipe = read_recipe(ROOT / "recipes" / "classify-cifar.toml")
    files = Classifying(recipe, data).files
    with np.load(data / "cifar10-3k" / "cifar10-3k.npz") as file:
        images, labels = file["images"], file["labels"].astype(np.int64)
    known, test = (
        np.array([int(str(name).rpartition("#")[2]) for name in side])
        for side in ((*files.train, *files.validation), files.test)
    )
    return Pictures("CIFAR-10", images[known], labels[known], images[test], labels[test])


def grey(images: Floats) -> Floats:
    """(N, H, W), the mean of the channels."""
    return images if images.ndim == 3 else images.mean(axis=3)


def remembered(extract: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """Features that several methods share are computed once."""
    known: dict[tuple[int, int], Floats] = {}

    def found(images: Floats) -> Floats:
        key = (len(images), hash(images.tobytes()))
        if key not in known:
            known[key] = extract(images)
        return known[key]

    return found


def network(path: Path) -> tuple[str, Callable[[Floats], Floats]]:
    """Name of a model, and what gives its probabilities."""
    model = aplomb.load(path)
    return model.name, lambda images: aplomb.classify(images.astype(np.float32), model).probabilities.astype(float)


def main() -> None:
    chosen = options(
        model={"type": Path, "action": "append", "default": [], "metavar": "FILE", "help": "a frozen network"},
        train={"type": int, "default": 10_000, "help": "pictures that the classical methods learn from"},
        test={"type": int, "default": HELD_OUT, "help": "of the test, so many pictures"},
        evolve={"type": int, "default": 2_000, "help": "pictures that features are evolved on"},
        generations={"type": int, "default": 30, "help": "of the evolution"},
        cifar={"action": "store_true", "help": "small photographs instead of digits"},
        networks={"action": "store_true", "help": "networks alone, without the classical methods and evolution"},
        seed={"type": int, "default": 0, "help": "of the evolution and the forest"},
    )
    data = folder("APLOMB_DATA", "everything, since there are no digits")
    file = "cifar10-3k/cifar10-3k.npz" if chosen.cifar else "mnist/mnist-train.npz"
    if data is None or not (data / file).is_file():
        print(f"Left out: everything, {file} is not there.")
        sys.exit(0)
    pictures = (cifar if chosen.cifar else digits)(data)
    train, few, held_out = (200, 100, 200) if chosen.quick else (chosen.train, chosen.evolve, chosen.test)
    new, truth = pictures.test[:held_out] / 255.0, pictures.truth[:held_out]
    held_out = len(truth)
    x, y = grey(pictures.known[:train] / 255.0), pictures.classes[:train]
    train, grey_new = len(y), grey(new)

    pixels = remembered(lambda one: one.reshape(len(one), -1))
    made = remembered(lambda one: features(one).values)
    search = partial(evolve, features=8, seed=chosen.seed, population=10 if chosen.quick else 60)
    generations = 2 if chosen.quick else chosen.generations
    found: list[tuple[str, str, int, NDArray[np.floating], float, float]] = []

    def run(name: str, kind: str, count: int, method: Classifier) -> None:
        start = time.perf_counter()
        fitted = method.fit(x, y)
        middle = time.perf_counter()
        p = fitted.probabilities(grey_new)
        found.append((name, kind, count, p, middle - start, time.perf_counter() - middle))
        print(f"   {name}, {kind}: {accuracy(p.argmax(axis=1), truth):.4f}", file=sys.stderr, flush=True)

    taught = () if chosen.networks else (("pixels", pixels), (f"hand-made ({', '.join(FEATURES)})", made))
    for kind, extract in taught:
        extract(x), extract(grey_new)  # not in the seconds of the method that comes first
        for name in CLASSIFIERS:
            if name != "evolved":
                run(name, kind, train, Classifier(name, lambda images, index, e=extract: e, seed=chosen.seed))
    notes = []
    if not chosen.networks:
        start = time.perf_counter()
        evolved = search(x[:few], y[:few], generations=generations)
        spent = time.perf_counter() - start
        for name in ("lda", "svm"):
            run(name, f"8 evolved on {few} pictures", train, Classifier(name, lambda images, index: evolved))
        notes.append("seconds of methods are without the features, which methods share")
        notes.append(f"evolution took {spent:.0f} s, and the best team got {evolved.history[-1]:.4f} in training")
        notes += [f"evolved: {formula}" for formula in evolved.formulas]
    for path in chosen.model:
        name, probabilities = network(path)
        start = time.perf_counter()
        p = probabilities(new)
        found.append((name, "network", 0, p, 0.0, time.perf_counter() - start))

    report = Report(
        f"{pictures.title}, {held_out} held-out pictures",
        ["method", "on", "learned from", "accuracy", "low", "high", "calibration error", "p", "fit s", "test s"],
    )
    right = [row[3].argmax(axis=1) == truth for row in found]
    best = max(right, key=lambda one: int(one.sum()))
    for (name, kind, count, p, fit, test), answers in zip(found, right, strict=True):
        share, low, high = (f"{v:.4f}" for v in proportion_interval(int(answers.sum()), held_out))
        error = expected_calibration_error(p / p.sum(axis=1, keepdims=True), truth)
        against = None if answers is best else f"{mcnemar(best, answers).p:.2g}"
        report.add(name, kind, count or None, share, low, high, error, against, fit or None, test)
    report.notes += notes
    report.finish(chosen.csv)


if __name__ == "__main__":
    main()
