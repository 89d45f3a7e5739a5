"""The command line as a stranger meets it: what it prints, what it writes, how it refuses.

Long because every command is met here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aplomb import io, psnr
from aplomb.classical import BASELINES
from aplomb.layers import conv, dense, flatten, relu
from aplomb.model import Card, freeze
from aplomb.nets import residual
from aplomb.operator import chain

Run = Callable[..., tuple[int, str, str]]


def photograph() -> np.ndarray:
    from skimage.data import camera

    return camera()[100:260, 180:380]


def noisy(sigma: float = 25, seed: int = 0) -> np.ndarray:
    clean = photograph()
    values = clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def one_line(code: int, err: str, *words: str) -> None:
    """A refusal: exit code 2, one line, no traceback, and it names what matters."""
    assert code == 2, err
    lines = [line for line in err.strip().splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0], lines[0]


def test_denoises_blind(run: Run) -> None:
    Image.fromarray(noisy()).save("noisy.png")
    code, out, err = run("denoise", "noisy.png", "-o", "clean.png")
    assert code == 0, err
    assert "estimated" in out
    assert "denoise-grey" in out
    assert "clean.png" in out
    before, after = psnr(noisy(), photograph()), psnr(io.read("clean.png").array, photograph())
    assert after > before + 6
    assert io.read("clean.png").array.dtype == np.uint8


def test_denoises_with_known_noise(run: Run) -> None:
    io.write("photo.tif", noisy(12))
    code, out, _ = run("denoise", "photo.tif", "-o", "clean.tif", "--sigma", "12", "--memory", "200M", "--threads", "1")
    assert code == 0
    assert "12.0 of 255 (as given)" in out
    assert psnr(io.read("clean.tif").array, photograph()) > psnr(noisy(12), photograph()) + 3


@pytest.mark.parametrize("size", [(1, 1), (3, 300), (2, 5000), (7, 9)])
def test_odd_sizes(run: Run, size: tuple[int, int]) -> None:
    io.write("a.png", np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8))
    code, _, err = run("denoise", "a.png", "-o", "b.png", "--sigma", "10")
    assert code == 0, err
    assert io.read("b.png").array.shape == size


def test_constant_picture_stays(run: Run) -> None:
    io.write("a.png", np.full((40, 40), 77, np.uint8))
    code, out, _ = run("denoise", "a.png", "-o", "b.png")
    assert code == 0
    assert "0.0 of 255 (estimated)" in out
    assert np.abs(io.read("b.png").array.astype(int) - 77).max() <= 1


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("a.png", np.full((40, 41), 30_000, np.uint16)),
        ("a.tif", np.full((40, 41), 30_000, np.uint16)),
        ("a.tif", np.full((40, 41), 0.5, np.float32)),
        ("a.tif", np.full((3, 40, 41), 90, np.uint8)),
        ("a.png", np.full((40, 41, 4), 90, np.uint8)),
        ("a.png", np.full((40, 41, 3), 90, np.uint8)),
        ("a.png", np.arange(40 * 41).reshape(40, 41) % 7 > 3),
    ],
)
def test_what_comes_in_comes_out(run: Run, name: str, array: np.ndarray) -> None:
    io.write(name, array)
    model = {3: "denoise-colour"}.get(io.read(name).array.shape[-1], "denoise-grey")
    code, _, err = run("denoise", name, "-o", f"out-{name}", "--sigma", "5", "--model", model)
    assert code == 0, err
    before, after = io.read(name), io.read(f"out-{name}")
    assert (after.array.dtype, after.array.shape) == (before.array.dtype, before.array.shape)
    if before.alpha is not None:
        np.testing.assert_array_equal(after.alpha, before.alpha)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_text("no picture")


def _truncated(path: Path) -> None:
    Image.fromarray(noisy()).save(path)
    path.write_bytes(path.read_bytes()[:2000])


def _cmyk(path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 4), np.uint8), "CMYK").save(path, format="JPEG")


def _bomb(path: Path) -> None:
    Image.new("1", (60_000, 60_000)).save(path, format="PNG")


def _nan(path: Path) -> None:
    import tifffile

    tifffile.imwrite(path, np.array([[0.0, np.nan], [1.0, 0.5]], np.float32))


def _wide_floats(path: Path) -> None:
    import tifffile

    tifffile.imwrite(path, np.linspace(0, 255, 64, dtype=np.float32).reshape(8, 8))


@pytest.mark.parametrize(
    ("make", "name", "word"),
    [
        (_empty, "a.png", "empty"),
        (_text, "a.png", "a.png"),
        (_truncated, "a.png", "a.png"),
        (_cmyk, "a.jpg", "CMYK"),
        (_bomb, "a.png", "pixels"),
        (_nan, "a.tif", "NaN"),
        (_wide_floats, "a.tif", "255"),
        (lambda path: None, "a.png", "no such"),
        (lambda path: path.mkdir(), "a.png", "folder"),
    ],
)
def test_refuses_pictures(run: Run, make: Callable[[Path], None], name: str, word: str) -> None:
    make(Path(name))
    code, _, err = run("denoise", name, "-o", "out.tif")
    one_line(code, err, word)
    assert not Path("out.tif").exists()


def test_refuses_outputs_before_any_work(run: Run) -> None:
    io.write("a.png", noisy())
    io.write("f.tif", noisy().astype(np.float32) / 255)
    Path("file").write_text("x")
    one_line(*_ends(run("denoise", "a.png", "-o", "missing/out.png")), "does not exist")
    one_line(*_ends(run("denoise", "a.png", "-o", "file/out.png")), "file")
    one_line(*_ends(run("denoise", "a.png", "-o", "out.xyz")), ".xyz")
    one_line(*_ends(run("denoise", "f.tif", "-o", "out.png")), "float")
    assert sorted(p.name for p in Path().iterdir()) == ["a.png", "f.tif", "file"]


def _ends(result: tuple[int, str, str]) -> tuple[int, str]:
    return result[0], result[2]


def test_refuses_models(run: Run) -> None:
    io.write("grey.png", noisy())
    io.write("colour.png", np.dstack([noisy()] * 3))
    Path("broken.onnx").write_bytes(b"\x08\x0anot a model")
    freeze(conv(1, 1, 3, stride=2), "shrinks.onnx", card=Card(task="denoise"))
    freeze(residual(3, 4), "cut.onnx")
    data = bytearray(Path("cut.onnx").read_bytes())
    Path("cut.onnx").write_bytes(data[: len(data) // 2])
    for model, picture, word in (
        ("denoise-grey", "colour.png", "1 channel"),
        ("broken.onnx", "grey.png", "broken.onnx"),
        ("cut.onnx", "grey.png", "cut.onnx"),
        ("shrinks.onnx", "grey.png", "no value for each pixel"),
        ("no-such", "grey.png", "no-such"),
    ):
        one_line(*_ends(run("denoise", picture, "-o", "out.png", "--sigma", "9", "--model", model)), word)
    assert not Path("out.png").exists()


def test_refuses_numbers(run: Run) -> None:
    io.write("a.png", noisy())
    for words, expected in (
        (("--sigma", "-3"), "sigma"),
        (("--sigma", "nan"), "sigma"),
        (("--sigma", "900"), "sigma"),
        (("--memory", "1k"), "memory"),
    ):
        code, _, err = run("denoise", "a.png", "-o", "b.png", *words)
        assert code == 2, err
        assert expected in err
        assert "Traceback" not in err


def test_without_arguments_it_helps(run: Run) -> None:
    _, out, _ = run("--help")
    assert "denoise" in out
    assert "compare" in out
    assert "inspect" in out
    assert "train" in out
    one_line(*_ends(run("denoise")), "aplomb denoise noisy.png -o clean.png")


def test_a_foreign_network_runs_and_says_what_is_not_known(run: Run) -> None:
    import onnx

    freeze(residual(3, 4, seed=1), "mine.onnx")
    model = onnx.load("mine.onnx")
    del model.metadata_props[:]
    onnx.save(model, "foreign.onnx")
    io.write("a.png", noisy())
    code, _, err = run("denoise", "a.png", "-o", "b.png", "--model", "foreign.onnx")
    assert code == 0
    assert "no Aplomb card" in err


def test_a_changed_network_is_refused(run: Run) -> None:
    import onnx

    freeze(residual(3, 4, seed=1), "mine.onnx", card=Card(task="denoise"))
    model = onnx.load("mine.onnx")
    weight = model.graph.initializer[0]
    values = bytearray(weight.raw_data)
    values[0] ^= 1
    weight.raw_data = bytes(values)
    onnx.save(model, "mine.onnx")
    io.write("a.png", noisy())
    one_line(*_ends(run("denoise", "a.png", "-o", "b.png", "--model", "mine.onnx")), "hash")


def test_inspect(run: Run) -> None:
    code, out, _ = run("inspect", "residual-32", "unet-epfl", "--json")
    assert code == 0
    first, second = json.loads(out)
    assert "37601" in json.dumps(first)
    assert "1925058" in json.dumps(second)
    freeze(residual(3, 4), "my.onnx")
    code, out, _ = run("inspect", "my.onnx", "--size", "32x48")
    assert code == 0
    assert "32 x 48" in out
    one_line(*_ends(run("inspect", "my.onnx", "--size", "a")), "size")
    one_line(*_ends(run("inspect", "nothing")), "nothing")


def test_inspect_covariance(run: Run) -> None:
    freeze(residual(2, 4), "my.onnx")
    code, out, _ = run("inspect", "my.onnx", "--covariance")
    assert code == 0
    assert "Covariant, as derived: shifts by multiples of 1 x 1 pixels" in out
    code, out, _ = run("inspect", "my.onnx", "--covariance", "--json")
    assert json.loads(out)[0]["holds"] is True


def test_explain(run: Run) -> None:
    io.write("a.png", noisy())
    code, out, err = run("explain", "a.png", "--model", "residual-32", "-o", "out")
    assert code == 0, err
    assert "no pixel was given: this is the middle, row 80, column 100" in out
    assert "residual-32 at row 80, column 100" in out
    assert {p.name for p in Path("out").iterdir()} == {"explanation.png", "explanation.json", "filter.npy"}
    code, out, _ = run(
        "explain", "a.png", "--at", "3,150", "--model", "residual-32", "--layer", "2", "--filters", "--json", "-o", "b"
    )
    found = json.loads(out)
    assert found["pixel"]["at"] == [3, 150]
    assert found["files"][:2] == [str(Path("b", "filters.png")), str(Path("b", "layer-2.png"))]
    code, out, _ = run("explain", "a.png", "--model", "residual-32", "--filters", "-o", "c")
    assert out == f"wrote filters.png into c{os.linesep}"


def test_explain_refuses(run: Run) -> None:
    io.write("a.png", noisy())
    io.write("tiny.png", noisy()[:3, :3])
    io.write("colour.png", np.dstack([noisy()] * 3))
    Path("file").write_text("x")
    model = ("--model", "residual-32")
    one_line(*_ends(run("explain", "a.png", "--at", "middle", *model)), "'middle' is no pixel", "120,200")
    one_line(*_ends(run("explain", "a.png", "--at", "160,3", *model)), "160,3", "rows 0 to 159")
    one_line(*_ends(run("explain", "a.png", "--layer", "9", *model)), "layer 9 does not exist", "1 to 7")
    one_line(*_ends(run("explain", "a.png", "--class", "1", *model)), "no classes")
    one_line(*_ends(run("explain", "a.png", *model, "-o", "file")), "file")
    one_line(*_ends(run("explain", "colour.png", *model)), "denoise-colour")
    one_line(*_ends(run("explain", "tiny.png", "--model", "denoise-grey")), "3 x 3")
    one_line(*_ends(run("explain", "none.png")), "none.png")
    one_line(*_ends(run("explain", "a.png", "--sigma", "-1", *model)), "sigma")


def test_explain_classes(run: Run) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("captum")
    io.write("a.png", noisy()[:16, :16])
    freeze(
        chain(conv(1, 2), relu, flatten, dense(512, 3)), "net.onnx", card=Card(task="classify"), shape=(1, 1, 16, 16)
    )
    code, out, err = run("explain", "a.png", "--model", "net.onnx", "--class", "2", "-o", "out")
    assert code == 0, err
    assert "class 2 of 3, score" in out
    assert {p.name for p in Path("out").iterdir()} == {"integrated-gradients.png", "grad-cam.png"}
    one_line(*_ends(run("explain", "a.png", "--model", "net.onnx", "--class", "3")), "0 to 2")


def test_compare(run: Run) -> None:
    io.write("a.png", photograph()[:96, :96])
    code, out, err = run(
        "compare", "a.png", "--sigma", "25", "--method", "gaussian", "--method", "denoise-grey", "-o", "out"
    )
    assert code == 0, err
    assert "denoise-grey" in out
    assert "PSNR" in out
    assert {p.name for p in Path("out").iterdir()} == {"comparison.csv", "comparison.png", "comparison.html"}
    most = [name for name in BASELINES if name not in ("mean", "gaussian")]
    code, out, err = run("compare", "a.png", *(f"--without={name}" for name in most), "--max-seconds", "60")
    assert code == 0, err
    assert "gaussian" in out
    assert "denoise-grey" in out
    assert "wavelet" not in out
    one_line(*_ends(run("compare", "nothing.png")), "nothing.png")


def test_a_fresh_interpreter_restores_without_torch(tmp_path: Path) -> None:
    io.write(tmp_path / "a.png", noisy())
    program = (
        "import sys; from aplomb.cli import main\n"
        "try: main(['denoise', 'a.png', '-o', 'b.png'])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'lightning_fabric', 'matplotlib'} & set(sys.modules), sorted(sys.modules)\n"
        "assert sys.modules.get('openvino_telemetry') is None\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, env=os.environ)
    assert (tmp_path / "b.png").exists()


def test_training_without_torch_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['torch'] = None\nfrom aplomb.cli import main\nmain(['train', 'recipe.toml'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'aplomb[train]'" in done.stderr


def test_tells_the_error_and_draws_where_it_is(run: Run) -> None:
    io.write("noisy.png", noisy(12))
    code, out, err = run("denoise", "noisy.png", "-o", "clean.png", "--sigma", "12", "--map", "trust.png")
    assert code == 0, err
    line = next(line for line in out.splitlines() if line.startswith("estimated error: "))
    found = re.fullmatch(
        r"estimated error: ([\d.]+) dB PSNR \(95 % interval ([\d.]+) to ([\d.]+)\), without a reference", line
    )
    assert found, line
    middle, low, high = map(float, found.groups())
    assert low < middle < high
    assert low - 0.1 <= psnr(io.read("clean.png").array, photograph()) <= high + 0.1
    drawn = io.read("trust.png").array
    assert (drawn.shape, drawn.dtype, drawn.max()) == (photograph().shape, np.uint8, 255)
    assert re.search(r"trust.png: error to be expected .* white [\d.]+ of 255", out)
    code, out, _ = run("denoise", "noisy.png", "-o", "clean.png", "--sigma", "12", "--map", "trust.tif", "--no-error")
    floats = io.read("trust.tif").array
    assert floats.dtype == np.float32
    np.testing.assert_allclose(floats / floats.max(), drawn / 255, atol=0.01)
    code, out, _ = run("denoise", "noisy.png", "-o", "clean.png", "--sigma", "12", "--no-error")
    assert "estimated error" not in out


def test_a_map_that_cannot_be_written_is_refused_before_the_work(run: Run) -> None:
    io.write("noisy.png", noisy(12))
    io.write("stack.tif", np.stack([noisy(12)] * 2))
    for words, asked in (
        (("noisy.png", "-o", "clean.png", "--map", "clean.png"), "both go to"),
        (("noisy.png", "-o", "clean.png", "--map", "none/trust.png"), "does not exist"),
        (("stack.tif", "-o", "clean.tif", "--map", "trust.png"), "write .tif"),
    ):
        code, _, err = run("denoise", *words)
        one_line(code, err, asked)
        assert not Path("clean.png").exists()
        assert not Path("clean.tif").exists()


def test_never_worse_takes_a_classical_method_where_a_network_harms(run: Run) -> None:
    freeze(residual(3, 8).initialise(3), Path("bad.onnx"), card=Card(name="bad", task="denoise", channels=1))
    io.write("noisy.tif", (noisy(10) / 255).astype(np.float32))
    command = ("denoise", "noisy.tif", "-o", "clean.tif", "--sigma", "10", "--model", "bad.onnx")
    assert "do not use this result" in run(*command)[2]
    assert "in the place of bad" in run(*command, "--never-worse")[2]
