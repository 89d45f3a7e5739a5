"""Classifications compared: every method learns from the same pictures and is asked about the same others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.classification import ClassificationComparison
from aplomb.comparison.classifiers import Answer, Method, choose
from aplomb.comparison.machine import about
from aplomb.comparison.recognition import Column, Row, Score, best_of, in_order, words
from aplomb.comparison.sources import pictures, short, sources
from aplomb.errors import BadInput
from aplomb.metrics import (
    Interval,
    confusion_matrix,
    expected_calibration_error,
    mcnemar,
    mean_interval,
    negative_log_likelihood,
    paired_difference,
    proportion_interval,
    reliability,
)

__all__ = ["compare_classification"]

Progress = Callable[[int, int, str], None]
Labelled = tuple[NDArray[np.float32], NDArray[np.int64]]

COLUMNS = (
    Column("accuracy", "accuracy"),
    Column("balanced_accuracy", "balanced"),
    Column("cross_entropy", "cross-entropy", lower=True),
    Column("calibration_error", "calibration error", lower=True),
    Column("learning_seconds", "seconds of learning", lower=True, minor=True),
)
BINS = 15


def compare_classification(
    images: Any,
    labels: Any,
    methods: Any = None,
    *,
    classes: Sequence[str] | None = None,
    test: tuple[Any, Any] | None = None,
    test_fraction: float = 0.25,
    seeds: Sequence[int] = (0, 1, 2),
    progress: Progress | None = None,
    command: str | None = None,
) -> ClassificationComparison:
    """Classify pictures by every method, and measure how well, how sure, and how fast.

    Parameters
    ----------
    images
        N pictures of one size: an array (N, H, W) or (N, H, W, C), a sequence of arrays or files, or a mapping.
    labels
        (N,): numbers of classes from 0, or words.
    methods
        Names of `aplomb.classical.classify.CLASSIFIERS` and of shipped networks, model files, models, functions of
        pictures (N, ...) that give numbers of classes, and what has a method ``fit(images, labels)`` that gives such a
        function. None takes the classical ones, but for evolved features, which take minutes, and the shipped
        networks for these classes.
    classes
        Names of the classes in the order of their numbers; of labels that are words, the words.
    test
        Pictures and labels that are asked about; those above are then all learned from.
    test_fraction
        Without `test`, the share of each class that is held out, drawn anew with each seed.
    seeds
        Of the splits, and of methods that draw random numbers.
    progress
        Called with the steps done, the steps in all and what comes next.
    command
        What the report shows as the command; by default the one that runs, or this call.

    Returns
    -------
    comparison
        A method that fails is not fatal; its row says why.

    Raises
    ------
    BadInput
        Pictures and labels that do not fit each other, a class with fewer than three pictures, an unknown method.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(24) % 2
    >>> pictures = rng.normal(0.3 + 0.4 * labels[:, None, None], 0.1, (24, 8, 8)).clip(0, 1)
    >>> def bright(images):
    ...     return (images.mean(axis=(1, 2)) > 0.5).astype(int)
    >>> def never(images):
    ...     return np.zeros(len(images), int)
    >>> result = compare_classification(pictures, labels, [bright, never], classes=("dark", "bright"))
    >>> [(row.method, row.values["accuracy"].value) for row in result.rows]
    [('never', 0.5), ('bright', 1.0)]
    """
    if not seeds:
        raise BadInput("asked to compare with no seed; give one or more")
    if test is None and not 0 < test_fraction < 1:
        raise BadInput(f"asked to hold out {test_fraction:g} of the pictures; give a share between 0 and 1")
    names, (x, y), held = _labelled(images, labels, test, classes)
    chosen = choose(methods, names)
    work = _Work(len(names), progress, len(chosen) * len(seeds))
    for number, seed in enumerate(seeds):
        if held is None:
            inside, outside = _split(y, test_fraction, seed, names)
            known, asked = (x[inside], y[inside]), (x[outside], y[outside])
        else:
            known, asked = (x, y), held
        work.split(chosen, known, asked, seed, first=number == 0)
    rows = work.rows(chosen)
    return ClassificationComparison(
        rows=in_order(rows, COLUMNS[0]),
        columns=tuple(c for c in COLUMNS if c is COLUMNS[0] or any(c.key in row.values for row in rows)),
        scores=tuple(work.scores),
        classes=names,
        confusions=work.confusions,
        subject=f"{len(known[0])} pictures learned from, {len(asked[0])} asked about, {len(names)} classes",
        protocol=_protocol(held is not None, test_fraction, seeds),
        notes=_notes(rows),
        about=about(_call(images, methods, seeds), command),
        curves={m: reliability(np.concatenate(p), np.concatenate(work.true[m]), BINS)
                for m, p in work.probabilities.items()},
    )  # fmt: skip


@dataclass
class _Work:
    """What is collected while splits and methods go by."""

    classes: int
    progress: Progress | None
    steps: int
    done: int = 0
    scores: list[Score] = field(default_factory=list)
    confusions: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    probabilities: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    true: dict[str, list[NDArray[np.int64]]] = field(default_factory=dict)
    right: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    """On the first split, by method."""

    def split(self, methods: Sequence[Method], known: Labelled, asked: Labelled, seed: int, *, first: bool) -> None:
        """Every method on one split."""
        for method in methods:
            if self.progress is not None:
                self.progress(self.done, self.steps, f"{method.name}, seed {seed}")
            sample = f"seed {seed}"
            try:
                answer = method.run(*known, asked[0], seed)
                values = self.values(answer, asked[1])
            except Exception as error:  # a method may be anybody's code
                self.scores.append(Score(method.name, method.kind, sample, seed, problem=words(error)))
            else:
                self.keep(method.name, answer, asked[1], first=first)
                seconds = answer.seconds / len(asked[1])
                self.scores.append(Score(method.name, method.kind, sample, seed, values, seconds))
            self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.steps, "")

    def values(self, answer: Answer, labels: NDArray[np.int64]) -> dict[str, float]:
        """The figures of one answer."""
        matrix = confusion_matrix(answer.labels, labels, self.classes, ignore=None)
        true = matrix.sum(axis=1)
        values = {
            "accuracy": float(np.trace(matrix) / matrix.sum()),
            "balanced_accuracy": float(np.mean(np.diag(matrix)[true > 0] / true[true > 0])),
        }
        if answer.probabilities is not None:
            values["cross_entropy"] = negative_log_likelihood(answer.probabilities, labels)
            values["calibration_error"] = expected_calibration_error(answer.probabilities, labels, BINS)
        return values | ({"learning_seconds": answer.learning} if answer.learning else {})

    def keep(self, name: str, answer: Answer, labels: NDArray[np.int64], *, first: bool) -> None:
        """What is shown and tested later."""
        matrix = confusion_matrix(answer.labels, labels, self.classes, ignore=None)
        self.confusions[name] = self.confusions.get(name, 0) + matrix
        if answer.probabilities is not None:
            self.probabilities.setdefault(name, []).append(answer.probabilities)
            self.true.setdefault(name, []).append(labels)
        if first:
            self.right[name] = answer.labels == labels

    def rows(self, methods: Sequence[Method]) -> list[Row]:
        """Means over the splits, and differences to the best on the first one."""
        rows = [self.row(method) for method in methods]
        best = best_of(rows, COLUMNS[0])
        if best is None or best.method not in self.right:
            return rows
        top = self.right[best.method]
        return [
            row
            if row is best or row.method not in self.right
            else replace(
                row,
                difference=paired_difference(self.right[row.method], top) if len(top) > 1 else None,
                p=mcnemar(self.right[row.method], top).p,
            )
            for row in rows
        ]

    def row(self, method: Method) -> Row:
        """One method."""
        mine = [score for score in self.scores if score.method == method.name]
        good = [score for score in mine if not score.problem]
        problem = next((score.problem for score in mine if score.problem), "")
        if problem and good:
            problem = f"no result on {len(mine) - len(good)} of {len(mine)} splits ({problem})"
        values = {}
        for column in COLUMNS:
            found = [score.values[column.key] for score in good if column.key in score.values]
            if found:
                values[column.key] = self.interval(column, found, method.name)
        return Row(
            method.name,
            method.kind,
            values,
            float(np.mean([score.seconds for score in good])) if good else math.nan,
            len(good),
            method.detail,
            problem=problem,
        )

    def interval(self, column: Column, values: list[float], method: str) -> Interval:
        """Student's over the splits; Wilson's of an accuracy that is the same on all of them."""
        if len(set(values)) > 1:
            mean, low, high = mean_interval(values)
            most = 1.0 if column in COLUMNS[:2] else math.inf
            return Interval(mean, max(low, 0.0), min(high, most))
        if column.key != "accuracy":
            return Interval(values[0], math.nan, math.nan)
        count = int(self.confusions[method].sum()) // len(values)
        return proportion_interval(round(values[0] * count), count)


def _labelled(
    images: Any, labels: Any, test: tuple[Any, Any] | None, classes: Sequence[str] | None
) -> tuple[tuple[str, ...], Labelled, Labelled | None]:
    """Names of the classes, and pictures with numbers of classes, to learn from and to be asked about."""
    x, y = _stack(images), np.asarray(labels)
    others = None if test is None else (_stack(test[0]), np.asarray(test[1]))
    for stack, given in ((x, y), *([others] if others is not None else [])):
        if given.shape != (len(stack),) or given.dtype.kind not in "buiU":
            raise BadInput(
                f"found {len(stack)} pictures and labels {given.dtype} of shape {given.shape}; give each picture a "
                "number or a word"
            )
        if stack.shape[1:] != x.shape[1:]:
            raise BadInput(f"found pictures of {x.shape[1:]} and of {stack.shape[1:]}; bring them to one size")
    if y.dtype.kind == "U":
        names = tuple(map(str, np.unique(y) if classes is None else classes))
    else:
        names = tuple(map(str, range(int(y.max()) + 1) if classes is None else classes))
    y = _numbers(y, names)
    if len(names) < 2:
        raise BadInput("found one class only; give pictures of two or more")
    if missing := [names[k] for k in np.flatnonzero(np.bincount(y, minlength=len(names)) == 0)]:
        raise BadInput(f"class {', '.join(missing)} has no picture; add some, or leave it out")
    return names, (x, y), None if others is None else (others[0], _numbers(others[1], names))


def _numbers(labels: NDArray[Any], names: tuple[str, ...]) -> NDArray[np.int64]:
    """Numbers of classes, of words too."""
    if labels.dtype.kind == "U":
        if strange := sorted(set(labels.tolist()) - set(names)):
            raise BadInput(f"found the label {strange[0]!r}, which is none of the classes {', '.join(names)}")
        return np.array([names.index(label) for label in labels.tolist()], np.int64)
    if labels.min() < 0 or labels.max() >= len(names):
        raise BadInput(f"found labels from {labels.min()} to {labels.max()} of {len(names)} classes; they begin at 0")
    return labels.astype(np.int64)


def _stack(images: Any) -> NDArray[np.float32]:
    """(N, H, W) or (N, H, W, C), 0..1."""
    given = list(images) if isinstance(images, np.ndarray) and images.ndim > 2 else images
    found = [image for name, load in sources(given) for _, image in pictures(name, load())]
    if len(shapes := list(dict.fromkeys(image.shape for image in found))) > 1:
        raise BadInput(f"found pictures of {shapes[0]} and of {shapes[1]}; bring them to one size and colour")
    return np.stack(found)


def _split(
    labels: NDArray[np.int64], fraction: float, seed: int, names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pictures to learn from and pictures held out, with the same shares of every class."""
    rng = np.random.default_rng(seed)
    inside, outside = [], []
    for k, name in enumerate(names):
        mine = rng.permutation(np.flatnonzero(labels == k))
        held = max(1, round(fraction * len(mine)))
        if len(mine) - held < 2:
            raise BadInput(
                f"class {name} has {len(mine)} pictures, of which {held} would be held out: too few are left to learn "
                "from; add some, or hold out less"
            )
        outside.append(mine[:held])
        inside.append(mine[held:])
    return np.sort(np.concatenate(inside)), np.sort(np.concatenate(outside))


