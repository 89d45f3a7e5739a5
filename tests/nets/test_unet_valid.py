"""The U-Net of 2015 (D12)."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.errors import BadInput, ShapeError
from aplomb.nets import NETWORKS, unet_valid


def test_the_network_of_the_paper() -> None:
    net = NETWORKS["unet-2015"](seed=None)
    assert net.parameters == 31_030_658
    assert net.output_shape((1, 1, 572, 572)) == (1, 2, 388, 388)
    crops = [leaf.pads[0] for leaf in net.leaves() if type(leaf).__name__ == "Crop"]  # type: ignore[attr-defined]
    assert crops == [(88, 88), (40, 40), (16, 16), (4, 4)]
    with pytest.raises(ShapeError):
        net.output_shape((1, 1, 570, 572))


def test_tiles_overlap_without_a_seam() -> None:
    """Overlap-tile: two windows that overlap by the context give what one large picture gives."""
    net = unet_valid(width=2, poolings=2, seed=1)
    x = np.random.default_rng(0).random((1, 1, 76, 60))
    whole = net(x)
    lost = 76 - whole.shape[2]
    assert lost == 60 - whole.shape[3] == 40
    upper, lower = net(x[:, :, :60]), net(x[:, :, 16:])
    np.testing.assert_allclose(np.concatenate([upper[:, :, :16], lower], axis=2), whole, rtol=1e-9)


def test_labels_are_probabilities() -> None:
    p = unet_valid(width=2, poolings=1, labels=True)(np.random.default_rng(0).random((1, 1, 24, 24)))
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_senseless_sizes_are_refused() -> None:
    with pytest.raises(BadInput):
        unet_valid(poolings=-1)
