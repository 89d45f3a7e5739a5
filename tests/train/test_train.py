import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from aplomb.data import find_pictures, load_pictures
from aplomb.errors import ImageFileError, RecipeError
from aplomb.io import write
from aplomb.layers import batch_norm, conv, relu
from aplomb.model import load, thaw
from aplomb.operator import chain, identity
from aplomb.train import Result, train
from aplomb.train.checkpoint import load_checkpoint
from aplomb.train.recipe import NoisePart
from aplomb.train.validate import noise_levels, psnr_on

LEAN = (
    'name = "residual-3x16"\ngain = 0.1',
    'name = "lean-grey"\nwidths = [8, 16]\nblocks = [1, 1]\ngain = 0.1',
)


def test_learns_and_leaves_everything_a_user_needs(photos, recipe_of, tmp_path) -> None:
    recipe = recipe_of(
        LEAN,
        ("batch = 8", 'batch = 8\naverage = 0.9\nprecision = "bf16"'),
        ("sigma = 25", "sigma = [0, 55]"),
        ("every = 150", "every = 50\nsigma = [25, 50]"),
    )
    result = train(recipe, photos, tmp_path / "mine.onnx", run=tmp_path / "run", threads=2, quiet=True)
    assert result.figures["sigma 25"] > 20.2 + 4
    assert result.figures["sigma 50"] > 14.2 + 6
    assert thaw(result.path) == result.operator
    _check_what_was_judged(result, photos)
    card = load(result.path).card
    assert card is not None
    assert (card.task, card.channels, card.noise_map, card.multiple) == ("denoise", 1, True, 4)
    assert card.noise_range == pytest.approx((0, 55 / 255))
    assert card.training["recipe"] == recipe.text
    assert card.training["pictures"] == {"train": 8, "validation": 2, "test": 0}
    assert card.metrics["PSNR"]["sigma 25"] == pytest.approx(result.figures["sigma 25"], abs=1e-3)
    names = {f.name.split(".tfevents")[0] for f in (tmp_path / "run").iterdir()}
    assert names == {"recipe.toml", "checkpoint.pt", "log.csv", "curves.png", "events.out"}
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").open()))
    losses = [float(r["loss"]) for r in rows if r["loss"]]
    assert [int(r["step"]) for r in rows if r["loss"]] == list(range(10, 151, 10))
    assert losses[-1] < losses[0]
    assert [int(r["step"]) for r in rows if r["figure"]] == [50, 100, 150]