def _notes(rows: Sequence[Row]) -> tuple[str, ...]:
    if any(row.kind == "network" and row.samples for row in rows):
        return ("trained elsewhere: a network must not have been trained on the pictures that it is asked about",)
    return ()


def _protocol(fixed: bool, fraction: float, seeds: Sequence[int]) -> tuple[str, ...]:
    seeded = ", ".join(map(str, seeds))
    return (
        f"The test pictures were given; methods learn from all others, with the seeds {seeded}."
        if fixed
        else f"Of each class {100 * fraction:.4g} % of the pictures are held out, drawn with the seeds {seeded}; "
        "methods learn from the rest.",
        "The figure of a method is the mean over the seeds, with Student's 95 % interval; an accuracy that is the same "
        "for all seeds has Wilson's interval of a proportion.",
        "Balanced accuracy is the mean over the classes; calibration error is the expected one, of 15 bins.",
        "The best method is compared with each other one on the first split: the difference of the accuracies with the "
        "interval of the paired bootstrap, and p of McNemar's test.",
        "Confusion matrices and reliability curves are over the test pictures of all splits together.",
        "Seconds are those for one picture among all test pictures, without learning.",
    )


def _call(images: Any, methods: Any, seeds: Sequence[int]) -> str:
    more = "" if methods is None else f", {short(methods)}"
    shown = f"<{len(images)} pictures>" if isinstance(images, (list, tuple, Mapping)) else short(images)
    return f"aplomb.compare_classification({shown}, labels{more}, seeds={short(tuple(seeds))})"
