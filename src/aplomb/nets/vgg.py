"""VGG: nothing but 3x3 convolutions, deeper and deeper.

    224x224 -> [[conv relu]^n pool]^5 -> 7x7x512 -> 4096 -> 4096 -> 1000

Two 3x3 convolutions see 5x5 pixels, three see 7x7, with fewer weights and more bends in between. Reference: Simonyan,
Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015 (configurations A, B, D, E).
"""

from __future__ import annotations

from aplomb.errors import BadInput
from aplomb.layers import conv, dense, dropout, flatten, max_pool, relu, softmax
from aplomb.operator import Operator, chain

STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions before each pooling, by the number of layers with weights."""


def vgg(layers: int = 16, classes: int = 1000, inputs: int = 3, labels: bool = False, seed: int | None = 0) -> Operator:
    """VGG of 11, 13, 16 or 19 layers on pictures of 224 x 224 pixels: logits, or with `labels` probabilities.

    >>> [vgg(layers, seed=None).parameters for layers in (11, 13, 16, 19)]
    [132863336, 133047848, 138357544, 143667240]
    """
    if layers not in STAGES or min(classes, inputs) < 1:
        raise BadInput(f"vgg({layers}, {classes}, {inputs}): give 11, 13, 16 or 19 layers, and positive numbers")
    parts: list[Operator] = []
    channels = inputs
    for width, count in zip((64, 128, 256, 512, 512), STAGES[layers], strict=True):
        for _ in range(count):
            parts += [conv(channels, width, seed=None), relu]
            channels = width
        parts.append(max_pool(2))
    net = chain(
        *parts, flatten,
        dense(512 * 7 * 7, 4096, seed=None), relu, dropout(0.5),
        dense(4096, 4096, seed=None), relu, dropout(0.5),
        dense(4096, classes, seed=None), *([softmax] if labels else []),
    )  # fmt: skip
    return net if seed is None else net.initialise(seed)
