"""Int8 copies: near the original, in integer kernels, beside the model, with the loss on the card."""

import logging
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest

from aplomb.errors import BadInput, ModelError, OutputError
from aplomb.model import Card, freeze, load
from aplomb.nets import lean, residual, unet_denoiser
from aplomb.restore import denoise
from aplomb.runtime import engines
from aplomb.runtime import quantise as module
from aplomb.runtime.engines import has_openvino, open_engine
from aplomb.runtime.quantise import precision_loss, quantise

needs_openvino = pytest.mark.skipif(not has_openvino(), reason="needs openvino")
ENGINES = ["onnxruntime", pytest.param("openvino", marks=needs_openvino)]
CARD = Card(name="small", task="denoise", noise_map=True, noise_range=(0.0, 55 / 255), licence="BSD-3-Clause")


def pictures(count, shape=(64, 72), seed=0):
    """Smooth random pictures in 0..1."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    sigma = (3, 3, 0)[: len(shape)]
    smooth = [gaussian_filter(rng.random(shape), sigma) for _ in range(count)]
    return [((p - p.min()) / np.ptp(p)).astype(np.float32) for p in smooth]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A lean network and its int8 copy."""
    path = tmp_path_factory.mktemp("models") / "small.onnx"
    freeze(lean(widths=(16, 32), blocks=(1, 2)), path, card=CARD)
    copy = quantise(path, pictures(8), validation=pictures(3, seed=1))
    return load(path), copy


def test_the_copy_lies_beside_the_model_with_its_card(small):
    model, copy = small
    assert copy.path == model.path.with_name("small.int8.onnx")
    assert copy.path.stat().st_size < 0.45 * model.path.stat().st_size
    assert copy.card == load(copy.path).card
    facts = copy.card.metrics["int8"]
    assert facts["calibration"] in {way.name for way in module.WAYS}
    assert set(facts["loss_db"]) == {"15", "25", "50"}
    assert facts["pictures"] == 3
    assert all(abs(loss) < 0.5 for loss in facts["loss_db"].values())
    assert replace(copy.card, metrics={}, hash="") == replace(model.card, metrics={}, hash="")
    assert copy.card.hash != model.card.hash


@pytest.mark.parametrize("engine", ENGINES)
def test_int8_is_near_f32(small, engine):
    model, _ = small
    x = np.random.default_rng(0).random((1, 2, 64, 64), dtype=np.float32)
    x[:, 1] = 0.1
    exact, rounded = (open_engine(model, engine, p, threads=1)(x) for p in ("f32", "int8"))
    difference = np.abs(exact - rounded)
    assert 0 < difference.max() < 0.1 * np.ptp(exact)
    assert difference.mean() < 0.01 * np.ptp(exact)


@needs_openvino
def test_both_engines_agree_on_int8(small):
    model, _ = small
    x = np.random.default_rng(0).random((1, 2, 64, 64), dtype=np.float32)
    a, b = (open_engine(model, engine, "int8", threads=1)(x) for engine in ("onnxruntime", "openvino"))
    assert np.abs(a - b).max() < 0.1 * np.ptp(a)


def test_onnxruntime_convolves_in_integers(small, tmp_path):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(small[1].path, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("Conv") == 2  # the first and the last
    assert kinds.count("QLinearConv") == convolutions(small[0].path) - 2


@needs_openvino
def test_openvino_convolves_in_integers(small):
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino as ov

    core = ov.Core()
    network = core.read_model(small[1].path)
    network.reshape([1, 2, 64, 64])
    running = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).get_runtime_model()
    facts = [node.get_rt_info() for node in running.get_ops()]
    kinds = [f["runtimePrecision"].astype(str) for f in facts if f["layerType"].astype(str) == "Convolution"]
    assert kinds.count("f32") == 2
    assert kinds.count("u8") + kinds.count("i8") == convolutions(small[0].path) - 2


def convolutions(path):
    return sum(node.op_type == "Conv" for node in onnx.load(path).graph.node)


def test_weights_are_whole_numbers_with_one_scale_a_channel(small):
    from onnx import numpy_helper

    graph = onnx.load(small[1].path).graph
    arrays = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    scales = {n.input[0]: arrays[n.input[1]] for n in graph.node if n.op_type == "DequantizeLinear"}
    weights = {name: a for name, a in arrays.items() if a.ndim == 4 and a.dtype == np.int8}
    assert len(weights) == convolutions(small[0].path) - 2
    for name, array in weights.items():
        assert scales[name].shape == (array.shape[0],)
        assert np.abs(array.reshape(len(array), -1).astype(int)).max(axis=1).min() == 127


