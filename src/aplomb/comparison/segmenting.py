"""Segmentations compared: every method on the same labelled pictures."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from aplomb.comparison.bootstrap import mean_over
from aplomb.comparison.machine import about
from aplomb.comparison.recognition import Column, Row, Score, best_of, in_order, words
from aplomb.comparison.references import Truth, class_names, fields_of_view, label_maps, references
from aplomb.comparison.scoring import (
    confusion,
    matched,
    object_columns,
    region_columns,
    score_objects,
    score_regions,
)
from aplomb.comparison.segmentation import Example, SegmentationComparison
from aplomb.comparison.segmenters import Learned, Method, Question, choose
from aplomb.comparison.sources import Image, pictures, short, sources
from aplomb.errors import BadInput
from aplomb.io import IGNORE, check_classes
from aplomb.recognise.targets import Target

__all__ = ["compare_segmentation"]

Progress = Callable[[int, int, str], None]

EXAMPLES = 6
"""Pictures whose maps are kept for figures."""
WARM = 64
"""Side of the part of a picture on which a method runs first, untimed."""


def compare_segmentation(
    images: Any,
    labels: Any,
    methods: Any = None,
    *,
    target: Target = "regions",
    classes: Sequence[str] | None = None,
    masks: Any = None,
    train: tuple[Any, Any] | None = None,
    seeds: Sequence[int] = (0,),
    membranes: bool = False,
    progress: Progress | None = None,
    command: str | None = None,
) -> SegmentationComparison:
    """Segment labelled pictures by every method, and measure how well and how fast.

    Parameters
    ----------
    images
        Pictures (H, W) or (H, W, 3) as `aplomb.compare` takes them: arrays, files, folders, or a mapping from names.
    labels
        As many label maps (H, W): arrays, a mapping, or files and folders in the same order. Of the target "regions"
        classes 0..K-1, and 255 for pixels that do not count; of the others numbers of objects, 0 for background.
    methods
        Names of classical segmenters and of shipped networks, model files, models, or functions of a picture in 0..1
        that give labels (and learn first, if they have a method `fit`). None takes the usual classical ones, and the
        shipped networks for these classes.
    target
        "regions" for classes of pixels; "borders" or "distances" for objects.
    classes
        Names of the K classes, in the order of their numbers.
    masks
        Fields of view, bool (H, W), one a picture: pixels outside do not count.
    train
        Pictures and labels for methods that learn, other ones than those above.
    seeds
        Methods that draw random numbers run once a seed.
    membranes
        Also take the errors of the challenge of ISBI 2012 for the class that is called membrane: Rand error, warping
        error, and 1 - the largest Dice coefficient of the cells over all thresholds, which it calls the pixel error.
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
        Pictures, labels and masks that do not fit each other, a class that is in no label map, an unknown method.

    Examples
    --------
    >>> truth = np.zeros((32, 32), int)
    >>> truth[8:24, 8:24] = 1
    >>> picture = 0.2 + 0.6 * truth
    >>> def everything(image):
    ...     return np.ones(image.shape, int)
    >>> result = compare_segmentation({"square": picture}, [truth], ["otsu", everything], classes=("out", "in"))
    >>> for row in result.rows:
    ...     print(f"{row.method} {row.values['mean_iou'].value:.3f}")
    everything 0.125
    otsu 1.000
    """
    if target not in get_args(Target):
        raise BadInput(f"asked for the target {target!r}; give one of {', '.join(get_args(Target))}")
    if not seeds:
        raise BadInput("asked to compare with no seed; give one or more")
    objects = target != "regions"
    named = [pair for name, load in sources(images) for pair in pictures(name, load())]
    truths = references(named, label_maps(labels), fields_of_view(masks), objects=objects)
    names = ("background", "object") if objects else class_names([t.labels for t in truths], classes)
    membrane = names.index("membrane") if membranes and "membrane" in names else None
    if membranes and membrane is None:
        raise BadInput(f"asked for figures of membranes, found the classes {', '.join(names)}; name one membrane")
    if not objects:
        check_classes([np.where(t.mask, t.labels, IGNORE) for t in truths], len(names))
    learning = None if train is None else _training(train, objects=objects)
    chosen = choose(methods, Question(target, names, learning))
    columns = object_columns() if objects else region_columns(names, membrane)
    work = _Work(chosen, dict(named), dict(zip(dict(named), truths, strict=True)), names, membrane, objects)
    work.run(seeds, progress)
    rows = _rows(chosen, work.scores, columns, [name for name, _ in named], seeds)
    shown = tuple(c for c in columns if any(c.key in row.values for row in rows))
    return SegmentationComparison(
        rows=in_order(rows, columns[0]),
        columns=shown or columns[:1],
        scores=tuple(work.scores),
        classes=names,
        confusions=work.confusions,
        subject=_subject(named, target, names),
        protocol=_protocol(objects, learning, seeds, len(named)),
        notes=tuple(_notes(chosen, work.scores)),
        about=about(_call(images, methods, target), command),
        target=target,
        examples=tuple(work.examples.values()),
    )


@dataclass
class _Work:
    """What is collected while methods and pictures go by."""

    methods: Sequence[Method]
    images: Mapping[str, Image]
    truths: Mapping[str, Truth]
    classes: tuple[str, ...]
    membrane: int | None
    objects: bool
    scores: list[Score] = field(default_factory=list)
    confusions: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    examples: dict[str, Example] = field(default_factory=dict)

    def run(self, seeds: Sequence[int], progress: Progress | None) -> None:
        """Every method, with every seed that makes a difference to it, on every picture."""
        few = list(self.images.items())[:EXAMPLES]
        self.examples = {name: Example(name, image, self.truths[name]) for name, image in few}
        runs = [(method, seed) for method in self.methods for seed in (seeds if method.seeded else seeds[:1])]
        done, total = 0, len(runs) * (len(self.images) + 1)

        def tell(what: str, steps: int = 0) -> None:
            nonlocal done
            done += steps
            if progress is not None:
                progress(done, total, what)

        for method, seed in runs:
            tell(f"{method.name} gets ready")
            try:
                learned = method.begin(seed)
                with contextlib.suppress(Exception):  # loads what it needs; it may not like small pictures
                    learned(next(iter(self.images.values()))[:WARM, :WARM])
            except Exception as error:  # a method may be anybody's code
                for name in self.images:
                    self.scores.append(Score(method.name, method.kind, name, seed, problem=words(error)))
                tell("", len(self.images) + 1)
                continue
            tell("", 1)
            for name in self.images:
                tell(f"{method.name} on {name}")
                self.scores.append(self.measure(method, learned, name, seed, first=seed == seeds[0]))
                tell("", 1)

    def measure(self, method: Method, learned: Learned, name: str, seed: int, *, first: bool) -> Score:
        """One method on one picture; whatever it raises is its score's problem."""
        truth = self.truths[name]
        try:
            start = time.perf_counter()
            found = learned(self.images[name].copy())
            seconds = time.perf_counter() - start if found.seconds is None else found.seconds
            labels = found.labels
            if self.objects:
                values = score_objects(labels, truth)
            else:
                count = len(self.classes)
                probabilities = found.probabilities
                if method.matched:
                    confusion(labels, truth, count)  # refuses what is no map
                    labels, probabilities = matched(labels, truth, count), None
                counts = confusion(labels, truth, count)
                self.confusions[method.name] = self.confusions.get(method.name, 0) + counts
                values = score_regions(counts, labels, probabilities, truth, self.membrane)
        except Exception as error:
            return Score(method.name, method.kind, name, seed, problem=words(error))
        if first and name in self.examples:
            self.examples[name].labels[method.name] = labels
        return Score(method.name, method.kind, name, seed, values, seconds)


