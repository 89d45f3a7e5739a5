"""Optimisers by name, Muon, and the learning rate over a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from aplomb.train.parameters import Trainable
from aplomb.train.pool import Here, Mapper
from aplomb.train.recipe import OptimiserPart, SchedulePart

__all__ = ["Muon", "learning_rate", "make_optimisers", "orthogonalise"]


NARROW = 16
"""Inputs of a unit below which a matrix is not Muon's: orthogonal steps would move its few columns too far."""


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Nearly the factor U V^T of each matrix U S V^T: Newton-Schulz iterations of odd degree five.

    X <- P X with P = a I + b A + c A A, A = X X^T, (a, b, c) = (3.4445, -4.7750, 2.0315), which sends the
    singular values into about 0.7..1.2. All P commute with A, so the iteration runs on the small A alone
    (A <- P A P), and X is multiplied once, by their product: a third of the work for wide matrices.

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
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    gram = x @ x.mT
    product: Tensor | None = None
    for step in range(steps):
        p = torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        p.diagonal(dim1=1, dim2=2).add_(3.4445)
        product = p if product is None else p @ product
        if step < steps - 1:
            gram = p @ gram @ p
    x = x if product is None else product @ x
    result: Tensor = x.mT if tall else x
    return result


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised: for weights of two and more dimensions, taken as (outputs, all the rest).

    m <- mu m + g,  w <- w - lr * 0.2 sqrt(max(rows, columns)) * orthogonalise(g + mu m), so that a step's
    root mean square is about 0.2 lr, that of AdamW. Reference: Jordan et al., "Muon: an optimizer for hidden
    layers in neural networks", 2024; the scale is that of Liu et al., "Muon is scalable for LLM training",
    2025.

    Examples
    --------
    >>> w = torch.nn.Parameter(torch.zeros(4, 4))
    >>> muon = Muon([w], lr=0.1)
    >>> ((w - torch.eye(4)) ** 2).sum().backward(); _ = muon.step()
    >>> bool((w.diagonal() > 0).all())
    True
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        pool: Mapper | None = None,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.pool = pool or Here()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step from the gradients that are there; `closure`, if given, makes them and gives the loss."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(tuple(p.shape), []).append(p)
            # matrices of one shape in batched products, a few at a time for the pool to share
            alike = [same[i : i + 4] for same in shapes.values() for i in range(0, len(same), 4)]
            for some, directions in zip(alike, self.pool.map(orthogonalise, map(self._ahead, alike)), strict=True):
                scale = -group["lr"] * 0.2 * math.sqrt(max(directions.shape[1:]))
                for p, direction in zip(some, directions, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(direction.reshape(p.shape), alpha=scale)
        return loss

    def _ahead(self, parameters: Sequence[Tensor]) -> Tensor:
        """Stack g + mu m of each, as matrices (n, outputs, rest), with m moved on."""
        found = []
        for p in parameters:
            mu = self.param_groups[0]["momentum"]
            m = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
            m.mul_(mu).add_(p.grad)
            found.append((p.grad + mu * m).reshape(p.shape[0], -1))
        return torch.stack(found)


def make_optimisers(model: Trainable, part: OptimiserPart, pool: Mapper | None = None) -> list[torch.optim.Optimizer]:
    """The optimiser that `part` asks for; Muon comes with an AdamW for biases, the first and the last layer.

    Weight decay is kept off biases and factors of normalisations (weights of one dimension).
    """
    # a name is "<leaf>:<field>"; ends of the network, which are no hidden layers, and narrow ones go to AdamW
    named = list(model.named_parameters())
    matrices = [n for n, p in named if p.ndim >= 2]
    wide = {n for n, p in named if p.ndim >= 2 and p[0].numel() >= NARROW}
    hidden = wide & set(matrices[1:-1]) if part.kind == "muon" else set()
    ends = [p for n, p in named if p.ndim >= 2 and n not in hidden]
    rest = [{"params": ends, "weight_decay": part.weight_decay},
            {"params": [p for _, p in named if p.ndim < 2], "weight_decay": 0.0}]  # fmt: skip
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
            made.append(Muon(mine, lr=part.lr, momentum=part.momentum, weight_decay=part.weight_decay, pool=pool))
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
    [0.1, 1.0, 0.48, 0.0]
    """
    warm = part.warmup * total
    if step + 1 <= warm:
        return (step + 1) / warm
    if part.decay == "constant":
        return 1.0
    done = (step + 1 - warm) / max(1.0, total - warm)
    return part.final + (1 - part.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
