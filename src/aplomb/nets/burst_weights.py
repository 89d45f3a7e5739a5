"""How much of each frequency a frame of a burst is worth: a few dense layers at each frequency.

    features (d, |f|, s) -> p d + 1x1 convolution, ReLU, 1x1 convolution, ReLU, 1x1 convolution -> score

The soft-max of the scores over the frames gives their weights. With zeros in the last layer, where training starts,
that is Fourier burst accumulation of power p (Delbracio and Sapiro, CVPR 2015), for d is the logarithm of a magnitude.
"""

from __future__ import annotations

from aplomb.layers import conv, relu, take
from aplomb.operator import Operator, chain

FEATURES = 3
"""See `aplomb.restore.burst.features`."""


def burst_weights(width: int = 16, p: float = 11.0, seed: int = 0) -> Operator:
    """Scores (N, 1, H, W) of N frames from their features (N, 3, H, W).

    >>> burst_weights().parameters
    353
    >>> import numpy as np
    >>> burst_weights()(np.array([-0.5, 0.2, 1.0]).reshape(1, 3, 1, 1)).ravel()
    array([-5.5])
    """
    inner = chain(conv(FEATURES, width, 1), relu, conv(width, width, 1), relu).initialise(seed)
    return p * take(0, 1, of=FEATURES) + conv(width, 1, 1, seed=None) @ inner
