"""A fully connected network on patches, slid over the picture.

    patch -> dense tanh ... dense -> patch, for patches every `stride` pixels, overlaps averaged

As an expression it is convolutional: the first dense layer is a convolution with the size of the patch, the inner
ones are 1x1, the last is a transposed convolution that lays the patches down again. Reference: Burger, Schuler,
Harmeling, "Image denoising: can plain neural networks compete with BM3D?", CVPR 2012 (17x17 patches, four hidden
layers of 2,047).
"""

from __future__ import annotations

from aplomb.errors import BadInput
from aplomb.layers import conv, conv_transposed, crop, pad, tanh
from aplomb.operator import Operator, chain


def patch_mlp(
    patch: int = 17, hidden: int = 2047, layers: int = 4, stride: int = 3, channels: int = 1, seed: int = 0
) -> Operator:
    """Patch MLP with `layers` hidden layers of `hidden` units; picture sizes must be multiples of `stride`.

    >>> net = patch_mlp(patch=6, hidden=16, layers=2)
    >>> net.output_shape((1, 1, 30, 30))
    (1, 1, 30, 30)
    """
    if patch < 1 or hidden < 1 or layers < 1 or not 1 <= stride <= patch:
        raise BadInput(
            f"patch_mlp(patch={patch}, hidden={hidden}, layers={layers}, stride={stride}): give stride <= patch"
        )
    # enough border that every pixel of the picture lies in as many patches as any other, in whole strides
    border = -(-(patch - stride) // stride) * stride
    more = (patch - border - border) % stride  # what brings (size + padding - patch) to a multiple of the stride
    pads = ((border, border + more), (border, border + more))
    inner = [layer for _ in range(layers - 1) for layer in (conv(hidden, hidden, 1), tanh)]
    lay_down = conv_transposed(hidden, channels, patch, stride=stride)
    overlaps = (patch / stride) ** 2  # on average; the network learns the rest
    net = chain(
        pad(pads, "reflect"), conv(channels, hidden, patch, stride=stride, padding="valid"), tanh, *inner,
        lay_down, (1 / overlaps) * chain(), crop(pads),
    )  # fmt: skip
    return net.initialise(seed)
