"""The task restore: what is drawn, what is learnt, what the card says, and that inference does what training did."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'aplomb[train]'")

from aplomb.degrade.forward import ForwardModel, parse_forward  # noqa: E402
from aplomb.degrade.noise import Poisson  # noqa: E402
from aplomb.degrade.sample import mosaic  # noqa: E402
from aplomb.errors import BadInput, ModelError, RecipeError  # noqa: E402
from aplomb.io import write  # noqa: E402
from aplomb.model import load  # noqa: E402
from aplomb.operator import identity  # noqa: E402
from aplomb.restore.trained import Start, apply, restored  # noqa: E402
from aplomb.train import parse_recipe, train  # noqa: E402
from aplomb.train.crops import generator  # noqa: E402
from aplomb.train.forward import ModelDraw, NoiseDraw  # noqa: E402
from aplomb.train.restoring import Restoring  # noqa: E402

HEAD = """
task = "restore"
data = {train = ["train"], validation = ["held"], crop = 32}
optimiser = {kind = "adam", lr = 0.01}
validation = {every = 60}
run = {batch = 4}
"""
ADJOINT = 'start = {kind = "adjoint"}'
BLUR = """
schedule = {steps = 60}
network = {name = "lean-grey", widths = [8, 12], blocks = [1, 1], bias = true, gain = 0.1}
start = {kind = "data-step", rate = 50, level = true}
unrolled = {rates = [200], scaled = true, last = "network"}
[[forward.step]]
kind = "blur"
psf = ["motion", "gaussian"]
length = [3, 7]
angle = [0, 180]
sigma = [0.8, 1.5]
border = "circular"
[forward.noise]
kind = "gaussian"
sigma = [1, 8]
"""


def recipe(body: str, *changes: tuple[str, str]):  # type: ignore[no-untyped-def]
    text = HEAD + body
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_recipe(text, "restore.toml")


def test_a_deblurring_network_learns_and_the_file_is_all_that_inference_needs(photos, tmp_path) -> None:
    part = recipe(BLUR)
    result = train(part, photos, tmp_path / "deblur.onnx", run=tmp_path / "run", threads=1, quiet=True)
    model = load(result.path)
    card = model.card
    assert card is not None
    assert (card.task, card.rates, card.start["kind"]) == ("restore", (200.0,), "data-step")
    assert card.forward["step"][0]["psf"] == ["motion", "gaussian"]
    assert "blur" in card.markdown()
    # what was judged in torch is what the file gives, without torch, in tiles
    task = Restoring(part, photos)
    scores, before = [], []
    for index, picture in enumerate(task.validation):
        key = (20, index, *b"PSNR")
        clean = torch.from_numpy(picture[None] / np.float32(255))
        batch = task.simulator(clean, generator(*key), generator(*key), np.random.default_rng(key))
        found = apply(model, batch.y.numpy(), ForwardModel(batch.operator), level=float(batch.level))
        untrained = task._restored(lambda x: x[:, :1], batch).numpy()
        for value, into in ((found, scores), (untrained, before)):
            error = (value.clip(0, 1) * 255).round() / 255 - clean.numpy()
            into.append(-10 * np.log10(np.mean(error**2)))
    assert np.mean(scores) == pytest.approx(result.figures["PSNR"], abs=0.02)
    assert np.mean(scores) > np.mean(before) + 0.7


@pytest.mark.parametrize(
    ("step", "more", "network"),
    [
        ('kind = "mask"\ndraw = ["text"]', "start = {mask = true}\nunrolled = {rates = [1e-4]}", "lean-grey"),
        ('kind = "fourier"\nsampling = "radial"', f"{ADJOINT}\nunrolled = {{rates = [0.01]}}", "lean-grey"),
        ('kind = "gaussian"\nblock = 16', f"{ADJOINT}\nunrolled = {{rates = [0.01]}}", "wavelet"),
        ('kind = "radon"\nangles = 20\ncircle = false', 'start = {kind = "fbp"}', "wavelet"),
        ('kind = "bicubic"\nfactor = 2', "", "upscale"),
    ],
)  # fmt: skip
def test_every_forward_model_trains(photos, tmp_path, step: str, more: str, network: str) -> None:
    net = f'network = {{name = "{network}", widths = [4], blocks = [1]}}\nschedule = {{steps = 2}}\n{more}\n'
    part = recipe(f"{net}[[forward.step]]\n{step}\n", ("every = 60", "every = 2"))
    result = train(part, photos, tmp_path / "net.onnx", run=tmp_path / "run", threads=2, quiet=True)
    assert np.isfinite(result.figures["PSNR"])
    card = load(result.path).card
    assert card is not None
    assert card.forward["step"][0]["kind"] in step


def test_stored_measurements_are_made_once_of_whole_pictures(photos) -> None:
    body = """
