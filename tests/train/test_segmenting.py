"""Segmentation networks learn from a few annotated pictures, by every target."""

import numpy as np
import pytest
import torch

from aplomb.errors import BadInput, RecipeError
from aplomb.io import write
from aplomb.layers import conv, relu
from aplomb.model import load, thaw
from aplomb.operator import chain
from aplomb.train import parse_recipe, train
from aplomb.train.segmenting import SegmentFeed, Segmenting

RECIPE = """
task = "segment"
[network]
name = "lean-unet"
widths = [8, 16]
blocks = [1, 1]
[data]
train = ["pictures"]
labels = ["labels"]
validation_fraction = 0.25
crop = 32
[labels]
target = "regions"
classes = ["ground", "disc"]
[optimiser]
kind = "adam"
lr = 0.01
[schedule]
steps = 60
[validation]
every = 60
[run]
batch = 8
"""


def discs(seed: int, side: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture of bright discs on a slope, and the number of each disc."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    objects = np.zeros((side, side), np.uint16)
    for number, (cy, cx) in enumerate(((10, 10), (12, 34), (34, 12), (36, 36)), start=1):
        centre = (cy + rng.integers(-3, 4), cx + rng.integers(-3, 4))
        objects[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < rng.integers(5, 8) ** 2] = number
    picture = 60 + 60 * x / side + 60 * (objects > 0) + rng.normal(0, 12, (side, side))
    return np.clip(picture, 0, 255).astype(np.uint8), objects


@pytest.fixture
def folder(tmp_path):
    for kind in ("pictures", "classes", "labels", "masks"):
        (tmp_path / kind).mkdir()
    for seed in range(8):
        picture, objects = discs(seed)
        write(tmp_path / "pictures" / f"{seed}.png", picture)
        write(tmp_path / "labels" / f"{seed}.png", objects)
        write(tmp_path / "classes" / f"{seed}.png", (objects > 0).astype(np.uint8) * 200)
        view = np.full(picture.shape, 255, np.uint8)
        view[:8] = 0
        write(tmp_path / "masks" / f"{seed}.png", view)
    return tmp_path


def recipe(*changes: tuple[str, str]):
    text = RECIPE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return parse_recipe(text, "tiny.toml")


REGIONS = (('labels = ["labels"]', 'labels = ["classes"]'), ('"disc"]', '"disc"]\nvalues = [0, 200]'))


def test_classes_are_learnt_and_frozen_with_what_a_user_needs(folder, tmp_path):
    result = train(recipe(*REGIONS), folder, run=tmp_path / "run", threads=1, quiet=True)
    assert result.figures["disc"] > 0.7
    assert result.figures["mean"] == pytest.approx((result.figures["disc"] + result.figures["ground"]) / 2)
    card = load(result.path).card
    assert (card.task, card.target, card.classes, card.standardise) == ("segment", "regions", ("ground", "disc"), True)
    assert card.training["pictures"] == {"train": 6, "validation": 2, "test": 0}
    x = np.random.default_rng(0).random((1, 1, 16, 16), np.float32)
    probabilities = thaw(result.path)(x)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(probabilities, result.operator(x), atol=1e-4)
    assert "aplomb segment" in result.command


def test_without_validation_pictures_the_last_weights_count(folder, tmp_path):
    part = recipe(*REGIONS, ("validation_fraction = 0.25", "validation_fraction = 0.0"))
    result = train(part, folder, run=tmp_path / "run", threads=1, quiet=True)
    assert (result.step, result.figures) == (result.steps, {})
    assert load(result.path).card.training["pictures"] == {"train": 8, "validation": 0, "test": 0}


@pytest.mark.parametrize("target", ["borders", "distances"])
def test_objects_are_told_apart(target, folder, tmp_path):
    objects = recipe(('target = "regions"\nclasses = ["ground", "disc"]', f'target = "{target}"'))
    result = train(objects, folder, run=tmp_path / "run", threads=1, quiet=True)
    assert result.figures["IoU of objects"] > 0.6
    assert result.figures["AP at IoU 0.5"] > 0.4
    assert load(result.path).card.target == target


def test_a_run_that_was_stopped_goes_on_with_the_same_weights(folder, tmp_path):
    short = recipe(*REGIONS, ("steps = 60", "steps = 6"), ("every = 60", "every = 3"))
    whole = train(short, folder, run=tmp_path / "whole", threads=1, quiet=True)

    class Stopped(Exception):
        pass

    judge = Segmenting.judged

    def stop(self, logits):
        if stop.seen:
            raise Stopped
        stop.seen = True
        return judge(self, logits)

    stop.seen = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Segmenting, "judged", stop)
        with pytest.raises(Stopped):
            train(short, folder, run=tmp_path / "cut", threads=1, quiet=True)
    resumed = train(short, folder, run=tmp_path / "cut", threads=1, quiet=True)
    assert resumed.operator == whole.operator


