"""Super-resolution: all work at low resolution, the last convolution's channels become the pixels.

    picture -> bilinear up-sampling (picture) + shuffle (conv (levels (conv (picture))))

Nothing is computed at high resolution (Shi et al.), residual blocks at several scales see far at little cost (as in
`lean`), and the network learns what bilinear interpolation leaves out (as in VDSR). References: Shi et al., "Real-time
single image and video super-resolution using an efficient sub-pixel convolutional neural network", CVPR 2016; Kim, Lee
and Lee, "Accurate image super-resolution using very deep convolutional networks", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

from aplomb.errors import BadInput
from aplomb.layers import conv, pixel_shuffle, upsample_bilinear
from aplomb.nets.lean import levels
from aplomb.operator import Operator, chain


def upscale(
    factor: int = 2,
    channels: int = 3,
    widths: Sequence[int] = (48, 64),
    blocks: Sequence[int] = (4, 2),
    bias: bool = False,
    seed: int = 0,
) -> Operator:
    """Super-resolution by `factor`, for pictures with `channels` channels.

    `widths` are the channels at 1, 1/2, ... of the low resolution, `blocks` the residual blocks on either side of each
    level (the deepest has them once). Sizes of low-resolution pictures must be multiples of 2 ** (len(widths) - 1).

    >>> net = upscale(3)
    >>> net.output_shape((1, 3, 32, 48))
    (1, 3, 96, 144)
    """
    if factor < 2 or channels < 1 or not widths:
        raise BadInput(f"upscale(factor={factor}, channels={channels}, widths={widths}): give 2, 1 and one, or more")
    detail = chain(
        conv(channels, widths[0], bias=bias),
        levels(widths, blocks, bias),
        conv(widths[0], channels * factor**2, bias=bias),
        pixel_shuffle(factor),
    )
    return (upsample_bilinear(factor) + detail).initialise(seed)