@pytest.mark.parametrize("make", [lambda: residual(4, 8), lambda: unet_denoiser(width=4, poolings=2)])
def test_networks_without_a_level_map_and_with_biases(make, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WAYS", module.WAYS[-1:])
    card = Card(name="plain", task="denoise", noise_range=(20 / 255, 20 / 255))
    freeze(make(), tmp_path / "plain.onnx", card=card)
    copy = quantise(tmp_path / "plain.onnx", pictures(3, (33, 41)), validation=pictures(1))
    assert set(copy.card.metrics["int8"]["loss_db"]) == {"20"}
    x = np.random.default_rng(0).random((1, 1, 64, 64), dtype=np.float32)
    for engine in ["onnxruntime"] + ["openvino"] * has_openvino():
        exact, rounded = (open_engine(load(tmp_path / "plain.onnx"), engine, p, 1)(x) for p in ("f32", "int8"))
        assert np.abs(exact - rounded).mean() < 0.03 * np.ptp(exact)


def test_colour_elsewhere_and_through_denoise(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WAYS", module.WAYS[:1])
    card = replace(CARD, name="colour", channels=3)
    freeze(lean(channels=3, widths=(8, 8), blocks=(1, 1)), tmp_path / "colour.onnx", card=card)
    quantise(tmp_path / "colour.onnx", pictures(4, (40, 48, 3)), tmp_path / "colour.int8.onnx")
    noisy = pictures(1, (50, 60, 3))[0]
    result = denoise(noisy, 0.1, tmp_path / "colour.onnx", precision="int8")
    assert result.precision == "int8"
    assert result.image.shape == noisy.shape
    with pytest.raises(OutputError, match="does not exist"):
        quantise(tmp_path / "colour.onnx", pictures(2, (40, 48, 3)), tmp_path / "none" / "colour.int8.onnx")


def test_the_same_seed_gives_the_same_file(small, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WAYS", module.WAYS[:1])
    copies = [quantise(small[0], pictures(4), tmp_path / f"{i}.onnx", seed=s) for i, s in enumerate((3, 3, 4))]
    data = [copy.path.read_bytes() for copy in copies]
    assert data[0] == data[1] != data[2]


def test_what_loses_least_is_kept(small, tmp_path, monkeypatch):
    """A way that cuts off most values is tried, and not taken."""
    harsh = module._Way("harsh", "Percentile", {"CalibPercentile": 60.0})
    monkeypatch.setattr(module, "WAYS", (harsh, module.WAYS[0]))
    copy = quantise(small[0], pictures(4), tmp_path / "copy.onnx")
    assert copy.card.metrics["int8"]["calibration"] == module.WAYS[0].name


def test_the_quantiser_says_nothing_and_leaves_logging_alone(small, tmp_path, monkeypatch, capfd, caplog):
    monkeypatch.setattr(module, "WAYS", module.WAYS[:1])
    quantise(small[0], pictures(2), tmp_path / "copy.onnx")
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert logging.root.manager.disable == 0


@needs_openvino
def test_the_loss_of_bf16_can_be_measured_too(small):
    found = precision_loss(small[0], pictures(2), "bf16", levels=(25 / 255, 75 / 255))
    assert found["engine"] == "openvino"
    assert set(found["loss_db"]) == {"25"}  # 75 is not what it was trained for


def test_what_is_refused(small, tmp_path):
    model, copy = small
    with pytest.raises(BadInput, match="found none"):
        quantise(model, [])
    with pytest.raises(BadInput, match="found none"):
        precision_loss(model, [], "int8")
    with pytest.raises(BadInput, match=r"1 channel\(s\), found .* 3"):
        quantise(model, pictures(1, (40, 48, 3)))
    with pytest.raises(ModelError, match="int8 copy already"):
        quantise(copy, pictures(1))
    freeze(residual(2, 4), tmp_path / "unknown.onnx")
    with pytest.raises(ModelError, match="the task 'unknown'"):
        quantise(tmp_path / "unknown.onnx", pictures(1))
    proto = onnx.load(tmp_path / "unknown.onnx")
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / "foreign.onnx")
    with pytest.raises(ModelError, match="no Aplomb card"):
        quantise(tmp_path / "foreign.onnx", pictures(1))


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_overflows_on_processors_that_add_in_16_bits(engine, small, monkeypatch):
    """With weights of seven bits the engines give what float arithmetic on the same whole numbers gives."""
    import onnxruntime as ort

    copy, x = str(small[1].path), np.random.default_rng(0).random((1, 2, 64, 64), dtype=np.float32)
    halved = engines.seven_bits(copy)
    arrays = [onnx.numpy_helper.to_array(t) for t in halved.graph.initializer]
    assert max(np.abs(a.astype(int)).max() for a in arrays if a.dtype == np.int8 and a.ndim == 4) == 64
    plain = ort.SessionOptions()
    plain.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(halved.SerializeToString(), plain)
    (expected,) = session.run(None, {session.get_inputs()[0].name: x})
    monkeypatch.setattr(engines, "adds_in_32_bits", lambda: False)
    engines._opened.cache_clear()
    found = open_engine(load(small[0].path), engine, "int8", 1)(x)
    engines._opened.cache_clear()
    assert np.abs(found - expected).mean() < 6e-3 * np.ptp(expected)
