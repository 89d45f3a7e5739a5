"""Several answers to one question: of networks trained apart, or of one to a picture turned and shifted.

Their mean is the better answer, and how far it is from certain says where not to trust it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aplomb.errors import BadInput, ModelError
from aplomb.model import Model, load
from aplomb.runtime.choice import check_task

__all__ = ["Given", "Task", "View", "entropy", "members", "probabilities", "shifts", "turns"]

Floats = NDArray[np.float32]
Task = Literal["segment", "classify"]
Given = str | Path | Model
View = tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]
"""How planes (N, C, H, W) are looked at, and how the answer is turned back."""


def members(model: Given | Sequence[Given], task: Task) -> list[Model]:
    """The models of an ensemble, loaded: all for `task`, with the same channels, classes and target."""
    given = [model] if isinstance(model, Given) else list(model)
    if not given:
        raise BadInput(f"asked to {task} with no model; give one or more")
    models = [each if isinstance(each, Model) else load(each) for each in given]
    for each in models:
        check_task(each, task)
        if _kind(each) != _kind(models[0]):
            raise ModelError(
                f"models {models[0].name} and {each.name} do not answer the same question: {_kind(models[0])} and "
                f"{_kind(each)} (channels, classes, target, size); give models of one recipe"
            )
    return models


def _kind(model: Model) -> tuple[object, ...]:
    card = model.card
    return (card.channels, card.classes, card.target, card.size) if card else (model.channels_in,)


def turns(count: int = 8) -> list[View]:
    """The picture as it is, mirrored, and turned by quarters: the 8 symmetries of a square, or the first of them.

    >>> x = np.arange(6.0, dtype=np.float32).reshape(1, 1, 2, 3)
    >>> all((back(there(x)) == x).all() for there, back in turns())
    True
    >>> len({there(x).tobytes() for there, back in turns()})
    8
    """

    def view(quarters: int, mirrored: bool) -> View:
        def there(x: Floats) -> Floats:
            turned = np.rot90(x, quarters, axes=(2, 3))
            return np.ascontiguousarray(turned[..., ::-1] if mirrored else turned)

        def back(y: Floats) -> Floats:
            return np.rot90(y[..., ::-1] if mirrored else y, -quarters, axes=(2, 3))

        return there, back

    # those of one shape follow each other: an engine may prepare itself for each shape anew
    every = [
        view(quarters, mirrored) for first in (0, 1) for quarters in (first, first + 2) for mirrored in (False, True)
    ]
    return every[:count]


def shifts() -> list[View]:
    """The picture as it is, and shifted by one pixel to the eight sides, its edge repeated; the answer stays."""

    def view(down: int, right: int) -> View:
        def there(x: Floats) -> Floats:
            padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
            rows, columns = (slice(1 - d, 1 - d + n) for d, n in zip((down, right), x.shape[2:], strict=True))
            return np.ascontiguousarray(padded[:, :, rows, columns])

        return there, lambda y: y

    return [view(down, right) for down in (0, -1, 1) for right in (0, -1, 1)]


def entropy(p: Floats) -> Floats:
    """Entropy of class probabilities along axis 1, in units of the largest: 0 is certain, 1 is no idea.

    .. math:: -\\sum_k p_k \\log p_k \\, / \\log K

    >>> entropy(np.array([[1, 0], [0.5, 0.5]], np.float32))
    array([0., 1.], dtype=float32)
    """
    logs = np.log(np.maximum(p, np.finfo(np.float32).tiny))
    return np.asarray(np.clip((p * -logs).sum(axis=1) / np.log(p.shape[1]), 0, 1), np.float32)


def probabilities(y: Floats) -> tuple[Floats, str]:
    """What a network gave as class probabilities along axis 1, and a note if that took more than taking it.

    A single channel is the probability of the second of two classes. Scores become probabilities by the softmax (a
    single one by the logistic function), as they do in the loss that such networks are trained with.
    """
    if y.shape[1] == 1:
        inside = bool(y.min() >= 0 and y.max() <= 1)
        p = y if inside else 1 / (1 + np.exp(-np.clip(y, -80, 80)))
        one = "the network gives one channel, taken as the probability of the second of two classes"
        return np.concatenate([1 - p, p], axis=1), one + ("" if inside else " by the logistic function")
    # 2 % leaves room for what bf16 rounds
    if y.min() >= -1e-3 and np.abs(y.sum(axis=1) - 1).max() <= 0.02:
        return y, ""
    scores = np.exp(y - y.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True), "the network gives scores, made probabilities by a softmax"
