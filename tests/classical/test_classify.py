"""Classifiers: they learn digits, keep their interface, and refuse what they cannot learn from."""

import sys
from functools import partial

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_digits

from aplomb.classical.classify import CLASSIFIERS, Classifier
from aplomb.classical.evolve import FREEZABLE, EvolvedFeatures, evolve
from aplomb.errors import BadInput, ShapeError
from aplomb.model import Card, freeze, load
from aplomb.runtime.engines import open_engine

DIGITS = load_digits()
IMAGES, LABELS = DIGITS.images / 16, DIGITS.target
TRAIN, TEST = slice(0, 200), slice(200, 300)
SMALL = partial(evolve, features=2, population=10, generations=1)
PLAIN = [name for name in CLASSIFIERS if name != "evolved"]


def maker(name, **more):
    return CLASSIFIERS[name](**{"features": SMALL} | more if name == "evolved" else more)


@pytest.mark.parametrize(
    ("name", "features", "least"), [(name, *more) for name in PLAIN for more in (("pixels", 0.75), ("hog", 0.6))]
)
def test_every_method_learns_digits(name, features, least):
    fitted = CLASSIFIERS[name](features=features).fit(IMAGES[TRAIN], LABELS[TRAIN])
    assert (fitted(IMAGES[TEST]) == LABELS[TEST]).mean() > least


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_are_of_the_classes_as_they_were_named(name):
    rows = np.flatnonzero(LABELS < 3)[:90]
    words = np.array(["zero", "one", "two"])[LABELS[rows]]
    method = maker(name) if name == "evolved" else maker(name, features="pixels")
    fitted = method.fit(IMAGES[rows], words, classes=["zero", "one", "two"])
    p = fitted.probabilities(IMAGES[rows])
    assert p.shape == (90, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (p.argmax(axis=1) == LABELS[rows]).mean() > 0.6
    assert (fitted(IMAGES[rows]) == words).mean() == (p.argmax(axis=1) == LABELS[rows]).mean()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_two_pictures_a_class_are_enough_and_the_seed_decides(name):
    rows = [0, 10, 1, 11]
    p = [maker(name).fit(IMAGES[rows], LABELS[rows]).probabilities(IMAGES[20:30]) for _ in range(2)]
    np.testing.assert_array_equal(p[0], p[1])


def test_colour_counts_where_features_see_it():
    rng = np.random.default_rng(0)
    images, labels = rng.uniform(0.4, 0.5, (20, 8, 8, 3)), np.arange(20) % 2
    images[labels == 1, ..., 0] += 0.3
    images[labels == 1, ..., 2] += 0.3
    images[labels == 1, ..., 1] -= 0.3 * (0.2126 + 0.0722) / 0.7152  # of the same luma
    for features in ("intensity", "pixels"):
        fitted = CLASSIFIERS["lda"](features=features).fit(images[:10], labels[:10])
        assert (fitted(images[10:]) == labels[10:]).all()


@pytest.mark.parametrize("name", ["lda", "logistic"])
@pytest.mark.parametrize("classes", [2, 5])
def test_linear_classifiers_on_evolved_features_freeze_whole(name, classes, tmp_path):
    rows = np.flatnonzero(LABELS < classes)[:100]
    found = EvolvedFeatures(("mean(centre(image))", "std(top(abs(sobel_x(image))))", "max(left(image))"), (8, 8))
    for features, images in ((lambda x, y: found, IMAGES), ("pixels", IMAGES)):
        fitted = Classifier(name, features).fit(images[rows], LABELS[rows])
        card = Card(name="digits", task="classify")
        freeze(fitted.to_operator(), tmp_path / "digits.onnx", card=card, shape=(1, 1, 8, 8))
        run = open_engine(load(tmp_path / "digits.onnx"), "onnxruntime", threads=1)
        probabilities = fitted.probabilities(images[rows])
        np.testing.assert_allclose(run(images[rows, None].astype(np.float32)), probabilities, atol=1e-4)


def test_pixels_of_colour_pictures_freeze_in_the_order_of_the_network():
    rng = np.random.default_rng(0)
    images, labels = rng.random((12, 4, 5, 3)), np.arange(12) % 3
    fitted = Classifier("logistic", "pixels").fit(images, labels)
    found = fitted.to_operator()(images.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(found, fitted.probabilities(images), atol=1e-5)


def test_evolved_with_freezable_words_is_an_operator_and_others_say_why_not():
    fitted = CLASSIFIERS["evolved"](features=partial(SMALL, functions=FREEZABLE)).fit(IMAGES[TRAIN], LABELS[TRAIN])
    found = fitted.to_operator()(IMAGES[TEST, None])
    np.testing.assert_allclose(found, fitted.probabilities(IMAGES[TEST]), atol=1e-4)
    with pytest.raises(BadInput, match="svm on these features has no operator"):
        Classifier("svm", "pixels").fit(IMAGES[TRAIN], LABELS[TRAIN]).to_operator()
    with pytest.raises(BadInput, match="use lda or logistic"):
        Classifier("lda", "shape").fit(IMAGES[TRAIN], LABELS[TRAIN]).to_operator()


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (IMAGES[:4], [0, 0, 1], "4 pictures and 3 labels"),
        (IMAGES[:1], [0], "one picture only"),
        (IMAGES[:3], [0, 0, 1], "class 1 has one picture only"),
        (IMAGES[:4], [0, 0, 0, 0], "one class only"),
        ([IMAGES[0], IMAGES[0, 1:]], [0, 1], "different shapes"),
        (np.where(np.arange(64).reshape(8, 8) == 5, np.nan, IMAGES[:4]), [0, 0, 1, 1], "4 of 4 pictures hold NaN"),
        (DIGITS.images[:4], [0, 0, 1, 1], "scale them to 0..1"),
        (IMAGES[0], [0], "one picture is x"),
    ],
)
def test_bad_training_data_are_refused_in_one_line(images, labels, words):
    with pytest.raises((BadInput, ShapeError), match=words):
        Classifier("lda").fit(images, labels)


def test_a_class_missing_from_the_training_split_is_named():
    with pytest.raises(BadInput, match="class 2 has no picture in the training split"):
        Classifier("k-nn", "pixels").fit(IMAGES[:4], [0, 0, 1, 1], classes=range(3))


def test_other_pictures_than_those_of_training_are_refused():
    fitted = Classifier("k-nn", "pixels").fit(IMAGES[TRAIN], LABELS[TRAIN])
    with pytest.raises(ShapeError, match=r"fitted to pictures of 8 x 8 pixels and 1 channel.*found 9 x 8"):
        fitted(np.zeros((2, 9, 8)))
    with pytest.raises(ShapeError, match="3 channel"):
        fitted(np.zeros((2, 8, 8, 3)))
    with pytest.raises(BadInput, match="NaN"):
        fitted(np.full((2, 8, 8), np.nan))


def test_unknown_names_are_refused_when_the_method_is_made():
    with pytest.raises(BadInput, match="'tree', known are k-nn"):
        Classifier("tree")
    with pytest.raises(BadInput, match="'sift', known are pixels, intensity"):
        Classifier("lda", ["sift"])


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    for module in ("sklearn", "sklearn.pipeline", "sklearn.preprocessing"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadInput, match=r"pip install 'aplomb\[learn\]'"):
        Classifier("lda").fit(IMAGES[TRAIN], LABELS[TRAIN])
