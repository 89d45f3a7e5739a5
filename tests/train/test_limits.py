"""Limits while training."""

from __future__ import annotations

import numpy as np
import torch

from aplomb.facts.lipschitz import tight
from aplomb.layers import bounded_conv, channel_clip, conv, orthogonal_conv, spline
from aplomb.model import thaw
from aplomb.operator import chain
from aplomb.train import Trainable, train
from aplomb.train.limits import Limits
from makers import trained


def test_weights_come_back_within_their_limits() -> None:
    operator = trained(
        chain(bounded_conv(1, 4), spline(4), orthogonal_conv(4), channel_clip(np.ones(4)), conv(4, 1)), 5
    )
    model = Trainable(operator)
    before = {n: t.detach().clone() for n, t in model.tensors().items()}
    limits = Limits(model)
    for _ in range(60):
        limits.keep()
    kept = model.operator()
    leaves = [*kept.leaves()]
    assert 0.98 < leaves[0].lipschitz(tight).value < 1.01
    low, high = leaves[1].slopes  # type: ignore[attr-defined]
    assert -1.001 <= low < high <= 1.001
    for leaf in leaves[2:]:
        if getattr(leaf, "orthogonal", False):
            q = leaf.weight[:, :, 0, 0]  # type: ignore[attr-defined]
            np.testing.assert_allclose(q @ q.T, np.eye(4), atol=1e-3)
    assert (leaves[-2].width >= 0).all()  # type: ignore[attr-defined]
    last = f"{len(leaves) - 1}.weight"
    assert torch.equal(model.tensors()[last], before[last])  # an ordinary layer is left alone


def test_what_is_trained_is_certified(photos, recipe_of, tmp_path) -> None:  # type: ignore[no-untyped-def]
    recipe = recipe_of(
        ('name = "residual-3x16"\ngain = 0.1', 'name = "averaged"\nwidth = 4\nlayers = 3'),
        ("steps = 150", "steps = 20"), ("every = 150", "every = 20"),
    )  # fmt: skip
    result = train(recipe, photos, tmp_path / "net.onnx", run=tmp_path / "run", quiet=True, threads=1)
    assert thaw(result.path).lipschitz(tight).value <= 1 + 1e-6
