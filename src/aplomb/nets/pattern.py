"""The usual pattern of a classifier, as one call.

    INPUT -> [[CONV -> RELU] * N -> POOL?] * M -> [FC -> RELU] * K -> FC

System B7 of the source documents. Channels double behind each pooling, so that all layers cost about the same.
"""

from __future__ import annotations

from aplomb.arrays import Shape
from aplomb.errors import BadInput
from aplomb.layers import conv, dense, flatten, max_pool, relu, softmax
from aplomb.operator import Operator, chain


def pattern(
    picture: Shape = (1, 32, 32),
    classes: int = 10,
    convolutions: int = 2,
    stages: int = 3,
    dense_layers: int = 1,
    pool: bool = True,
    width: int = 16,
    hidden: int = 128,
    labels: bool = False,
    seed: int | None = 0,
) -> Operator:
    """Classifier of pictures (channels, height, width), in `stages` (M) of `convolutions` (N) 3x3 convolutions.

    `dense_layers` (K) hidden layers of `hidden` units follow, and the one that gives a logit for each class. The first
    stage has `width` channels. Sizes must be multiples of 2 ** stages, if there is a pooling at the end of each.

    >>> net = pattern((3, 32, 32), classes=10, convolutions=2, stages=3, dense_layers=1)
    >>> net.output_shape((1, 3, 32, 32)), net.parameters
    ((1, 10), 204570)
    """
    if len(picture) != 3 or min(*picture, classes, convolutions, width, hidden) < 1 or min(stages, dense_layers) < 0:
        raise BadInput(
            f"pattern({picture}, classes={classes}, convolutions={convolutions}, stages={stages}, "
            f"dense_layers={dense_layers}): give (channels, height, width) and positive numbers"
        )
    parts: list[Operator] = []
    channels = picture[0]
    for stage in range(stages):
        wide = width * 2**stage if pool else width
        for _ in range(convolutions):
            parts += [conv(channels, wide, seed=None), relu]
            channels = wide
        parts += [max_pool(2)] if pool else []
    parts.append(flatten)
    values = chain(*parts).output_shape((1, *picture))[1]
    for _ in range(dense_layers):
        parts += [dense(values, hidden, seed=None), relu]
        values = hidden
    net = chain(*parts, dense(values, classes, seed=None), *([softmax] if labels else []))
    return net if seed is None else net.initialise(seed)
