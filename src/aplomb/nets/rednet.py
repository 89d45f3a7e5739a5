"""RED-Net: n convolutions, n transposed ones that mirror them, and a sum across every second pair.

    red(n) = identity + relu deconv^n ... conv^n,  with f + deconv deconv (red(n - 2)) conv conv nested inside

Reference: Mao, Shen, Yang, "Image restoration using very deep convolutional encoder-decoder networks with symmetric
skip connections", NIPS 2016. RED10, RED20 and RED30 have 5, 10 and 15 layers on either side; there is no pooling,
and the outermost skip makes the network learn the noise y - x.
"""

from __future__ import annotations

from aplomb.errors import BadInput
from aplomb.layers import conv, conv_transposed, relu
from aplomb.operator import Operator, chain, identity


def rednet(layers: int = 30, width: int = 64, channels: int = 1, seed: int = 0) -> Operator:
    """RED-Net of `layers` layers in all, half of them transposed.

    >>> net = rednet(10)
    >>> net.output_shape((1, 1, 20, 20)), net.span((0, 1))
    ((1, 1, 20, 20), (-10, 11))
    """
    if layers < 4 or layers % 2 or width < 1 or channels < 1:
        raise BadInput(
            f"rednet of {layers} layers, {width} channels inside, {channels} outside: give an even number from 4"
        )

    down = chain(conv(width, width, padding="valid"), relu)
    up = chain(conv_transposed(width, width, 3, stride=1), relu)

    def inside(depth: int) -> Operator:
        """`depth` pairs of layers, a skip around every second one from the outside."""
        if depth == 0:
            return identity
        if depth == 1:
            return chain(down, up)
        deeper = chain(down, down, inside(depth - 2), conv_transposed(width, width, 3, stride=1), relu,
                       conv_transposed(width, width, 3, stride=1))  # fmt: skip
        return chain(identity + deeper, relu)

    first = chain(conv(channels, width, padding="valid"), relu)
    last = conv_transposed(width, channels, 3, stride=1)
    return (identity + chain(first, inside(layers // 2 - 1), last)).initialise(seed)
