"""Optimisers by name, Muon, and the learning rate over a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from aplomb.train.parameters import Trainable
from aplomb.train.recipe import OptimiserPart, SchedulePart

__all__ = ["Muon", "learning_rate", "make_optimisers", "orthogonalise"]


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Nearly the factor U V^T of each matrix U S V^T: Newton-Schulz iterations of odd degree five.

    X <- a X + (b A + c A A) X with A = X X^T, (a, b, c) = (3.4445, -4.7750, 2.0315), which sends the singular
    values into about 0.7..1.2.

    Parameters
    ----------
    matrices
        Shape (n, rows, columns), float32.

    Examples
    --------
    >>> x = orthogonalise(torch.randn(2, 8, 32, generator=torch.Generator().manual_seed(0)))
    >>> bool((torch.linalg.svdvals(x) - 1).abs().max() < 0.4)
    True
    """
    x = matrices.mT if matrices.shape[1] > matrices.shape[2] else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.mT if matrices.shape[1] > matrices.shape[2] else x


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised: for weights of two and more dimensions, taken as (outputs, all the rest).

    m <- mu m + g,  w <- w - lr * 0.2 sqrt(max(rows, columns)) * orthogonalise(g + mu m), so that a step's root
    mean square is about 0.2 lr, that of AdamW. Reference: Jordan et al., "Muon: an optimizer for hidden layers in
    neural networks", 2024; the scale is that of Liu et al., "Muon is scalable for LLM training", 2025.

    Examples
    --------
    >>> w = torch.nn.Parameter(torch.zeros(4, 4))
    >>> muon = Muon([w], lr=0.1)
    >>> ((w - torch.eye(4)) ** 2).sum().backward(); _ = muon.step()
    >>> bool((w.diagonal() > 0).all())
    True
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-3, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(tuple(p.shape), []).append(p)
            for shape, same in shapes.items():  # matrices of one shape in one batched product
                ahead = []
                for p in same:
                    m = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                    m.mul_(group["momentum"]).add_(p.grad)
                    ahead.append((p.grad + group["momentum"] * m).reshape(shape[0], -1))
                rows, columns = ahead[0].shape
                scale = -group["lr"] * 0.2 * math.sqrt(max(rows, columns))
                for p, direction in zip(same, orthogonalise(torch.stack(ahead)), strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(direction.reshape(shape), alpha=scale)
        return loss


def make_optimisers(model: Trainable, part: OptimiserPart) -> list[torch.optim.Optimizer]:
    """The optimiser that `part` asks for; Muon comes with an AdamW for biases, the first and the last layer.

    Weight decay is kept off biases and factors of normalisations (weights of one dimension).
    """
    # a name is "<leaf>:<field>"; ends of the network, which are no hidden layers, go to AdamW
    named = list(model.named_parameters())
    matrices = [n for n, p in named if p.ndim >= 2]
    hidden = set(matrices[1:-1]) if part.kind == "muon" else set()
    rest = [{"params": [p for n, p in named if p.ndim >= 2 and n not in hidden], "weight_decay": part.weight_decay},
            {"params": [p for n, p in named if p.ndim < 2], "weight_decay": 0.0}]  # fmt: skip
    groups: list[dict[str, Any]] = [g for g in rest if g["params"]]
    betas = (part.beta1, part.beta2)
    if part.kind in ("sgd", "momentum"):
        momentum = part.momentum if part.kind == "momentum" else 0.0
        made: list[torch.optim.Optimizer] = [torch.optim.SGD(groups, lr=part.lr, momentum=momentum)]
    elif part.kind == "adam":
        made = [torch.optim.Adam(groups, lr=part.lr, betas=betas, fused=True)]
    elif part.kind == "adamw":
        made = [torch.optim.AdamW(groups, lr=part.lr, betas=betas, fused=True)]
    else:
        made = [torch.optim.AdamW(groups, lr=part.lr_ends or part.lr, betas=betas, fused=True)] if groups else []
        if hidden:
            mine = [p for n, p in named if n in hidden]
            made.append(Muon(mine, lr=part.lr, momentum=part.momentum, weight_decay=part.weight_decay))
    for optimiser in made:
        for group in optimiser.param_groups:
            group["peak"] = group["lr"]
    return made


def learning_rate(step: int, total: int, part: SchedulePart) -> float:
    """Factor of the learning rate at `step` of `total`: linear warm-up, then constant or half a cosine.

    Examples
    --------
    >>> part = SchedulePart(steps=100, warmup=0.1, decay="cosine", final=0.0)
    >>> [round(learning_rate(s, 100, part), 2) for s in (0, 9, 55, 99)]
    [0.1, 1.0, 0.5, 0.0]
    """
    warm = part.warmup * total
    if step + 1 <= warm:
        return (step + 1) / warm
    if part.decay == "constant":
        return 1.0
    done = (step + 1 - warm) / max(1.0, total - warm)
    return part.final + (1 - part.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
