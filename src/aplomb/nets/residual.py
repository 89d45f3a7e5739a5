"""The residual denoiser: a stack of 3x3 convolutions guesses the noise, and the noise is subtracted.

    y -> y - (conv relu ... conv)(y)

References: system A5 of the source documents (six convolutions, 32 channels, 37,601 parameters); the idea of
learning the noise is that of Zhang et al., "Beyond a Gaussian denoiser", IEEE TIP 2017.
"""

from __future__ import annotations

from aplomb.errors import BadInput
from aplomb.layers import conv, relu
from aplomb.operator import Operator, chain, identity


def residual(layers: int = 6, width: int = 32, channels: int = 1, seed: int = 0) -> Operator:
    """Residual denoiser of `layers` convolutions 3x3 with bias, `width` channels between them.

    >>> residual().parameters, residual(layers=3, width=16).parameters
    (37601, 2625)
    """
    if layers < 2 or width < 1 or channels < 1:
        raise BadInput(
            f"residual of {layers} layers, {width} channels inside, {channels} outside: give 2, 1, 1 or more"
        )
    body = [relu, *[conv(width, width), relu] * (layers - 2)]
    noise = chain(conv(channels, width), *body, conv(width, channels))
    return (identity - noise).initialise(seed)