def test_valid_convolutions_are_compared_with_the_middle(folder, tmp_path):
    net = chain(conv(1, 8, 5, padding="valid"), relu, conv(8, 2, 3, padding="valid"))
    result = train(recipe(*REGIONS), folder, run=tmp_path / "run", network=net, threads=1, quiet=True)
    assert result.figures["disc"] > 0.3


def test_pixels_outside_the_field_of_view_do_not_count(folder):
    task = Segmenting(recipe(*REGIONS, ("crop = 32", 'crop = 32\nmask = ["masks"]')), folder)
    for item in task.train:
        assert (item.labels[:8] == 255).all()
        assert set(np.unique(item.labels[8:])) == {0, 1}


def test_scribbles_are_enough(folder, tmp_path):
    rng = np.random.default_rng(0)
    for seed in range(8):
        _, objects = discs(seed)
        strokes = np.where(rng.random(objects.shape) < 0.05, (objects > 0) * 200, 7).astype(np.uint8)
        write(folder / "classes" / f"{seed}.png", strokes)
    result = train(
        recipe(*REGIONS, ("values = [0, 200]", "values = [0, 200]\nignore = 7")), folder, run=tmp_path / "run",
        threads=1, quiet=True,
    )  # fmt: skip
    assert result.figures["disc"] > 0.6


def test_rare_classes_are_looked_for(folder):
    for seed in range(8):
        classes = np.zeros((48, 48), np.uint8)
        classes[3:5, 40:42] = 200
        write(folder / "classes" / f"{seed}.png", classes)
    shares = {}
    for balance in (0.0, 0.99):
        one = recipe(*REGIONS, ("crop = 32", f"crop = 16\nbalance = {balance}"))
        feed = SegmentFeed(one, Segmenting(one, folder).train)
        pieces = [feed.chunk(step, 0).truth for step in range(20)]
        shares[balance] = float((torch.cat(pieces) == 1).any(dim=(1, 2, 3)).float().mean())
    assert shares[0.99] > 0.4 > 1.5 * shares[0.0]


def test_folds_hold_out_each_picture_once(folder):
    held = []
    for fold in range(4):
        one = recipe(*REGIONS, ("validation_fraction = 0.25", f"folds = 4\nfold = {fold}"))
        files = Segmenting(one, folder).files
        assert not set(files.train) & set(files.validation)
        held += files.validation
    assert len(held) == len(set(held)) == 8


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "classes" / "3.png").unlink(), "8 pictures in pictures but 7 label files in classes.*: 3"),
        (lambda f: write(f / "classes" / "3.png", np.zeros((9, 48), np.uint8)), "labels of 9 x 48 pixels for 3.png"),
        (lambda f: write(f / "classes" / "3.png", np.full((48, 48), 90, np.uint8)), "holds 90, where 2 classes are"),
        (lambda f: write(f / "pictures" / "3.tif", np.zeros((4, 48, 48), np.uint8)), "9 pictures"),
        (
            lambda f: [(f / "classes" / "7.png").unlink(), (f / "pictures" / "0.png").unlink()],
            "1.png would belong to 0.png",
        ),
        (lambda f: [p.unlink() for k in ("pictures", "classes") for p in (f / k).glob("[1-7].png")], "one annotated"),
    ],
)  # fmt: skip
def test_bad_annotations_end_in_one_line(spoil, message, folder):
    spoil(folder)
    with pytest.raises(BadInput, match=message) as found:
        Segmenting(recipe(*REGIONS), folder)
    assert "\n" not in str(found.value)


