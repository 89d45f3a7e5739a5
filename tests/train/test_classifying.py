"""Classifiers learn from folders and from arrays, and say how sure they are."""

import numpy as np
import pytest

from aplomb.errors import BadInput, RecipeError
from aplomb.io import write
from aplomb.layers import conv, dense, flatten, max_pool, relu
from aplomb.model import load, thaw
from aplomb.operator import chain, stack
from aplomb.train import parse_recipe, train
from aplomb.train.classifying import Classifying

RECIPE = """
task = "classify"
[network]
name = "residual-32"
[data]
train = ["data"]
validation_fraction = 0.25
size = 16
[optimiser]
kind = "adam"
lr = 0.01
[schedule]
steps = 40
[validation]
every = 40
[run]
batch = 16
"""


def recipe(*changes: tuple[str, str]):
    text = RECIPE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return parse_recipe(text, "tiny.toml")


def stripes(rng: np.random.Generator, kind: int, side: int = 16) -> np.ndarray:
    """Stripes that lie (0), stand (1), or lean (2), with noise, uint8."""
    y, x = np.mgrid[:side, :side]
    wave = np.sin((y, x, x + y)[kind] * 1.3 + rng.uniform(0, 6))
    return np.clip(128 + 60 * wave + rng.normal(0, 25, (side, side)), 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for kind, name in enumerate(("lying", "standing", "leaning")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(16):
            write(tmp_path / "data" / name / f"{number:02}.png", stripes(rng, kind))
    return tmp_path


@pytest.fixture
def arrays(tmp_path):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 90)
    np.savez(tmp_path / "data.npz", images=np.stack([stripes(rng, k) for k in labels]), labels=labels)
    return tmp_path


def small(heads: int = 1):
    body = chain(conv(1, 8), relu, max_pool(2), conv(8, 8), relu, max_pool(2), flatten)
    ends = [dense(128, 3, seed=n) for n in range(heads)]
    return chain(body, stack(*ends) if heads > 1 else ends[0])


def test_classes_are_folders(folder, tmp_path):
    result = train(recipe(), folder, run=tmp_path / "run", network=small(), threads=1, quiet=True)
    assert result.figures["accuracy"] > 0.8
    card = load(result.path).card
    assert (card.task, card.size, card.classes) == ("classify", (16, 16), ("leaning", "lying", "standing"))
    assert card.training["pictures"] == {"train": 36, "validation": 12, "test": 0}
    p = thaw(result.path)(np.random.default_rng(0).random((2, 1, 16, 16), np.float32))
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)
    assert "aplomb classify" in result.command


def test_classes_are_numbers_in_a_file(arrays, tmp_path):
    from_file = recipe(('train = ["data"]', 'train = ["data.npz"]\nrows = [0, 60]'), ("size = 16", "size = 12"))
    net = chain(conv(1, 8), relu, max_pool(3), flatten, dense(128, 3))
    result = train(from_file, arrays, run=tmp_path / "run", network=net, threads=1, quiet=True)
    assert result.figures["accuracy"] > 0.6
    files = Classifying(from_file, arrays).files
    numbers = sorted(int(str(f).split("#")[1]) for f in (*files.train, *files.validation))
    assert numbers == list(range(60)), "rows beyond are seen by nobody"


def test_each_class_is_split_alike(folder):
    task = Classifying(recipe(("size = 16", "size = 16\ntest_fraction = 0.25")), folder)
    assert [np.bincount(side.classes).tolist() for side in (task.train, task.validation)] == [[8] * 3, [4] * 3]
    assert len(task.files.test) == 12
    assert not set(task.files.train) & (set(task.files.validation) | set(task.files.test))


def test_auxiliary_classifiers_help_in_training_and_are_gone_afterwards(folder, tmp_path):
    result = train(recipe(), folder, run=tmp_path / "run", network=small(2), threads=1, quiet=True)
    assert result.operator.output_shape((1, 1, 16, 16)) == (1, 3)
    assert result.figures["accuracy"] > 0.7


def test_probabilities_are_calibrated_on_the_validation_pictures(folder, tmp_path):
    """Labels that are wrong half of the time: the network must not be sure."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 400)
    pictures = np.stack([stripes(rng, k) for k in labels])
    wrong = np.where(rng.random(400) < 0.3, 1 - labels, labels)
    np.savez(tmp_path / "noisy.npz", images=pictures, labels=wrong)
    one = recipe(('train = ["data"]', 'train = ["noisy.npz"]'), ("0.25", "0.5"), ("steps = 40", "steps = 150"))
    net = chain(conv(1, 8), relu, max_pool(2), flatten, dense(512, 2))
    result = train(one, tmp_path, run=tmp_path / "run", network=net, threads=1, quiet=True)
    held = Classifying(one, tmp_path).validation
    p = result.operator(held.pictures.astype(np.float32) / 255)
    right = float((p.argmax(1) == held.classes).mean())
    assert float(p.max(1).mean()) == pytest.approx(right, abs=0.06)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: [p.unlink() for p in (f / "data" / "lying").glob("*")], "lying.*holds no picture"),
        (lambda f: [p.rename(f / p.name) for p in (f / "data").glob("*/")], "found 0 folder"),
        (lambda f: [p.unlink() for p in (f / "data" / "lying").glob("[01][1-9].png")], None),
        (lambda f: write(f / "data" / "lying" / "x.tif", np.zeros((3, 16, 16), np.uint8)), "holds stacks"),
    ],
)
def test_bad_folders_end_in_one_line(spoil, message, folder):
    spoil(folder)
    if message is None:
        assert Classifying(recipe(), folder).classes == ("leaning", "lying", "standing")
        return
    with pytest.raises(BadInput, match=message):
        Classifying(recipe(), folder)


def test_a_class_missing_from_the_training_split_is_told(folder):
    for path in sorted((folder / "data" / "lying").glob("*"))[1:]:
        path.unlink()
    with pytest.raises(RecipeError, match=r"none of the .* pictures to train on is of class lying"):
        Classifying(recipe(), folder)


@pytest.mark.parametrize(
    ("arrays_of", "message"),
    [
        ({"images": np.zeros((4, 8, 8), np.uint8)}, "asked for an .npz file with arrays images and labels"),
        ({"images": np.zeros((4, 8, 8), np.uint8), "labels": np.zeros(3, int)}, r"\(4, 8, 8, 1\) and labels \(3,\)"),
        ({"images": np.zeros((4, 8, 8, 3), np.uint8), "labels": np.arange(4) % 2}, "pictures of 3 channel"),
    ],
)  # fmt: skip
def test_bad_arrays_end_in_one_line(arrays_of, message, tmp_path):
    np.savez(tmp_path / "data.npz", **arrays_of)
    with pytest.raises(BadInput, match=message):
        Classifying(recipe(('train = ["data"]', 'train = ["data.npz"]')), tmp_path)


def test_a_network_for_other_classes_is_refused(folder, tmp_path):
    net = chain(flatten, dense(256, 4))
    with pytest.raises(RecipeError, match=r"gives \(2, 4\).*\(2, 3\) is wanted"):
        train(recipe(), folder, run=tmp_path / "run", network=net, threads=1, quiet=True)
