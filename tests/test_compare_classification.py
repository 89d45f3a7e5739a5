"""Comparisons of classifications on tiny pictures: splits, figures, tests, what goes wrong, and the forms."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import numpy as np
import pytest

from aplomb import compare_classification
from aplomb.comparison import ClassificationComparison
from aplomb.errors import BadInput, OutputError
from aplomb.io import write
from aplomb.layers import dense, flatten, softmax
from aplomb.metrics import mcnemar
from aplomb.model import Card, freeze
from aplomb.operator import chain

RNG = np.random.default_rng(0)
LABELS = np.arange(40) % 2
IMAGES = np.clip(RNG.normal(0.35 + 0.3 * LABELS[:, None, None], 0.05, (40, 8, 8)), 0, 1)
IMAGES[:4] = IMAGES[:4][::-1]  # four that nobody gets right


def bright(images: np.ndarray) -> np.ndarray:
    return (images.mean(axis=(1, 2)) > 0.5).astype(int)


def never(images: np.ndarray) -> np.ndarray:
    return np.zeros(len(images), int)


def pictures(images: np.ndarray) -> np.ndarray:
    return images


def fails(images: np.ndarray) -> np.ndarray:
    raise ZeroDivisionError("no way\n to do it")


class Nearest:
    """The class of the nearest mean brightness, with probabilities that say how near; it keeps what it met."""

    name = "nearest"

    def __init__(self) -> None:
        self.met: list[tuple[int, float]] = []

    def fit(self, images: np.ndarray, labels: np.ndarray) -> Nearest:
        self.met.append((len(images), float(images.sum())))
        self.means = np.array([images[labels == k].mean() for k in range(2)])
        return self

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        near = np.exp(-50 * np.abs(images.mean(axis=(1, 2))[:, None] - self.means))
        return near / near.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """Bright above 1/2, its classes in the other order."""
    path = tmp_path_factory.mktemp("net") / "bright.onnx"
    weights = {"1.weight": np.full((2, 64), 0.5) * [[1], [-1]], "1.bias": np.array([-16.0, 16.0])}
    card = Card(name="bright network", task="classify", classes=("light", "dark"), size=(8, 8))
    freeze(chain(flatten, dense(64, 2), softmax).with_weights(weights), path, card=card, shape=(1, 1, 8, 8))
    return path


@pytest.fixture(scope="module")
def comparison(network: Path) -> ClassificationComparison:
    methods = [bright, never, Nearest(), str(network), fails, pictures]
    return compare_classification(IMAGES, LABELS, methods, classes=("dark", "light"), command="aplomb compare ...")


# -- the protocol --------------------------------------------------------------------------------------


def test_splits_are_drawn_by_class_and_seed_and_never_overlap() -> None:
    nearest, asked = Nearest(), []

    def spy(images: np.ndarray) -> np.ndarray:
        asked.append((len(images), float(images.sum())))
        return bright(images)

    compare_classification(IMAGES, LABELS, [nearest, spy], test_fraction=0.25, seeds=(0, 1, 2))
    assert [count for count, _ in nearest.met] == [30, 30, 30]
    assert [count for count, _ in asked] == [10, 10, 10]
    assert len({total for _, total in asked}) == 3, "another seed, another split"
    for (_, known), (_, held) in zip(nearest.met, asked, strict=True):
        assert known + held == pytest.approx(float(IMAGES.sum()), rel=1e-5)


def test_a_test_that_is_given_is_the_only_one_asked_about() -> None:
    nearest = Nearest()
    test = (IMAGES[30:], LABELS[30:])
    found = compare_classification(IMAGES[:30], LABELS[:30], [nearest, bright], test=test, seeds=(0, 1))
    assert [count for count, _ in nearest.met] == [30, 30]
    accuracy = found.row("bright").values["accuracy"]
    assert accuracy.value == np.mean(bright(IMAGES[30:]) == LABELS[30:])
    assert 0.5 < accuracy.low < accuracy.value, "Wilson's interval where seeds make no difference"


def test_figures(comparison: ClassificationComparison) -> None:
    rows = {row.method: row for row in comparison.rows}
    assert rows["never"].values["accuracy"].value == rows["never"].values["balanced_accuracy"].value == 0.5
    assert "cross_entropy" not in rows["never"].values
    assert rows["nearest"].values["accuracy"].value > 0.8
    assert rows["nearest"].values["cross_entropy"].value > 0
    assert rows["nearest"].values["learning_seconds"].value > 0
    assert rows["never"].p < 0.1
    assert rows["never"].difference is not None
    assert rows["never"].difference.value < -0.2
    assert comparison.confusions["never"].tolist() == [[15, 0], [15, 0]], "over three splits"
    assert comparison.curves["nearest"].pictures.sum() == 30
    assert all(row.values["accuracy"].high <= 1 for row in comparison.rows if row.samples)


def test_mcnemar_is_that_of_the_first_split() -> None:
    test = (IMAGES[20:], LABELS[20:])
    found = compare_classification(IMAGES[:20], LABELS[:20], [bright, never], test=test, seeds=(0,))
    truth = LABELS[20:]
    expected = mcnemar(never(IMAGES[20:]) == truth, bright(IMAGES[20:]) == truth)
    assert found.row("never").p == pytest.approx(expected.p)
    assert math.isnan(found.row("bright").p)


def test_balance_leaves_out_classes_that_are_not_asked_about() -> None:
    test = (IMAGES[LABELS == 1], np.ones(20, int))
    found = compare_classification(IMAGES, LABELS, [bright], test=test, seeds=(0,)).rows[0].values
    assert found["balanced_accuracy"].value == found["accuracy"].value


def test_networks_are_told_apart_by_the_names_of_their_classes(comparison: ClassificationComparison) -> None:
    rows = {row.method: row for row in comparison.rows}
    assert rows["bright network"].values["accuracy"].value == rows["bright"].values["accuracy"].value
    assert rows["bright network"].detail == "trained elsewhere"
    assert any("must not have been trained" in note for note in comparison.notes)


def test_classical_methods_by_name(monkeypatch, network: Path) -> None:
    pytest.importorskip("sklearn")
    import aplomb.model
    from aplomb.classical import classify

    assert "evolved" in classify.CLASSIFIERS, "which is left out below because it takes minutes"
    few = {name: classify.CLASSIFIERS[name] for name in ("naive-bayes", "evolved")}
    monkeypatch.setattr(classify, "CLASSIFIERS", few)
    monkeypatch.setattr(aplomb.model, "WEIGHTS", network.parent)
    words = np.where(LABELS, "light", "dark")
    found = compare_classification(list(IMAGES), words, seeds=(0,))
    assert {row.method for row in found.rows} == {"naive-bayes", "bright network"}
    assert found.classes == ("dark", "light")
    assert found.row("naive-bayes").kind == "classical"
    assert found.row("naive-bayes").values["accuracy"].value >= 0.8


def test_what_goes_wrong_stands_in_the_row(comparison: ClassificationComparison) -> None:
    assert comparison.row("fails").problem == "ZeroDivisionError: no way to do it"
    assert "(10, 8, 8)" in comparison.row("pictures").problem
    assert {row.method for row in comparison.rows[-2:]} == {"fails", "pictures"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": LABELS[:5]}, "40 pictures"),
        ({"labels": LABELS / 2}, "float64"),
        ({"labels": LABELS - 1}, "begin at 0"),
        ({"labels": np.zeros(40, int)}, "one class only"),
        ({"labels": 2 * LABELS}, "class 1 has no picture"),
        ({"labels": np.where(LABELS, "b", "a"), "classes": ("a", "c")}, "none of the classes a, c"),
        ({"labels": (np.arange(40) > 1).astype(int)}, "class 0 has 2 pictures"),
        ({"images": [*IMAGES[:39], np.zeros((9, 8))]}, "one size"),
        ({"test": (np.zeros((2, 9, 9)), [0, 1])}, "one size"),
        ({"test_fraction": 1.0}, "hold out 1"),
        ({"seeds": ()}, "no seed"),
        ({"methods": ["nearest neighbour"]}, "nearest neighbour"),
        ({"methods": []}, "no method is left"),
    ],
)
def test_bad_input_is_refused(arguments: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        compare_classification(**{"images": IMAGES, "labels": LABELS, "methods": [bright], **arguments})


# -- forms ---------------------------------------------------------------------------------------------


def test_forms(comparison: ClassificationComparison, tmp_path: Path) -> None:
    comparison.to_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {line["split"] for line in lines} == {"seed 0", "seed 1", "seed 2", "mean", "95 % low", "95 % high"}
    comparison.figure(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5_000
    comparison.report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    wanted = ("never", "ZeroDivisionError", "McNemar", "aplomb compare ...", "numpy", "<svg", "--s:", "light")
    assert [words for words in wanted if words not in text] == []
    assert re.findall(r"(?:src|href)\s*=", text) == []
    assert "accuracy (95 %)" in str(comparison)
    with pytest.raises(OutputError, match=r"\.txt"):
        comparison.figure(tmp_path / "figure.txt")


def test_pictures_in_files(tmp_path: Path) -> None:
    for number, image in enumerate(IMAGES):
        write(tmp_path / f"{number:02}.png", np.rint(255 * image).astype(np.uint8))
    found = compare_classification(tmp_path, LABELS, [bright], seeds=(0,))
    expected = compare_classification(IMAGES, LABELS, [bright], seeds=(0,))
    assert found.rows[0].values == expected.rows[0].values
