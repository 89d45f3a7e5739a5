"""Weights in torchvision's names: the same logits as the network that they are from, or one clear line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from aplomb.errors import ModelError
from aplomb.nets import CLASSIFIERS, from_state_dict
from aplomb.nets.names import _MAPS


def theirs(blocks: tuple[int, ...], bottleneck: bool, classes: int) -> Any:
    """A ResNet as torchvision writes it, with its names, from its documentation; trained a little, as it were."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            out = width * (4 if bottleneck else 1)
            sizes = [(inputs, width, 1), (width, width, 3), (width, out, 1)] if bottleneck else [
                (inputs, width, 3), (width, out, 3)]  # fmt: skip
            self.count, strided = len(sizes), 2 if bottleneck else 1
            for i, (a, b, k) in enumerate(sizes, 1):
                step = stride if i == strided else 1
                setattr(self, f"conv{i}", nn.Conv2d(a, b, k, step, k // 2, bias=False))
                setattr(self, f"bn{i}", nn.BatchNorm2d(b))
            fits = inputs == out and stride == 1
            self.downsample = None if fits else nn.Sequential(
                nn.Conv2d(inputs, out, 1, stride, bias=False), nn.BatchNorm2d(out))  # fmt: skip

        def forward(self, x: Any) -> Any:
            y = x
            for i in range(1, self.count + 1):
                y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
                y = torch.relu(y) if i < self.count else y
            return torch.relu(y + (x if self.downsample is None else self.downsample(x)))

    class ResNet(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
            channels = 64
            for stage, count in enumerate(blocks):
                parts = []
                for number in range(count):
                    width = 64 * 2**stage
                    parts.append(Block(channels, width, 2 if stage and not number else 1))
                    channels = width * (4 if bottleneck else 1)
                setattr(self, f"layer{stage + 1}", nn.Sequential(*parts))
            self.fc = nn.Linear(channels, classes)

        def forward(self, x: Any) -> Any:
            x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(x.mean(dim=(2, 3)))

    torch.manual_seed(0)
    net = ResNet().eval()
    for name, value in net.state_dict().items():
        if "bn" in name or "downsample.1" in name:
            value.copy_(torch.rand(value.shape) + 0.5)
    return net


def arrays(module: Any) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in module.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "blocks", "bottleneck"), [("resnet-18", (2, 2, 2, 2), False), ("resnet-50", (3, 4, 6, 3), True)]
)
def test_the_logits_are_theirs(name: str, blocks: tuple[int, ...], bottleneck: bool) -> None:
    torch = pytest.importorskip("torch")
    module = theirs(blocks, bottleneck, classes=7)
    net = from_state_dict(name, {f"module.{n}": a for n, a in arrays(module).items()})
    x = torch.rand(2, 3, 65, 96)
    with torch.no_grad():
        wanted = module(x)
        assert float((net(x) - wanted).abs().max()) < 1e-4 * float(wanted.abs().max())


@pytest.mark.parametrize(
    ("name", "function"), [("resnet-18", "resnet18"), ("resnet-50", "resnet50"), ("vgg-11", "vgg11")]
)
def test_the_logits_are_torchvisions(name: str, function: str) -> None:
    """Where it is installed; random weights, so that nothing is downloaded."""
    torchvision = pytest.importorskip("torchvision")
    torch = pytest.importorskip("torch")
    module = getattr(torchvision.models, function)(weights=None).eval()
    net = from_state_dict(name, arrays(module))
    x = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        np.testing.assert_allclose(net(x), module(x), rtol=1e-3, atol=1e-4)


def test_names_of_vgg_16() -> None:
    numbers = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    assert [*_MAPS["vgg-16"][1]] == [f"features.{n}" for n in numbers] + [f"classifier.{n}" for n in (0, 3, 6)]


@pytest.mark.parametrize("name", _MAPS)
def test_there_is_a_name_for_every_layer(name: str) -> None:
    net = CLASSIFIERS[name](seed=None)
    assert len(_MAPS[name][1]) == sum(leaf.parameters > 0 for leaf in net.leaves())
    assert len(set(_MAPS[name][1])) == len(_MAPS[name][1])


def renamed(network: str, **sizes: int) -> dict[str, np.ndarray]:
    """The weights of one of our networks, under their names."""
    from aplomb.nets.names import _places

    net = CLASSIFIERS[network](**sizes)
    return {name: net.weights()[mine] for mine, name in _places(net, [*_MAPS[network][1]]).items()}


def test_there_and_back() -> None:
    """Sizes are those of the arrays; the last layer may be called linear; counters of batches are left out."""
    mine = renamed("resnet-20-cifar", classes=4, inputs=1, seed=3)
    mine = {name.replace("fc", "linear"): a for name, a in mine.items()} | {"bn1.num_batches_tracked": np.array(5)}
    assert from_state_dict("resnet-20-cifar", mine) == CLASSIFIERS["resnet-20-cifar"](classes=4, inputs=1, seed=3)
    doubles = {name: a.astype(np.float64) for name, a in mine.items()}
    assert from_state_dict("resnet-20-cifar", doubles) == from_state_dict("resnet-20-cifar", mine)


def without(arrays: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {n: a for n, a in arrays.items() if n != name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: without(a, "layer2.0.bn1.bias"), r"1 missing \(layer2.0.bn1.bias\)"),
        (lambda a: a | {"extra.weight": np.ones(2)}, r"1 not known \(extra.weight\)"),
        (lambda a: {}, r"\d+ missing \(bn1.bias, bn1.running_mean, ...\)"),
        (lambda a: a | {"layer1.0.conv1.weight": np.ones((16, 16, 5, 5))}, r"\(16, 16, 5, 5\).*\(16, 16, 3, 3\)"),
        (lambda a: a | {"fc.weight": np.float32(1)}, r"fc.weight of shape \(\)"),
        (lambda a: a | {"fc.bias": np.full(10, np.nan)}, "fc.bias has values"),
        (lambda a: a | {"fc.bias": np.full(10, 1e300)}, "fc.bias has values"),
        (lambda a: a | {"fc.bias": np.array(["a"] * 10)}, "does not fit"),
    ],
)
def test_what_does_not_fit_is_named(change: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        from_state_dict("resnet-20-cifar", change(renamed("resnet-20-cifar")))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"), [("alexnet", "one group"), ("googlenet", "batch norms"), ("wrn-28-10", "no names are known")]
)
def test_networks_with_other_layers_elsewhere_are_refused(name: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        from_state_dict(name, {})
