"""An explanation says what the network does: its filter is the Jacobian's row, its numbers are those of the filter."""

from __future__ import annotations

import json

import numpy as np
import pytest

import aplomb
from aplomb import chain, explain, identity, io
from aplomb.errors import BadInput, ModelError, OutputError, ShapeError
from aplomb.facts.derivative import derivative
from aplomb.layers import conv, conv_transposed, dense, flatten, layer_norm, max_pool, pad, relu, upsample_repeat
from aplomb.model import Card, freeze
from aplomb.nets import residual, unet_denoiser
from aplomb.operator import Operator
from makers import trained

BORDERS = {
    "zeros": residual(3, 4),
    "mirrored": chain(conv(1, 4, 5, padding="reflect"), relu, conv(4, 1, 5, padding="reflect")),
    "replicated": chain(conv(1, 4, padding="replicate"), relu, conv(4, 1, padding="replicate")),
    "lopsided": chain(
        conv(1, 2, 9), relu, pad(((10, 0), (0, 10)), "reflect"), conv(2, 1, 11, padding="valid"), conv(1, 1)
    ),
    "circular": chain(conv(1, 4, padding="circular"), relu, conv(4, 1)),
    "valid": chain(conv(1, 4, padding="valid"), relu, conv(4, 1, 5, padding="valid")),
    "strides": identity - chain(conv(1, 4), relu, max_pool(2), conv(4, 4), relu, conv_transposed(4, 4), conv(4, 1)),
    "two strides": chain(conv(1, 3, 4, stride=4, padding=0), relu, upsample_repeat(4), conv(3, 1)),
    "smaller": chain(conv(1, 4, 4, stride=2, padding=1), relu, conv(4, 1)),
    "larger": chain(conv(1, 4), relu, upsample_repeat(2), conv(4, 1)),
    "whole": chain(conv(1, 4), layer_norm(4, over="all"), relu, conv(4, 1)),
}
PIXELS = [(20, 31), (19, 30), (6, 7), (0, 0), (47, 63), (0, 40), (24, 63)]


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    """Values that float32 holds, as pictures are read."""
    return np.random.default_rng(seed).random(shape, np.float32).astype(np.float64)


def by_differences(operator: Operator, x: np.ndarray, output: tuple[int, int], step: float = 1e-6) -> np.ndarray:
    """The derivative of one output value, pixel by pixel."""
    basis = step * np.eye(x.size).reshape(x.size, 1, *x.shape)
    found = [operator(x[None, None] + h[None])[0, 0, output[0], output[1]] for h in basis]
    back = [operator(x[None, None] - h[None])[0, 0, output[0], output[1]] for h in basis]
    return ((np.array(found) - np.array(back)) / (2 * step)).reshape(x.shape)


def on_the_whole(found: aplomb.Explanation, shape: tuple[int, ...]) -> np.ndarray:
    whole = np.zeros(shape)
    (top, left), (height, width) = found.corner, found.filter.shape[2:]
    whole[top : top + height, left : left + width] = found.filter[0, 0]
    return whole


