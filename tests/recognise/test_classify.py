"""What `aplomb.classify` gives: the right answer of networks that know it, and a line for what does not fit."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import aplomb
from aplomb import io
from aplomb.errors import BadInput, ImageFileError, ModelError
from aplomb.io import Picture
from aplomb.layers import average_pool, conv, dense, flatten, softmax
from aplomb.operator import chain
from recognisers import brightness, frozen, mean_brightness


def flat(value: float, side: int = 4) -> NDArray[np.float64]:
    return np.full((side, side), value)


@pytest.fixture
def bright(tmp_path: Path) -> Path:
    return frozen(mean_brightness(), tmp_path / "bright.onnx", task="classify", target="", size=(4, 4))


def test_the_right_answer(bright: Path) -> None:
    found = aplomb.classify([flat(0.2), flat(0.55), flat(0.9)], bright)
    assert found.names == ("dark", "bright", "bright")
    assert found.labels.tolist() == [0, 1, 1]
    expected = 1 / (1 + np.exp(-2 * 20 * (np.array([0.2, 0.55, 0.9]) - 0.5)))
    np.testing.assert_allclose(found.probabilities[:, 1], expected, rtol=1e-4)
    assert found.entropy.argmax() == 1
    np.testing.assert_allclose(found.margin, abs(2 * expected - 1), atol=1e-5)
    assert [name for name, _ in found.top(1)[0]] == ["dark"]
    assert [len(best) for best in found.top(5)] == [2, 2, 2]
    assert found.top(2)[1][0][1] == pytest.approx(expected[1], rel=1e-4)
    assert found.notes == ()
    assert (found.model, found.precision, found.classes) == ("bright", "f32", ("dark", "bright"))


def test_one_picture_a_stack_files_and_any_mixture(bright: Path, tmp_path: Path) -> None:
    io.write(tmp_path / "night.png", np.full((4, 4), 20, np.uint8))
    assert aplomb.classify(flat(0.9), bright).names == ("bright",)
    assert aplomb.classify(flat(0.9).tolist(), bright).names == ("bright",)
    stack = Picture(np.stack([flat(0.1), flat(0.9), flat(0.8), flat(0.3), flat(0.2)]), axes="NYX")
    assert aplomb.classify(stack, bright).labels.tolist() == [0, 1, 1, 0, 0]
    path = str(tmp_path / "night.png")
    assert aplomb.classify(path, bright).names == ("dark",)
    steps: list[tuple[int, int]] = []
    mixed = aplomb.classify(
        [path, stack, Picture(flat(0.7))], bright, progress=lambda *step: steps.append(step), memory=5e3
    )
    assert mixed.labels.tolist() == [0, 0, 1, 1, 0, 0, 1]
    assert mixed.pictures[0] == path
    assert mixed.pictures[3] == "image, 3"
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_pictures_are_brought_to_the_size_without_aliasing(bright: Path) -> None:
    lines = np.zeros((60, 60))
    lines[:, 7::15] = 1  # where the 4 columns lie: taken as they are, they would be all bright
    found = aplomb.classify(lines, bright)
    assert found.names == ("dark",)
    assert found.notes == ("bright takes 4 x 4 pixels: pictures of 60 x 60 were resized",)
    assert "proportions" in aplomb.classify(np.zeros((8, 16)), bright).notes[0]
    assert aplomb.classify([flat(0.1, 9), flat(0.9, 30)], bright).labels.tolist() == [0, 1]


def test_the_size_is_that_of_the_network_where_the_card_has_none(tmp_path: Path) -> None:
    fixed = frozen(mean_brightness(28), tmp_path / "fixed.onnx", task="classify", target="")
    assert aplomb.classify(flat(0.9, 50), fixed).notes == (
        "fixed takes 28 x 28 pixels: pictures of 50 x 50 were resized",
    )
    anything = chain(brightness(), average_pool(4), flatten, dense(2, 2), softmax)
    assert aplomb.classify(
        flat(0.9), frozen(anything, tmp_path / "pooled.onnx", task="classify", size=(4, 4))
    ).probabilities.shape == (1, 2)
    free = frozen(brightness(), tmp_path / "free.onnx", task="classify")
    with pytest.raises(ModelError, match=r"not one vector a picture.*aplomb segment"):
        aplomb.classify(flat(0.9), free)


def test_standardised_after_the_size(tmp_path: Path) -> None:
    """A picture of one value becomes 0, whatever the value was."""
    model = frozen(mean_brightness(), tmp_path / "s.onnx", task="classify", size=(4, 4), standardise=True)
    found = aplomb.classify([flat(0.1), flat(0.9), flat(0.5, 12)], model)
    np.testing.assert_allclose(found.probabilities[:, 1], 1 / (1 + np.exp(20)), rtol=1e-3)


@pytest.mark.parametrize("how", ["shifts", "flips"])
def test_the_mean_over_views(how: str, tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(0, 0.5, (3, 16))
    network = chain(flatten, dense(16, 3), softmax).with_weights({"1.weight": weights})
    model = frozen(network, tmp_path / "m.onnx", task="classify", size=(4, 4), classes=("a", "b", "c"))
    x = np.random.default_rng(1).random((4, 4))
    found = aplomb.classify(x, model, uncertainty=how).probabilities[0]  # type: ignore[arg-type]
    if how == "flips":
        views = [np.rot90(v, k) for k in range(4) for v in (x, x[:, ::-1])]
    else:
        padded = np.pad(x, 1, mode="edge")
        views = [padded[r : r + 4, c : c + 4] for r in range(3) for c in range(3)]
    expected = np.mean([aplomb.classify(v, model).probabilities[0] for v in views], axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert not np.allclose(found, aplomb.classify(x, model).probabilities[0], atol=1e-3)


def test_an_ensemble_is_the_mean(bright: Path, tmp_path: Path) -> None:
    soft = frozen(mean_brightness(steep=2), tmp_path / "soft.onnx", task="classify", target="", size=(4, 4))
    both = aplomb.classify(flat(0.7), [bright, soft], uncertainty="ensemble")
    each = [aplomb.classify(flat(0.7), model).probabilities for model in (bright, soft)]
    np.testing.assert_allclose(both.probabilities, np.mean(each, axis=0), atol=1e-6)
    assert both.model == "bright + soft"


def test_the_table_has_every_probability(bright: Path, tmp_path: Path) -> None:
    found = aplomb.classify([flat(0.2), flat(0.9)], bright)
    with found.to_csv(tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["dark", "bright"]
    assert float(rows[1]["bright"]) == pytest.approx(float(found.probabilities[1, 1]), rel=1e-5)
    assert list(rows[0]) == ["picture", "class", "probability", "margin", "entropy", "dark", "bright"]


def test_grey_and_colour(bright: Path, tmp_path: Path) -> None:
    grey = np.full((4, 4, 3), 230, np.uint8)
    found = aplomb.classify(grey, bright)
    assert found.names == ("bright",)
    assert "RGB" in found.notes[0]
    grey[0, 0, 1] = 0
    with pytest.raises(ModelError, match=r"1 channel\(s\), this one has 3"):
        aplomb.classify(grey, bright)
    colour = frozen(mean_brightness(channels=3), tmp_path / "c.onnx", task="classify", size=(4, 4), channels=3)
    assert aplomb.classify(grey, colour).names == ("bright",)


def test_what_is_refused(bright: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no picture"):
        aplomb.classify([], bright)
    with pytest.raises(ImageFileError, match="no such file"):
        aplomb.classify("missing.png", bright)
    with pytest.raises(BadInput, match="NaN"):
        aplomb.classify([flat(0.1), flat(np.nan)], bright)
    with pytest.raises(BadInput, match="volume of 2 slices"):
        aplomb.classify(Picture(np.zeros((2, 4, 4)), axes="ZYX"), bright)
    with pytest.raises(BadInput, match="needs several models"):
        aplomb.classify(flat(0.1), bright, uncertainty="ensemble")
    with pytest.raises(BadInput, match="'dropout' is not known"):
        aplomb.classify(flat(0.1), bright, uncertainty="dropout")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="give more with --memory"):
        aplomb.classify(flat(0.1), bright, memory=10)
    with pytest.raises(ModelError, match="denoise-grey denoises, it does not classify"):
        aplomb.classify(flat(0.1), "denoise-grey")
    names = frozen(mean_brightness(), tmp_path / "n.onnx", task="classify", size=(4, 4), classes=("a", "b", "c"))
    with pytest.raises(ModelError, match="gives 2 numbers a picture, its card names 3 classes"):
        aplomb.classify(flat(0.1), names)
    vectors = frozen(chain(dense(16, 2), softmax), tmp_path / "v.onnx", task="classify")
    with pytest.raises(ModelError, match="takes vectors"):
        aplomb.classify(flat(0.1), vectors)
    local = frozen(chain(conv(1, 2), softmax), tmp_path / "l.onnx", task="classify")
    with pytest.raises(ModelError, match="classes of pixels are for aplomb segment"):
        aplomb.classify(flat(0.1), local)
