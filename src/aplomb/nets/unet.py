"""U-Net: a network inside a network, each at half the resolution of the one around it.

    unet = merge @ stack(identity, up @ inner @ down) @ block

Reference: Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015;
the sizes are those of system A7 of the source documents: three max poolings, zero padding, 32 channels at the top.
"""

from __future__ import annotations

from aplomb.errors import BadInput
from aplomb.layers import conv, conv_transposed, max_pool, relu, softmax
from aplomb.operator import Operator, chain, identity, stack


def unet(
    inputs: int = 1, outputs: int = 2, width: int = 32, poolings: int = 3, labels: bool = False, seed: int = 0
) -> Operator:
    """U-Net from `inputs` to `outputs` channels; with `labels` a softmax makes class probabilities of them.

    Without `labels` the last convolution stands alone: for regression, or for a loss that takes logits.

    >>> net = unet()
    >>> net.parameters, net.output_shape((1, 1, 512, 512))
    (1925058, (1, 2, 512, 512))
    """
    if min(inputs, outputs, width) < 1 or poolings < 0:
        raise BadInput(f"unet({inputs}, {outputs}, width={width}, poolings={poolings}): give positive numbers")

    def block(a: int, b: int) -> Operator:
        return chain(conv(a, b), relu, conv(b, b), relu)

    def level(a: int, b: int, depth: int) -> Operator:
        """The network with b channels at the top and `depth` poolings below."""
        if depth == 0:
            return block(a, b)
        down = max_pool(2)
        up = conv_transposed(2 * b, b)
        return chain(block(a, b), stack(identity, up @ level(b, 2 * b, depth - 1) @ down), block(2 * b, b))

    head = [conv(width, outputs, 1), *([softmax] if labels else [])]
    return chain(level(inputs, width, poolings), *head).initialise(seed)


def unet_denoiser(width: int = 32, poolings: int = 3, channels: int = 1, seed: int = 0) -> Operator:
    """The same U-Net guessing the noise, which is subtracted: y - unet(y) (system A6).

    >>> unet_denoiser(width=4).output_shape((1, 1, 16, 16))
    (1, 1, 16, 16)
    """
    return identity - unet(channels, channels, width, poolings, seed=seed)
