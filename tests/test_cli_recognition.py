"""The commands segment and classify as a stranger meets them: what they print, write and refuse."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aplomb import io
from recognisers import brightness, frozen, mean_brightness, thresholds

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _here(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder with two models and a picture of three bright blobs."""
    monkeypatch.setattr("aplomb.runtime.engines.has_openvino", lambda: False)
    frozen(brightness(), tmp_path / "bright.onnx", classes=("dark", "light"))
    frozen(thresholds(), tmp_path / "cells.onnx", target="borders", classes=("background", "cell"))
    frozen(mean_brightness(), tmp_path / "digit.onnx", task="classify", target="", size=(4, 4))
    io.write(tmp_path / "cells.png", blobs())


def blobs() -> np.ndarray:
    picture = np.full((40, 60), 20, np.uint8)
    for row, column in ((4, 5), (4, 30), (24, 12)):
        picture[row : row + 12, column : column + 12] = 120
        picture[row + 2 : row + 10, column + 2 : column + 10] = 230
    return picture


def one_line(code: int, err: str, *words: str) -> None:
    """A refusal: exit code 2, one line, no traceback, and it names what matters."""
    assert code == 2, err
    lines = [line for line in err.strip().splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, err
    for word in words:
        assert word in lines[0], lines[0]


def test_one_picture_with_everything(run: Run) -> None:
    code, out, err = run(
        "segment", "cells.png", "-o", "labels.png", "--model", "cells.onnx", "--overlay", "over.png", "--objects",
        "objects.csv", "--probabilities", "p.tif", "--uncertainty", "u.png", "--pixel-size", "0.5",
    )  # fmt: skip
    assert code == 0, err
    labels = io.read("labels.png").array
    assert labels.dtype == np.uint8
    assert sorted(np.unique(labels, return_counts=True)[1][1:]) == [144, 144, 144]
    assert "3 x cell: area 144 pixels" in out
    assert "36 um^2" in out
    assert "background, inside, border" in out
    with Path("objects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["area_um2"]) for row in rows] == [36, 36, 36]
    assert [row["class"] for row in rows] == ["cell"] * 3
    assert float(rows[0]["mean"]) == pytest.approx((64 * 230 + 80 * 120) / 144, rel=1e-5)
    assert io.read("p.tif").array.shape == (3, 40, 60)
    np.testing.assert_allclose(io.read("p.tif").array.sum(axis=0), 1, atol=1e-5)
    assert io.read("u.png").size == (40, 60)
    assert io.read("over.png").size == (62, 160)


def test_class_maps_are_told_in_shares(run: Run) -> None:
    code, out, _ = run("segment", "cells.png", "-o", "labels.tif", "--model", "bright.onnx")
    assert code == 0
    assert "dark 92.0 %, light 8.0 %" in out
    assert np.array_equal(io.read("labels.tif").array, blobs() > 127)


def test_a_folder_becomes_a_folder(run: Run) -> None:
    Path("in").mkdir()
    for name in ("a", "b"):
        io.write(f"in/{name}.png", blobs())
    code, out, err = run(
        "segment", "in", "-o", "out", "--model", "cells.onnx", "--objects", "o.csv", "--overlay", "drawn",
        "--probabilities", "p",
    )  # fmt: skip
    assert code == 0, err
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "b.png"]
    assert sorted(path.name for path in Path("drawn").iterdir()) == ["a.png", "b.png"]
    assert sorted(path.name for path in Path("p").iterdir()) == ["a.tif", "b.tif"]
    with Path("o.csv").open() as file:
        files = [row["file"] for row in csv.DictReader(file)]
    assert files == ["in/a.png"] * 3 + ["in/b.png"] * 3
    assert "6 objects" in out


def test_several_models_are_an_ensemble(run: Run) -> None:
    frozen(brightness(0.3), Path("other.onnx"), classes=("dark", "light"))
    code, _, err = run(
        "segment", "cells.png", "-o", "l.png", "--model", "bright.onnx", "--model", "other.onnx",
        "--uncertainty", "u.tif",
    )  # fmt: skip
    assert code == 0, err
    unsure = io.read("u.tif").array
    assert unsure.dtype == np.float32
    assert unsure[blobs() == 120].min() > 0.9
    assert unsure[blobs() == 20].max() < 0.1


def test_stacks_and_volumes(run: Run) -> None:
    stack = np.stack([blobs()] * 2)
    io.write("stack.tif", stack, like=io.Picture(stack, axes="NYX"))
    assert run("segment", "stack.tif", "-o", "l.tif", "--model", "cells.onnx")[0] == 0
    assert io.read("l.tif").array.shape == (2, 40, 60)
    code, _, err = run("segment", "stack.tif", "-o", "m.png", "--model", "cells.onnx")
    one_line(code, err, "m.png")
    io.write("volume.tif", stack, like=io.Picture(stack, axes="ZYX"))
    code, _, err = run("segment", "volume.tif", "-o", "v.tif", "--model", "cells.onnx")
    one_line(code, err, "volume of 2 slices", "--slices")
    assert not Path("v.tif").exists()
    assert run("segment", "volume.tif", "-o", "v.tif", "--model", "cells.onnx", "--slices")[0] == 0


def test_many_objects_need_wider_numbers() -> None:
    from aplomb.cli.recognition import _write_labels

    for most, suffix, dtype in ((255, "png", "uint8"), (256, "png", "uint16"), (70_000, "tif", "uint32")):
        _write_labels(Path(f"l.{suffix}"), np.arange(most + 1, dtype=np.int32)[None])
        assert io.read(f"l.{suffix}").array.dtype == dtype


def test_classical_methods_by_name(run: Run) -> None:
    code, out, err = run("segment", "cells.png", "-o", "l.png", "--method", "otsu", "--objects", "o.csv")
    assert code == 0, err
    assert np.array_equal(io.read("l.png").array, blobs() > 60)
    assert "3 x class 1: area 144 pixels" in out
    code, out, err = run("segment", "cells.png", "-o", "w.png", "--method", "otsu-watershed", "--overlay", "over.png")
    assert code == 0, err
    assert "w.png: numbers of objects" in out
    assert "3 x object: area" in out
    assert io.read("w.png").array.max() == 3
    for words, said in (
        (("--method", "other"), "'other' is not known; there are: otsu"),
        (("--method", "filter-forest"), "learn from labels first"),
        (("--method", "otsu", "--uncertainty", "u.png"), "otsu has none"),
        (("--method", "otsu", "--model", "cells.onnx"), "a model or a method"),
        ((), "a model or a method"),
    ):
        code, _, err = run("segment", "cells.png", "-o", "x.png", *words)
        one_line(code, err, said)
    assert not Path("x.png").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("missing.png", "-o", "x.png"), "missing.png"),
        (("cells.png", "-o", "x.jpg"), "x.jpg: labels are written as .png"),
        (("cells.png", "-o", "no/x.png"), "no"),
        (("cells.png", "-o", "cells.png"), "cells.png would be written over"),
        (("cells.png", "-o", "x.png", "--overlay", "x.png"), "both go to x.png"),
        (("cells.png", "-o", "x.png", "--objects", "x.txt"), "tables are written as .csv"),
        (("cells.png", "-o", "x.png", "--objects", "no/x.csv"), "does not exist"),
        (("cells.png", "-o", "x.png", "--overlay", "x.doc"), "x.doc"),
        (("cells.png", "-o", "x.png", "--probabilities", "p.png"), "p.png"),
        (("cells.png", "-o", "x.png", "--pixel-size", "0"), "--pixel-size"),
        (("cells.png", "bright.onnx", "-o", "x.png"), "x.png is one file"),
    ],
)
def test_what_segment_refuses(run: Run, words: tuple[str, ...], said: str) -> None:
    before = {path: path.read_bytes() for path in Path(".").iterdir()}
    code, _, err = run("segment", *words, "--model", "cells.onnx")
    one_line(code, err, said)
    assert {path: path.read_bytes() for path in Path(".").iterdir()} == before, "nothing written, nothing changed"


