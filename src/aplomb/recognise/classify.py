"""Classification of whole pictures, with the probabilities of all classes and how sure the network is."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ModelError, ShapeError
from aplomb.facts.table import fitting_shape
from aplomb.io import Picture, read, whole_file
from aplomb.model import Model
from aplomb.recognise.ensemble import Given, View, entropy, members, probabilities, shifts, turns
from aplomb.recognise.prepare import prepared, standardised
from aplomb.runtime.engines import Engine, EngineName, Precision, open_engine
from aplomb.runtime.tiles import OVERHEAD, free_memory

__all__ = ["Classification", "classify", "sized"]

Floats = NDArray[np.float32]
Image = Picture | ArrayLike | str | Path

BATCH = 64
"""Most pictures that go through the network at once."""


@dataclass(frozen=True)
class Classification:
    """Classes of N pictures, and how they came about."""

    probabilities: Floats
    """(N, K)."""
    classes: tuple[str, ...]
    """Names of the K classes."""
    pictures: tuple[str, ...]
    """What each picture is called: its file, with its number in a stack."""
    model: str
    engine: str
    precision: str
    seconds: float
    """Time in the network, without reading files or opening the engine."""
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> NDArray[np.intp]:
        """(N,): index of the most probable class of each picture."""
        return np.asarray(self.probabilities.argmax(axis=1), np.intp)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the most probable class of each picture."""
        return tuple(self.classes[k] for k in self.labels)

    @property
    def entropy(self) -> Floats:
        """(N,) in 0..1: 0 is certain, 1 is no idea."""
        return entropy(self.probabilities)

    @property
    def margin(self) -> Floats:
        """(N,) in 0..1: how much more probable the best class is than the second best."""
        best = np.sort(self.probabilities, axis=1)
        return best[:, -1] - best[:, -2]

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write a row a picture, whole or not at all: its class, how sure that is, every probability."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["picture", "class", "probability", "margin", "entropy", *self.classes])
        sure = zip(self.probabilities.max(axis=1), self.margin, self.entropy, strict=True)
        for title, name, numbers, row in zip(self.pictures, self.names, sure, self.probabilities, strict=True):
            writer.writerow([title, name, *(f"{v:.6g}" for v in (*numbers, *row))])
        with whole_file(path) as temporary:
            temporary.write_text(out.getvalue(), encoding="utf-8")
        return Path(path)

    def top(self, count: int = 3) -> list[list[tuple[str, float]]]:
        """Of each picture the `count` most probable classes with their probabilities."""
        order = self.probabilities.argsort(axis=1, kind="stable")[:, ::-1][:, :count]
        return [
            [(self.classes[k], float(p[k])) for k in best] for best, p in zip(order, self.probabilities, strict=True)
        ]


