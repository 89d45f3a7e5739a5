"""AlexNet: five convolutions and three dense layers, in two groups that met only now and then.

    227x227x3 -> 55x55x96 -> 27x27x256 -> 13x13x384 -> 13x13x384 -> 13x13x256 -> 6x6x256 -> 4096 -> 4096 -> 1000

Reference: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks", NIPS 2012.
Each of two graphics cards had half the channels; the second, fourth and fifth convolution see only those of their own
card. The paper writes 224, its figures ask for 227 pixels a side.
"""

from __future__ import annotations

from aplomb.errors import BadInput
from aplomb.layers import conv, dense, dropout, flatten, local_response_norm, max_pool, relu, softmax
from aplomb.operator import Operator, chain


def alexnet(classes: int = 1000, inputs: int = 3, labels: bool = False, seed: int | None = 0) -> Operator:
    """AlexNet on pictures of 227 x 227 pixels: logits, or with `labels` probabilities.

    >>> net = alexnet(seed=None)  # weights that are zero take no time
    >>> net.parameters, net.output_shape((1, 3, 227, 227))
    (60965224, (1, 1000))
    """
    if min(classes, inputs) < 1:
        raise BadInput(f"alexnet({classes}, {inputs}): give one class or more, and one channel or more")
    pool = max_pool(3, 2)
    net = chain(
        conv(inputs, 96, 11, stride=4, padding="valid", seed=None), relu, local_response_norm(), pool,
        conv(96, 256, 5, groups=2, seed=None), relu, local_response_norm(), pool,
        conv(256, 384, seed=None), relu,
        conv(384, 384, groups=2, seed=None), relu,
        conv(384, 256, groups=2, seed=None), relu, pool, flatten,
        dropout(0.5), dense(256 * 6 * 6, 4096, seed=None), relu,
        dropout(0.5), dense(4096, 4096, seed=None), relu,
        dense(4096, classes, seed=None), *([softmax] if labels else []),
    )  # fmt: skip
    return net if seed is None else net.initialise(seed)
