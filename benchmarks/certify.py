"""Certified bounds against what is found from below: layers of published networks, and random networks under attack.

1. Every layer of DnCNN-17, SimpleCNN and RealSN-SimpleCNN ($APLOMB_PEERS): bound, power iteration on 64 x 64, ratio,
   seconds. Convergence proofs that use RealSN-SimpleCNN assume layers, or a residual, with a constant of at most 1.
2. Random networks, attacked by ascent along the gradient: how many gains lie above the bound (there must be none).
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from typing import Any

import numpy as np
from peers import dncnn_17, simple_cnn
from report import Report, folder, options

from aplomb.facts.gain import gain_at
from aplomb.facts.lipschitz import tight
from aplomb.layers import (
    average_pool,
    batch_norm,
    conv,
    conv_transposed,
    crop,
    downsample,
    elu,
    hard_clip,
    l2_pool,
    leaky_relu,
    max_pool,
    maxout,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
    relu,
    sigmoid,
    soft_shrink,
    softmax,
    swish,
    tanh,
    upsample_bilinear,
    upsample_repeat,
    upsample_zeros,
)
from aplomb.layers.conv import Conv
from aplomb.layers.pad import NO_PADS, Pad
from aplomb.operator import Operator, Stack, Sum, chain, identity, stack


def published() -> dict[str, list[Operator]]:
    """Convolutions of networks whose weights are there, without biases, which no bound depends on."""
    place = folder("APLOMB_PEERS", "published networks")
    if place is None:
        return {}
    networks = {
        "DnCNN-17": dncnn_17(place).operator,
        "SimpleCNN": simple_cnn(place, "SimpleCNN_noise15.pth"),
        "RealSN-SimpleCNN": simple_cnn(place, "RealSN_SimpleCNN_noise15.pth"),
    }
    return {
        title: [leaf.linear_part() for leaf in network.leaves() if isinstance(leaf, Conv)]
        for title, network in networks.items()
    }


BORDERS = ("zero", "valid", "reflect", "replicate", "circular")
PHIS = (relu, tanh, sigmoid, swish, elu(2.0), leaky_relu(-0.3), soft_shrink(0.2), hard_clip(-0.5, 0.5))


def random_network(rng: np.random.Generator) -> Operator:
    """A small one from 2 channels to 2 or 4: layers of every kind in a row, then combined in one of several ways."""

    def pick(*choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    def layer(n1: int, n2: int) -> Operator:
        """A convolution that keeps sizes (a power of two), with some border, dilation and groups."""
        size, dilation, border = int(rng.integers(1, 4)), int(rng.integers(1, 3)), pick(*BORDERS)
        groups = 2 if n1 % 2 == n2 % 2 == 0 and rng.random() < 0.3 else 1
        reach = dilation * (size - 1)
        around = (reach // 2, reach - reach // 2)
        before = pad((around, around)) if border == "valid" else identity
        more = batch_norm(n2).with_weights({"0.weight": rng.normal(size=n2)}) if rng.random() < 0.2 else identity
        plain = conv(
            n1, n2, size, dilation=dilation, groups=groups, padding=border, seed=int(rng.integers(2**31))
        )  # fmt: skip
        return chain(before, plain, more)

    def lower(c: int) -> Operator:
        """Half of the size and back, by each pair of ways."""
        seed = int(rng.integers(2**31))
        down = pick(
            conv(c, c, 2, stride=2, padding="valid", seed=seed),
            conv(c, c, 3, stride=2, padding=((1, 0), (0, 1)), seed=seed),
            max_pool(2), average_pool(2), l2_pool(2), max_pool(3, 2, ((1, 0), (1, 0))), downsample(2),
            chain(pixel_unshuffle(2), conv(4 * c, c, 1, seed=seed)),
        )  # fmt: skip
        back = pick(
            conv_transposed(c, c, seed=seed), conv_transposed(c, c, 4, padding=1, seed=seed),
            upsample_repeat(2), upsample_bilinear(2), upsample_zeros(2),
            chain(conv(c, 4 * c, 1, seed=seed), pixel_shuffle(2)),
        )  # fmt: skip
        return chain(down, back)

    def step() -> Operator:
        """A gradient step l x - t A* phi(A x)."""
        size, stride, border = int(rng.integers(1, 4)), pick(1, 1, 2), pick("zero", "valid")
        seed = int(rng.integers(2**31))
        if stride == 2:
            plain = conv(2, int(rng.integers(1, 5)), 2, stride=2, padding="valid", seed=seed)
        else:
            plain = conv(2, int(rng.integers(1, 5)), size, padding=border, seed=seed)
        return float(rng.uniform(0.3, 1)) * identity - float(rng.uniform(0, 1)) * chain(
            plain, pick(*PHIS), plain.linear_part().adjoint()
        )

    c = int(rng.integers(1, 5))
    around = pick(*PHIS, max_pool(3, 1, 1), average_pool(3, 1, 1), l2_pool(2, 1, ((1, 0), (0, 1))), softmax)
    middle = pick(identity, identity, lower(c), chain(layer(c, 2 * c), maxout(2)))
    branch = chain(layer(2, c), around, middle, layer(c, 2))
    a, network = float(rng.uniform(-1, 1)), step()
    # padded once, so that linear parts are one kernel, for the rule of slopes
    once = crop(2) - a * chain(conv(2, c, padding="valid", seed=1), pick(*PHIS), conv(c, 2, padding="valid", seed=2))
    return pick(
        branch, identity - a * branch, 0.5 * (identity + branch), chain(branch, branch), chain(network, step()),
        chain(pad(2, pick("reflect", "zero")), once), stack(branch, a * identity), chain(network, branch),
    )  # fmt: skip


def kinds_of(network: Operator) -> set[str]:
    """What a network is made of, in words."""
    found = set()
    for leaf in network.leaves():
        found.add(type(leaf).__name__)
        if isinstance(leaf, Pad):
            found.add(f"border {leaf.border}")
        if isinstance(leaf, Conv):
            for name, there in (
                ("strided", leaf.stride != (1, 1)), ("dilated", leaf.dilation != (1, 1)), ("grouped", leaf.groups > 1),
                ("transposed", leaf.transposed), ("padded with zeros", leaf.pads != NO_PADS),
            ):  # fmt: skip
                found |= {f"Conv {name}"} if there else set()
    parts = [network]
    while parts:
        part = parts.pop()
        parts += part.children()
        if isinstance(part, (Sum, Stack)):
            found.add(f"{type(part).__name__} of {len(part.parts)}")
            reason = part.lipschitz(tight).reason
            found |= {reason.partition(":")[0]} if "slopes" in reason or "gradient" in reason else set()
    return found


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
    kinds: Counter[str] = Counter()
    for _ in range(count):
        network = random_network(rng)
        x = rng.normal(size=(1, 2, *(2 * int(n) for n in rng.integers(2, 5, 2))))
        kinds.update(kinds_of(network))
        bound = network.lipschitz(tight).value
        found = gain_at(network, x, radius=10.0 ** rng.integers(-4, 2), iterations=8).value
        above += found > bound * (1 + 1e-9)
        closest = max(closest, found / bound)
    attacked = Report("Random networks under attack", ["networks", "gains above the bound", "closest: found / bound"])
    attacked.add(count, above, closest)
    attacked.notes.append("networks with " + ", ".join(f"{kind}: {n}" for kind, n in sorted(kinds.items())))
    attacked.finish()
    sys.exit(above > 0)


if __name__ == "__main__":
    main()
