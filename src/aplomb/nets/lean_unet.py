"""A lean U-Net for segmentation: 6,000 multiply-adds a pixel, so that a CPU labels 512 x 512 pixels in a moment.

    lean_unet = shuffle @ tail @ level(1) @ head @ unshuffle
    level(k) = blocks @ (identity + up @ level(k + 1) @ down) @ blocks

As a rule nothing is computed at full resolution: pixels go to channels first, and each output pixel is one of four
channels of its block at the end. Skips are sums instead of stacks, which halves the convolution behind them.
References: Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015; He, Zhang, Ren, Sun, "Deep residual learning for image
recognition", CVPR 2016 (the blocks, with batch normalisation, which freezing folds away); Shi et al., "Real-time single
image and video super-resolution using an efficient sub-pixel convolutional neural network", CVPR 2016 (the way up).
"""

from __future__ import annotations

from collections.abc import Sequence

from aplomb.errors import BadInput
from aplomb.layers import batch_norm, conv, conv_transposed, pixel_shuffle, pixel_unshuffle, relu, softmax
from aplomb.operator import Operator, chain, identity


def lean_unet(
    inputs: int = 1,
    outputs: int = 2,
    widths: Sequence[int] = (16, 24, 40, 64),
    blocks: Sequence[int] = (1, 1, 1, 2),
    unshuffle: int = 2,
    labels: bool = False,
    seed: int = 0,
) -> Operator:
    """Lean U-Net from `inputs` to `outputs` channels: logits, or with `labels` class probabilities.

    `widths` are the channels at 1/2, 1/4, ... of the resolution, `blocks` the residual blocks on either side of each
    level (the deepest has them once). With `unshuffle` 1 the first level is at full resolution, for thin structures.
    Picture sizes must be multiples of ``unshuffle * 2 ** (len(widths) - 1)``.

    >>> net = lean_unet()
    >>> net.output_shape((1, 1, 512, 512)), net.multiply_adds((1, 1, 512, 512)) / 512 ** 2 < 6_000
    ((1, 2, 512, 512), True)
    """
    if len(widths) != len(blocks) or not widths or min(inputs, outputs, unshuffle, *widths) < 1 or min(blocks) < 0:
        raise BadInput(
            f"lean_unet({inputs}, {outputs}, widths={widths}, blocks={blocks}): give one width and one count a level"
        )

    # a bias before a batch normalisation would be subtracted again
    def residual_block(width: int) -> Operator:
        inner = (conv(width, width, bias=False), batch_norm(width), relu, conv(width, width, bias=False))
        return identity + chain(*inner, batch_norm(width))

    def level(depth: int) -> Operator:
        width, count = widths[depth], blocks[depth]
        side = chain(*[residual_block(width)] * count)
        if depth == len(widths) - 1:
            return side
        below = widths[depth + 1]
        down = chain(conv(width, below, 2, stride=2, padding="valid", bias=False), batch_norm(below), relu)
        up = chain(conv_transposed(below, width, 2, stride=2, bias=False), batch_norm(width))
        return chain(side, identity + chain(down, level(depth + 1), up), side)

    cells = unshuffle**2
    head = chain(conv(cells * inputs, widths[0], bias=False), batch_norm(widths[0]), relu)
    tail = chain(relu, conv(widths[0], cells * outputs))
    if unshuffle > 1:
        head, tail = chain(pixel_unshuffle(unshuffle), head), chain(tail, pixel_shuffle(unshuffle))
    return chain(head, level(0), tail, *([softmax] if labels else [])).initialise(seed)
