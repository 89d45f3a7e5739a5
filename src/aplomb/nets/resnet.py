"""Residual networks: each block adds to what came in.

    block = relu @ (shortcut + bn conv relu bn conv)

The shortcut is the identity where it fits; where a block halves the picture and doubles the channels it is A: every
second pixel and channels of zeros, without weights; B: a 1x1 convolution; C: a 1x1 convolution in every block.
Reference: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016. A bottleneck halves the
picture in its 3x3 convolution, as all implementations have done since (in the paper in the 1x1 before: same counts).
"""

from __future__ import annotations

from typing import Literal

from aplomb.errors import BadInput
from aplomb.layers import (
    batch_norm,
    conv,
    dense,
    downsample,
    flatten,
    global_average_pool,
    max_pool,
    place,
    relu,
    softmax,
)
from aplomb.operator import Operator, chain, identity

Shortcut = Literal["A", "B", "C"]

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks of each stage, by the number of layers with weights; from 50 on they are bottlenecks."""


def resnet(
    layers: int = 50,
    shortcut: Shortcut = "B",
    classes: int = 1000,
    inputs: int = 3,
    labels: bool = False,
    seed: int | None = 0,
) -> Operator:
    """ResNet of 18, 34, 50, 101 or 152 layers for pictures of 224 x 224 pixels: logits, with `labels` probabilities.

    >>> [resnet(18, shortcut, seed=None).parameters for shortcut in "ABC"]
    [11515688, 11689512, 12043816]
    >>> resnet(50, seed=None).output_shape((1, 3, 224, 224))
    (1, 1000)
    """
    if layers not in BLOCKS or shortcut not in ("A", "B", "C") or min(classes, inputs) < 1:
        raise BadInput(
            f"resnet({layers}, {shortcut!r}, {classes}, {inputs}): give {', '.join(map(str, BLOCKS))} layers, shortcut "
            "A, B or C, and positive numbers"
        )
    bottleneck = layers >= 50
    parts = [_conv(inputs, 64, 7, stride=2), relu, max_pool(3, 2, padding=1, exact=False)]
    channels = 64
    for stage, count in enumerate(BLOCKS[layers]):
        width = 64 * 2**stage
        for number in range(count):
            stride = 2 if stage and not number else 1
            parts.append(_block(channels, width, stride, shortcut, bottleneck))
            channels = 4 * width if bottleneck else width
    return _classifier(parts, channels, classes, labels, seed)


def resnet_cifar(
    layers: int = 20,
    shortcut: Shortcut = "A",
    classes: int = 10,
    inputs: int = 3,
    labels: bool = False,
    seed: int | None = 0,
) -> Operator:
    """ResNet of 6 n + 2 layers for pictures of 32 x 32 pixels, in three stages of 16, 32 and 64 channels.

    >>> [resnet_cifar(layers, seed=None).parameters for layers in (20, 56, 110)]
    [269722, 853018, 1727962]
    """
    if layers < 8 or (layers - 2) % 6 or shortcut not in ("A", "B", "C") or min(classes, inputs) < 1:
        raise BadInput(
            f"resnet_cifar({layers}, {shortcut!r}, {classes}, {inputs}): give 8, 14, 20, ... layers (6 n + 2), "
            "shortcut A, B or C, and positive numbers"
        )
    parts = [_conv(inputs, 16, 3), relu]
    channels = 16
    for stage in range(3):
        width = 16 * 2**stage
        for number in range((layers - 2) // 6):
            parts.append(_block(channels, width, 2 if stage and not number else 1, shortcut, bottleneck=False))
            channels = width
    return _classifier(parts, channels, classes, labels, seed)


def _classifier(parts: list[Operator], channels: int, classes: int, labels: bool, seed: int | None) -> Operator:
    end = (global_average_pool, flatten, dense(channels, classes, seed=None), *([softmax] if labels else []))
    net = chain(*parts, *end)
    return net if seed is None else net.initialise(seed)


def _block(channels: int, width: int, stride: int, shortcut: Shortcut, bottleneck: bool) -> Operator:
    out = 4 * width if bottleneck else width
    if bottleneck:
        body = chain(_conv(channels, width, 1), relu, _conv(width, width, 3, stride), relu, _conv(width, out, 1))
    else:
        body = chain(_conv(channels, width, 3, stride), relu, _conv(width, out, 3))
    same = stride == 1 and channels == out
    if shortcut == "C" or (shortcut == "B" and not same):
        beside = _conv(channels, out, 1, stride)
    elif same:
        beside = identity
    else:
        beside = chain(*([downsample(stride)] if stride > 1 else []), place(0, channels, out))
    return chain(body + beside, relu)


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> Operator:
    """A convolution and its batch normalisation, which takes the bias away."""
    # half a window of zeros around, and a last pixel that the stride does not reach is dropped, as in the paper
    layer = conv(inputs, outputs, size, stride=stride, padding=size // 2, bias=False, exact=False, seed=None)
    return chain(layer, batch_norm(outputs))
