"""What `aplomb.denoise` gives for arrays; files and messages of the command line are in test_cli."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut, camera

import aplomb
from aplomb.errors import BadInput, ModelError, ShapeError
from aplomb.layers import conv, relu
from aplomb.metrics import eight_bit
from aplomb.model import Card, freeze, load
from aplomb.nets import lean, residual
from aplomb.operator import chain, identity
from aplomb.restore.denoise import USUAL

GREY = camera()[100:228, 150:278]
COLOUR = astronaut()[40:136, 170:266]


def noisy(clean: NDArray[np.uint8], sigma: float, seed: int = 0) -> NDArray[np.float32]:
    draw = np.random.default_rng(seed).normal(0, sigma / 255, clean.shape)
    return (clean / 255 + draw).astype(np.float32)


@pytest.mark.parametrize("clean", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize(("sigma", "gain"), [(5, 1), (15, 5), (25, 7), (50, 10), (75, 11), (100, 11)])
def test_noise_goes_at_every_level_also_beyond_those_of_the_training(
    clean: NDArray[np.uint8], sigma: float, gain: float
) -> None:
    y = noisy(clean, sigma)
    for told in (sigma / 255, None):
        result = aplomb.denoise(y, told)
        assert aplomb.psnr(eight_bit(result.image), clean) > aplomb.psnr(y, clean / np.float32(255)) + gain
        assert result.estimated == (told is None)
        assert float(np.mean(result.sigma)) == pytest.approx(sigma / 255, rel=0.15, abs=1.5 / 255)
        assert any("above" in note for note in result.notes) == (sigma > 55)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64", "bool"])
@pytest.mark.parametrize("shape", [(24, 31), (24, 31, 1), (24, 31, 3), (24, 31, 4), (2, 24, 31), (2, 24, 31, 3)])
def test_what_comes_in_comes_out(dtype: str, shape: tuple[int, ...]) -> None:
    white = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    image = (np.random.default_rng(0).random(shape) * white).round(3).astype(dtype)
    before = image.copy()
    result = aplomb.denoise(image, 0.1)
    assert result.image.shape == shape
    assert result.image.dtype == image.dtype
    assert np.array_equal(image, before), "the input is left alone"
    if shape[-1] == 4:
        assert np.array_equal(result.image[..., 3], image[..., 3]), "alpha is not noise"
    if dtype != "bool":
        assert not np.array_equal(result.image, image)


def test_a_stack_has_a_level_for_each_picture() -> None:
    stack = np.stack([noisy(GREY, 10), noisy(GREY, 40)])
    found = aplomb.denoise(stack)
    assert isinstance(found.sigma, tuple)
    assert [255 * s for s in found.sigma] == pytest.approx([10, 40], rel=0.2)
    told = aplomb.denoise(stack, [10 / 255, 40 / 255])
    for index, sigma in enumerate((10, 40)):
        alone = aplomb.denoise(stack[index], sigma / 255)
        np.testing.assert_allclose(told.image[index], alone.image, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 8), (3, 500), (129, 65)])
def test_any_size(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).random(size).astype(np.float32)
    assert aplomb.denoise(image, 0.05).image.shape == size
    assert aplomb.denoise(image).image.shape == size


def test_a_network_that_scales_with_its_input_is_told_the_true_level_and_another_one_is_not(tmp_path: Path) -> None:
    """The level beyond the training is clipped, unless the network is homogeneous in picture and level."""
    y, levels = noisy(GREY, 75), {}
    for bias in (False, True):
        card = Card(name="x", task="denoise", channels=1, noise_map=True, noise_range=(0.0, 0.2))
        made = freeze(lean(bias=bias, widths=(8, 8), blocks=(1, 1)), tmp_path / f"{bias}.onnx", card=card)
        assert made.homogeneous != bias
        same = aplomb.denoise(y, 0.2, tmp_path / f"{bias}.onnx").image
        levels[bias] = np.array_equal(aplomb.denoise(y, 0.3, tmp_path / f"{bias}.onnx").image, same)
    assert levels == {False: False, True: True}


def test_the_usual_networks_are_homogeneous_and_for_their_channels() -> None:
    for channels, name in USUAL.items():
        card = load(name).card
        assert card is not None
        assert (card.channels, card.homogeneous, card.noise_map) == (channels, True, True)
        assert load(name).operator.homogeneous
        x = np.random.default_rng(2).random((1, channels + 1, 16, 16))
        np.testing.assert_allclose(load(name).operator(3 * x), 3 * load(name).operator(x), rtol=1e-9)


def test_the_result_tells_how_it_came_about() -> None:
    result = aplomb.denoise(GREY, 0.1, engine="onnxruntime", threads=1)
    assert (result.model, result.engine, result.precision, result.sigma) == ("denoise-grey", "onnxruntime", "f32", 0.1)
    assert result.seconds > 0
    assert aplomb.denoise(noisy(GREY, 15), 15 / 255).notes == ()
    assert any("dB" in note for note in aplomb.denoise(GREY, 0.1, engine="onnxruntime", precision="int8").notes)


def test_one_level_only_is_noted_where_it_is_another(tmp_path: Path) -> None:
    card = Card(name="one", task="denoise", channels=1, noise_range=(0.1, 0.1))
    freeze(residual(3, 8), tmp_path / "one.onnx", card=card)
    for sigma, word in ((0.05, "below"), (0.2, "above")):
        assert any(word in note for note in aplomb.denoise(GREY, sigma, tmp_path / "one.onnx").notes)
    assert aplomb.denoise(GREY, 0.1, tmp_path / "one.onnx", error=False).notes == ()


@pytest.mark.parametrize(
    ("image", "sigma", "error", "words"),
    [
        (np.zeros((0, 4)), 0.1, ShapeError, "empty"),
        (np.full((8, 8), np.nan), 0.1, BadInput, "NaN"),
        (np.full((8, 8), np.inf), None, BadInput, "infin"),
        (GREY.astype(float), None, BadInput, "divide"),
        (GREY.astype(np.int32), None, BadInput, "int32"),
        (GREY, -0.1, BadInput, "0 or more"),
        (GREY, 25, BadInput, "divide by 255"),
        (GREY, [0.1, 0.2], BadInput, "2 values for 1 picture"),
        (GREY, float("nan"), BadInput, "sigma is nan"),
    ],
)
def test_what_is_refused(image: NDArray[np.generic], sigma: float | None, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        aplomb.denoise(image, sigma)


def test_networks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"takes pictures with 3 channel.*denoise-grey"):
        aplomb.denoise(GREY, 0.1, "denoise-colour")
    freeze(chain(conv(1, 1, stride=2), relu), tmp_path / "half.onnx", card=Card(task="denoise"))
    with pytest.raises((ModelError, ShapeError)):
        aplomb.denoise(GREY, 0.1, tmp_path / "half.onnx")
    freeze(identity - conv(1, 1), tmp_path / "other.onnx", card=Card(name="other", task="segment"))
    with pytest.raises(ModelError, match=r"other segments, it does not denoise; use it with aplomb segment"):
        aplomb.denoise(GREY, 0.1, tmp_path / "other.onnx")
