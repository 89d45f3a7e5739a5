"""Classifiers of the documents (B3, B4, B7, D11): parameters, shapes, and what makes each of them what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import aplomb.cli
from aplomb.errors import BadInput, ShapeError
from aplomb.layers import relu
from aplomb.layers.activation import Softmax
from aplomb.model import freeze, thaw
from aplomb.nets import (
    CLASSIFIERS,
    NETWORKS,
    alexnet,
    fully_convolutional,
    googlenet,
    lenet,
    main_branch,
    mlp,
    pattern,
    resnet,
    resnet_cifar,
    vgg,
    wide_resnet,
)
from aplomb.operator import Operator, chain

PUBLISHED = {
    "mlp-mnist": 266_610, "lenet-5": 61_706, "alexnet": 60_965_224, "vgg-11": 132_863_336, "vgg-13": 133_047_848,
    "vgg-16": 138_357_544, "vgg-19": 143_667_240, "googlenet": 6_998_552, "resnet-18": 11_689_512,
    "resnet-34": 21_797_672, "resnet-50": 25_557_032, "resnet-101": 44_549_160, "resnet-152": 60_192_808,
    "resnet-20-cifar": 269_722, "resnet-32-cifar": 464_154, "resnet-44-cifar": 658_586, "resnet-56-cifar": 853_018,
    "resnet-110-cifar": 1_727_962, "wrn-28-10": 36_479_194,
}  # fmt: skip
SIDE = {"mlp-mnist": 28, "lenet-5": 32, "pattern": 32, "alexnet": 227, "wrn-28-10": 32}


@pytest.mark.parametrize("name", {**CLASSIFIERS, **PUBLISHED})
def test_parameters_and_shapes(name: str) -> None:
    """Zeros for weights: what is counted are shapes."""
    net = CLASSIFIERS[name](seed=None)
    assert net.parameters == PUBLISHED.get(name, net.parameters)
    side = SIDE.get(name, 32 if name.endswith("cifar") else 224)
    few = name in ("mlp-mnist", "lenet-5", "pattern", "wrn-28-10") or name.endswith("cifar")
    channels = 1 if name in ("mlp-mnist", "lenet-5", "pattern") else 3
    assert net.output_shape((2, channels, side, side)) == (2, 10 if few else 1000)
    labels = CLASSIFIERS[name](seed=None, labels=True)
    assert labels.output_shape((2, channels, side, side)) == (2, 10 if few else 1000)
    assert [type(leaf) for leaf in labels.leaves()] == [*(type(leaf) for leaf in net.leaves()), Softmax]


@pytest.mark.parametrize(
    ("layers", "counts"), [(18, (11_515_688, 11_689_512, 12_043_816)), (34, (21_623_848, 21_797_672, 22_716_840))]
)
def test_shortcuts_of_resnet(layers: int, counts: tuple[int, ...]) -> None:
    nets = [resnet(layers, shortcut, seed=None) for shortcut in ("A", "B", "C")]
    assert tuple(net.parameters for net in nets) == counts
    assert {net.output_shape((1, 3, 224, 224)) for net in nets} == {(1, 1000)}


def test_b3_a_large_picture_makes_the_first_layer_large() -> None:
    assert [leaf.parameters for leaf in mlp().leaves() if leaf.parameters] == [235_500, 30_100, 1_010]
    large = mlp((256 * 256, 300, 100, 10), seed=None)
    assert max(leaf.parameters for leaf in large.leaves()) == 256 * 256 * 300 + 300 == 19_661_100


def test_b4_layers_of_lenet() -> None:
    sizes, shape = [], (1, 1, 32, 32)
    for leaf in lenet().leaves():
        shape = leaf.output_shape(shape)
        sizes += [] if shape in sizes else [shape]
    assert sizes == [
        (1, 6, 28, 28), (1, 6, 14, 14), (1, 16, 10, 10), (1, 16, 5, 5), (1, 120, 1, 1), (1, 120), (1, 84), (1, 10),
    ]  # fmt: skip
    with pytest.raises(ShapeError):
        lenet().output_shape((1, 1, 28, 28))


def test_d11_layers_of_alexnet() -> None:
    net = alexnet(seed=None)
    counts = [leaf.parameters for leaf in net.leaves() if leaf.parameters]
    assert counts == [34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000]


@pytest.mark.parametrize(("n", "m", "k", "pool"), [(1, 1, 0, True), (2, 3, 1, True), (3, 2, 2, False)])
def test_b7_the_pattern(n: int, m: int, k: int, pool: bool) -> None:
    """INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> [FC -> RELU]*K -> FC, read off the leaves."""
    net = pattern((1, 16, 16), 4, convolutions=n, stages=m, dense_layers=k, pool=pool, width=2, hidden=5, labels=True)
    letters = {"Conv": "C", "ReLU": "R", "MaxPool": "P", "Flatten": "", "Dense": "F", "Softmax": "S"}
    found = "".join(letters[type(leaf).__name__] for leaf in net.leaves())
    assert found == ("CR" * n + "P" * pool) * m + "FR" * k + "FS"
    np.testing.assert_allclose(net(np.random.default_rng(0).random((3, 1, 16, 16))).sum(axis=1), 1)


def test_heads_of_googlenet_are_for_training() -> None:
    """The logits of the network stand first, and are those of the network without heads."""
    torch = pytest.importorskip("torch")
    net = googlenet(classes=4, heads=True, seed=2)
    assert net.output_shape((1, 3, 224, 224)) == (1, 12)
    plain = main_branch(net)
    assert plain.parameters == googlenet(classes=4, seed=None).parameters
    x = torch.from_numpy(np.random.default_rng(0).random((1, 3, 224, 224), dtype=np.float32))
    both = net(x)
    np.testing.assert_allclose(both[:, :4], plain(x), rtol=1e-5)
    assert len(set(both.flatten().tolist())) == 12
    assert googlenet(heads=True, seed=None).parameters == 13_378_280
    assert main_branch(relu) == relu


def test_shortcut_a_is_every_second_pixel_and_zeros() -> None:
    """With silent bodies, a network with shortcut A passes on the picture of the first layer, thinned out."""
    net = resnet_cifar(8, "A", seed=1)
    first, rest = net.parts[:3], chain(*net.parts[3:-3])  # type: ignore[attr-defined]
    rest = rest.with_weights({name: 0 * w for name, w in rest.weights().items()})
    x = np.random.default_rng(0).random((1, 3, 32, 32))
    y = chain(*first)(x)
    out = rest(y)
    np.testing.assert_array_equal(out[:, :16], y[:, :, ::4, ::4])
    assert not out[:, 16:].any()


@pytest.mark.parametrize(
    "net",
    [
        pytest.param(resnet_cifar(8, "A", seed=1), id="A"),
        pytest.param(resnet_cifar(8, "B", seed=1), id="B"),
        pytest.param(wide_resnet(10, 1, seed=1), id="wide"),
        pytest.param(lenet(inputs=3, labels=True), id="lenet"),
    ],
)
def test_frozen_networks_are_the_same(net: Operator, tmp_path: Path) -> None:
    from aplomb.model import load
    from aplomb.runtime.engines import open_engine

    path = tmp_path / "net.onnx"
    freeze(net, path, shape=(1, 3, 32, 32))
    x = np.random.default_rng(0).random((2, 3, 32, 32), dtype=np.float32)
    for other in (thaw(path), open_engine(load(path), "onnxruntime", threads=1)):
        np.testing.assert_allclose(other(x), net(x), rtol=1e-3, atol=1e-4)
    assert thaw(path).parameters <= net.parameters


def test_alexnet_is_read_back(tmp_path: Path) -> None:
    """Its response norms and groups, with fewer weights: what is thawed are the same leaves."""
    net = chain(*[leaf for leaf in alexnet(seed=None).parts if not leaf.parameters > 1e6][:12])  # type: ignore[attr-defined]
    freeze(net, tmp_path / "a.onnx", shape=(1, 3, 227, 227))
    assert thaw(tmp_path / "a.onnx") == net


@pytest.mark.parametrize("size", [(32, 32), (48, 40)])
def test_fully_convolutional_lenet_is_the_classifier_at_each_place(size: tuple[int, int]) -> None:
    classifier = lenet(pooling="max", activation="relu", labels=True, seed=4)
    sliding = fully_convolutional(classifier, (1, 32, 32))
    assert sliding.parameters == classifier.parameters
    x = np.random.default_rng(0).random((1, 1, *size))
    answers, step = sliding(x), sliding.grid().stride
    assert answers.shape[2:] == ((size[0] - 32) // step + 1, (size[1] - 32) // step + 1)
    for i in range(answers.shape[2]):
        for j in range(answers.shape[3]):
            window = x[:, :, step * i : step * i + 32, step * j : step * j + 32]
            np.testing.assert_allclose(answers[:, :, i, j], classifier(window), rtol=1e-9)


@pytest.mark.parametrize(
    "classifier",
    [resnet_cifar(8, seed=2), wide_resnet(10, 1), mlp((3 * 32 * 32, 5, 4)), pattern((3, 32, 32), stages=2)],
)
def test_a_fully_convolutional_network_is_the_classifier_on_its_own_size(classifier: Operator) -> None:
    x = np.random.default_rng(0).random((2, 3, 32, 32))
    sliding = fully_convolutional(classifier, (3, 32, 32))
    np.testing.assert_allclose(sliding(x)[:, :, 0, 0], classifier(x), rtol=1e-6)
    larger = sliding(np.random.default_rng(0).random((1, 3, 40, 36)))
    assert larger.ndim == 4
    assert min(larger.shape[2:]) >= 1


def test_what_is_no_classifier_has_no_such_form() -> None:
    with pytest.raises(BadInput, match="no vector of logits"):
        fully_convolutional(relu, (1, 8, 8))
    with pytest.raises(BadInput, match="without heads"):
        fully_convolutional(googlenet(heads=True, seed=None), (3, 224, 224))
    with pytest.raises(ShapeError):
        fully_convolutional(lenet(), (1, 28, 28))


def test_weights_are_drawn_from_the_seed() -> None:
    assert lenet(seed=1) == lenet(seed=1) != lenet(seed=2)
    assert not any(w.any() for name, w in lenet(seed=None).weights().items())


@pytest.mark.parametrize("name", ["lenet-5", "resnet-20-cifar"])
def test_inspect_prints_the_layers(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        aplomb.cli.main(["inspect", name])
    assert not end.value.code
    assert f"{PUBLISHED[name]:,}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "call",
    [
        lambda: mlp((3,)), lambda: mlp(activation="cos"), lambda: lenet(0), lambda: lenet(pooling="l2"),
        lambda: pattern((1, 8)), lambda: pattern(classes=0), lambda: alexnet(0), lambda: vgg(15), lambda: googlenet(0),
        lambda: googlenet(heads=True, labels=True), lambda: resnet(20), lambda: resnet(18, "D"),
        lambda: resnet_cifar(21), lambda: wide_resnet(27), lambda: NETWORKS["vgg-16"](classes=-1),
    ],
)  # fmt: skip
def test_senseless_sizes_are_refused(call: object) -> None:
    with pytest.raises(BadInput):
        call()  # type: ignore[operator]
