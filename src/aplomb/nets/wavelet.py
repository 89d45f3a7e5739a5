"""A restorer in the wavelet domain: between the orthogonal Haar transform and its adjoint.

    picture -> picture - haar* (conv (levels (conv (haar picture))))

The transform keeps lengths and noise levels, and parts a picture into a coarse one and its details, where artefacts of
tomography are streaks in one band or another. References: Kang, Min and Ye, "A deep convolutional neural network using
directional wavelets for low-dose X-ray CT reconstruction", Medical Physics 2017; Liu et al., "Multi-level wavelet-CNN
for image restoration", CVPR Workshops 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

from aplomb.errors import BadInput
from aplomb.layers import conv, haar, take
from aplomb.nets.lean import levels
from aplomb.operator import Operator, chain, identity


def wavelet(
    channels: int = 1,
    widths: Sequence[int] = (32, 48, 64),
    blocks: Sequence[int] = (3, 1, 1),
    extra: int = 0,
    bias: bool = True,
    seed: int = 0,
) -> Operator:
    """Restorer of pictures with `channels` channels, and `extra` behind them, that works on Haar bands.

    `widths` are the channels at 1/2, 1/4, ... of the resolution, `blocks` the residual blocks on either side of each
    level. Picture sizes must be multiples of 2 ** len(widths).

    >>> wavelet().output_shape((1, 1, 32, 48))
    (1, 1, 32, 48)
    """
    if channels < 1 or extra < 0 or not widths:
        raise BadInput(f"wavelet(channels={channels}, widths={widths}, extra={extra}): give 1, one and 0, or more")
    wrong = chain(
        haar,
        conv(4 * (channels + extra), widths[0], bias=bias),
        levels(widths, blocks, bias),
        conv(widths[0], 4 * channels, bias=bias),
        haar.adjoint(),
    )
    return ((take(0, channels) if extra else identity) - wrong).initialise(seed)
