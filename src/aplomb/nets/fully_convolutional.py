"""A classifier slid over pictures of any size: its dense layers as convolutions.

    dense @ flatten on (C, h, w)  =  conv h x w, valid        dense behind a dense  =  conv 1 x 1

Reference: Long, Shelhamer, Darrell, "Fully convolutional networks for semantic segmentation", CVPR 2015.
"""

from __future__ import annotations

from aplomb.arrays import Shape
from aplomb.errors import BadInput
from aplomb.layers import average_pool
from aplomb.layers.conv import Conv
from aplomb.layers.dense import Dense, Flatten
from aplomb.layers.pool import GlobalAverage
from aplomb.operator import Compose, Operator, chain


def fully_convolutional(classifier: Operator, picture: Shape) -> Operator:
    """The `classifier` of pictures (channels, height, width) as a map of logits, one for each place of its window.

    On pictures of that size it is the classifier, with outputs (N, K, 1, 1). On larger ones each output pixel is what
    the classifier says of the window there, exactly so if none of its layers pads with zeros. Raises BadInput where
    there is no flatten with dense layers behind it.

    >>> from aplomb.nets.lenet import lenet
    >>> net = fully_convolutional(lenet(), (1, 32, 32))
    >>> net.output_shape((1, 1, 32, 32)), net.output_shape((1, 1, 64, 48)), net.grid().stride
    ((1, 10, 1, 1), (1, 10, 9, 5), 4)
    """
    shape: Shape = (1, *picture)
    classifier.output_shape(shape)
    found: list[Operator] = []
    window: tuple[int, int] | None = None  # of the next dense layer
    for part in classifier.parts if isinstance(classifier, Compose) else (classifier,):
        after = part.output_shape(shape)
        if isinstance(part, GlobalAverage):
            found.append(average_pool((shape[2], shape[3]), 1))
        elif isinstance(part, Flatten):
            window = (shape[2], shape[3])
        elif isinstance(part, Dense) and window is not None:
            found.append(Conv(part.weight.reshape(after[1], -1, *window), part.bias))
            window = (1, 1)
        elif len(shape) == 4 or part.output_shape((1, shape[1], 1, 1)) == (*after, 1, 1):
            found.append(part)  # what works on channels works at every place
        shape = after
    if window is None or len(shape) != 2:
        raise BadInput(
            f"{classifier!r} gives {shape} and no vector of logits behind a flatten; give a classifier, without heads"
        )
    return chain(*found)
