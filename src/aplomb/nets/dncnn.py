"""DnCNN: convolutions with batch normalisation that guess the noise.

    y -> y - conv (relu bn conv)^15 relu conv (y)

Reference: Zhang, Zuo, Chen, Meng, Zhang, "Beyond a Gaussian denoiser: residual learning of deep CNN for image
denoising", IEEE TIP 26(7), 2017. Batch normalisation folds into the convolutions on freezing.
"""

from __future__ import annotations

from aplomb.errors import BadInput
from aplomb.layers import batch_norm, conv, relu
from aplomb.operator import Operator, chain, identity


def dncnn(layers: int = 17, width: int = 64, channels: int = 1, batch_norms: bool = True, seed: int = 0) -> Operator:
    """DnCNN of `layers` convolutions; 17 for one noise level, 20 for many.

    >>> dncnn(batch_norms=False).parameters
    555137
    >>> from aplomb.layers import fold_batch_norm
    >>> fold_batch_norm(dncnn()).parameters
    555137
    """
    if layers < 2 or width < 1 or channels < 1:
        raise BadInput(f"dncnn of {layers} layers, {width} channels inside, {channels} outside: give 2, 1, 1 or more")
    # a bias before a batch normalisation would be subtracted again
    inner = [conv(width, width, bias=False), batch_norm(width)] if batch_norms else [conv(width, width)]
    noise = chain(conv(channels, width), relu, *[*inner, relu] * (layers - 2), conv(width, channels))
    return (identity - noise).initialise(seed)