def _rows(
    methods: Sequence[Method],
    scores: Sequence[Score],
    columns: Sequence[Column],
    names: list[str],
    seeds: Sequence[int],
) -> list[Row]:
    """Means over pictures and seeds, and differences to the best."""
    tables = {method.name: _table(method.name, scores, columns, names, seeds) for method in methods}
    rows = []
    for method in methods:
        mine = [score for score in scores if score.method == method.name]
        good = [score for score in mine if not score.problem]
        problem = next((score.problem for score in mine if score.problem), "")
        if problem and good:
            problem = f"no result on {len(mine) - len(good)} of {len(mine)} pictures ({problem})"
        values = {column.key: mean_over(tables[method.name][column.key]) for column in columns}
        rows.append(
            Row(
                method.name,
                method.kind,
                {key: value for key, value in values.items() if not math.isnan(value.value)},
                float(np.mean([score.seconds for score in good])) if good else math.nan,
                len({score.sample for score in good}),
                ", ".join(part for part in (method.detail, "matched" if method.matched else "") if part),
                problem=problem,
            )
        )
    best = best_of(rows, columns[0])
    if best is None:
        return rows
    key = columns[0].key  # a method without seeds meets the other one's, each
    return [
        row
        if row is best or key not in row.values
        else replace(row, difference=mean_over(tables[row.method][key] - tables[best.method][key]))
        for row in rows
    ]