def classify(
    images: Image | Sequence[Image],
    model: Given | Sequence[Given],
    *,
    uncertainty: Literal["shifts", "flips", "ensemble"] | None = None,
    slices: bool = False,
    engine: EngineName = "auto",
    precision: Precision = "f32",
    memory: float | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Classification:
    """Tell the class of a picture, of each picture of a stack, or of each of several pictures.

    Parameters
    ----------
    images
        A picture, a stack (see `aplomb.segment`), the path of a file, or a list of these of any size.
    model
        Path of a model file, a loaded `Model`, or several that answer the same question: their mean is taken. A network
        that takes one size is given pictures brought to it, with anti-aliasing; a note says so.
    uncertainty
        What the mean is taken over: "shifts" asks about the picture shifted by one pixel each way, 9 times in all;
        "flips" about the picture turned and mirrored, 8 times, which is right where up and down mean nothing;
        "ensemble" needs several models. `entropy` and `margin` of the result are those of the mean.
    slices
        Whether each slice of a volume is a picture by itself; a volume is refused unless it is said.
    engine, precision, threads
        See `aplomb.runtime.engines.open_engine`.
    memory
        Bytes that the network may use beyond the pictures; None: half of what is free.
    progress
        Called with the pictures done and the pictures in all.

    Raises
    ------
    BadInput
        No picture; one that is empty, a volume, holds NaN or infinity or has an unknown range.
    ModelError
        A model that is made for something else, or does not fit the pictures.

    Examples
    --------
    A network that calls a picture bright whose mean is above 1/2:

    >>> import tempfile
    >>> import numpy as np
    >>> from aplomb import Card, chain, freeze
    >>> from aplomb.layers import dense, flatten, softmax
    >>> weights = {"1.weight": np.full((2, 4), 3.0) * [[-1], [1]], "1.bias": np.array([6.0, -6.0])}
    >>> network = chain(flatten, dense(4, 2), softmax).with_weights(weights)
    >>> card = Card(name="bright", task="classify", classes=("dark", "bright"), size=(2, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = freeze(network, folder + "/bright.onnx", card=card, shape=(1, 1, 2, 2))
    ...     classify([np.full((2, 2), 0.1), np.full((2, 2), 0.9)], folder + "/bright.onnx").names
    ('dark', 'bright')
    """
    models = members(model, "classify")
    if uncertainty not in (None, "shifts", "flips", "ensemble"):
        raise BadInput(f"uncertainty {uncertainty!r} is not known; give 'shifts', 'flips', 'ensemble' or None")
    if uncertainty == "ensemble" and len(models) < 2:
        raise BadInput("uncertainty by an ensemble needs several models, one was given; use 'shifts', or give more")
    views = {"shifts": shifts, "flips": turns}.get(uncertainty or "", lambda: turns(1))()
    engines = [open_engine(each, engine, precision, threads) for each in models]
    room = free_memory() / 2 if memory is None else memory
    given = _listed(images)
    answers: list[Floats] = []
    names: list[str] = []
    notes: dict[str, None] = {}
    seconds = 0.0
    for index, image in enumerate(given):
        planes, title, said = _planes(image, models[0], slices)
        names += [title] if len(planes) == 1 else [f"{title}, {n}" for n in range(1, len(planes) + 1)]
        start = time.perf_counter()
        answer, more = _answer(models, engines, planes, views, room)
        seconds += time.perf_counter() - start
        answers.append(answer)
        notes |= dict.fromkeys((*said, *more))
        if progress is not None:
            progress(index + 1, len(given))
    p = np.concatenate(answers)
    return Classification(
        probabilities=p,
        classes=_classes(models[0], p.shape[1]),
        pictures=tuple(names),
        model=" + ".join(each.name for each in models),
        engine=engines[0].name,
        precision=engines[0].precision,
        seconds=seconds,
        notes=tuple(notes),
    )


def _listed(images: Any) -> list[Any]:
    """The pictures one by one; a list of numbers is a picture, a list of pictures are several."""
    if isinstance(images, (Picture, str, Path, np.ndarray)) or not isinstance(images, Iterable):
        return [images]
    listed = list(images)
    if not listed:
        raise BadInput("asked to classify no picture; give one or more")
    several = any(isinstance(each, (Picture, str, Path)) or np.ndim(each) >= 2 for each in listed)
    return listed if several else [images]


def _planes(image: Any, model: Model, slices: bool) -> tuple[Floats, str, list[str]]:
    """Planes (N, C, H, W) of the size that the network takes, what they are called, and notes."""
    picture = read(image) if isinstance(image, (str, Path)) else image
    planes, _, notes = prepared(picture, model, slices=slices)
    title = picture.name if isinstance(picture, Picture) else "image"
    if isinstance(picture, Picture):
        notes = [*picture.notes, *notes]
    planes, note = sized(planes, model)
    return planes, title, [*notes, note] if note else notes


def sized(planes: Floats, model: Model) -> tuple[Floats, str]:
    """Planes (N, C, H, W) in the size that a classifier takes, and a note if they had another one."""
    found, size = planes.shape[2:], _size(model, planes.shape)
    if size == found:
        return planes, ""
    from skimage.transform import resize

    planes = np.asarray(resize(planes, (*planes.shape[:2], *size), order=1, anti_aliasing=True), np.float32)
    wide = "" if size[0] * found[1] == size[1] * found[0] else ", which changes their proportions"
    return planes, (
        f"{model.name} takes {size[0]} x {size[1]} pixels: pictures of {found[0]} x {found[1]} were resized{wide}"
    )


def _size(model: Model, shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width that the network is given for pictures of `shape`."""
    if model.card and model.card.size:
        return model.card.size
    try:
        operator = model.operator
        try:
            operator.output_shape(shape)
        except ShapeError:
            shape = fitting_shape(operator, model.channels_in)
    except (ModelError, ShapeError):  # a network that cannot be read is asked itself
        pass
    if len(shape) != 4:
        raise ModelError(f"model {model.name} takes vectors, not pictures; put flatten before it and freeze it anew")
    return shape[2], shape[3]


def _answer(
    models: list[Model], engines: list[Engine], planes: Floats, views: list[View], room: float
) -> tuple[Floats, list[str]]:
    """Mean of the probabilities over models and views, (N, K), and notes."""
    total: Any = 0.0
    notes = []
    for model, engine in zip(models, engines, strict=True):
        values = model.card.values_per_pixel if model.card else 256.0
        each = 4 * max(values, 1.0) * OVERHEAD * planes.shape[2] * planes.shape[3]
        batch = int(min(BATCH, room // each))
        if batch < 1:
            raise BadInput(
                f"a picture of {planes.shape[2]} x {planes.shape[3]} pixels needs {each / 2**20:.0f} MB in this "
                f"network, the limit is {room / 2**20:.0f} MB; give more with --memory, or smaller pictures"
            )
        x = standardised(planes) if model.card and model.card.standardise else planes
        for there, _ in views:
            turned = there(x)
            y = np.concatenate([engine(turned[k : k + batch]) for k in range(0, len(turned), batch)])
            p, note = probabilities(_vectors(y, model))
            notes += [note] if note else []
            total = total + p
    return np.asarray(total / (len(models) * len(views)), np.float32), notes


def _vectors(y: Floats, model: Model) -> Floats:
    """What the network gave as (N, K), checked against its card."""
    flat = y.reshape(len(y), -1) if y.ndim == 4 and y.shape[2:] == (1, 1) else y
    classes = model.card.classes if model.card else ()
    if flat.ndim != 2:
        raise ModelError(
            f"model {model.name} makes {y.shape}, not one vector a picture: it classifies no pictures; "
            "classes of pixels are for aplomb segment"
        )
    if classes and flat.shape[1] != len(classes) and (flat.shape[1], len(classes)) != (1, 2):
        raise ModelError(
            f"model {model.name} gives {flat.shape[1]} numbers a picture, its card names {len(classes)} classes; "
            "freeze it anew"
        )
    return flat


def _classes(model: Model, count: int) -> tuple[str, ...]:
    return (model.card.classes if model.card else ()) or tuple(f"class {k}" for k in range(count))
