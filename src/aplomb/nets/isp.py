"""From a camera's mosaic to a picture: demosaicking, and a learned image signal processor.

    mosaic, level -> rgb = shuffle (conv5x5 (unshuffle mosaic) + conv (levels (conv (unshuffle (mosaic, level)))))
    rgb -> W triu([r g b 1]^T [r g b 1])

Unshuffling puts each colour of the 2x2 pattern into its own channel, so the network is the same at every place, and
half the resolution suffices (Gharbi et al.). The linear 5x5 convolution beside it can be any linear demosaicking. The
colour transform is global: ten products of each pixel's colours, and one matrix for all pixels (Schwartz et al.).
References: Gharbi et al., "Deep joint demosaicking and denoising", SIGGRAPH Asia 2016; Schwartz, Giryes and Bronstein,
"DeepISP", IEEE TIP 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aplomb.errors import BadInput
from aplomb.layers import colour_products, conv, pixel_shuffle, pixel_unshuffle, take
from aplomb.nets.lean import levels
from aplomb.operator import Operator, chain


def demosaic(
    widths: Sequence[int] = (48, 64),
    blocks: Sequence[int] = (4, 2),
    extra: int = 0,
    bias: bool = False,
    seed: int = 0,
) -> Operator:
    """Demosaicking: (N, 1 + extra, H, W), a Bayer mosaic and `extra` maps (a noise level), to (N, 3, H, W).

    `widths` are the channels at 1/2, 1/4, ... of the resolution, `blocks` the residual blocks on either side of each
    level. Picture sizes must be multiples of 2 ** len(widths). It serves the one pattern that it was trained with:
    others are shifts of it.

    >>> demosaic().output_shape((1, 1, 32, 48))
    (1, 3, 32, 48)
    """
    if extra < 0 or not widths:
        raise BadInput(f"demosaic(widths={widths}, extra={extra}): give a width, and no less than no extra channel")
    colours = take(0, 4, 4 * (1 + extra)) if extra else None
    linear = chain(*([colours] if colours else []), conv(4, 12, 5, bias=False))
    detail = chain(
        conv(4 * (1 + extra), widths[0], bias=bias), levels(widths, blocks, bias), conv(widths[0], 12, bias=bias)
    )
    return chain(pixel_unshuffle(2), linear + detail, pixel_shuffle(2)).initialise(seed)


def isp(
    widths: Sequence[int] = (48, 64),
    blocks: Sequence[int] = (4, 2),
    extra: int = 1,
    bias: bool = True,
    seed: int = 0,
) -> Operator:
    """Learned image signal processor: `demosaic`, then the global colour transform, which begins as the identity.

    >>> net = isp()
    >>> net.input_channels(), net.output_shape((1, 2, 32, 48))
    (2, (1, 3, 32, 48))
    """
    transform = conv(10, 3, 1, bias=False)
    net = chain(demosaic(widths, blocks, extra, bias, seed), colour_products, transform.initialise(seed))
    linear = np.zeros((3, 10, 1, 1), np.float32)
    linear[[0, 1, 2], [3, 6, 8]] = 1  # where the products are r, g and b themselves
    return net.with_weights({[*net.weights()][-1]: linear})