@pytest.mark.parametrize("name", BORDERS)
def test_a_part_gives_what_the_whole_gives(name: str) -> None:
    """The filter from a cut-out is that of the whole picture, at every border and phase; value and sum fit."""
    operator, x = trained(BORDERS[name]), picture(48, 64)
    y = operator(x[None, None])
    jacobian = derivative(operator, x[None, None])
    for at in PIXELS:
        if name == "valid" and not (3 <= at[0] < 45 and 3 <= at[1] < 61):
            with pytest.raises(BadInput, match="it leaves out the border"):
                explain(x, operator, at, 0.1)
            continue
        place = {"valid": (at[0] - 3, at[1] - 3), "smaller": (at[0] // 2, at[1] // 2), "larger": (2 * at[0], 2 * at[1])}
        j = place.get(name, at)
        found = explain(x, operator, at, 0.1)
        delta = np.zeros_like(y)
        delta[0, 0, j[0], j[1]] = 1
        row = jacobian.adjoint()(delta)[0, 0]
        np.testing.assert_allclose(on_the_whole(found, x.shape), row, atol=1e-12)
        assert found.value[0] == pytest.approx(y[0, 0, j[0], j[1]])
        assert found.filtered[0] == pytest.approx((row * x).sum())
        assert found.sum == pytest.approx(row.sum())
        assert found.noise_gain == pytest.approx(np.linalg.norm(row))


def test_the_filter_is_that_of_finite_differences() -> None:
    operator, x = trained(BORDERS["strides"]), picture(12, 14)
    found = explain(x, operator, (5, 6), 0.1)
    np.testing.assert_allclose(on_the_whole(found, x.shape), by_differences(operator, x, (5, 6)), atol=1e-7)


def test_a_picture_is_mirrored_to_the_lattice_as_the_runtime_does() -> None:
    operator, x = trained(BORDERS["strides"]), picture(21, 31)
    padded = np.pad(x, ((0, 1), (0, 1)), mode="reflect")
    for at in ((20, 30), (10, 15)):
        found = explain(x, operator, at, 0.1)
        assert found.value[0] == pytest.approx(operator(padded[None, None])[0, 0, at[0], at[1]])
        whole = chain(pad(((0, 1), (0, 1)), "reflect"), operator)
        delta = np.zeros((1, 1, *padded.shape))
        delta[0, 0, at[0], at[1]] = 1
        row = derivative(whole, x[None, None]).adjoint()(delta)[0, 0]
        np.testing.assert_allclose(on_the_whole(found, x.shape), row, atol=1e-12)


def test_a_linear_network_is_linear_and_its_filter_the_kernel() -> None:
    weight = picture(1, 1, 3, 5)
    layer = conv(1, 1, (3, 5), bias=False).with_weights({"0.weight": weight})
    found = explain(picture(30, 40), layer, (10, 20), 0.1)
    np.testing.assert_allclose(found.filter, weight)
    assert found.corner == (9, 18)
    assert found.span == ((-1, 2), (-2, 3))
    assert found.sum == pytest.approx(weight.sum())
    assert found.field.sum() == pytest.approx(1)
    assert all(c.residual < 1e-12 for c in found.changes)
    assert abs(found.rest[0]) < 1e-12
    even = (weight + weight[:, :, ::-1, ::-1]) / 2
    assert found.symmetry == pytest.approx(np.square(even).sum() / np.square(weight).sum())


def test_radii_are_counted_from_the_pixel() -> None:
    weight = np.zeros((1, 1, 5, 5))
    weight[0, 0, 2, 2], weight[0, 0, 2, 4] = np.sqrt(0.9), np.sqrt(0.1)
    layer = conv(1, 1, 5, bias=False).with_weights({"0.weight": weight})
    found = explain(picture(20, 20), layer, (10, 10), 0.1)
    assert [found.radius(share) for share in (0.5, 0.89, 0.95, 1.0)] == [0, 0, 2, 2]
    assert found.noise_gain == pytest.approx(1)
    assert found.symmetry == pytest.approx(0.9 + 0.05)
    with pytest.raises(BadInput, match="share"):
        found.radius(0)


def test_a_network_that_scales_is_its_own_filter() -> None:
    """Euler: T(x) = J(x) x without biases; with a noise level, the level's own derivative makes up the rest."""
    bare = chain(conv(1, 8, bias=False), relu, conv(8, 1, bias=False))
    found = explain(picture(20, 20), trained(bare), sigma=0.1)
    assert abs(found.rest[0]) < 1e-12 < abs(found.filtered[0])
    assert found.changes[-1].residual > found.changes[0].residual > 1e-6
    biased = explain(picture(20, 20), trained(residual(3, 4)), sigma=0.1)
    assert abs(biased.rest[0]) > 1e-3


def test_a_shipped_model_that_is_told_a_level() -> None:
    found = explain(picture(64, 72), "denoise-grey", (30, 40), 0.1)
    assert found.level == found.sigma == 0.1
    assert abs(found.from_level[0]) > 1e-3
    assert abs(found.rest[0]) < 1e-6
    assert "told a noise of 25.5 of 255" in str(found)
    said = json.loads(json.dumps(found.to_dict()))
    assert said["at"] == [30, 40]
    assert said["radius_95"] == found.radius()
    assert said["value"] == pytest.approx([found.filtered[0] + found.from_level[0] + found.rest[0]])


def test_the_value_is_what_denoise_gives() -> None:
    x = picture(50, 61).astype(np.float32)
    result = aplomb.denoise(x, 0.1, "residual-32").image
    for at in ((0, 0), (25, 30), (49, 60)):
        assert explain(x, "residual-32", at, 0.1).value[0] == pytest.approx(result[at], abs=1e-5)


def test_colour_channels() -> None:
    operator = trained(chain(conv(3, 4), relu, conv(4, 3)))
    found = explain(picture(20, 22, 3), operator, (9, 9), 0.1)
    assert found.filter.shape == (3, 3, 5, 5)
    one = explain(picture(20, 22, 3), operator, (9, 9), 0.1, channel=1)
    np.testing.assert_array_equal(one.filter[0], found.filter[1])
    np.testing.assert_allclose(found.kernel, found.filter.sum(axis=1).mean(axis=0))
    with pytest.raises(BadInput, match="output channel 3 does not exist"):
        explain(picture(20, 22, 3), operator, sigma=0.1, channel=3)
    with pytest.raises(BadInput, match="gives 20 channels; say which one"):
        explain(picture(20, 22), conv(1, 20), sigma=0.1)


def test_it_is_saved_and_shown(tmp_path) -> None:
    for number, (operator, shape) in enumerate(((residual(2, 4), (30, 50)), (conv(3, 3), (24, 20, 3)))):
        found = explain(picture(*shape), operator, (0, 3), 0.1)
        paths = found.save(tmp_path / "new" / str(number))
        assert {p.name for p in paths} == {"explanation.png", "explanation.json", "filter.npy"}
        shown = io.read(paths[0]).array
        assert shown.shape[0] > 300
        assert shown.std() > 10
        assert json.loads(paths[1].read_text())["sum"] == pytest.approx(found.sum)
        np.testing.assert_array_equal(np.load(paths[2]), found.filter)
        assert found._repr_png_()[:4] == b"\x89PNG"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        found.save(tmp_path / "file")


def test_what_cannot_be_explained(tmp_path) -> None:
    net = residual(2, 4)
    with pytest.raises(BadInput, match=r"pixel 30,2 \(row, column\) is not in the picture of 30 rows"):
        explain(picture(30, 40), net, (30, 2), 0.1)
    with pytest.raises(BadInput, match="pixel -1,2"):
        explain(picture(30, 40), net, (-1, 2), 0.1)
    with pytest.raises(BadInput, match="a stack of 5 pictures"):
        explain(picture(5, 30, 40), net, sigma=0.1)
    with pytest.raises(BadInput, match="sigma is -1"):
        explain(picture(30, 40), net, sigma=-1)
    with pytest.raises(ModelError, match="takes 1 channel"):
        explain(picture(30, 40, 3), net, sigma=0.1)
    with pytest.raises(ModelError, match="for it there is denoise-colour"):
        explain(picture(30, 40, 3), "denoise-grey", sigma=0.1)
    with pytest.raises(BadInput, match="gives 2 numbers, no picture"):
        explain(picture(4, 4), chain(flatten, dense(16, 2)), sigma=0.1)
    with pytest.raises(ShapeError, match="does not take a picture of 5 x 4 pixels"):
        explain(picture(5, 4), chain(flatten, dense(16, 2)), sigma=0.1)
    with pytest.raises(ShapeError, match="3 x 3 pixels, the network takes multiples of 8 x 8"):
        explain(picture(3, 3), unet_denoiser(), sigma=0.1)
    freeze(conv(2, 1), tmp_path / "n.onnx", card=Card(channels=1, noise_map=True))
    assert explain(picture(9, 9), tmp_path / "n.onnx", sigma=0.1).level == 0.1


def test_the_middle_and_the_noise_unless_given() -> None:
    x = 0.5 + 0.05 * np.random.default_rng(0).normal(size=(40, 50))
    found = explain(x, residual(2, 4))
    assert found.at == (20, 25)
    assert found.sigma == pytest.approx(0.05, rel=0.3)
