"""Networks that are told one noise level, as operators in the picture alone."""

from __future__ import annotations

import numpy as np
import pytest

from aplomb.facts.level import with_level
from aplomb.facts.limits import within_limits
from aplomb.facts.lipschitz import tight
from aplomb.graph import Graph, Node
from aplomb.layers import clip_by, conv, relu, take
from aplomb.model import freeze, thaw
from aplomb.nets import averaged, gradient_steps, lean
from aplomb.operator import chain, identity, stack
from laws import close
from makers import trained

picture, level = take(0, 2, of=3), take(2, 3, of=3)
NETWORKS = {
    "lean": lean(widths=(8, 16), blocks=(1, 1)),
    "gradient steps": gradient_steps(width=6, scales=(2, 4)),
    "widths": chain(stack(picture, chain(level, conv(1, 2, 1), relu)), clip_by),
    "mixed": chain(stack(picture, level), conv(3, 2)),
    "sum with a constant": chain(stack(picture, level) + stack(picture, level), picture),
    "level first": chain(stack(level, picture), conv(3, 2)),
    "level with a border": chain(stack(picture, chain(level, conv(1, 2))), clip_by),
    "scaled": chain(0.5 * identity, relu, picture),
    "graph": Graph((Node((0,), picture), Node((1,), relu), Node((1, 2))), 3),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_as_with_a_map(name):
    operator = trained(NETWORKS[name], 4)
    channels = (operator.input_channels() or 3) - 1
    x = np.random.default_rng(0).normal(size=(2, channels, 16, 16))
    both = np.concatenate([x, np.full_like(x[:, :1], 0.3)], axis=1)
    close(with_level(operator, 0.3, channels)(x), operator(both), 1e-9)


def test_a_stable_network_is_certified_from_its_file(tmp_path):
    """At most 1, exactly, in the picture; and not for the level, which is no part of the claim."""
    freeze(gradient_steps(width=6, scales=(4, 2, 2)), tmp_path / "net.onnx")
    thawed = thaw(tmp_path / "net.onnx")
    assert with_level(thawed, 0.1).lipschitz(tight).value == 1.0
    assert thawed.lipschitz(tight).value > 1


def test_filters_above_the_limit_are_noticed():
    def bound(factor: float, net) -> float:
        louder = net.with_weights({n: factor * w for n, w in net.weights().items() if w.shape[1:] == (4, 3, 3)})
        return with_level(louder, 0.1).lipschitz(tight).value

    net = gradient_steps(width=6, scales=(2,))
    at_the_limit = within_limits(net.with_weights({n: 3 * w for n, w in net.weights().items()}))
    assert bound(1.0, at_the_limit) == 1.0
    assert 1.03 < bound(1.01, at_the_limit) < 1.05  # 2 * 1.01 ** 2 - 1


def test_an_averaged_network_is_non_expansive():
    for net in (averaged(width=4, layers=3), averaged(width=4, layers=3, activation="group-sort", orthogonal=True)):
        assert within_limits(trained(net, 1)).lipschitz(tight).value <= 1 + 1e-6
