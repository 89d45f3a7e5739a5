import numpy as np
import pytest
import torch

from aplomb.degrade.noise import Noise, noise
from aplomb.errors import RecipeError
from aplomb.train.crops import PictureSet, generator, order, saturate
from aplomb.train.feed import Feed
from aplomb.train.noise import draw_levels, noisy
from aplomb.train.recipe import NoisePart, parse_recipe


def test_crops_are_pieces_of_the_pictures_in_all_eight_symmetries() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (2, h, w)).astype(np.uint8) for h, w in ((9, 13), (7, 6), (20, 5))]
    pictures, side = PictureSet(arrays), 5
    which = torch.tensor([0, 1, 2] * 60)
    crops = (pictures.crops(which, side, generator(1)) * 255).round().numpy().astype(np.uint8)
    seen = set()
    for index, crop in zip(which.tolist(), crops, strict=True):
        array, places = arrays[index], []
        for symmetry in range(8):
            back = np.rot90(crop, symmetry % 4, (1, 2))
            back = back[:, ::-1] if symmetry >= 4 else back
            windows = np.lib.stride_tricks.sliding_window_view(array, (side, side), (1, 2))
            hits = (windows == back[:, None, None]).all((0, 3, 4))
            places += [(symmetry, *map(int, p)) for p in np.argwhere(hits)]
        assert len(places) == 1, "each piece comes from one place in one position"
        seen.add((index, *places[0]))
    assert {s for _, s, _, _ in seen} == set(range(8))
    assert {(y, x) for i, _, y, x in seen if i == 1} == {(y, x) for y in range(3) for x in range(2)}


def test_without_chance_the_middle_is_taken() -> None:
    array = np.arange(36, dtype=np.uint8).reshape(1, 6, 6)
    crop = PictureSet([array]).crops(torch.tensor([0]), 2, generator(0), random=False, flips="none")
    assert (crop[0, 0] * 255).round().tolist() == [[14, 15], [20, 21]]


def test_small_pictures_are_mirrored_and_16_bit_keeps_its_levels() -> None:
    array = np.array([[[0, 1], [257, 65535]]], np.uint16)
    pictures = PictureSet([array], side=4)
    crop = pictures.crops(torch.tensor([0]), 4, generator(0), random=False, flips="none")[0, 0]
    expected = np.pad(array[0], 1, mode="symmetric") / np.float32(65535)
    assert (crop.numpy() == expected.astype(np.float32)).all()


def test_other_colours_keep_the_grey_and_the_range() -> None:
    pieces = 0.4 + 0.2 * torch.rand(200, 3, 4, 4, generator=generator(0))
    factor = torch.linspace(0, 1.5, 200).reshape(-1, 1, 1, 1)
    other, grey = saturate(pieces, factor), pieces.mean(1, keepdim=True)
    assert torch.allclose(other.mean(1, keepdim=True), grey, atol=1e-6), "no value left 0..1, so the grey stays"
    assert torch.allclose(other - grey, factor * (pieces - grey), atol=1e-6)
    vivid = saturate(pieces, torch.full_like(factor, 99))
    assert float(vivid.min()) == 0
    assert float(vivid.max()) == 1


def test_a_batch_has_other_colours_only_if_the_recipe_says_so() -> None:
    text = """network = {{name = "lean-colour"}}
    data = {{train = ["x"], colour = "colour", crop = 8, augment = false, random_crop = false{}}}
    noise = {{sigma = 1}}
    schedule = {{steps = 1}}"""
    picture = np.broadcast_to(np.array([40, 80, 120], np.uint8)[:, None, None], (3, 8, 8))

    def target(more: str) -> torch.Tensor:
        batch = Feed(parse_recipe(text.format(more)), [picture]).chunk(0, 0)
        assert batch.target is not None
        return batch.target[0, :, 0, 0] * 255

    assert target("").tolist() == pytest.approx([40, 80, 120])
    assert target(", saturation = 1.5").tolist() == pytest.approx([20, 80, 140])


def test_every_epoch_shows_every_picture_and_a_stream_can_be_cut_anywhere() -> None:
    whole = order(0, 35, 7, 1, seed=2)
    assert all(sorted(epoch.tolist()) == list(range(7)) for epoch in whole.split(7))
    assert len({tuple(epoch.tolist()) for epoch in whole.split(7)}) > 1
    parts = torch.cat([order(first, 5, 7, 1, seed=2) for first in range(0, 35, 5)])
    assert torch.equal(whole, parts)
    assert order(0, 14, 7, 2, seed=2).bincount().tolist() == [2] * 7


@pytest.mark.parametrize(
    "part",
    [
        NoisePart(sigma=30),
        NoisePart(kind="poisson", peak=20),
        NoisePart(kind="poisson-gaussian", peak=50, sigma=10),
        NoisePart(kind="speckle", sigma=40),
        NoisePart(kind="salt-and-pepper", fraction=0.2),
    ],
    ids=lambda part: part.kind,
)
def test_noise_has_the_level_that_it_states_and_leaves_the_mean(part: NoisePart) -> None:
    clean = torch.full((1, 1, 300, 300), 0.5)
    y, level = noisy(clean, part, generator(0), generator(1))
    assert float((y - clean).std()) == pytest.approx(float(level), rel=0.02)
    assert float(level) > 0.02
    assert float((y - clean).mean()) == pytest.approx(0, abs=4 * float(level) / 300)


