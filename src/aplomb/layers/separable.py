"""Separable convolution: space and channels one after the other instead of at once."""

from __future__ import annotations

from aplomb.layers.conv import Pair, conv
from aplomb.operator import Operator, chain


def separable_conv(
    inputs: int, outputs: int, size: int | Pair = 3, *, stride: int | Pair = 1, bias: bool = True, seed: int = 0
) -> Operator:
    """A convolution of each channel by itself, then a 1x1 one that mixes them; zero padding.

    k^2 M + M N weights instead of k^2 M N. Reference: Chollet, "Xception: deep learning with depthwise separable
    convolutions", CVPR 2017.

    >>> separable_conv(16, 32, bias=False).parameters, 9 * 16 + 16 * 32
    (656, 656)
    """
    alone = conv(inputs, inputs, size, stride=stride, groups=inputs, bias=False, seed=seed)
    return chain(alone, conv(inputs, outputs, 1, bias=bias, seed=seed + 1))
