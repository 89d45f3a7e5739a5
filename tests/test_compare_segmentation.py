"""Comparisons of segmentations on tiny pictures: figures, matching, learning, what goes wrong, and the forms."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aplomb import compare_segmentation
from aplomb.comparison import SegmentationComparison
from aplomb.comparison.bootstrap import mean_over
from aplomb.comparison.references import Truth
from aplomb.comparison.scoring import confusion, matched
from aplomb.errors import BadInput, OutputError
from aplomb.io import write
from aplomb.layers import conv, softmax
from aplomb.metrics import confusion_matrix, mean_iou, paired_difference, roc_area
from aplomb.model import Card, freeze
from aplomb.operator import chain

SIDE = 40


def discs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture of bright discs, and their numbers."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    objects = np.zeros((SIDE, SIDE), int)
    for number, (cy, cx) in enumerate([(9, 9), (28, 10), (12, 29), (30, 30)], 1):
        dy, dx = rng.uniform(-2, 2, 2)
        objects[(y - cy - dy) ** 2 + (x - cx - dx) ** 2 < 30] = number
    return np.clip(0.3 + 0.4 * (objects > 0) + rng.normal(0, 0.05, objects.shape), 0, 1), objects


PICTURES = {f"p{seed}": discs(seed)[0] for seed in range(3)}
OBJECTS = [discs(seed)[1] for seed in range(3)]
CLASSES = [(objects > 0).astype(int) for objects in OBJECTS]
LEARN = ([discs(7)[0]], [(discs(7)[1] > 0).astype(int)])


def threshold(image: np.ndarray) -> np.ndarray:
    return (image > 0.5).astype(int)


def swapped(image: np.ndarray) -> np.ndarray:
    return (image < 0.5).astype(int)


def fails(image: np.ndarray) -> np.ndarray:
    raise ZeroDivisionError("no way\n to do it")


def halves(image: np.ndarray) -> np.ndarray:
    return threshold(image)[::2]


class Ranking:
    """A method with probabilities, which needs nothing to learn from."""

    name = "ranking"

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return threshold(image)

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        return np.stack([1 - image, image], axis=-1)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """Bright above 1/2, its classes in the other order."""
    path = tmp_path_factory.mktemp("net") / "bright.onnx"
    weights = {"0.weight": np.array([[[[20.0]]], [[[-20.0]]]]), "0.bias": np.array([-10.0, 10.0])}
    card = Card(name="bright", task="segment", classes=("disc", "ground"), target="regions")
    freeze(chain(conv(1, 2, 1), softmax).with_weights(weights), path, card=card)
    return path


@pytest.fixture(scope="module")
def comparison() -> SegmentationComparison:
    methods = [threshold, swapped, "otsu", Ranking(), fails]
    return compare_segmentation(PICTURES, CLASSES, methods, classes=("ground", "disc"), command="aplomb compare ...")


# -- figures -------------------------------------------------------------------------------------------


def test_figures_are_those_of_the_metrics(comparison: SegmentationComparison) -> None:
    expected = [
        mean_iou(confusion_matrix(threshold(image), truth, 2))
        for image, truth in zip(PICTURES.values(), CLASSES, strict=True)
    ]
    row = comparison.row("threshold")
    assert row.values["mean_iou"].value == pytest.approx(np.mean(expected))
    assert row.values["mean_iou"].low <= np.mean(expected) <= row.values["mean_iou"].high
    areas = [roc_area(image, truth) for image, truth in zip(PICTURES.values(), CLASSES, strict=True)]
    assert comparison.row("ranking").values["roc_area"].value == pytest.approx(np.mean(areas))
    assert "roc_area" not in row.values
    assert comparison.confusions["threshold"].sum() == 3 * SIDE**2


def test_labels_without_meaning_are_matched_and_the_table_says_so(comparison: SegmentationComparison) -> None:
    rows = {row.method: row for row in comparison.rows}
    assert rows["swapped"].values["mean_iou"].value < 0.1, "numbers of a function's classes mean what they say"
    assert rows["otsu"].values["mean_iou"].value > 0.9
    assert rows["otsu"].detail == "matched"
    assert "take" in next(note for note in comparison.notes if note.startswith("matched"))
    inverted = {name: 1 - image for name, image in PICTURES.items()}
    dark = compare_segmentation(inverted, CLASSES, ["otsu"], classes=("ground", "disc"))
    assert dark.row("otsu").values["mean_iou"].value > 0.9, "whatever is bright"


@given(arrays(int, (4, 5), elements=st.integers(0, 3)), arrays(int, (4, 5), elements=st.integers(0, 2)),
       st.permutations(range(4)))  # fmt: skip
def test_matching_does_not_see_the_numbers(labels: np.ndarray, true: np.ndarray, order: list[int]) -> None:
    truth = Truth(true, np.ones(true.shape, bool))
    agreed = int((matched(labels, truth, 3) == true).sum())
    assert int((matched(np.array(order)[labels], truth, 3) == true).sum()) == agreed
    assert agreed >= int((labels == true).sum())


def test_pixels_outside_do_not_count() -> None:
    image, truth = discs(0)[0], CLASSES[0]
    ruined, mask = image.copy(), np.ones(truth.shape, bool)
    ruined[:8] = 1 - ruined[:8]
    mask[:8] = False
    inside = compare_segmentation({"p": ruined}, [truth], [threshold], masks=[mask])
    clean = compare_segmentation({"p": image[8:]}, [truth[8:]], [threshold])
    assert inside.rows[0].values == clean.rows[0].values
    ignored = np.where(mask, truth, 255)
    assert compare_segmentation({"p": ruined}, [ignored], [threshold]).rows[0].values == clean.rows[0].values


def test_labels_of_no_class_are_wrong() -> None:
    truth = Truth(np.array([[0, 0, 1, 1]]), np.ones((1, 4), bool))
    assert confusion(np.array([[0, 7, 1, 2]]), truth, 2).tolist() == [[1, 0, 1], [0, 1, 1]]


def test_objects() -> None:
    result = compare_segmentation(PICTURES, OBJECTS, ["otsu", "otsu-watershed", threshold], target="borders")
    rows = {row.method: row.values for row in result.rows}
    assert rows["otsu"]["ap_50"].value > 0.9, "regions that touch nothing are objects"
    assert rows["otsu-watershed"]["ap_50"].value > 0.9
    assert rows["threshold"]["count_error"].value == pytest.approx(3 / 4), "all discs as one object"
    assert result.columns[0].key == "ap_50"
    ring = np.where(OBJECTS[0] == 4, -1, OBJECTS[0])
    one = compare_segmentation({"p": PICTURES["p0"]}, [ring], ["otsu"], target="distances")
    assert one.rows[0].values["ap_50"].value > 0.9, "what does not count is not missed"


def test_membranes() -> None:
    classes = ("membrane", "cell")
    walls = np.ones((32, 32), int)
    walls[:, 15:17] = walls[15:17] = 0
    broken = walls.copy()
    broken[2:14, 15:17] = 1

    def exact(image: np.ndarray) -> np.ndarray:
        return walls

    def gap(image: np.ndarray) -> np.ndarray:
        return broken

    result = compare_segmentation({"p": walls / 2}, [walls], [exact, gap], classes=classes, membranes=True)
    rows = {row.method: row.values for row in result.rows}
    assert rows["exact"]["rand_error"].value == rows["exact"]["warping_error"].value == 0
    assert rows["gap"]["rand_error"].value > 0.05
    assert rows["gap"]["warping_error"].value > 0
    with pytest.raises(BadInput, match="name one membrane"):
        compare_segmentation({"p": walls / 2}, [walls], [exact], membranes=True)


# -- methods -------------------------------------------------------------------------------------------


def test_networks_are_told_apart_by_the_names_of_their_classes(network: Path) -> None:
    result = compare_segmentation(PICTURES, CLASSES, [network, threshold], classes=("ground", "disc"))
    by_name, by_hand = result.row("bright").values["mean_iou"], result.row("threshold").values["mean_iou"]
    assert by_name.value == pytest.approx(by_hand.value)
    assert result.row("bright").detail == "trained elsewhere"
    assert result.row("bright").values["roc_area"].value > 0.99
    assert any("must not have been trained" in note for note in result.notes)
    wrong = compare_segmentation(PICTURES, OBJECTS, [network, "otsu"], target="borders")
    assert "classes of pixels" in wrong.row("bright").problem


def test_learning_methods_learn_once_a_seed() -> None:
    pytest.importorskip("sklearn")
    met: list[int] = []

    class Learner:
        name = "learner"

        def fit(self, images: list[np.ndarray], labels: list[np.ndarray]):
            met.append(len(images))
            return threshold

    result = compare_segmentation(
        PICTURES, CLASSES, ["filter-forest", Learner(), "otsu"], train=LEARN, seeds=(0, 1)
    )  # fmt: skip
    seeds = {name: {s.seed for s in result.scores if s.method == name} for name in ("filter-forest", "otsu")}
    assert seeds == {"filter-forest": {0, 1}, "otsu": {0}}
    assert met == [1]
    assert result.row("learner").detail == "learned from 1"
    assert result.row("filter-forest").values["mean_iou"].value > 0.9
    with pytest.raises(BadInput, match="learns from labels"):
        compare_segmentation(PICTURES, CLASSES, ["filter-forest"])


def test_all_methods_if_none_is_named(monkeypatch, network: Path) -> None:
    import aplomb.model
    from aplomb.comparison import segmenters

    monkeypatch.setattr(aplomb.model, "WEIGHTS", network.parent)
    monkeypatch.setattr(segmenters, "USUAL", {"regions": ("otsu", "multi-otsu", "filter-forest"), "objects": ("otsu",)})
    found = compare_segmentation(PICTURES, CLASSES, classes=("ground", "disc"))
    assert {row.method for row in found.rows} == {"otsu", "bright"}, "multi-otsu with one threshold is otsu"
    assert {row.method for row in compare_segmentation(PICTURES, CLASSES).rows} == {"otsu"}, "of other classes"
    assert {row.method for row in compare_segmentation(PICTURES, OBJECTS, target="borders").rows} == {"otsu"}


def test_what_goes_wrong_stands_in_the_row(comparison: SegmentationComparison) -> None:
    assert comparison.row("fails").problem == "ZeroDivisionError: no way to do it"
    assert comparison.rows[-1].method == "fails"
    assert "ZeroDivisionError" in str(comparison)
    result = compare_segmentation(PICTURES, CLASSES, [halves, threshold, threshold])
    assert "(20, 40)" in result.row("halves").problem
    assert result.row("threshold (2)").values == result.row("threshold").values


@pytest.mark.filterwarnings("error")
def test_failing_on_some_pictures() -> None:
    def sometimes(image: np.ndarray) -> np.ndarray:
        if image[0, 0] == PICTURES["p1"][0, 0].astype(np.float32):
            raise ValueError("not this one")
        return threshold(image)

    found = compare_segmentation(PICTURES, CLASSES, [sometimes, swapped])
    assert "no result on 1 of 3 pictures (ValueError: not this one)" in found.row("sometimes").problem
    assert found.row("swapped").difference is None, "a mean over fewer pictures is no rival"
    assert found.row("sometimes").difference is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": CLASSES[:2]}, "3 pictures and 2 label maps"),
        ({"labels": [CLASSES[0][:5], *CLASSES[1:]]}, "p0: labels of shape"),
        ({"masks": [np.ones((2, 2), bool)] * 3}, "p0: mask of shape"),
        ({"masks": [np.zeros((SIDE, SIDE), bool)] * 3}, "no pixel counts"),
        ({"labels": [c.astype(float) for c in CLASSES]}, "whole numbers"),
        ({"classes": ("a", "b", "c")}, "the class 2 of 3 has no pixel"),
        ({"classes": ("a",)}, "name each class once"),
        ({"methods": ["otsy"]}, "otsy"),
        ({"methods": []}, "no method is left"),
        ({"target": "lines"}, "lines"),
        ({"seeds": ()}, "no seed"),
        ({"images": []}, "no picture"),
    ],
)
def test_bad_input_is_refused(arguments: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        compare_segmentation(**{"images": PICTURES, "labels": CLASSES, "methods": ["otsu"], **arguments})


# -- intervals -----------------------------------------------------------------------------------------


def test_the_bootstrap_is_that_of_the_pictures_if_there_is_one_seed() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(12), rng.random(12)
    ours, theirs = mean_over([first - second]), paired_difference(first, second)
    assert ours.value == pytest.approx(theirs.value)
    assert ours.low == pytest.approx(theirs.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.high, abs=0.02)


def test_seeds_widen_the_interval_and_gaps_are_left_out() -> None:
    values = np.array([[0.5, 0.6, 0.7, 0.6], [0.7, 0.8, 0.9, 0.8]])
    both, mean = mean_over(values), mean_over(values.mean(axis=0))
    assert both.high - both.low > mean.high - mean.low + 0.1
    assert mean_over([[0.5, math.nan, 0.7]]).value == pytest.approx(0.6)
    assert math.isnan(mean_over([[math.nan]]).value)


def test_the_difference_is_paired(comparison: SegmentationComparison) -> None:
    best = comparison.rows[-2]
    assert best.difference is None
    gap = comparison.row("swapped").difference
    assert gap is not None
    pairs = [
        {s.sample: s.values["mean_iou"] for s in comparison.scores if s.method == m} for m in ("swapped", best.method)
    ]
    assert gap.value == pytest.approx(np.mean([pairs[0][name] - pairs[1][name] for name in PICTURES]))
    assert gap.high < 0


# -- forms ---------------------------------------------------------------------------------------------


def test_csv(comparison: SegmentationComparison, tmp_path: Path) -> None:
    comparison.to_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 5 * 3 + 5 * 3
    mean = next(line for line in lines if (line["picture"], line["method"]) == ("mean", "otsu"))
    assert float(mean["mean_iou"]) == pytest.approx(comparison.row("otsu").values["mean_iou"].value, rel=1e-5)
    assert {line["mean_iou"] for line in lines if line["method"] == "fails"} == {""}


def test_figure_and_report(comparison: SegmentationComparison, tmp_path: Path) -> None:
    comparison.figure(tmp_path / "figure.png", "p1")
    assert (tmp_path / "figure.png").stat().st_size > 5_000
    comparison.report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    wanted = ("otsu", "ZeroDivisionError", "bootstrap", "aplomb compare ...", "numpy", "ground", "mean IoU")
    assert [words for words in wanted if words not in text] == []
    assert set(re.findall(r'(?:src|href)\s*=\s*["\']?(.....)', text)) == {"data:"}
    assert text.count("<img") == 3 * 5, "of every picture the reference and four methods"
    assert "<script" not in text
    with pytest.raises(BadInput, match="third"):
        comparison.figure(tmp_path / "other.png", "third")
    with pytest.raises(OutputError, match=r"\.txt"):
        comparison.figure(tmp_path / "other.txt")


def test_files_of_pictures_labels_and_masks(tmp_path: Path) -> None:
    for place in ("pictures", "labels", "masks"):
        (tmp_path / place).mkdir()
    for name, truth in zip("ab", CLASSES, strict=False):
        write(tmp_path / "pictures" / f"{name}.png", (100 + 100 * truth).astype(np.uint8))
        write(tmp_path / "labels" / f"{name}.png", truth.astype(np.uint8))
        write(tmp_path / "masks" / f"{name}.png", np.full(truth.shape, 255, np.uint8))
    found = compare_segmentation(tmp_path / "pictures", tmp_path / "labels", ["otsu"], masks=tmp_path / "masks")
    assert found.rows[0].values["mean_iou"].value == 1
    assert {score.sample for score in found.scores} == {"a.png", "b.png"}


def test_the_page_escapes_names(tmp_path: Path) -> None:
    threshold.__name__, name = "<m>", threshold.__name__
    try:
        result = compare_segmentation({"<p>": PICTURES["p0"]}, CLASSES[:1], [threshold], classes=("<n>", "<c>"))
    finally:
        threshold.__name__ = name
    result.report(tmp_path / "r.html")
    assert not re.findall(r"<[mnc]>", (tmp_path / "r.html").read_text(encoding="utf-8"))