network = {name = "wavelet", widths = [4], blocks = [1]}
schedule = {steps = 2}
start = {kind = "fbp"}
forward = {stored = 2, step = [{kind = "radon", angles = 12, circle = false}], noise = {kind = "poisson", peak = 50}}
"""
    task = Restoring(recipe(body), photos)
    feed = task.feed(torch.device("cpu"), 0, 1, 1)
    assert feed.pictures.values.shape[0] == 3
    first, again = feed.chunk(5, 0), feed.chunk(5, 0)
    assert first.operator is None
    assert torch.equal(first.y, again.y)
    assert 0 < float((first.y - first.clean).square().mean()) < 0.1


def test_tiles_change_nothing_where_the_network_makes_more_pixels(photos, tmp_path) -> None:
    body = 'network = {name = "upscale", factor = 3, widths = [4, 6], blocks = [1, 1]}\nschedule = {steps = 1}\n'
    part = recipe(body + '[[forward.step]]\nkind = "bicubic"\nfactor = 3\n', ("crop = 32", "crop = 36"))
    result = train(part, photos, tmp_path / "up.onnx", run=tmp_path / "run", threads=1, quiet=True)
    model, forward = load(result.path), parse_forward({"step": [{"kind": "bicubic", "factor": 3}]})
    y = np.random.default_rng(0).random((1, 1, 70, 90)).astype(np.float32)
    whole = apply(model, y, forward)
    tiled = apply(model, y, forward, memory=4e5)
    assert whole.shape == (1, 1, 210, 270)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_other_patterns_and_grey_pictures_go_through_a_network_for_colour(tmp_path, scene_of) -> None:
    for folder in ("train", "held"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "a.png", scene_of(len(folder), channels=3))
    colour = ("crop = 32", 'crop = 32, colour = "colour"')
    body = 'network = {name = "demosaic", widths = [8], blocks = [1]}\nschedule = {steps = 60}\n'
    part = recipe(body + '[[forward.step]]\nkind = "mosaic"\n', colour)
    result = train(part, tmp_path, tmp_path / "d.onnx", run=tmp_path / "run", threads=1, quiet=True)
    model = load(result.path)
    x = scene_of(4, channels=3).transpose(2, 0, 1)[None] / np.float32(255)
    errors = {}
    for pattern in ("RGGB", "BGGR", "GRBG", "GBRG"):
        found = apply(model, mosaic(pattern)(x), ForwardModel(mosaic(pattern)))
        errors[pattern] = float(np.sqrt(np.mean((found - x) ** 2)))
    assert max(errors.values()) < 1.3 * min(errors.values())
    with pytest.raises(ModelError, match="3 channel"):
        apply(model, np.zeros((1, 2, 8, 8), np.float32), ForwardModel(identity))


def test_noise_is_that_of_the_degradations(photos) -> None:
    clean = torch.full((1, 1, 256, 256), 0.5)
    draw = generator(0)
    for kind, numbers, variance in (
        ("gaussian", {"sigma": 25.5}, 0.01),
        ("poisson", {"peak": 10.0}, 0.05),
        ("poisson-gaussian", {"gain": 0.1, "read_noise": 25.5}, 0.06),
    ):
        y, level = NoiseDraw(kind, numbers)(clean, draw, draw)
        assert float(y.var()) == pytest.approx(variance, rel=0.05)
        assert float(y.mean()) == pytest.approx(0.5, abs=0.01)
        white = {"gaussian": 0.01, "poisson": 0.1, "poisson-gaussian": 0.11}[kind]
        assert float(level) ** 2 == pytest.approx(white, rel=1e-3)


def test_levels_are_drawn_for_each_piece_or_together() -> None:
    noise = NoiseDraw("gaussian", {"sigma": [1, 50]})
    draw = generator(0)
    assert len(set(noise(torch.zeros(4, 1, 2, 2), draw, draw)[1].flatten().tolist())) == 4
    assert len(set(noise(torch.zeros(4, 1, 2, 2), draw, draw, together=True)[1].flatten().tolist())) == 1


def test_models_are_drawn_anew_unless_a_seed_is_given() -> None:
    shape = (1, 1, 16, 16)
    for seed, same in (({}, False), ({"seed": 3}, True)):
        draw = ModelDraw([{"kind": "mask", "draw": "random", **seed}])
        first, second = (draw(shape, np.random.default_rng(n)) for n in (0, 1))
        assert (first == second) is same
        assert draw.fixed is same


def test_shakes_are_drawn_anew_unless_a_seed_is_given() -> None:
    for seed, same in (({}, False), ({"seed": 3}, True)):
        draw = ModelDraw([{"kind": "blur", "psf": ["shake"], "length": [9, 9], **seed}])
        first, second = (draw((1, 1, 32, 32), np.random.default_rng(n)) for n in (0, 1))
        assert (first == second) is same
    assert not ModelDraw([{"kind": "blur", "psf": "shake", "length": 9}]).fixed


def test_each_pass_is_told_its_level_but_not_less_than_the_noise() -> None:
    told: list[float] = []

    def run(x: np.ndarray) -> np.ndarray:
        told.append(round(255 * float(x[0, 1, 0, 0]), 3))
        return x[:, :1]

    start, y = Start(told=(20, 8, 2), last="network"), np.ones((1, 1, 4, 4))
    restored(run, identity, y, start, [0.1, 0.1], level=np.full((1, 1, 1, 1), 5 / 255))
    restored(run, identity, y, start, [0.1, 0.1])
    assert told == [20, 8, 5, 20, 8, 2]
    assert Start.read(load_table(start)) == start


def load_table(start: Start) -> dict[str, object]:
    """A start as a card gives it back: JSON has no tuples."""
    return json.loads(json.dumps(start.table()))


def test_counts_are_evened_out_before_the_network_and_back_behind_it() -> None:
    """What the network sees has the same noise in the dark and in the light, and it is told which."""
    peak, rng = 40.0, np.random.default_rng(0)
    light = np.repeat(np.array([0.2, 0.5, 1.0]), 40_000).reshape(1, 1, 3, -1)
    y, level = rng.poisson(peak * light) / peak, np.full((1, 1, 1, 1), peak**-0.5)
    seen: list[np.ndarray] = []

    def run(x: np.ndarray) -> np.ndarray:
        seen.append(x)
        return x[:, :1]

    found = restored(run, identity, y, Start("anscombe", level=True), level=level)
    np.testing.assert_allclose(found, y, atol=1e-12)
    np.testing.assert_allclose(seen[0][0, 0].std(axis=1), seen[0][0, 1, :, 0], rtol=0.03)
    tensors = restored(run, identity, torch.from_numpy(y), Start("anscombe", level=True), level=torch.from_numpy(level))
    np.testing.assert_allclose(tensors.numpy(), y, atol=1e-12)
    with pytest.raises(BadInput, match="told the peak"):
        restored(run, identity, y, Start("anscombe", level=True))


def test_a_network_that_is_told_the_noise_asks_for_it(photos, tmp_path) -> None:
    body = """
