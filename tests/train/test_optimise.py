import itertools

import numpy as np
import pytest
import torch

from aplomb.layers import conv, relu
from aplomb.operator import chain
from aplomb.train import Trainable
from aplomb.train.loop import _gather
from aplomb.train.optimise import learning_rate, make_optimisers, orthogonalise
from aplomb.train.recipe import OptimiserPart, SchedulePart


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam", "adamw", "muon"])
def test_each_optimiser_learns_a_blur(kind: str) -> None:
    target = chain(conv(1, 1, 3))
    kernel = np.full((1, 1, 3, 3), 1 / 9, np.float32)
    target = target.with_weights({"0.weight": kernel})
    model = Trainable(chain(conv(1, 16, 3), relu, conv(16, 16, 1), relu, conv(16, 1, 3)).initialise(0))
    rates = {"sgd": 0.1, "momentum": 0.03}
    optimisers = make_optimisers(model, OptimiserPart(kind=kind, lr=rates.get(kind, 0.02), lr_ends=0.02))
    x = torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    y = torch.from_numpy(target(x.numpy()))
    losses = []
    for _ in range(80):
        loss = ((model(x) - y) ** 2).mean()
        for o in optimisers:
            o.zero_grad()
        loss.backward()
        for o in optimisers:
            o.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]
    assert sum(len(g["params"]) for o in optimisers for g in o.param_groups) == len(list(model.parameters()))
    assert len(optimisers) == (2 if kind == "muon" else 1)


def test_narrow_matrices_are_not_muons() -> None:
    model = Trainable(chain(conv(16, 16), relu, conv(16, 4), relu, conv(4, 16, 1), relu, conv(16, 16)).initialise(0))
    _, muon = make_optimisers(model, OptimiserPart(kind="muon"))
    assert [tuple(p.shape[:2]) for p in muon.param_groups[0]["params"]] == [(4, 16)]


@pytest.mark.parametrize("shape", [(3, 16, 40), (3, 40, 16), (1, 12, 12)])
def test_orthogonalise_keeps_the_singular_vectors(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalise(matrices)
    u, s, vt = torch.linalg.svd(matrices, full_matrices=False)
    inner = u.mT @ found @ vt.mT
    diagonal = inner.diagonal(dim1=1, dim2=2)
    assert float((inner - torch.diag_embed(diagonal)).abs().max()) < 1e-3
    well = s / s.norm(dim=1, keepdim=True) > 0.02
    assert 0.6 < float(diagonal[well].min())
    assert float(diagonal[well].max()) < 1.3


def test_gradients_are_kept_in_the_layout_of_their_parameters() -> None:
    """Fused Adam reads memory in order, so another layout would mix up the weights."""
    p = torch.nn.Parameter(torch.randn(4, 3, 2, 2).contiguous(memory_format=torch.channels_last))
    q = torch.nn.Parameter(p.detach().clone())
    gradient = torch.randn(4, 3, 2, 2)
    _gather([p], (gradient,), fresh=True)
    q.grad = gradient.clone(memory_format=torch.channels_last)
    for each in (p, q):
        torch.optim.Adam([each], lr=0.1, fused=each is p).step()
    torch.testing.assert_close(p, q)
    assert p.grad is not None
    assert p.grad.stride() == p.stride()
    _gather([p], (gradient,), fresh=False)
    torch.testing.assert_close(p.grad, 2 * gradient)


def test_learning_rate_warms_up_and_falls() -> None:
    part = SchedulePart(steps=100, warmup=0.2, decay="cosine", final=0.1)
    rates = [learning_rate(s, 100, part) for s in range(100)]
    assert rates[:20] == pytest.approx([(s + 1) / 20 for s in range(20)])
    assert all(a >= b for a, b in itertools.pairwise(rates[19:]))
    assert rates[-1] == pytest.approx(0.1)
    assert {learning_rate(s, 100, SchedulePart(steps=100)) for s in range(100)} == {1.0}
