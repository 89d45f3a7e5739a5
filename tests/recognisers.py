"""Small networks whose right answer is known, for the tests of what applies networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aplomb.layers import conv, dense, flatten, softmax
from aplomb.model import Card, freeze
from aplomb.operator import Operator, chain, stack


def brightness(level: float = 0.5, channels: int = 1, *, steep: float = 60.0) -> Operator:
    """Two classes: whether the mean of the channels is above `level`."""
    weight = np.full((2, channels, 1, 1), steep / channels) * np.array([-1, 1]).reshape(2, 1, 1, 1)
    bias = np.array([steep * level, -steep * level])
    return chain(conv(channels, 2, 1), softmax).with_weights({"0.weight": weight, "0.bias": bias})


def thresholds(levels: tuple[float, float] = (0.3, 0.6), steep: float = 200.0) -> Operator:
    """Three classes by brightness, as background, border and inside of blobs that are brighter in their middle."""
    low, high = levels
    # scores 0, s (x - low), s (x - low) + s (x - high) meet at the two levels
    weight = steep * np.array([0.0, 2.0, 1.0]).reshape(3, 1, 1, 1)
    bias = steep * np.array([0.0, -low - high, -low])
    return chain(conv(1, 3, 1), softmax).with_weights({"0.weight": weight, "0.bias": bias})


def twins() -> Operator:
    """The picture twice: as foreground and as distance."""
    one = conv(1, 1, 1).with_weights({"0.weight": np.ones((1, 1, 1, 1)), "0.bias": np.zeros(1)})
    return stack(one, one)


def mean_brightness(side: int = 4, steep: float = 20.0, channels: int = 1) -> Operator:
    """A classifier: whether a picture of `side` x `side` pixels has a mean above 1/2."""
    n = channels * side**2
    weight, bias = np.full((2, n), steep / n) * [[-1], [1]], np.array([steep / 2, -steep / 2])
    return chain(flatten, dense(n, 2), softmax).with_weights({"1.weight": weight, "1.bias": bias})


def frozen(operator: Operator, path: Path, **card: Any) -> Path:
    """The operator as a model file; `size` of the card, where there is one, is the input's."""
    fields = {"name": path.stem, "task": "segment", "classes": ("dark", "bright"), "target": "regions", "channels": 1}
    made = Card(**(fields | card))
    shape = (1, made.channels, *made.size) if made.size else None
    freeze(operator, path, card=made, shape=shape)
    return path
