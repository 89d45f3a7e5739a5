"""What `aplomb.segment` gives for arrays; files and messages of the command line are in test_cli_recognition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut, camera

import aplomb
from aplomb.errors import BadInput, ModelError, ShapeError
from aplomb.io import Picture
from aplomb.layers import conv, downsample, relu, sigmoid, softmax
from aplomb.nets import unet
from aplomb.operator import chain
from aplomb.recognise.prepare import standardised
from aplomb.recognise.targets import border_classes, distance_map
from recognisers import brightness, frozen, mean_brightness, thresholds, twins

GREY = camera()[100:164, 150:230]
COLOUR = astronaut()[40:72, 170:206]


def discs() -> NDArray[np.int32]:
    """Three discs, two of which touch."""
    rows, columns = np.mgrid[:40, :70]
    centres = ((20, 15), (20, 32), (20, 58))
    distances = np.stack([np.hypot(rows - r, columns - c) for r, c in centres])
    return np.where(distances.min(axis=0) <= 9, distances.argmin(axis=0) + 1, 0)


@pytest.fixture
def bright(tmp_path: Path) -> Path:
    return frozen(brightness(), tmp_path / "bright.onnx")


def test_the_right_answer(bright: Path) -> None:
    found = aplomb.segment(GREY, bright)
    assert np.array_equal(found.labels, GREY > 127.5)
    assert (found.labels.dtype, found.probabilities.shape, found.classes) == (np.uint8, (2, 64, 80), ("dark", "bright"))
    np.testing.assert_allclose(found.probabilities.sum(axis=0), 1, atol=1e-5)
    assert np.array_equal(found.probabilities.argmax(axis=0), found.labels)
    assert (found.model, found.precision, found.uncertainty, found.instances) == ("bright", "f32", None, False)
    assert found.notes == ()
    assert found.seconds > 0


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "bool"])
@pytest.mark.parametrize(
    ("shape", "labels", "probabilities"),
    [
        ((24, 31), (24, 31), (2, 24, 31)),
        ((24, 31, 1), (24, 31), (2, 24, 31)),
        ((3, 24, 31), (3, 24, 31), (3, 2, 24, 31)),
    ],
)
def test_any_dtype_and_layout(
    bright: Path, dtype: str, shape: tuple[int, ...], labels: tuple[int, ...], probabilities: tuple[int, ...]
) -> None:
    white = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    image = (np.random.default_rng(0).random(shape) * white).astype(dtype)
    before = image.copy()
    found = aplomb.segment(image, bright)
    assert np.array_equal(found.labels, image.reshape(labels) / white > 0.5)
    assert found.probabilities.shape == probabilities
    assert np.array_equal(image, before)


def test_a_stack_is_its_pictures(bright: Path) -> None:
    stack = np.stack([GREY, 255 - GREY])
    found = aplomb.segment(stack, bright, uncertainty="flips")
    assert found.uncertainty is not None
    for index, picture in enumerate(stack):
        alone = aplomb.segment(picture, bright, uncertainty="flips")
        assert np.array_equal(found.labels[index], alone.labels)
        np.testing.assert_allclose(found.probabilities[index], alone.probabilities, atol=1e-6)
        np.testing.assert_allclose(found.uncertainty[index], alone.uncertainty, atol=1e-5)


def test_tiles_are_the_whole_picture_also_where_it_is_standardised(tmp_path: Path) -> None:
    """The mean is that of the picture, not of the tile."""
    model = frozen(unet(1, 2, 4, 2, labels=True, seed=1), tmp_path / "unet.onnx", standardise=True)
    ramp = np.linspace(0.1, 0.9, 150, dtype=np.float32) * np.random.default_rng(0).random((130, 1), dtype=np.float32)
    counts = []
    whole = aplomb.segment(ramp, model, engine="onnxruntime", threads=1)
    tiled = aplomb.segment(
        ramp, model, engine="onnxruntime", threads=1, memory=3e6, progress=lambda *step: counts.append(step)
    )
    assert counts[-1][1] > 3, "it was cut"
    assert counts == [(k + 1, counts[-1][1]) for k in range(len(counts))]
    assert np.array_equal(tiled.probabilities, whole.probabilities)
    brighter = aplomb.segment(0.3 * ramp + 0.2, model, engine="onnxruntime", threads=1)
    np.testing.assert_allclose(brighter.probabilities, whole.probabilities, atol=1e-3)


def test_standardised_pictures_have_mean_0_and_deviation_1_in_each_channel() -> None:
    x = np.random.default_rng(0).random((3, 2, 20, 30), dtype=np.float32) * 0.1 + np.float32(0.4)
    found = standardised(x)
    np.testing.assert_allclose(found.mean(axis=(2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=(2, 3)), 1, atol=1e-5)
    assert not standardised(np.full((1, 1, 40, 40), 0.1, np.float32)).any()


def test_objects_from_borders(tmp_path: Path) -> None:
    objects = discs()
    picture = np.choose(border_classes(objects, 2), [0.1, 0.8, 0.45])
    model = frozen(thresholds(), tmp_path / "cells.onnx", target="borders", classes=("background", "cell"))
    found = aplomb.segment(picture, model)
    assert found.instances
    assert found.labels.dtype == np.int32
    assert np.array_equal(found.labels, objects)
    assert found.classes == ("background", "cell")
    assert found.probabilities.shape == (3, 40, 70)
    trained = frozen(thresholds(), tmp_path / "t.onnx", target="borders", classes=("background", "inside", "border"))
    assert aplomb.segment(picture, trained).classes == ("background", "object"), "channels are no names of objects"
    assert aplomb.segment(picture, model, smallest=10_000).labels.max() == 0
    assert np.array_equal(aplomb.segment(picture, model, uncertainty="flips").labels > 0, objects > 0)


def test_objects_from_distances(tmp_path: Path) -> None:
    objects = discs()
    picture = np.where(objects, 0.55 + 0.45 * distance_map(objects), 0)
    model = frozen(twins(), tmp_path / "cells.onnx", target="distances", classes=())
    found = aplomb.segment(picture, model, uncertainty="flips")
    assert np.array_equal(found.labels > 0, objects > 0)
    assert found.labels.max() == 3
    assert found.classes == ("background", "object")
    assert found.uncertainty is not None
    assert found.uncertainty[objects == 0].max() < 1e-3 < found.uncertainty[objects > 0].max()


def test_flips_change_nothing_for_a_network_that_is_symmetric_and_something_for_another(tmp_path: Path) -> None:
    symmetric = frozen(brightness(steep=4), tmp_path / "a.onnx")
    once, often = (aplomb.segment(GREY, symmetric, uncertainty=how) for how in (None, "flips"))  # type: ignore[arg-type]
    np.testing.assert_allclose(often.probabilities, once.probabilities, atol=1e-6)
    p = once.probabilities
    assert often.uncertainty is not None
    assert often.uncertainty.shape == GREY.shape
    np.testing.assert_allclose(often.uncertainty, -(p * np.log2(p)).sum(axis=0), atol=1e-3)
    lopsided = frozen(chain(conv(1, 2), softmax).initialise(3), tmp_path / "b.onnx")
    given, turned = (aplomb.segment(x, lopsided, uncertainty="flips").probabilities for x in (GREY, np.rot90(GREY)))
    np.testing.assert_allclose(np.rot90(given, axes=(1, 2)), turned, atol=1e-6)
    assert not np.allclose(given, aplomb.segment(GREY, lopsided).probabilities, atol=1e-3)


def test_an_ensemble_is_the_mean_and_unsure_where_its_members_differ(tmp_path: Path) -> None:
    models = [frozen(brightness(level), tmp_path / f"{level}.onnx") for level in (0.3, 0.7)]
    ramp = np.linspace(0, 1, 101)[None].repeat(4, axis=0)
    found = aplomb.segment(ramp, models, uncertainty="ensemble")
    each = [aplomb.segment(ramp, model).probabilities for model in models]
    np.testing.assert_allclose(found.probabilities, np.mean(each, axis=0), atol=1e-6)
    assert found.uncertainty is not None
    assert found.uncertainty[0, 50] > 0.99
    assert found.uncertainty[0, [5, 95]].max() < 0.01
    assert found.model == "0.3 + 0.7"
    assert aplomb.segment(ramp, models).uncertainty is None


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 8), (3, 200)])
def test_any_size(size: tuple[int, int], tmp_path: Path) -> None:
    model = frozen(unet(1, 2, 4, 2, labels=True), tmp_path / "unet.onnx", standardise=True)
    image = np.random.default_rng(1).random(size)
    assert aplomb.segment(image, model, uncertainty="flips").labels.shape == size


def test_a_network_of_valid_convolutions_gives_every_pixel(tmp_path: Path) -> None:
    blur = chain(conv(1, 1, 5, padding=0), brightness()).with_weights(
        {"0.weight": np.full((1, 1, 5, 5), 1 / 25), "0.bias": np.zeros(1)}
    )
    from scipy.ndimage import uniform_filter

    image = GREY / 255
    found = aplomb.segment(image, frozen(blur, tmp_path / "blur.onnx"))
    smooth = uniform_filter(image, 5, mode="mirror")
    clear = abs(smooth - 0.5) > 1e-4
    assert np.array_equal(found.labels[clear], (smooth > 0.5)[clear])


def test_grey_stored_as_colour_is_grey_and_colour_is_refused(bright: Path, tmp_path: Path) -> None:
    found = aplomb.segment(np.stack([GREY] * 3, axis=-1), bright)
    assert np.array_equal(found.labels, GREY > 127.5)
    assert any("RGB" in note for note in found.notes)
    with pytest.raises(ModelError, match=r"1 channel\(s\), this one has 3"):
        aplomb.segment(COLOUR, bright)
    colour = frozen(brightness(channels=3), tmp_path / "colour.onnx", channels=3)
    assert np.array_equal(aplomb.segment(COLOUR, colour).labels, COLOUR.mean(axis=2) > 127.5)
    alpha = np.concatenate([COLOUR, COLOUR[..., :1]], axis=2)
    assert np.array_equal(aplomb.segment(alpha, colour).labels, COLOUR.mean(axis=2) > 127.5)
    with pytest.raises(ModelError, match=r"3 channel\(s\), this one has 1"):
        aplomb.segment(GREY, colour)


def test_a_volume_is_refused_unless_its_slices_are_meant(bright: Path) -> None:
    volume = Picture(np.stack([GREY, GREY]), axes="ZYX", name="cells.tif")
    with pytest.raises(BadInput, match=r"cells.tif: found a volume of 2 slices .*--slices"):
        aplomb.segment(volume, bright)
    assert aplomb.segment(volume, bright, slices=True).labels.shape == (2, 64, 80)
    channels = aplomb.segment(Picture(np.stack([GREY, GREY]), axes="CYX"), bright)
    assert any("2 channels side by side" in note for note in channels.notes)
    with pytest.raises(ShapeError, match="asked for"):
        aplomb.segment(np.zeros((2, 2, 2, 8, 8)), bright)


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (np.zeros((0, 4)), ShapeError, "empty"),
        (np.full((8, 8), np.nan), BadInput, "NaN"),
        (GREY.astype(float), BadInput, "divide"),
        (GREY.astype(np.int32), BadInput, "int32"),
        (np.zeros(9), ShapeError, r"\(H, W\)"),
    ],
)
def test_pictures_that_are_refused(
    bright: Path, image: NDArray[np.generic], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        aplomb.segment(image, bright)


def test_options_that_are_refused(bright: Path) -> None:
    with pytest.raises(BadInput, match="needs several models"):
        aplomb.segment(GREY, bright, uncertainty="ensemble")
    with pytest.raises(BadInput, match="'dropout' is not known"):
        aplomb.segment(GREY, bright, uncertainty="dropout")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="-1 pixels"):
        aplomb.segment(GREY, bright, smallest=-1)
    with pytest.raises(BadInput, match="no model"):
        aplomb.segment(GREY, [])
    with pytest.raises(BadInput, match="smallest tile"):
        aplomb.segment(GREY, bright, memory=1)


def test_models_that_are_refused(bright: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="neither a file nor a shipped model"):
        aplomb.segment(GREY, tmp_path / "no.onnx")
    with pytest.raises(ModelError, match=r"denoise-grey denoises, it does not segment; use it with aplomb denoise"):
        aplomb.segment(GREY, "denoise-grey")
    classifier = frozen(mean_brightness(), tmp_path / "c.onnx", task="classify", size=(4, 4))
    with pytest.raises(ModelError, match="c classifies, it does not segment"):
        aplomb.segment(GREY, classifier)
    with pytest.raises(ModelError, match="bright segments, it does not denoise"):
        aplomb.denoise(GREY, model=bright)
    with pytest.raises(ModelError, match="bright segments, it does not classify"):
        aplomb.classify(GREY, bright)
    coarse = frozen(chain(conv(1, 2), downsample(2), softmax), tmp_path / "coarse.onnx")
    with pytest.raises(ModelError, match="no value for each pixel"):
        aplomb.segment(GREY, coarse)
    three = frozen(chain(conv(1, 3), softmax), tmp_path / "three.onnx")
    with pytest.raises(ModelError, match="gives 3 channels, its card says regions of the classes dark, bright"):
        aplomb.segment(GREY, three)
    borders = frozen(brightness(), tmp_path / "borders.onnx", target="borders")
    with pytest.raises(ModelError, match="gives 2 channels, its card says borders, which take 3"):
        aplomb.segment(GREY, borders)
    unknown = frozen(brightness(), tmp_path / "unknown.onnx", target="skeletons")
    with pytest.raises(ModelError, match="'skeletons', which this Aplomb does not know"):
        aplomb.segment(GREY, unknown)
    other = frozen(brightness(), tmp_path / "other.onnx", classes=("night", "day"))
    with pytest.raises(ModelError, match="do not answer the same question"):
        aplomb.segment(GREY, [bright, other])


def test_a_network_from_elsewhere_is_taken_with_notes(tmp_path: Path) -> None:
    import onnx

    def without_card(operator: aplomb.Operator) -> Path:
        path = frozen(operator, tmp_path / "theirs.onnx")
        model = onnx.load(path)
        del model.metadata_props[:]
        onnx.save(model, path)
        return path

    found = aplomb.segment(GREY, without_card(brightness()))
    assert np.array_equal(found.labels, GREY > 127.5)
    assert found.classes == ("class 0", "class 1")
    assert len(found.notes) == 1
    assert "no Aplomb card" in found.notes[0]
    scores = aplomb.segment(GREY, without_card(chain(conv(1, 3), relu)))
    assert "softmax" in scores.notes[0]
    np.testing.assert_allclose(scores.probabilities.sum(axis=0), 1, atol=1e-5)
    one = aplomb.segment(GREY, without_card(chain(conv(1, 1), sigmoid)))
    assert one.probabilities.shape[0] == 2
    assert "one channel" in one.notes[0]
