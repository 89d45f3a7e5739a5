"""Segmentation, from any picture to a map of classes or of objects: a network, run in tiles that change nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aplomb.errors import BadInput, ModelError
from aplomb.io import Picture
from aplomb.model import Model
from aplomb.recognise.ensemble import Given, entropy, members, probabilities, turns
from aplomb.recognise.prepare import laid_out, prepared, standardised
from aplomb.recognise.targets import SMALLEST, Target, instances_from_borders, instances_from_distances
from aplomb.runtime.engines import EngineName, Precision
from aplomb.runtime.network import Network, open_network

__all__ = ["CHANNELS", "Segmentation", "segment"]

Floats = NDArray[np.float32]
CHANNELS = {"borders": ("background", "inside", "border"), "distances": ("object", "distance")}
"""What the channels of a network are that finds objects."""


@dataclass(frozen=True)
class Segmentation:
    """A segmented picture, or stack of pictures, and how it came about.

    Stacks keep their axes in front: (..., H, W).
    """

    labels: NDArray[Any]
    """(H, W): the class of each pixel (uint8), or the number of the object that it is of (int32), 0 for background."""
    probabilities: Floats
    """(K, H, W): of each class. For borders of background, inside and border; for distances of an object, and the
    distance itself."""
    classes: tuple[str, ...]
    """Names of the classes; of a map of objects, what background and objects are called."""
    target: Target
    uncertainty: Floats | None
    """(H, W) in 0..1: entropy of the mean over the answers; None if it was not asked for."""
    model: str
    engine: str
    precision: str
    seconds: float
    """Time in the network and after it, without opening files or the engine."""
    notes: tuple[str, ...] = ()

    @property
    def instances(self) -> bool:
        """Whether `labels` are numbers of objects."""
        return self.target != "regions"


def segment(
    image: Picture | ArrayLike,
    model: Given | Sequence[Given],
    *,
    uncertainty: Literal["flips", "ensemble"] | None = None,
    smallest: int = SMALLEST,
    slices: bool = False,
    engine: EngineName = "auto",
    precision: Precision = "f32",
    memory: float | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Segmentation:
    """Tell the classes or the objects in a picture, or in each picture of a stack.

    Parameters
    ----------
    image
        (H, W), (H, W, 3), with alpha, or a stack (N, H, W) or (N, H, W, C); uint8, uint16, bool, or float in 0..1.
    model
        Path of a model file, a loaded `Model`, or several that answer the same question: their mean is taken.
    uncertainty
        Whether to map where the answer is not to be trusted. "flips" asks about the picture turned and mirrored, 8
        times in all, and takes the mean; "ensemble" needs several models. The map is the entropy of the mean.
    smallest
        Objects of fewer pixels are left out; of no matter for maps of classes.
    slices
        Whether each slice of a volume is a picture by itself; a volume is refused unless it is said.
    engine, precision, threads
        See `aplomb.runtime.engines.open_engine`.
    memory
        Bytes that the network may use beyond the picture and the result; None: half of what is free.
    progress
        Called with the tiles done and the tiles in all.

    Raises
    ------
    BadInput
        A picture that is empty, a volume, holds NaN or infinity or has an unknown range; "ensemble" of one model.
    ModelError
        A model that is made for something else, or does not fit the picture.

    Examples
    --------
    A network that calls bright what is above 1/2:

    >>> import tempfile
    >>> import numpy as np
    >>> from aplomb import Card, chain, freeze
    >>> from aplomb.layers import conv, softmax
    >>> weights = {"0.weight": np.array([[[[-9.0]]], [[[9.0]]]]), "0.bias": np.array([4.5, -4.5])}
    >>> network = chain(conv(1, 2, 1), softmax).with_weights(weights)
    >>> card = Card(name="bright", task="segment", classes=("dark", "bright"), target="regions")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = freeze(network, folder + "/bright.onnx", card=card)
    ...     segment(np.array([[0.1, 0.4, 0.9]]), folder + "/bright.onnx").labels
    array([[0, 0, 1]], dtype=uint8)
    """
    models = members(model, "segment")
    if uncertainty not in (None, "flips", "ensemble"):
        raise BadInput(f"uncertainty {uncertainty!r} is not known; give 'flips', 'ensemble' or None")
    if uncertainty == "ensemble" and len(models) < 2:
        raise BadInput("uncertainty by an ensemble needs several models, one was given; use 'flips', or give more")
    if smallest < 0:
        raise BadInput(f"the smallest object has {smallest} pixels; give 0 or more")
    planes, origin, notes = prepared(image, models[0], slices=slices)
    target = _target(models[0])
    if precision != "f32":
        notes.append(f"what {precision} changes against f32 was not measured for {models[0].name}")
    networks = [open_network(each, engine, precision, memory=memory, threads=threads) for each in models]

    start = time.perf_counter()
    p, more = _answers(networks, planes, target, 8 if uncertainty == "flips" else 1, progress)
    labels = np.stack([_decoded(each, target, smallest) for each in p])
    doubt = p if target != "distances" else np.concatenate([1 - p[:, :1], p[:, :1]], axis=1)
    seconds = time.perf_counter() - start
    return Segmentation(
        labels=laid_out(labels, origin),
        probabilities=laid_out(p, origin),
        classes=_classes(models[0], target, p.shape[1]),
        target=target,
        uncertainty=laid_out(entropy(doubt), origin) if uncertainty else None,
        model=" + ".join(each.name for each in models),
        engine=networks[0].engine.name,
        precision=networks[0].engine.precision,
        seconds=seconds,
        notes=(*notes, *more),
    )


def _target(model: Model) -> Target:
    target = (model.card.target if model.card else "") or "regions"
    for known in get_args(Target):
        if target == known:
            return known  # type: ignore[no-any-return]
    raise ModelError(f"model {model.name} gives {target!r}, which this Aplomb does not know; update Aplomb")


def _answers(
    networks: list[Network],
    planes: Floats,
    target: Target,
    views: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[Floats, list[str]]:
    """Mean of what the networks give for each view of the pictures, and notes."""
    passes = [(network, *view) for network in networks for view in turns(views)]
    total: Floats | None = None
    notes: dict[str, None] = {}
    for index, (network, there, back) in enumerate(passes):
        card = network.model.card
        x = there(standardised(planes) if card and card.standardise else planes)

        def tell(done: int, count: int, index: int = index) -> None:
            if progress is not None:
                progress(index * count + done, len(passes) * count)

        y, note = _understood(network(x, progress=tell), network.model, target)
        notes |= dict.fromkeys(filter(None, [note]))
        total = back(y) if total is None else total + back(y)
    assert total is not None
    return np.ascontiguousarray(total / np.float32(len(passes))), [*notes]


def _understood(y: Floats, model: Model, target: Target) -> tuple[Floats, str]:
    """The probabilities in what a network gave, checked against its card, and a note."""
    classes = model.card.classes if model.card else ()
    wanted = len(CHANNELS[target]) if target in CHANNELS else max(len(classes), 1)
    if y.shape[1] != wanted and (target in CHANNELS or (classes and not (y.shape[1] == 1 and wanted == 2))):
        raise ModelError(
            f"model {model.name} gives {y.shape[1]} channels, its card says {target}"
            f"{' of the classes ' + ', '.join(classes) if target == 'regions' else ''}, which take {wanted}; "
            "freeze it anew"
        )
    if target == "distances":
        return np.clip(y, 0, 1), ""
    p, note = probabilities(y)
    if not model.card:
        note = "; ".join(filter(None, [f"{model.name} has no Aplomb card: classes are numbered", note]))
    return p, note


def _decoded(p: Floats, target: Target, smallest: int) -> NDArray[Any]:
    if target == "borders":
        return instances_from_borders(p, smallest)
    if target == "distances":
        return instances_from_distances(p[0], p[1], smallest)
    return np.asarray(p.argmax(axis=0), np.uint8)


def _classes(model: Model, target: Target, count: int) -> tuple[str, ...]:
    named = model.card.classes if model.card else ()
    if target != "regions":  # training names the channels; what the objects are called, a card may say
        return named[:2] if len(named) == 2 and named != CHANNELS[target] else ("background", "object")
    return named or tuple(f"class {k}" for k in range(count))
