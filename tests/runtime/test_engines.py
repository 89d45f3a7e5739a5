"""Engines give what the expression says, and say what they cannot."""

import os
import subprocess
import sys

import numpy as np
import onnx
import pytest

from aplomb.errors import BadInput, ModelError, RunError
from aplomb.layers import conv, pad, relu
from aplomb.model import freeze, load
from aplomb.nets import lean, patch_mlp, residual, unet
from aplomb.operator import chain
from aplomb.runtime import engines
from aplomb.runtime.engines import Engine, cores, has_openvino, open_engine

needs_openvino = pytest.mark.skipif(not has_openvino(), reason="needs openvino")
NETS = {
    "lean": (lean(widths=(8, 16), blocks=(1, 1)), (2, 2, 24, 32)),
    "lean colour": (lean(channels=3, widths=(8, 8, 8), blocks=(1, 0, 1)), (1, 4, 32, 48)),
    "unet": (unet(width=4, poolings=2, labels=True), (2, 1, 20, 28)),
    "residual": (residual(4, 8), (1, 1, 19, 23)),
    "patch mlp": (patch_mlp(patch=6, hidden=8, layers=2, stride=3), (1, 1, 21, 27)),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "small.onnx"
    freeze(residual(2, 4), path)
    return load(path)


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    engines._opened.cache_clear()


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("engine", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_f32_is_the_numpy_reading(name, engine, tmp_path):
    network, shape = NETS[name]
    freeze(network, tmp_path / "net.onnx")
    run = open_engine(load(tmp_path / "net.onnx"), engine, threads=1)
    assert (run.name, run.precision, run.threads) == (engine, "f32", 1)
    x = np.random.default_rng(0).random(shape, dtype=np.float32)
    for part in (x, x[:1], x):  # another batch, and back
        y, expected = run(part), network(part.astype(np.float64))
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@needs_openvino
@pytest.mark.parametrize("name", NETS)
def test_bf16_has_the_precision_that_its_name_says(name, tmp_path):
    network, shape = NETS[name]
    freeze(network, tmp_path / "net.onnx")
    x = np.random.default_rng(0).random(shape, dtype=np.float32)
    expected = network(x)
    y = open_engine(load(tmp_path / "net.onnx"), precision="bf16", threads=1)(x)
    assert np.abs(y - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("engine", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_inputs_that_are_views_or_of_other_floats_are_taken(small, engine):
    run = open_engine(small, engine, threads=1)
    x = np.random.default_rng(0).random((1, 1, 30, 20))
    expected = run(np.ascontiguousarray(x, np.float32))
    assert np.array_equal(run(x), expected)
    assert np.array_equal(run(np.asfortranarray(x, np.float32)), expected)
    wide = np.random.default_rng(0).random((1, 1, 30, 40))
    wide[..., ::2] = x
    assert np.array_equal(run(wide[..., ::2]), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_never_reaches_an_engine(value):
    def engine(x):
        raise AssertionError("it did")

    x = np.zeros((1, 1, 8, 8), np.float32)
    x[0, 0, 3, 5] = value
    with pytest.raises(BadInput, match="NaN or infinite"):
        Engine("any", "f32", 1, engine)(x)


@pytest.mark.parametrize("engine", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_an_input_that_does_not_fit_is_one_line(small, engine):
    run = open_engine(small, engine, threads=1)
    with pytest.raises(RunError, match=rf"{engine} failed on an input of shape \(1, 5, 8, 8\)") as caught:
        run(np.zeros((1, 5, 8, 8), np.float32))
    assert "\n" not in str(caught.value)


def test_names_that_are_none(small):
    with pytest.raises(BadInput, match="give auto, onnxruntime or openvino"):
        open_engine(small, "tensorrt")
    with pytest.raises(BadInput, match="f32, bf16 or int8"):
        open_engine(small, precision="f16")


def test_without_openvino(small, monkeypatch):
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    assert open_engine(small).name == "onnxruntime"
    with pytest.raises(BadInput, match=r"openvino is not installed; pip install 'aplomb\[fast\]'"):
        open_engine(small, "openvino")
    with pytest.raises(BadInput, match=r"bf16 needs OpenVINO.*pip install 'aplomb\[fast\]'"):
        open_engine(small, precision="bf16")


def test_bf16_is_not_to_be_had_from_onnxruntime(small):
    with pytest.raises(BadInput, match="bf16 needs OpenVINO"):
        open_engine(small, "onnxruntime", "bf16")


def test_int8_needs_a_copy_and_says_which(small):
    with pytest.raises(ModelError, match=r"small has no int8 copy \(small\.int8\.onnx\)"):
        open_engine(small, precision="int8")


@needs_openvino
def test_auto_takes_openvino_unless_it_cannot_run_the_network(tmp_path):
    freeze(chain(pad(2, "circular"), conv(1, 1, padding="valid"), relu), tmp_path / "circular.onnx")
    model = load(tmp_path / "circular.onnx")
    assert open_engine(model).name == "onnxruntime"
    with pytest.raises(ModelError, match=r"OpenVINO cannot run circular.*--engine onnxruntime"):
        open_engine(model, "openvino")
    freeze(residual(2, 4), tmp_path / "plain.onnx")
    assert open_engine(load(tmp_path / "plain.onnx")).name == "openvino"


@needs_openvino
def test_a_network_from_elsewhere_is_checked_before_openvino_runs_it(small, tmp_path, monkeypatch):
    proto = onnx.load(small.path)
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / "foreign.onnx")
    model = load(tmp_path / "foreign.onnx")
    assert model.card is None
    assert open_engine(model).name == "openvino"
    monkeypatch.setattr(engines, "_openvino", lambda *_: lambda x: 0.9 * x)
    engines._opened.cache_clear()
    assert open_engine(model).name == "onnxruntime"
    with pytest.raises(ModelError, match="differs from ONNX Runtime"):
        open_engine(model, "openvino")


def test_an_engine_is_kept_for_the_next_picture_until_its_file_changes(tmp_path):
    path = tmp_path / "net.onnx"
    x = np.random.default_rng(0).random((1, 1, 16, 16), dtype=np.float32)
    networks = [residual(2, 4, seed=seed) for seed in (0, 1)]
    freeze(networks[0], path)
    first = open_engine(load(path))
    assert open_engine(load(path)) is first
    assert open_engine(load(path), threads=1) is not first
    os.utime(path, ns=(0, 0))  # so that a coarse clock does not matter
    freeze(networks[1], path)
    np.testing.assert_allclose(open_engine(load(path))(x), networks[1](x), atol=1e-5)


@pytest.mark.parametrize("engine", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_threads_change_nothing(small, engine):
    x = np.random.default_rng(0).random((1, 1, 64, 64), dtype=np.float32)
    assert open_engine(small, engine).threads == cores() >= 1
    results = [open_engine(small, engine, threads=n)(x) for n in (1, 2, 3)]
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_a_broken_file_is_named(small, tmp_path):
    from dataclasses import replace

    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"ONNX Runtime cannot run .*broken\.onnx"):
        open_engine(replace(small, path=tmp_path / "broken.onnx"), "onnxruntime")


def _fresh(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


@needs_openvino
def test_openvino_reports_nothing_and_torch_stays_away(small):
    done = _fresh(
        "import sys, numpy as np\n"
        "from aplomb.model import load\n"
        "from aplomb.runtime.engines import open_engine\n"
        "run = open_engine(load(sys.argv[1]), 'openvino', threads=1)\n"
        "run(np.zeros((1, 1, 8, 8), np.float32))\n"
        "assert 'openvino' in sys.modules\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
        "assert not {'torch', 'onnxruntime'} & {name.split('.')[0] for name in sys.modules}\n",
        str(small.path),
    )
    assert done.returncode == 0, done.stderr


def test_engines_are_imported_when_one_is_opened_and_not_before():
    done = _fresh(
        "import sys, aplomb.restore.denoise\n"
        "assert not {'torch', 'openvino', 'onnxruntime'} & {name.split('.')[0] for name in sys.modules}\n"
    )
    assert done.returncode == 0, done.stderr
