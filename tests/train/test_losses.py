import numpy as np
import pytest
import torch

from aplomb.train import train
from aplomb.train.crops import generator
from aplomb.train.losses import Batch, _pick, loss, neighbours, sure
from aplomb.train.noise import noisy
from aplomb.train.recipe import LossPart, NoisePart


def _blur(y: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(y, 3, 1, 1) ** 2 + 0.2 * y  # nonlinear, so that the probe matters


@pytest.mark.parametrize(
    ("kind", "value"),
    [("mse", 0.065), ("l1", 0.25), ("charbonnier", 0.25), ("psnr", np.log(0.04) / 2 + np.log(0.09) / 2)],
)
def test_losses_that_compare_have_their_values(kind: str, value: float) -> None:
    """Two pictures, errors 0.2 and 0.3 everywhere."""
    target = torch.zeros(2, 1, 4, 4)
    noisy = torch.tensor([0.2, -0.3]).reshape(2, 1, 1, 1).expand(2, 1, 4, 4)
    batch = Batch(noisy, target, torch.zeros(2, 1, 1, 1))
    assert float(loss(LossPart(kind=kind), lambda y, level: y, batch, generator(0))) == pytest.approx(value, abs=1e-3)


def test_sure_estimates_the_error_without_the_clean_picture(scene_of) -> None:
    clean = torch.from_numpy(np.stack([scene_of(s, 128)[None] for s in range(8)]) / np.float32(255))
    for sigma in (10, 40):
        y, level = noisy(clean, NoisePart(sigma=sigma), generator(0), generator(1))
        true = float(((_blur(y, level) - clean) ** 2).mean())
        estimate = float(sure(_blur, Batch(y, None, level), generator(2)))
        assert estimate == pytest.approx(true, rel=0.03)


def test_neighbours_are_two_different_touching_pixels_of_each_block() -> None:
    y = torch.arange(64.0).reshape(1, 1, 8, 8)
    first, second = neighbours(y, generator(0))
    a, b = _pick(y, first), _pick(y, second)
    assert a.shape == (1, 1, 4, 4)
    assert set((a - b).abs().flatten().tolist()) == {1.0, 8.0}  # beside or below, never across
    blocks = (a // 16 * 4 + a % 8 // 2).flatten().tolist()
    assert blocks == list(range(16))


@pytest.mark.parametrize("kind", ["sure", "noise2noise", "neighbour2neighbour"])
def test_denoises_without_having_seen_a_clean_picture(kind, photos, recipe_of, tmp_path) -> None:
    """Each picture has its noise from the start; noisy ones have 20.2 dB."""
    recipe = recipe_of(
        ("sigma = 25", f'sigma = 25\nonce = true\n[loss]\nkind = "{kind}"'),
        ("every = 150", "every = 50"),
        ("lr = 0.01", "lr = 0.004"),
    )
    result = train(recipe, photos, run=tmp_path / "run", threads=1, quiet=True)
    (reached,) = result.figures.values()
    assert reached > 20.2 + 4


def test_learns_from_folders_of_noisy_pairs(photos, recipe_of, tmp_path, scene_of) -> None:
    from aplomb.io import write

    rng = np.random.default_rng(0)
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        for seed in range(8):
            noise = rng.normal(0, 0.1, (64, 64))
            write(tmp_path / folder / f"{seed}.tif", (scene_of(seed) / 255 + noise).astype(np.float32))
    recipe = recipe_of(
        ('train = ["train"]', 'train = ["first"]\npair = ["second"]'),
        ('validation = ["held"]', "validation_fraction = 0.2"),
        ("sigma = 25", 'kind = "none"\n[loss]\nkind = "noise2noise"'),
    )
    result = train(recipe, tmp_path, run=tmp_path / "run", threads=1, quiet=True)
    assert result.figures == {}  # there is no clean picture anywhere
    clean = scene_of(500)[None, None] / np.float32(255)
    y = (clean + rng.normal(0, 0.1, clean.shape)).astype(np.float32)
    before, after = (10 * np.log10(1 / np.mean((image - clean) ** 2)) for image in (y, result.operator(y)))
    assert after > before + 4


def test_sure_estimates_the_noise_of_pictures_that_come_noisy(recipe_of, tmp_path, scene_of) -> None:
    from aplomb.io import write

    rng = np.random.default_rng(0)
    for seed in range(8):
        write(tmp_path / f"{seed}.tif", (scene_of(seed) / 255 + rng.normal(0, 0.1, (64, 64))).astype(np.float32))
    recipe = recipe_of(
        ('train = ["train"]', 'train = ["."]'),
        ('validation = ["held"]', ""),
        ("sigma = 25", 'kind = "none"\n[loss]\nkind = "sure"'),
        ("lr = 0.01", "lr = 0.004"),
    )
    result = train(recipe, tmp_path, run=tmp_path / "run", threads=1, quiet=True)
    clean = scene_of(500)[None, None] / np.float32(255)
    y = (clean + rng.normal(0, 0.1, clean.shape)).astype(np.float32)
    before, after = (10 * np.log10(1 / np.mean((image - clean) ** 2)) for image in (y, result.operator(y)))
    assert after > before + 4