def test_models_are_for_their_task(run: Run) -> None:
    for words, said in (
        (("segment", "cells.png", "-o", "x.png", "--model", "denoise-grey"), "denoises, it does not segment"),
        (("segment", "cells.png", "-o", "x.png", "--model", "digit.onnx"), "classifies, it does not segment"),
        (("segment", "cells.png", "-o", "x.png", "--model", "no.onnx"), "no.onnx"),
        (("denoise", "cells.png", "-o", "x.png", "--model", "cells.onnx"), "cells segments, it does not denoise"),
        (("classify", "cells.png", "--model", "cells.onnx"), "cells segments, it does not classify"),
        (("classify", "cells.png"), "takes a model"),
    ):
        code, _, err = run(*words)
        one_line(code, err, said)
        assert not Path("x.png").exists()


def test_classify_says_and_writes_probabilities(run: Run) -> None:
    Path("in").mkdir()
    io.write("in/night.png", np.full((4, 4), 10, np.uint8))
    io.write("in/noon.png", np.full((8, 8), 240, np.uint8))
    code, out, err = run("classify", "in", "--model", "digit.onnx", "--csv", "o.csv", "--top", "1")
    assert code == 0, err
    assert "in/night.png: dark 100.0 %\n" in out
    assert "in/noon.png: bright 100.0 %\n" in out
    assert "8 x 8 were resized" in err
    with Path("o.csv").open() as file:
        assert [row["class"] for row in csv.DictReader(file)] == ["dark", "bright"]
    assert run("classify", "in", "--model", "digit.onnx", "--uncertainty", "shifts")[0] == 0
    code, _, err = run("classify", "in", "--model", "digit.onnx", "--csv", "no/o.csv")
    one_line(code, err, "no/o.csv")


def test_models_tells_what_a_recogniser_gives(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run("models", "cells.onnx")
    assert code == 0
    assert "| target | borders |" in out
    monkeypatch.setattr("aplomb.model.WEIGHTS", tmp_path)
    code, out, _ = run("models")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "segment" in lines["bright"]
    assert "2 classes" in lines["bright"]
    assert "objects" in lines["cells"]
    assert "classify" in lines["digit"]
