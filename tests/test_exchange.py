"""Files that cannot be certified, or only in part: one clear line each, with exit code 2, or an honest answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import aplomb
from aplomb import io
from aplomb.errors import ModelError
from aplomb.layers import conv, dense, flatten, max_pool, relu
from aplomb.model import freeze, thaw
from aplomb.operator import chain

Run = Callable[..., tuple[int, str, str]]


def file(nodes: Sequence[Any], weights: dict[str, np.ndarray], opset: int = 17, channels: int = 2) -> str:
    """A network from "image" to "result", written to net.onnx."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", c, "H", "W"])
        for name, c in (("image", channels), ("result", None))
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(list(nodes), "net", ends[:1], ends[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), "net.onnx")
    return "net.onnx"


def node(op: str, *inputs: str, to: str = "result", **attributes: Any) -> Any:
    return helper.make_node(op, list(inputs), to.split(), name=f"the_{op}", **attributes)


def refused(run: Run, *words: str, command: Sequence[str] = ("net.onnx",)) -> None:
    code, _, err = run("certify", *command)
    assert code == 2, err
    (line,) = err.strip().splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line, line


V = np.array([0.5, 1.5], np.float32)
W = np.random.default_rng(0).normal(size=(2, 2, 3, 3)).astype(np.float32)
FOUR = {"a": V, "b": V, "c": V, "d": V}


def test_operations_that_are_not_known_are_named(run):
    file([node("Erf", "image", to="x"), node("Det", "x")], {})
    refused(run, "2 operation(s)", "Erf (node the_Erf", "Det (node the_Det", "export it without them")


def test_batch_norm_in_training_mode(run):
    """Read as it is used after training, its bound would be that of another map."""
    file([node("BatchNormalization", "image", *FOUR, to="result m v", training_mode=1)], FOUR)
    refused(run, "BatchNormalization (node the_BatchNormalization", "training mode", "evaluation mode")
    file([node("BatchNormalization", "image", *FOUR)], FOUR)
    assert json.loads(run("certify", "net.onnx", "--json")[1])["kind"] == "exact"


def test_dropout_in_training_mode(run):
    file([node("Dropout", "image", "p", "on")], {"p": np.float32(0.5), "on": np.array(True)})
    refused(run, "Dropout", "at random", "evaluation mode")


@pytest.mark.parametrize(
    ("op", "inputs", "attributes"),
    [("InstanceNormalization", ["a", "b"], {}), ("LayerNormalization", ["a"], {"axis": 1}),
     ("MeanVarianceNormalization", [], {})],
)  # fmt: skip
def test_normalisation_by_the_input_itself(run, op, inputs, attributes):
    file([node(op, "image", *inputs, **attributes)], FOUR)
    refused(run, op, "divides by the input's own deviation")


def test_weights_that_are_computed_from_the_picture(run):
    file([node("Conv", "image", "w", to="k"), node("Conv", "image", "k")], {"w": W})
    refused(run, "weights that are computed from the picture", "no Lipschitz constant")
    file([node("Sigmoid", "image", to="gate"), node("Tanh", "image", to="t"), node("Mul", "t", "gate")], {})
    refused(run, "a product of two values that both depend on the picture")


def test_weights_that_are_computed_from_constants_are_read(run):
    """As spectral normalisation leaves them: w / s, computed in the graph."""
    s = np.float32(4)
    file([node("Div", "w", "s", to="k"), node("Conv", "image", "k", pads=[1, 1, 1, 1])], {"w": W, "s": s})
    read = [*thaw("net.onnx").leaves()]
    np.testing.assert_array_equal(read[0].weight, W / s)
    assert json.loads(run("certify", "net.onnx", "--json")[1])["bound"] <= 1 / 4 * 9 * abs(W).max() * 2
    file([helper.make_node("RandomNormal", [], ["k"], shape=[2, 2, 3, 3], name="r"), node("Conv", "image", "k")], {})
    refused(run, "RandomNormal (node r: a random number")


def test_quantised_files(run):
    refused(
        run, "quantised", "step function", "no Lipschitz constant", "residual-32.onnx", command=["residual-32.int8"]
    )


def test_quantised_weights_are_certified_as_they_are_executed(run):
    """Rounded weights in a network that computes in float are numbers like others."""
    q, s, z = np.rint(W * 20).astype(np.int8), np.float32(0.05), np.int8(0)
    file([node("DequantizeLinear", "q", "s", "z", to="w"), node("Conv", "image", "w")], {"q": q, "s": s, "z": z})
    assert run("certify", "net.onnx")[0] == 0
    np.testing.assert_allclose(next(iter(thaw("net.onnx").leaves())).weight, q * s, rtol=1e-6)


def test_weights_that_are_no_numbers(run):
    for wrong in (np.nan, np.inf):
        w = W.copy()
        w[0, 0, 0, 0] = wrong
        file([node("Conv", "image", "w")], {"w": w})
        refused(run, "weights that are infinite or no numbers")
        assert thaw("net.onnx").lipschitz(aplomb.facts.lipschitz.tight).kind == "unknown"


def test_shrinkage_by_a_negative_threshold_is_no_shrinkage(run):
    file([node("Shrink", "image", lambd=-0.5, bias=-0.5)], {})
    refused(run, "Shrink", "not continuous")


def test_pictures_smaller_than_the_search(run):
    io.write("small.png", np.random.default_rng(0).integers(0, 256, (11, 13), dtype=np.uint8))
    freeze(chain(conv(1, 2), relu, max_pool(2), conv(2, 1)), "net.onnx")
    code, out, err = run("certify", "net.onnx", "--picture", "small.png")
    assert code == 0, err
    assert "around small.png (10 x 12 pixels)" in out  # multiples of 2
    found = json.loads(run("certify", "net.onnx", "--picture", "small.png", "--json")[1])
    assert {tuple(f["area"]) for f in found["found"]} == {(10, 12)}
    assert 0 < found["gain"] <= found["bound"]


def test_pictures_smaller_than_the_network_takes(run):
    io.write("small.png", np.random.default_rng(0).integers(0, 256, (11, 13), dtype=np.uint8))
    freeze(chain(*[conv(1, 1, padding="valid", seed=s) for s in range(6)]), "net.onnx")
    refused(run, "small.png has 11 x 13 pixels", "at least 13 x 13", command=["net.onnx", "--picture", "small.png"])
    freeze(chain(flatten, dense(24 * 20, 3)), "net.onnx", shape=(1, 1, 24, 20))
    refused(run, "takes", command=["net.onnx", "--picture", "small.png"])


def test_channels_that_only_the_file_states(run):
    """The network takes its picture apart first; no layer says how many channels there are."""
    weights = {n: np.array([v], np.int64) for n, v in (("from", 1), ("to", 3), ("axis", 1))}
    file([node("Slice", "image", "from", "to", "axis")], weights, channels=4)
    assert json.loads(run("certify", "net.onnx", "--json")[1])["rounding_shape"] == [1, 4, 64, 64]


def test_what_is_refused_names_the_file(tmp_path):
    with pytest.raises(ModelError, match="neither a file nor a shipped model"):
        aplomb.certify(str(tmp_path / "none.onnx"))
