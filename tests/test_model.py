"""The model file: what is written is what is read, and nothing else is accepted."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aplomb.errors import ModelError, OutputError, ShapeError
from aplomb.facts.table import fitting_shape
from aplomb.layers import batch_norm, conv, conv_transposed, dense, flatten, fold_batch_norm, pixel_unshuffle, relu
from aplomb.model import Card, freeze, load, thaw, weights_hash
from aplomb.nets import NETWORKS
from aplomb.operator import Operator, chain, identity, stack
from aplomb.runtime.engines import has_openvino, open_engine

SMALL = {
    "red-30": {"layers": 30, "width": 4},
    "patch-mlp": {"patch": 6, "hidden": 8, "layers": 2},
    "unet-2015": {"width": 4},
    "wrn-28-10": {"layers": 10, "widen": 1},
}
"""Arguments that make the largest networks small."""
HUGE = ("alexnet", "vgg-11", "vgg-13", "vgg-16", "vgg-19", "resnet-34", "resnet-50", "resnet-101", "resnet-152")
"""From 20 million weights on; their layers are those of smaller ones, and of tests/nets/test_classifiers.py."""
LIMITED = ("learned-ista", "stable-grey", "stable-colour", "averaged")


def make(name: str) -> Operator:
    return NETWORKS[name](**SMALL.get(name, {}))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in HUGE])
def test_thaw_gives_back_every_network(name: str, tmp_path: Path) -> None:
    network = fold_batch_norm(make(name))
    card = freeze(make(name), tmp_path / "a.onnx")
    thawed = thaw(tmp_path / "a.onnx")
    if name in LIMITED:  # what training ties or limits is written out, and computes the same
        x = np.random.default_rng(0).random((1, network.input_channels() or 1, 16, 16))
        np.testing.assert_allclose(thawed(x), network(x), rtol=1e-9, atol=1e-9)
    assert (thawed == network) == (name not in LIMITED)
    assert card.parameters == network.parameters
    assert load(tmp_path / "a.onnx").card == card


def test_a_frozen_network_computes_the_same(tmp_path: Path) -> None:
    import onnxruntime

    rng = np.random.default_rng(0)
    norm = dataclasses.replace(
        batch_norm(6),  # type: ignore[type-var]
        weight=rng.normal(1, 0.2, 6).astype(np.float32),
        bias=rng.normal(0, 0.2, 6).astype(np.float32),
        mean=rng.normal(0, 0.2, 6).astype(np.float32),
        variance=rng.uniform(0.5, 2, 6).astype(np.float32),
    )
    network = chain(conv(3, 6), norm, relu, conv_transposed(6, 6), norm, conv(6, 2))
    freeze(network, tmp_path / "a.onnx")
    x = rng.random((2, 3, 10, 12), dtype=np.float32)
    y = onnxruntime.InferenceSession(str(tmp_path / "a.onnx")).run(None, {"image": x})[0]
    np.testing.assert_allclose(y, network(x), rtol=1e-5, atol=1e-5 * np.abs(y).max())


def test_weights_that_float16_holds_take_half_the_room_and_come_back_bit_for_bit(tmp_path: Path) -> None:
    network = NETWORKS["lean-grey"]().initialise(3)
    half = network.with_weights({k: v.astype(np.float16).astype(np.float32) for k, v in network.weights().items()})
    sizes = {}
    for name, operator in (("single", network), ("half", half)):
        freeze(operator, tmp_path / f"{name}.onnx")
        sizes[name] = (tmp_path / f"{name}.onnx").stat().st_size
        assert thaw(tmp_path / f"{name}.onnx") == operator
    assert sizes["half"] < 0.55 * sizes["single"]
    x = np.random.default_rng(0).random((1, 2, 16, 24), dtype=np.float32)
    for engine in ("onnxruntime", "openvino") if has_openvino() else ("onnxruntime",):
        found = open_engine(load(tmp_path / "half.onnx"), engine)(x)  # type: ignore[arg-type]
        np.testing.assert_allclose(found, half(x), rtol=0, atol=1e-5 * float(np.abs(half(x)).max()))
    mixed = network.with_weights({**network.weights(), **dict(list(half.weights().items())[:3])})
    freeze(mixed, tmp_path / "mixed.onnx")
    assert thaw(tmp_path / "mixed.onnx") == mixed, "each array is stored as it needs to be"


def test_the_card_survives(tmp_path: Path) -> None:
    card = Card(
        name="n",
        task="denoise",
        noise_range=(0.0, 0.2),
        training={"recipe": "[network]\n"},
        metrics={"psnr": {"25": 30.1}},
    )
    written = freeze(conv(1, 1), tmp_path / "a.onnx", card=card)
    read = load(tmp_path / "a.onnx").card
    assert read == written
    assert read is not None
    assert (read.halo, read.multiple, read.noise_range) == (1, 1, (0.0, 0.2))
    assert "30.1" in read.markdown()
    assert "[network]" in read.markdown()


def test_what_a_recogniser_gives_is_in_its_card(tmp_path: Path) -> None:
    card = Card(task="segment", classes=("background", "cell"), target="regions", standardise=True, size=(28, 32))
    written = freeze(conv(1, 2), tmp_path / "a.onnx", card=card)
    assert load(tmp_path / "a.onnx").card == written
    text = written.markdown()
    assert all(word in text for word in ("background, cell", "regions", "28 x 32", "standardised"))
    assert not any(word in Card(task="denoise").markdown() for word in ("classes", "target", "size", "standardised"))


def test_a_card_from_before_there_were_recognisers_is_read(tmp_path: Path) -> None:
    written = freeze(conv(1, 1), tmp_path / "a.onnx", card=Card(task="denoise"))
    model = onnx.load(tmp_path / "a.onnx")
    entries = json.loads(model.metadata_props[0].value)
    for name in ("classes", "target", "standardise", "size"):
        del entries[name]
    model.metadata_props[0].value = json.dumps(entries)
    onnx.save(model, tmp_path / "a.onnx")
    assert load(tmp_path / "a.onnx").card == written


def _changed(path: Path, change: str) -> None:
    model = onnx.load(path)
    if change == "weight":
        weight = numpy_helper.to_array(model.graph.initializer[0]).copy()
        weight.ravel()[0] += 1e-7
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, model.graph.initializer[0].name))
    elif change == "attribute":
        next(a for a in model.graph.node[0].attribute if a.name == "strides").ints[:] = [2, 2]
    elif change == "node":
        model.graph.node[1].op_type = "Tanh"
    onnx.save(model, path)


def test_a_network_is_told_the_noise_level_that_it_knows(tmp_path: Path) -> None:
    aware = chain(conv(2, 4), relu, conv(4, 1))
    freeze(aware, tmp_path / "net.onnx", card=Card(noise_map=True, noise_range=(0.1, 0.2)))
    model = load(tmp_path / "net.onnx")
    assert [model.level(sigma) for sigma in (0.0, 0.15, 0.9)] == [0.1, 0.15, 0.2]
    x = np.random.default_rng(0).random((1, 1, 8, 8))
    np.testing.assert_array_equal(model.told(0.15)(x), aware(np.concatenate([x, np.full_like(x, 0.15)], axis=1)))
    freeze(conv(1, 1), tmp_path / "plain.onnx")
    assert load(tmp_path / "plain.onnx").level(0.1) is None
    assert load(tmp_path / "plain.onnx").told(0.1) == conv(1, 1)
    # a network that scales with its input is good at any level
    assert load("denoise-grey").level(0.9) == 0.9


@pytest.mark.parametrize("change", ["weight", "attribute", "node"])
def test_a_changed_file_is_refused(change: str, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    freeze(chain(conv(1, 2), relu, conv(2, 1)), path)
    thaw(path)
    _changed(path, change)
    with pytest.raises(ModelError, match="changed after it was frozen"):
        thaw(path)


def test_the_hash_does_not_depend_on_the_card(tmp_path: Path) -> None:
    freeze(conv(1, 1), tmp_path / "a.onnx", card=Card(name="a"))
    freeze(conv(1, 1), tmp_path / "b.onnx", card=Card(name="b"))
    a, b = (onnx.load(tmp_path / f"{n}.onnx") for n in "ab")
    assert weights_hash(a) == weights_hash(b)


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    for data, word in ((b"", "valid ONNX"), (b"GIF89a...", "valid ONNX")):
        path.write_bytes(data)
        with pytest.raises(ModelError, match=word):
            load(path)
    with pytest.raises(ModelError, match="neither a file nor a shipped model"):
        load(tmp_path / "none.onnx")
    freeze(conv(1, 1), path)
    model = onnx.load(path)
    entry = next(p for p in model.metadata_props if p.key == "aplomb")
    entry.value = json.dumps({**json.loads(entry.value), "format": 99})
    onnx.save(model, path)
    with pytest.raises(ModelError, match="update Aplomb"):
        load(path)
    entry.value = "{"
    onnx.save(model, path)
    with pytest.raises(ModelError, match="card that cannot be read"):
        load(path)


def test_freezing_is_all_or_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        freeze(conv(1, 1), tmp_path / "missing" / "a.onnx")
    path = tmp_path / "a.onnx"
    freeze(conv(1, 1), path)
    before = path.read_bytes()
    with pytest.raises(Exception, match="no form"):
        freeze(conv(1, 1, padding="reflect", bias=False).adjoint(), path)
    assert path.read_bytes() == before


def test_fitting_shapes() -> None:
    assert fitting_shape(conv(3, 1)) == (1, 3, 64, 64)
    assert fitting_shape(chain(flatten, dense(2 * 28 * 28, 10)), channels=2) == (1, 2, 28, 28)
    with pytest.raises(ShapeError):
        fitting_shape(stack(conv(1, 1), conv(2, 1)))


def foreign(
    nodes: list[onnx.NodeProto], path: Path, weights: dict[str, np.ndarray] | None = None, channels: int = 2
) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", channels, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "C", "h", "w"])],
        [numpy_helper.from_array(w, n) for n, w in (weights or {}).items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_foreign_networks_become_operators(tmp_path: Path) -> None:
    import onnxruntime

    rng = np.random.default_rng(0)
    node = helper.make_node
    w = {
        "w": rng.normal(0, 0.3, (2, 2, 3, 3)).astype(np.float32),
        "s": np.array([0.5, 2], np.float32).reshape(1, 2, 1, 1),
    }
    path = foreign(
        [
            node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
            node("Sigmoid", ["a"], ["b"]),
            node("Mul", ["a", "b"], ["c"]),  # swish
            node("Mul", ["c", "s"], ["d"]),  # a factor a channel
            node("Add", ["x", "d"], ["e"]),
            node("Conv", ["e", "w"], ["f"], auto_pad="SAME_UPPER"),
            node("Sub", ["f", "x"], ["y"]),
        ],
        tmp_path / "f.onnx",
        w,
    )
    operator = thaw(path)
    x = rng.random((1, 2, 9, 11), dtype=np.float32)
    expected = onnxruntime.InferenceSession(str(path)).run(None, {"x": x})[0]
    np.testing.assert_allclose(operator(x), expected, rtol=1e-5, atol=1e-5)
    assert operator.span((0, 1)) == (-2, 3)
    assert load(path).card is None


def test_a_graph_that_is_no_expression_keeps_its_facts(tmp_path: Path) -> None:
    """x -> a, b = f(a), c = g(a) + b, y = b + c: b is shared by two branches that do not nest."""
    import onnxruntime

    rng = np.random.default_rng(1)
    w = {n: rng.normal(0, 0.3, (2, 2, 3, 3)).astype(np.float32) for n in ("w0", "w1", "w2", "w3")}
    node = helper.make_node

    def layer(i: str, w: str, o: str) -> onnx.NodeProto:
        return node("Conv", [i, w], [o], pads=[1, 1, 1, 1])

    path = foreign(
        [
            layer("x", "w0", "a"), layer("a", "w1", "b"), layer("a", "w2", "c0"), node("Add", ["c0", "b"], ["c"]),
            layer("c", "w3", "d"), node("Add", ["b", "d"], ["e"]), node("Concat", ["e", "c0"], ["y"], axis=1),
        ],
        tmp_path / "g.onnx", w,
    )  # fmt: skip
    operator = thaw(path)
    x = rng.random((1, 2, 8, 8), dtype=np.float32)
    expected = onnxruntime.InferenceSession(str(path)).run(None, {"x": x})[0]
    np.testing.assert_allclose(operator(x), expected, rtol=1e-5, atol=1e-5)
    assert operator.parameters == 4 * 36
    assert operator.multiply_adds((1, 2, 8, 8)) == 4 * 36 * 64
    assert operator.span((0, 1)) == (-3, 4)
    assert operator.output_shape((1, 2, 8, 8)) == (1, 4, 8, 8)
    freeze(operator, tmp_path / "again.onnx")
    np.testing.assert_allclose(thaw(tmp_path / "again.onnx")(x), expected, rtol=1e-5, atol=1e-5)


def test_unknown_operations_are_all_named(tmp_path: Path) -> None:
    node = helper.make_node
    path = foreign(
        [node("Erf", ["x"], ["a"]), node("Relu", ["a"], ["b"]), node("Sin", ["b"], ["y"])], tmp_path / "u.onnx"
    )
    with pytest.raises(ModelError, match=r"2 operation\(s\).*Erf.*Sin"):
        thaw(path)


def test_shared_weights_are_written_once(tmp_path: Path) -> None:
    layer = conv(1, 1)
    freeze(identity + chain(layer, relu, layer), tmp_path / "a.onnx")
    assert len(onnx.load(tmp_path / "a.onnx").graph.initializer) == 2


def test_pixel_unshuffle_before_a_convolution_in_openvino(tmp_path: Path) -> None:
    """OpenVINO fuses a channel permutation wrongly into the convolution behind it; ours is written without one."""
    pytest.importorskip("openvino")
    from aplomb.runtime.engines import open_engine

    network = chain(pixel_unshuffle(2), conv(8, 5, seed=3))
    freeze(network, tmp_path / "a.onnx")
    x = np.random.default_rng(0).random((1, 2, 16, 24), dtype=np.float32)
    y = open_engine(load(tmp_path / "a.onnx"), "openvino")(x)
    np.testing.assert_allclose(y, network(x), rtol=1e-5, atol=1e-5)