def test_levels_follow_their_law() -> None:
    uniform = draw_levels([1, 100], 4000, "uniform", generator(0))
    logarithmic = draw_levels([1, 100], 4000, "log-uniform", generator(0))
    assert float(uniform.median()) == pytest.approx(50.5, rel=0.05)
    assert float(logarithmic.median()) == pytest.approx(10, rel=0.1)
    assert 1 <= float(uniform.min()) <= float(uniform.max()) <= 100


@pytest.mark.parametrize(
    ("part", "law"),
    [
        (NoisePart(sigma=30), noise("gaussian", sigma=30 / 255)),
        (NoisePart(kind="poisson", peak=20), noise("poisson", peak=20)),
        (
            NoisePart(kind="poisson-gaussian", peak=50, sigma=10),
            noise("poisson-gaussian", gain=1 / 50, read_noise=10 / 255),
        ),
        (NoisePart(kind="speckle", sigma=40), noise("speckle", sigma=40 / 255)),
        (NoisePart(kind="salt-and-pepper", fraction=0.2), noise("salt-and-pepper", fraction=0.2)),
    ],
    ids=lambda part: getattr(part, "kind", ""),
)
def test_noise_has_the_laws_of_the_degradations(part: NoisePart, law: Noise) -> None:
    for grey in (0.2, 0.5, 0.9):
        clean = torch.full((1, 1, 300, 300), grey)
        y, _ = noisy(clean, part, generator(0), generator(1))
        assert float(y.var()) == pytest.approx(float(law.variance(np.array(grey))), rel=0.03)


def test_a_batch_depends_on_its_step_alone(recipe_of, scene_of) -> None:
    arrays = [scene_of(seed)[None] for seed in range(5)]
    feed, again = (Feed(recipe_of(), arrays, workers=2) for _ in range(2))
    for _ in range(3):
        feed.chunk(0, 0)
    for number in range(feed.parts):
        assert all(torch.equal(a, b) for a, b in zip(feed.chunk(7, number), again.chunk(7, number), strict=True))
    assert not torch.equal(feed.chunk(7, 0).noisy, feed.chunk(8, 0).noisy)
    assert feed.parts == 2
    assert feed.size == 4


def test_the_steps_of_an_epoch_show_every_picture_once(recipe_of) -> None:
    arrays = [np.full((1, 32, 32), grey, np.uint8) for grey in range(24)]
    feed = Feed(recipe_of(("sigma = 25", "sigma = 0")), arrays, workers=3)
    for epoch in range(2):
        batches = [feed.chunk(3 * epoch + step, number) for step in range(3) for number in range(feed.parts)]
        shown = torch.cat([batch.noisy[:, 0, 0, 0] * 255 for batch in batches]).round().tolist()
        assert sorted(shown) == list(range(24))


def test_noise_once_stays_and_twice_is_independent(recipe_of, scene_of) -> None:
    arrays = [scene_of(0, 32)[None]]
    once = recipe_of(("sigma = 25", "sigma = 25\nonce = true\n[loss]\nkind = 'noise2noise'"),
                     ("crop = 32", "crop = 32\naugment = false"))  # fmt: skip
    feed = Feed(once, arrays)
    a, b = feed.chunk(0, 0), feed.chunk(5, 0)
    assert torch.equal(a.noisy[0], b.noisy[0])
    clean = torch.from_numpy(arrays[0] / np.float32(255))
    first, second = (a.noisy[0] - clean).flatten(), (a.target[0] - clean).flatten()
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.1
    assert float(first.std()) == pytest.approx(25 / 255, rel=0.1)
    assert float(a.level[0]) == pytest.approx(25 / 255)


def test_pattern_mini_batch_and_epoch(recipe_of, scene_of) -> None:
    arrays = [scene_of(seed)[None] for seed in range(6)]
    sizes = {}
    for batch in ('"pattern"', "4", '"epoch"'):
        recipe = recipe_of(("batch = 8", f"batch = {batch}"), ("steps = 150", "epochs = 10"))
        feed = Feed(recipe, arrays)
        sizes[batch] = (feed.count, feed.total)
    assert sizes == {'"pattern"': (1, 60), "4": (4, 15), '"epoch"': (6, 10)}


def test_pairs_that_do_not_fit_are_refused(recipe_of, scene_of) -> None:
    recipe = recipe_of(("sigma = 25", 'kind = "none"\n[loss]\nkind = "noise2noise"'),
                       ('validation = ["held"]', 'pair = ["second"]'))  # fmt: skip
    with pytest.raises(RecipeError, match="same scenes in the same order"):
        Feed(recipe, [scene_of(0)[None]], [scene_of(0, 32)[None]])
    with pytest.raises(RecipeError, match="cannot be shared by 3 devices"):
        Feed(recipe_of(), [scene_of(0)[None]], world=3)