def test_a_mask_of_all_objects_is_not_taken_for_one_object(folder):
    objects = (('target = "regions"\nclasses = ["ground", "disc"]', 'target = "borders"'),)
    Segmenting(recipe(*objects), folder)
    masks = recipe(*objects, ('labels = ["labels"]', 'labels = ["classes"]'))
    with pytest.raises(RecipeError, match="hold 200 only, in 4 places: a mask") as found:
        Segmenting(masks, folder)
    assert "\n" not in str(found.value)
    alone = (discs(0)[1] == 1).astype(np.uint8) * 200
    for path in (folder / "classes").glob("*.png"):
        write(path, alone)
    Segmenting(masks, folder)


def test_a_class_without_a_pixel_is_told(folder):
    for path in (folder / "classes").glob("*.png"):
        write(path, np.zeros((48, 48), np.uint8))
    with pytest.raises(RecipeError, match="no pixel of class disc in the 6 pictures"):
        Segmenting(recipe(*REGIONS), folder)


def test_a_stack_is_no_picture(folder):
    (folder / "pictures" / "3.png").unlink()
    write(folder / "pictures" / "3.tif", np.zeros((4, 48, 48), np.uint8))
    with pytest.raises(BadInput, match="a stack of 4 pictures"):
        Segmenting(recipe(*REGIONS), folder)


def test_a_crop_that_does_not_fit_is_refused(folder, tmp_path):
    with pytest.raises(RecipeError, match="crop 30 does not fit the network"):
        train(recipe(*REGIONS, ("crop = 32", "crop = 30")), folder, run=tmp_path / "run", threads=1, quiet=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"ground", "disc"', '"disc"'), "needs classes, at least two"),
        (('target = "regions"', 'target = "borders"'), "has classes of its own"),
        (("crop = 32", 'crop = 32\nvalidation = ["a"]'), "validation and validation_labels belong together"),
        (('name = "lean-unet"', 'name = "unet-epfl"'), "no 'widths'"),
        (("[optimiser]", "[loss]\nclass_weights = [1.0]\n[optimiser]"), "class_weights has 1 numbers for 2 classes"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(change, message, folder, tmp_path):
    with pytest.raises(RecipeError, match=message):
        train(recipe(change), folder, run=tmp_path / "run", threads=1, quiet=True)


def test_probabilities_are_calibrated_on_the_validation_pictures(folder, tmp_path):
    """Labels wrong in a quarter of the pixels: nobody can be surer than three quarters."""
    rng = np.random.default_rng(0)
    for path in (folder / "classes").glob("*.png"):
        _, objects = discs(int(path.stem))
        wrong = rng.random(objects.shape) < 0.25
        write(path, (((objects > 0) ^ wrong) * 200).astype(np.uint8))
    task = Segmenting(one := recipe(*REGIONS), folder)
    sure = chain(conv(1, 2, 1)).with_weights({"0.weight": np.float32([[[[-9.0]]], [[[9.0]]]])})
    frozen = task.finished(sure, torch.device("cpu"))
    for item in Segmenting(one, folder).validation:
        p = frozen(item.picture[None])[0]
        right = float((p.argmax(0) == item.labels).mean())
        assert float(p.max(0).mean()) == pytest.approx(right, abs=0.08)
