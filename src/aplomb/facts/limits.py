"""Weights brought within the limits that their layers were given, by what is certified of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aplomb.facts.lipschitz import symbol_norm
from aplomb.layers.stable import BoundedConv, ChannelClip, Spline, kept_slopes
from aplomb.operator import Operator

__all__ = ["within_limits"]


def within_limits(operator: Operator) -> Operator:
    """The same expression with each limit kept: norms of convolutions, slopes of splines, widths of clips.

    What training keeps nearly is made exact here, before a network is frozen: a convolution is divided by its certified
    norm if that is above the limit, an orthogonal one replaced by the nearest orthogonal matrix.

    >>> from aplomb.layers import bounded_conv
    >>> layer = within_limits(bounded_conv(1, 8, limit=0.5))
    >>> 0.49 < symbol_norm(layer) <= 0.5
    True
    """
    return operator.map(_kept)


def _kept(leaf: Operator) -> Operator:
    if isinstance(leaf, BoundedConv):
        weight = np.asarray(leaf.weight, np.float64)
        if leaf.orthogonal:
            u, _, v = np.linalg.svd(weight[:, :, 0, 0], full_matrices=False)
            weight = (u @ v)[:, :, None, None]
        if leaf.balanced:
            weight = weight - weight.mean(axis=(1, 2, 3), keepdims=True)
        kept = weight.astype(np.float32)
        # the norm of the weights as they are stored is what counts, so it is looked at after rounding
        while (norm := symbol_norm(replace(leaf, weight=kept))) > leaf.limit:
            weight = weight * (leaf.limit / norm * (1 - 1e-7))
            kept = weight.astype(np.float32)
        return replace(leaf, weight=kept)
    if isinstance(leaf, Spline):
        values = kept_slopes(np.asarray(leaf.values, np.float64), leaf.step, leaf.low, leaf.high)
        return replace(leaf, values=values.astype(np.float32))
    if isinstance(leaf, ChannelClip):
        return replace(leaf, width=np.maximum(leaf.width, 0))
    return leaf
