"""Certified bounds against what is found from below: layers of published networks, and random networks under attack.

1. Every layer of DnCNN-17, SimpleCNN and RealSN-SimpleCNN ($APLOMB_PEERS): bound, power iteration on 64 x 64, ratio,
   seconds. Convergence proofs that use RealSN-SimpleCNN assume layers, or a residual, with a constant of at most 1.
2. Random networks, attacked by ascent along the gradient: how many gains lie above the bound (there must be none).
"""

from __future__ import annotations

import math
import sys
import time

import numpy as np
from report import Report, folder, options

from aplomb.facts.gain import gain_at
from aplomb.facts.lipschitz import tight
from aplomb.layers import conv, leaky_relu, max_pool, pad, relu, soft_shrink, swish, tanh
from aplomb.operator import Operator, chain, identity


def published() -> dict[str, list[Operator]]:
    """Convolutions of networks whose weights are there, without biases, which no bound depends on."""
    place = folder("APLOMB_PEERS", "published networks")
    if place is None:
        return {}
    import torch

    found = {}
    for title, file in (
        ("DnCNN-17", "dncnn_25.pth"),
        ("SimpleCNN", "SimpleCNN_noise15.pth"),
        ("RealSN-SimpleCNN", "RealSN_SimpleCNN_noise15.pth"),
    ):
        stored = torch.load(place / file, weights_only=True, map_location="cpu")
        weights = [v.numpy() for k, v in stored.items() if k.endswith(".weight")]
        found[title] = [conv(w.shape[1], w.shape[0], bias=False).with_weights({"0.weight": w}) for w in weights]
    return found


def random_network(rng: np.random.Generator) -> Operator:
    """A small one: branches of convolutions of every border, composed, added, averaged; gradient steps."""
    seed = int(rng.integers(2**31))
    c, size = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    borders = ("zero", "valid", "reflect", "replicate", "circular")
    border = borders[rng.integers(len(borders))] if size > 1 else "zero"
    around = (size // 2, size - 1 - size // 2)
    keep = chain(pad((around, around)) if border == "valid" and size > 1 else identity)
    layer = [conv(a, b, size, padding=border, seed=seed + i) for i, (a, b) in enumerate(((2, c), (c, 2)))]
    phis = (relu, tanh, swish, leaky_relu(-0.3), soft_shrink(0.2), max_pool(3, 1, 1))
    phi = phis[rng.integers(len(phis))]
    branch = chain(keep, layer[0], phi, keep, layer[1])
    a = float(rng.uniform(-1, 1))
    plain = conv(2, c, size, seed=seed)
    step = identity - abs(a) * chain(plain, phis[rng.integers(5)], plain.linear_part().adjoint())
    return (branch, identity - a * branch, 0.5 * (identity + branch), chain(branch, branch), chain(step, step))[
        rng.integers(5)
    ]


def main() -> None:
    chosen = options(networks={"type": int, "default": 10_000, "help": "random networks to attack"})
    report = Report(
        "Layers: certified bound and power iteration",
        ["network", "layer", "bound", "found", "ratio", "seconds for the bound"],
    )
    for title, layers in published().items():
        ratios, bounds, spent = [], [], 0.0
        for number, layer in enumerate(layers[:2] if chosen.quick else layers, 1):
            start = time.perf_counter()
            bound = layer.lipschitz(tight).value
            taken = time.perf_counter() - start
            spent += taken
            n = layer.input_channels() or 1
            found = gain_at(layer, np.zeros((1, n, 64, 64)), iterations=10 if chosen.quick else 60).value
            report.add(title, number, bound, found, bound / found, taken)
            ratios.append(bound / found)
            bounds.append(bound)
        report.add(
            title, "all", math.prod(bounds), None, f"mean {np.mean(ratios):.4f}, product {math.prod(ratios):.3f}", spent
        )
    report.finish(chosen.csv)

    rng = np.random.default_rng(0)
    count, above, closest = 100 if chosen.quick else chosen.networks, 0, 0.0
    for _ in range(count):
        network = random_network(rng)
        x = rng.normal(size=(1, 2, int(rng.integers(4, 9)), int(rng.integers(4, 9))))
        bound = network.lipschitz(tight).value
        found = gain_at(network, x, radius=10.0 ** rng.integers(-4, 2), iterations=8).value
        above += found > bound * (1 + 1e-9)
        closest = max(closest, found / bound)
    attacked = Report("Random networks under attack", ["networks", "gains above the bound", "closest: found / bound"])
    attacked.add(count, above, closest)
    attacked.finish()
    sys.exit(above > 0)


if __name__ == "__main__":
    main()