network = {name = "lean-grey", widths = [4], blocks = [1], bias = true}
schedule = {steps = 1}
start = {level = true}
forward = {noise = {kind = "poisson", peak = [1, 30], law = "log-uniform"}}
"""
    result = train(recipe(body), photos, tmp_path / "p.onnx", run=tmp_path / "run", threads=1, quiet=True)
    model, y = load(result.path), np.ones((1, 1, 16, 16), np.float32)
    with pytest.raises(BadInput, match="told the noise"):
        apply(model, y, ForwardModel(identity))
    low, high = (apply(model, y, ForwardModel(identity, Poisson(peak))) for peak in (1, 30))
    assert abs(low - high).max() > 1e-4
    with pytest.raises(ModelError, match="restore"):
        apply(load("denoise-grey"), y, ForwardModel(identity))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('kind = "gaussian"', 'kind = "snow"'), "snow.*gaussian, poisson"),
        (("sigma = [1, 8]", "sigma = [8, 1]"), "lowest, highest"),
        (("sigma = [1, 8]", "peak = 3"), "takes sigma"),
        (('border = "circular"', 'edge = "circular"'), "edge"),
        (('"lean-grey", widths = [8, 12], blocks = [1, 1]', '"isp", widths = [8], blocks = [1]'), "does not fit"),
        (('[forward.noise]\nkind = "gaussian"\nsigma = [1, 8]\n', ""), "level = true needs"),
        (('last = "network"', 'last = "network", told = [9]'), "1 levels, the network passes 2 times"),
        (('kind = "data-step", rate = 50', 'kind = "anscombe"'), "noise of kind 'poisson' and nothing else"),
    ],
)  # fmt: skip
def test_wrong_recipes_are_told(photos, tmp_path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        train(recipe(BLUR, change), photos, run=tmp_path, threads=1, quiet=True)
