"""The U-Net of 2015: convolutions without padding, so that every output pixel is computed from pixels that are there.

    level = block @ stack(crop, up @ level @ down) @ block

572 x 572 pixels give 388 x 388: 92 on each side are context. What goes across is cropped to what comes up. Reference:
Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015.
"""

from __future__ import annotations

from aplomb.errors import BadInput
from aplomb.layers import conv, conv_transposed, crop, max_pool, relu, softmax
from aplomb.operator import Operator, chain, stack


def unet_valid(
    inputs: int = 1, outputs: int = 2, width: int = 64, poolings: int = 4, labels: bool = False, seed: int | None = 0
) -> Operator:
    """U-Net with valid convolutions from `inputs` to `outputs` channels: logits, or with `labels` probabilities.

    >>> net = unet_valid(seed=None)
    >>> net.parameters, net.output_shape((1, 1, 572, 572))
    (31030658, (1, 2, 388, 388))
    """
    if min(inputs, outputs, width) < 1 or poolings < 0:
        raise BadInput(f"unet_valid({inputs}, {outputs}, width={width}, poolings={poolings}): give positive numbers")

    def block(a: int, b: int) -> Operator:
        return chain(*(part for n in (a, b) for part in (conv(n, b, padding="valid", seed=None), relu)))

    def level(a: int, b: int, depth: int) -> tuple[Operator, int]:
        """The network with `depth` poolings below, and the pixels by which it makes a picture smaller."""
        if depth == 0:
            return block(a, b), 4
        inner, lost = level(b, 2 * b, depth - 1)
        below = chain(max_pool(2), inner, conv_transposed(2 * b, b, seed=None))
        # `lost` pixels of a picture of half the size, both sides together, are as many here on one side
        return chain(block(a, b), stack(crop(lost), below), block(2 * b, b)), 8 + 2 * lost

    net = chain(level(inputs, width, poolings)[0], conv(width, outputs, 1, seed=None), *([softmax] if labels else []))
    return net if seed is None else net.initialise(seed)
