"""A lean multi-scale denoiser: few multiply-adds a pixel, the noise level as an input.

    image, level -> image - up @ (h + up @ (h + up @ blocks @ down) @ blocks @ down) @ blocks @ unshuffle (image, level)

Nothing is computed at full resolution: pixels go to channels first (as in FFDNet), and residual blocks at 1/2, 1/4
and 1/8 see far at little cost (as in DRUNet). Most of the blocks work at 1/2: at equal multiply-adds that was better
than equal shares for all levels (benchmarks/lean.py). The noise level enters as one more channel, a constant map, so
that one network serves all levels. References: Zhang, Zuo, Zhang, "FFDNet", IEEE TIP 2018; Zhang et al., "Plug-and-play
image restoration with deep denoiser prior", IEEE TPAMI 2021; Mohan et al., "Robust and interpretable blind image
denoising via bias-free convolutional neural networks", ICLR 2020.
"""

from __future__ import annotations

from collections.abc import Sequence

from aplomb.errors import BadInput
from aplomb.layers import conv, conv_transposed, pixel_shuffle, pixel_unshuffle, relu, take
from aplomb.operator import Operator, chain, identity


def lean(
    channels: int = 1,
    widths: Sequence[int] = (32, 48, 64),
    blocks: Sequence[int] = (4, 1, 1),
    bias: bool = False,
    seed: int = 0,
    extra: int = 1,
) -> Operator:
    """Lean denoiser of pictures with `channels` channels plus one that holds the noise level (range 0..1).

    `widths` are the channels at 1/2, 1/4, ... of the resolution, `blocks` the residual blocks on either side of each
    level (the deepest has them once). `extra` channels stand behind the picture: the level, a mask, both, none.
    Picture sizes must be multiples of 2 ** len(widths).

    >>> net = lean()
    >>> net.input_channels(), net.output_shape((1, 2, 64, 64))
    (2, (1, 1, 64, 64))
    >>> net.multiply_adds((1, 2, 64, 64)) / 64 ** 2 < 60_000
    True
    """
    if channels < 1 or extra < 0:
        raise BadInput(
            f"lean(channels={channels}, extra={extra}): give at least one channel, and no less than none more"
        )
    head = conv(4 * (channels + extra), _first(widths), bias=bias)
    tail = conv(_first(widths), 4 * channels, bias=bias)
    noise = chain(pixel_unshuffle(2), head, levels(widths, blocks, bias), tail, pixel_shuffle(2))
    return ((take(0, channels) if extra else identity) - noise).initialise(seed)


def levels(widths: Sequence[int], blocks: Sequence[int], bias: bool = False) -> Operator:
    """What lean networks share: residual blocks at several resolutions, from ``widths[0]`` channels to as many.

    Sizes must be multiples of 2 ** (len(widths) - 1). The weights are left to be drawn (`initialise`).

    >>> levels((8, 16), (1, 1)).output_shape((1, 8, 6, 6))
    (1, 8, 6, 6)
    """
    if len(widths) != len(blocks) or _first(widths) < 1:
        raise BadInput(f"widths={widths}, blocks={blocks}: give one width and one count a level")

    def residual_block(width: int) -> Operator:
        return identity + chain(conv(width, width, bias=bias), relu, conv(width, width, bias=bias))

    def level(depth: int) -> Operator:
        width, count = widths[depth], blocks[depth]
        side = chain(*[residual_block(width)] * count)
        if depth == len(widths) - 1:
            return side
        below = widths[depth + 1]
        down = conv(width, below, 2, stride=2, padding="valid", bias=bias)
        up = conv_transposed(below, width, 2, stride=2, bias=bias)
        return chain(side, identity + chain(down, level(depth + 1), up), side)

    return level(0)


def _first(widths: Sequence[int]) -> int:
    return widths[0] if widths else 0
