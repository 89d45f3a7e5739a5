"""Limits that are kept while training: norms of convolutions, slopes of splines, orthogonal matrices.

After each step of the optimiser the weights are put back, nearly: norms by a power iteration that goes on from step to
step, which is from below. What is frozen is brought within its limits by certified norms
(`aplomb.facts.limits.within_limits`).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from aplomb.layers.stable import BoundedConv, ChannelClip, Spline, kept_slopes
from aplomb.train.parameters import Trainable

__all__ = ["Limits"]

SIDE = 24
"""Pixels a side of the periodic picture on which norms are looked for; a multiple of the usual strides."""


class Limits:
    """What keeps the weights of `model` within their limits; call `keep` after each step.

    >>> from aplomb.layers import bounded_conv
    >>> model = Trainable(bounded_conv(1, 4, limit=0.1))
    >>> limits = Limits(model)
    >>> for _ in range(20):
    ...     limits.keep()
    >>> from aplomb.facts.spectrum import convolution_norm
    >>> bool(0.09 < convolution_norm(model.operator().weight) < 0.102)
    True
    """

    def __init__(self, model: Trainable) -> None:
        tensors = model.tensors()
        self.leaves = [(leaf, n) for n, leaf in enumerate(model.source.leaves())]
        self.convolutions = [(leaf, tensors[f"{n}.weight"]) for leaf, n in self.leaves if isinstance(leaf, BoundedConv)]
        self.splines = [(leaf, tensors[f"{n}.values"]) for leaf, n in self.leaves if isinstance(leaf, Spline)]
        self.clips = [tensors[f"{n}.width"] for leaf, n in self.leaves if isinstance(leaf, ChannelClip)]
        draw = torch.Generator().manual_seed(0)
        self.directions = [
            torch.randn(1, leaf.weight.shape[1] * leaf.groups, SIDE, SIDE, generator=draw).to(weight.device)
            for leaf, weight in self.convolutions
        ]

    @torch.no_grad()
    def keep(self) -> None:
        """Put the weights back within their limits."""
        for number, (leaf, weight) in enumerate(self.convolutions):
            if leaf.orthogonal:
                # Newton's iteration for the polar factor; close to it already, so that one step nearly does
                q = weight[:, :, 0, 0]
                weight[:, :, 0, 0] = 1.5 * q - 0.5 * q @ q.T @ q
                continue
            if leaf.balanced:
                weight.sub_(weight.mean(dim=(1, 2, 3), keepdim=True))
            self.directions[number], norm = _iterate(leaf, weight, self.directions[number])
            if norm > leaf.limit:
                weight.mul_(leaf.limit / norm)
        for spline, values in self.splines:
            kept = kept_slopes(values.cpu().double().numpy(), spline.step, spline.low, spline.high)
            values.copy_(torch.from_numpy(kept))
        for width in self.clips:
            width.clamp_(min=0)


def _iterate(leaf: BoundedConv, weight: Tensor, x: Tensor) -> tuple[Tensor, float]:
    """One power iteration of A* A with periodic borders: the next direction and the norm so far."""
    (kh, kw), d = weight.shape[2:], leaf.dilation
    reach = (d[1] * (kw - 1), d[0] * (kh - 1))
    x = x / x.norm()
    around = F.pad(x, (0, reach[0], 0, reach[1]), mode="circular")
    y = F.conv2d(around, weight, None, leaf.stride, 0, leaf.dilation, leaf.groups)
    back = F.conv_transpose2d(y, weight, None, leaf.stride, 0, 0, leaf.groups, leaf.dilation)
    # what came out beyond the end belongs to the beginning; a stride may have dropped pixels there
    back = F.pad(back, (0, SIDE + reach[0] - back.shape[3], 0, SIDE + reach[1] - back.shape[2]))
    folded = back[:, :, :SIDE, :SIDE].clone()
    folded[:, :, : reach[1]] += back[:, :, SIDE:, :SIDE]
    folded[:, :, :, : reach[0]] += back[:, :, :SIDE, SIDE:]
    folded[:, :, : reach[1], : reach[0]] += back[:, :, SIDE:, SIDE:]
    return folded, float(y.norm())
