"""Wide residual networks: fewer blocks, more channels, and the norm before the convolution.

    block = identity + conv relu bn conv relu bn

Reference: Zagoruyko, Komodakis, "Wide residual networks", BMVC 2016; the order is that of He et al., "Identity mappings
in deep residual networks", ECCV 2016.
"""

from __future__ import annotations

from aplomb.errors import BadInput
from aplomb.layers import batch_norm, conv, dense, flatten, global_average_pool, relu, softmax
from aplomb.operator import Operator, chain, identity


def wide_resnet(
    layers: int = 28, widen: int = 10, classes: int = 10, inputs: int = 3, labels: bool = False, seed: int | None = 0
) -> Operator:
    """WRN of 6 n + 4 layers, `widen` times as wide, for pictures of 32 x 32 pixels.

    Logits come out, with `labels` probabilities.

    >>> wide_resnet(seed=None).parameters
    36479194
    """
    if layers < 10 or (layers - 4) % 6 or min(widen, classes, inputs) < 1:
        raise BadInput(
            f"wide_resnet({layers}, {widen}, {classes}, {inputs}): give 10, 16, 22, 28, ... layers (6 n + 4), and "
            "positive numbers"
        )
    parts = [_conv(inputs, 16)]
    channels = 16
    for stage in range(3):
        width = 16 * widen * 2**stage
        for number in range((layers - 4) // 6):
            parts.append(_block(channels, width, 2 if stage and not number else 1))
            channels = width
    end = (batch_norm(channels), relu, global_average_pool, flatten, dense(channels, classes, seed=None))
    net = chain(*parts, *end, *([softmax] if labels else []))
    return net if seed is None else net.initialise(seed)


def _block(channels: int, width: int, stride: int) -> Operator:
    before = (batch_norm(channels), relu)
    body = chain(_conv(channels, width, stride=stride), batch_norm(width), relu, _conv(width, width))
    if channels == width:
        return identity + chain(*before, body)
    # where the sizes change, the 1x1 convolution shares the norm with the body
    return chain(*before, _conv(channels, width, 1, stride) + body)


def _conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> Operator:
    return conv(inputs, outputs, size, stride=stride, bias=False, exact=False, seed=None)
