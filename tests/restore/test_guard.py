"""What is noted on the input: nothing on photographs with white noise, the fault's name on those with one."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import data

import aplomb
from aplomb.degrade.noise import Poisson
from aplomb.model import Card, Model, load
from aplomb.restore.detect import LIMITS, Faults, measure, sample
from aplomb.restore.guard import notes

Values = NDArray[Any]
SIGMA = 15 / 255
CAMERA: Values = data.camera() / 255


def filed(y: Values) -> NDArray[np.float32]:
    return (np.clip(np.rint(y * 255), 0, 255) / 255).astype(np.float32)


def white(x: Values, sigma: float = SIGMA, seed: int = 0) -> Values:
    return x + np.random.default_rng(seed).normal(0, sigma, x.shape)


def compressed(y: Values, quality: int) -> Values:
    file = io.BytesIO()
    Image.fromarray(np.rint(255 * filed(y)).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))[3:, 5:] / 255


def wave(shape: tuple[int, int]) -> Values:
    i, j = np.mgrid[: shape[0], : shape[1]]
    return np.sin(2 * np.pi * (0.2 * i + 0.25 * j))


def mosaic(y: Values) -> Values:
    """Green of a Bayer mosaic, interpolated."""
    i, j = np.mgrid[: y.shape[0], : y.shape[1]]
    cross = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    return ndimage.convolve(y * ((i + j) % 2), cross, mode="mirror")


def seeded() -> dict[str, tuple[str, Values]]:
    rng = np.random.default_rng(1)
    offsets, box = rng.normal(0, SIGMA, 512), ndimage.uniform_filter(rng.normal(0, 3 * SIGMA, CAMERA.shape), 3)
    disc = np.hypot(*np.mgrid[-256:256, -256:256]) < 80
    return {
        "blocks": ("JPEG blocks", compressed(white(CAMERA), 30)),
        "columns": ("column stripes", white(CAMERA) + offsets),
        "rows": ("row stripes", white(CAMERA) + offsets[:, None]),
        "interference": ("period of 3.1 pixels", white(CAMERA) + SIGMA * wave(CAMERA.shape)),
        "clipped": ("% of the picture is cut off at its highest", white(np.where(disc, 1.2, CAMERA))),
        "correlated": ("correlated between neighbouring pixels", CAMERA + box),
        "correlated, by a mosaic": ("correlated between neighbouring pixels", mosaic(white(CAMERA))),
        "brightness": ("bright areas", Poisson(200)(0.8 * CAMERA, np.random.default_rng(0))),
    }


SEEDED = seeded()


@pytest.mark.parametrize("sigma", [5, 15, 25, 50])
@pytest.mark.parametrize("name", ["camera", "brick", "clock", "astronaut", "coffee", "chelsea"])
def test_an_ordinary_noisy_photograph_has_no_notes(name: str, sigma: int) -> None:
    clean = getattr(data, name)() / 255
    y = filed(white(clean, sigma / 255, seed=sigma))
    picture = np.moveaxis(y, -1, 0) if y.ndim == 3 else y[None]
    model = load("denoise-colour" if y.ndim == 3 else "denoise-grey")
    assert notes(picture[None], np.array([sigma / 255]), model, np.uint8) == []


@pytest.mark.parametrize("fault", SEEDED)
def test_a_fault_is_named_and_no_other(fault: str) -> None:
    words, y = SEEDED[fault]
    found = measure(filed(y)[None])
    assert fault.split(",")[0] in found.found
    assert set(found.found) <= {fault.split(",")[0], "correlated" if fault == "blocks" else ""}
    assert any(words in note for note in notes(filed(y)[None, None], np.array([SIGMA]), load("denoise-grey")))


def test_the_strength_is_measured() -> None:
    assert measure(filed(SEEDED["columns"][1])[None]).columns == pytest.approx(1, rel=0.2)
    assert measure(filed(SEEDED["rows"][1])[None]).rows == pytest.approx(1, rel=0.2)
    assert measure(filed(SEEDED["clipped"][1])[None]).clipped[1] == pytest.approx(np.pi * 80**2 / 512**2, rel=0.1)
    assert measure(filed(white(CAMERA))[None]).noise[0] == pytest.approx(SIGMA, rel=0.1)
    assert measure(white(np.full((512, 512), 0.5))[None].astype(np.float32)).fine == pytest.approx(1, abs=0.15)
    found = measure(filed(SEEDED["interference"][1])[None])
    assert found.frequency == pytest.approx((0.2, 0.25), abs=0.5 / 64)


def test_blocks_are_found_wherever_their_grid_begins() -> None:
    y = compressed(white(CAMERA), 30)
    assert all(measure(filed(y[k:, 7 - k :])[None]).blocks > LIMITS["blocks"] for k in range(8))


def test_channels_that_differ_and_channels_that_do_not() -> None:
    levels = np.array([1, 1, 3])[:, None, None]
    picture = filed(CAMERA + np.random.default_rng(0).normal(0, SIGMA / 2, (3, 512, 512)) * levels)
    one, model = np.array([SIGMA]), load("denoise-colour")
    (note,) = notes(picture[None], one, model)
    assert "noise differs between the channels" in note
    assert "22" in note  # 1.5 x 15
    (note,) = notes(np.repeat(filed(white(CAMERA))[None, None], 3, axis=1), one, model)
    assert "all channels are the same" in note


def test_a_small_part_of_the_range_matters_less_to_a_network_that_scales() -> None:
    dark = (np.clip(white(CAMERA), 0, 1) * 0.02).astype(np.float32)[None, None]
    scales = load("denoise-grey")
    (note,) = notes(dark, np.array([0.02 * SIGMA]), scales, np.uint16)
    assert "uses 2 % of the range" in note
    assert "denoise-grey scales" in note
    assert "not trained" not in note
    assert "not trained" in notes(dark, np.array([0.01]), scales, np.uint16)[0]
    assert scales.card is not None
    fixed = Model(scales.path, replace(scales.card, homogeneous=False))
    assert "divide picture and sigma by 0.02" in notes(dark, np.array([0.02 * SIGMA]), fixed, np.uint16)[0]


def test_levels_beyond_the_training_are_named(tmp_path: Any) -> None:
    picture = np.full((2, 1, 32, 32), 0.5, np.float32)
    model = Model(tmp_path / "x.onnx", Card(name="x", noise_range=(0.1, 0.2)))
    assert notes(picture, np.array([0.1, 0.2]), model) == []
    both = notes(picture, np.array([0.05, 0.3]), model)
    assert [note.split(" is ")[1].split()[0] for note in both] == ["above", "below"]
    assert "51 of 255" in both[0]
    assert notes(picture, np.array([0.05, 0.3]), Model(tmp_path / "x.onnx")) == []


def test_a_note_on_one_picture_of_a_stack_says_which() -> None:
    fine, striped = filed(white(CAMERA))[:256, :256], filed(SEEDED["columns"][1])[:256, :256]
    (note,) = notes(np.stack([fine, striped])[:, None], np.full(2, SIGMA), load("denoise-grey"))
    assert note.endswith("(picture 2 of 2)")


def test_the_kind_of_a_noise_that_is_weak_beside_the_level_given_is_not_noted() -> None:
    y = filed(ndimage.uniform_filter(white(CAMERA, 3 * SIGMA), 3))[None, None]
    model = load("denoise-grey")
    assert "correlated" in notes(y, np.array([SIGMA]), model)[0]
    assert notes(y, np.array([10 * SIGMA / 3]), model) == []


def test_the_result_carries_the_notes() -> None:
    assert any("column stripes" in note for note in aplomb.denoise(filed(SEEDED["columns"][1])[:256, :256]).notes)


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 9), (6, 7), (16, 16), (3, 5000), (5000, 3), (40, 90), (63, 129), (1000, 2000)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size(size: tuple[int, int], channels: int) -> None:
    y = np.random.default_rng(0).normal(0.5, 0.1, (channels, *size)).astype(np.float32)
    assert measure(y).found == ()
    assert sample(y[0]).size <= max(0.6e6, 0)
    assert measure(np.zeros_like(y)) == Faults()