def _check_what_was_judged(result: Result, photos: Path) -> None:
    """The PSNR told is that of the operator given, and that is the averaged one."""

    def network(y: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        x = np.concatenate([y.numpy(), np.full_like(y.numpy(), float(level))], axis=1)
        return torch.from_numpy(result.operator(x))

    held = load_pictures(find_pictures("held", photos), channels=1)
    noises = noise_levels(NoisePart(sigma=[0.0, 55.0]), [25, 50])
    found = psnr_on(network, held, noises, 4, torch.device("cpu"))
    assert found == pytest.approx(result.figures, abs=0.01)
    state = load_checkpoint(result.folder / "checkpoint.pt")
    assert state is not None
    if result.step == result.steps:
        best = state["best"]["weights"]
        assert all(torch.equal(best[name], average) for name, average in state["average"].items())
        assert not all(torch.equal(best[name], own) for name, own in state["weights"].items())


def test_curves_can_be_read_by_tensorboard(photos, recipe_of, tmp_path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(recipe_of(("steps = 150", "steps = 20")), photos, run=tmp_path, threads=1, quiet=True)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert {"loss", "learning rate", "PSNR/sigma 25"} <= set(events.Tags()["scalars"])
    assert [e.step for e in events.Scalars("loss")] == [10, 20]


def test_ones_own_folder_is_split_by_file(recipe_of, scene_of, tmp_path) -> None:
    for seed in range(6):
        write(tmp_path / f"{seed}.png", scene_of(seed, 40))
    recipe = recipe_of(("steps = 150", "steps = 2"), ('validation = ["held"]', "validation_fraction = 0.34"))
    result = train(recipe, tmp_path, run=tmp_path / "run", threads=1, quiet=True)
    card = load(result.path).card
    assert card is not None
    assert card.training["pictures"] == {"train": 4, "validation": 2, "test": 0}


def test_a_whole_batch_and_its_chunks_have_the_same_gradient(photos, recipe_of, tmp_path) -> None:
    """Full batch: centred pieces without chance but for the noise, which is 0 here."""
    changes = [("steps = 150", "steps = 3"), ("sigma = 25", "sigma = 0"), ('kind = "adam"', 'kind = "sgd"'),
               ("crop = 32", "crop = 32\naugment = false\nrandom_crop = false")]  # fmt: skip
    found = []
    for index, chunk in enumerate((8, 3, 1)):
        recipe = recipe_of(*changes, ("batch = 8", f'batch = "epoch"\nchunk = {chunk}'))
        result = train(recipe, photos, run=tmp_path / str(index), threads=2, quiet=True)
        found.append(result.operator.weights())
    for other in found[1:]:
        for name, array in found[0].items():
            np.testing.assert_allclose(array, other[name], rtol=1e-4, atol=1e-6)


def test_clips_the_gradient_and_follows_the_schedule(photos, recipe_of, tmp_path) -> None:
    changes = [
        ("steps = 150", 'steps = 40\nwarmup = 0.5\ndecay = "cosine"'),
        ('kind = "adam"', 'kind = "sgd"'),
    ]
    start = train(recipe_of(*changes, ("lr = 0.01", "lr = 1e-30")), photos, run=tmp_path / "0", quiet=True)
    moved = {}
    for clip in ("", "clip = 1e-3"):
        recipe = recipe_of(*changes, ("lr = 0.01", f"lr = 0.01\n{clip}"))
        result = train(recipe, photos, run=tmp_path / f"run{clip}", quiet=True)
        pairs = zip(result.operator.weights().values(), start.operator.weights().values(), strict=True)
        moved[clip] = float(np.sqrt(sum(((a - b) ** 2).sum() for a, b in pairs)))
    assert moved[""] > 1e-3
    assert 0 < moved["clip = 1e-3"] <= 0.52 * 40 * 0.01 * 1e-3  # the mean factor of the schedule is a half
    rows = csv.DictReader((tmp_path / "run" / "log.csv").open())
    rates = [float(r["lr"]) for r in rows if r["loss"]]
    assert rates == pytest.approx([0.005, 0.01, 0.005, 0.0], abs=1e-5)


def test_stops_early_and_keeps_the_best(photos, recipe_of, tmp_path) -> None:
    recipe = recipe_of(("every = 150", "every = 10\npatience = 2"), ("lr = 0.01", "lr = 0.01\n"),
                       ('kind = "adam"', 'kind = "sgd"'), ("lr = 0.01\n", "lr = 1e-12\n"))  # fmt: skip
    result = train(recipe, photos, run=tmp_path, threads=1, quiet=True)
    assert result.steps == 30  # nothing moves: best at 10, then two in vain
    assert result.step == 10
    again = train(recipe, photos, run=tmp_path, threads=1, quiet=True)
    assert (again.steps, again.operator == result.operator) == (30, True)


def test_starts_from_other_weights_as_far_as_they_fit(photos, recipe_of, tmp_path, capsys) -> None:
    short = ("steps = 150", "steps = 10")
    grey = train(recipe_of(short, LEAN), photos, tmp_path / "grey.onnx", run=tmp_path / "grey", threads=1, quiet=True)
    still = (short, ("lr = 0.01", "lr = 1e-30"), ("validation", "test"), ("[test]", "[validation]"))
    for start in (tmp_path / "grey", tmp_path / "grey.onnx"):
        recipe = recipe_of(*still, LEAN, ("widths", f'init = "{start}"\nwidths'))
        same = train(recipe, photos, run=tmp_path / "same", resume=False, threads=1)
        assert "init: 10 of 10 arrays taken from" in capsys.readouterr().err
        assert same.operator == grey.operator
    start = f'init = "{tmp_path / "grey"}"'
    to_colour = (("lean-grey", "lean-colour"), ("crop = 32", 'crop = 32\ncolour = "colour"'))
    recipe = recipe_of(*still, LEAN, ("widths", f"{start}\nwidths"), *to_colour)
    colour = train(recipe, photos, run=tmp_path / "colour", threads=1)
    assert "init: 8 of 10 arrays taken from" in (said := capsys.readouterr().err)
    assert "; fresh: 2.weight, " in said
    mine, theirs = colour.operator.weights(), grey.operator.weights()
    assert sum(np.array_equal(mine[name], theirs[name]) for name in mine) == 8
    with pytest.raises(RecipeError, match="no array of fitting name and shape"):
        train(recipe_of(("gain = 0.1", f'init = "{tmp_path / "grey"}"')), photos, run=tmp_path / "x", quiet=True)


def test_batch_normalisation_is_trained_and_folded_on_freezing(photos, recipe_of, tmp_path) -> None:
    net = (identity - chain(conv(1, 8), relu, conv(8, 8, bias=False), batch_norm(8), relu, conv(8, 1))).initialise(0)
    result = train(recipe_of(), photos, run=tmp_path, network=net, threads=1, quiet=True)
    (reached,) = result.figures.values()
    assert reached > 20.2 + 3
    assert len(list(thaw(result.path).leaves())) < len(list(result.operator.leaves()))
    x = np.random.default_rng(0).random((1, 1, 16, 16), np.float32)
    np.testing.assert_allclose(thaw(result.path)(x), result.operator(x), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("residual-3x16", "lean-grey"), ("crop = 32", "crop = 33")], "crop 33 does not fit the network"),
        ([("residual-3x16", "unet-labels")], "must keep the picture's size"),
        ([("crop = 32", 'crop = 32\ncolour = "colour"')], "takes 1 channel.*colour = 'colour'.*gives 3"),
        ([("gain = 0.1", "layers = 1")], "network 'residual-3x16' with {'layers': 1}"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(changes, message, photos, recipe_of, tmp_path) -> None:
    with pytest.raises(RecipeError, match=message):
        train(recipe_of(*changes), photos, run=tmp_path, quiet=True)


def test_missing_pictures_are_told(recipe_of, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("APLOMB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(ImageFileError, match="nowhere/train, which does not exist"):
        train(recipe_of(), run=tmp_path / "run", quiet=True)


@pytest.mark.device
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_trains_on_a_gpu_reproducibly(photos, recipe_of, tmp_path) -> None:
    recipe = recipe_of(LEAN, ("batch = 8", 'batch = 8\nprecision = "bf16"'))
    results = [train(recipe, photos, run=tmp_path / n, accelerator="cuda", quiet=True) for n in "ab"]
    assert results[0].operator == results[1].operator
    assert results[0].figures["sigma 25"] > 20.2 + 3
