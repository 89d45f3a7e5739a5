"""LeNet-5: the first convolutional network that read handwriting for its living.

    32x32 -> conv 5 -> 28x28x6 -> pool -> conv 5 -> 10x10x16 -> pool -> conv 5 -> 120 -> 84 -> 10

Reference: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86(11),
1998. Layer C3 is connected in full (it had a table of connections), pooling has no weights, and the end is a dense
layer in place of the radial basis units.
"""

from __future__ import annotations

from typing import Literal

from aplomb.errors import BadInput
from aplomb.layers import average_pool, conv, dense, flatten, max_pool, relu, softmax, tanh
from aplomb.operator import Operator, chain


def lenet(
    classes: int = 10,
    inputs: int = 1,
    activation: Literal["tanh", "relu"] = "tanh",
    pooling: Literal["average", "max"] = "average",
    labels: bool = False,
    seed: int | None = 0,
) -> Operator:
    """LeNet-5 on pictures of 32 x 32 pixels: logits, or with `labels` probabilities.

    Digits of 28 x 28 pixels have a border of zeros around them, as in the paper.

    >>> net = lenet()
    >>> net.parameters, net.output_shape((1, 1, 32, 32))
    (61706, (1, 10))
    """
    activations, poolings = {"tanh": tanh, "relu": relu}, {"average": average_pool, "max": max_pool}
    if min(classes, inputs) < 1 or activation not in activations or pooling not in poolings:
        raise BadInput(
            f"lenet({classes}, {inputs}, activation={activation!r}, pooling={pooling!r}): give positive numbers, "
            "tanh or relu, average or max"
        )
    bend, pool = activations[activation], poolings[pooling](2)
    net = chain(
        conv(inputs, 6, 5, padding="valid", seed=None), bend, pool,  # C1, S2
        conv(6, 16, 5, padding="valid", seed=None), bend, pool,  # C3, S4
        conv(16, 120, 5, padding="valid", seed=None), bend,  # C5: one pixel is left
        flatten, dense(120, 84, seed=None), bend,  # F6
        dense(84, classes, seed=None), *([softmax] if labels else []),
    )  # fmt: skip
    return net if seed is None else net.initialise(seed)
