"""The lean U-Net: cheap, small, whole pictures in and out."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.errors import BadInput, ShapeError
from aplomb.layers import fold_batch_norm
from aplomb.layers.norm import BatchNorm
from aplomb.model import freeze
from aplomb.nets import NETWORKS, lean_unet


def test_it_is_lean(tmp_path) -> None:
    net = NETWORKS["lean-unet"]()
    assert net.multiply_adds((1, 1, 512, 512)) <= 6_000 * 512 * 512
    assert net.parameters < 700_000
    freeze(net, tmp_path / "net.onnx", shape=(1, 1, 64, 64))
    assert (tmp_path / "net.onnx").stat().st_size < 3_000_000


def test_every_size_of_picture_and_number_of_channels() -> None:
    net = lean_unet(3, 4, widths=(4, 6, 8), blocks=(1, 0, 2))
    assert net.output_shape((2, 3, 40, 24)) == (2, 4, 40, 24)
    with pytest.raises(ShapeError):
        net.output_shape((1, 3, 36, 24))
    p = lean_unet(1, 3, widths=(4, 6), blocks=(1, 1), labels=True)(np.random.default_rng(0).random((1, 1, 16, 16)))
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_it_sees_both_far_and_sharp() -> None:
    """Whole objects lie in the receptive field, and neighbouring pixels may still get different labels."""
    net = lean_unet(seed=3)
    lo, hi = net.span((256, 257))
    assert hi - lo > 200
    y = net(np.random.default_rng(0).random((1, 1, 32, 32)))
    assert abs(np.diff(y, axis=3)).min() > 0


def test_its_norms_fold_away() -> None:
    net = lean_unet(widths=(4, 6), blocks=(1, 1))
    folded = fold_batch_norm(net)
    assert not any(isinstance(leaf, BatchNorm) for leaf in folded.leaves())
    x = np.random.default_rng(0).random((1, 1, 16, 16))
    np.testing.assert_allclose(folded(x), net(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"widths": ()}, {"blocks": (1, 1)}, {"outputs": 0}, {"widths": (4, 0, 4, 4)}, {"blocks": (1, 1, 1, -1)}]
)
def test_senseless_sizes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="one width and one count a level"):
        lean_unet(**wrong)  # type: ignore[arg-type]