def _table(
    method: str, scores: Sequence[Score], columns: Sequence[Column], names: list[str], seeds: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """(seeds, pictures) for each column, NaN where there is no figure; one line where seeds make no difference."""
    mine = {(score.seed, score.sample): score for score in scores if score.method == method}
    ran = [seed for seed in seeds if any(key[0] == seed for key in mine)]
    return {
        c.key: np.array([[mine[seed, name].values.get(c.key, math.nan) for name in names] for seed in ran])
        for c in columns
    }


def _training(train: tuple[Any, Any], *, objects: bool) -> tuple[list[Image], list[NDArray[Any]]]:
    """Pictures and labels to learn from."""
    images = [pair for name, load in sources(train[0]) for pair in pictures(name, load())]
    labels = label_maps(train[1])
    references(images, labels, None, objects=objects)
    return [image for _, image in images], labels


def _subject(named: list[tuple[str, Image]], target: Target, names: tuple[str, ...]) -> str:
    what = named[0][0] if len(named) == 1 else f"{len(named)} pictures"
    return f"{what}, " + (f"classes {', '.join(names)}" if target == "regions" else f"objects, target {target}")


def _notes(methods: Sequence[Method], scores: Sequence[Score]) -> Iterator[str]:
    done = {score.method for score in scores if not score.problem}
    if any(method.matched and method.name in done for method in methods):
        yield (
            "matched: numbers of the classes mean nothing; in each picture they were given to the true classes that "
            "they fit best, which takes the reference"
        )
    if any(method.kind == "network" and method.name in done for method in methods):
        yield "trained elsewhere: a network must not have been trained on these pictures"


def _protocol(objects: bool, learning: Any, seeds: Sequence[int], count: int) -> tuple[str, ...]:
    figures = (
        "Objects match above an intersection over union of 0.5; AP is TP / (TP + FP + FN), its mean is over the "
        "thresholds 0.5 to 0.95; PQ is the panoptic quality; count error is |found - true| / true."
        if objects
        else "Figures are taken picture by picture over the pixels that count. IoU and Dice are those of each class, "
        "their mean leaves out classes that are neither in the reference nor in the result."
    )
    learned = (
        "No pictures to learn from were given."
        if learning is None
        else f"Methods that learn do so from {len(learning[0])} other pictures, once for each seed."
    )
    return (
        figures,
        "The figure of a method is the mean over the pictures and seeds; its interval is that of the bootstrap over "
        f"pictures and seeds (95 %), of {count} pictures and the seeds {', '.join(map(str, seeds))}.",
        "The difference to the best is taken picture by picture, with an interval of the same kind.",
        learned,
        "Seconds are those of one call for a whole picture, after one on a small part; without learning, and of "
        "networks without opening them.",
    )


def _call(images: Any, methods: Any, target: Target) -> str:
    more = "" if methods is None else f", {short(methods)}"
    return f"aplomb.compare_segmentation({short(images)}, labels{more}, target={target!r})"
