"""Formulas: both readings of every word agree, text and formula are one, and nothing else is read."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data

from aplomb.classical.evolve import FREEZABLE, FUNCTIONS, EvolvedFeatures, parse
from aplomb.classical.evolve.formula import Formula, evaluator, to_operator
from aplomb.classical.evolve.functions import CONSTANTS, Feature, Image, Part
from aplomb.errors import BadInput, ShapeError
from aplomb.model import freeze, load
from aplomb.runtime.engines import open_engine

PICTURES = np.stack([data.camera()[i : i + 28, 200:224] for i in (40, 120, 260)]).astype(np.float32) / 255
SHAPE = (1, 1, 28, 24)


@cache
def formulas(kind, words=tuple(FUNCTIONS), depth=3):
    """Any formula of a kind."""
    fitting = [w for w in words if issubclass(FUNCTIONS[w].gives, kind)]
    image = [st.just(Formula("image"))] if issubclass(Image, kind) else []
    if not depth and image:
        return image[0]

    def arguments(word):
        parts = [
            st.sampled_from(CONSTANTS[k]) if k in CONSTANTS else st.deferred(lambda k=k: formulas(k, words, depth - 1))
            for k in FUNCTIONS[word].takes
        ]
        return st.tuples(*parts).map(lambda found: Formula(word, found))

    return st.one_of(*image, *map(arguments, fitting))


def example(word):
    """The shortest formula with a word in it."""
    function = FUNCTIONS[word]
    parts = tuple(Formula("image") if k in (Image, Part) else CONSTANTS[k][-1] for k in function.takes)
    if function.takes == (Image, Image):
        parts = (Formula("gaussian", (parts[0], 1)), Formula("sobel_x", parts[:1]))
    return Formula(word, parts)


@pytest.mark.parametrize("word", FREEZABLE)
def test_both_readings_of_a_word_agree_and_so_does_the_frozen_one(word, tmp_path):
    formula = example(word)
    image = to_operator(formula, SHAPE)(PICTURES[:, None]).squeeze()
    np.testing.assert_allclose(image, evaluator(PICTURES)(formula).squeeze(), atol=1e-5)
    evolved = EvolvedFeatures((str(formula if formula.gives is Feature else Formula("mean", (formula,))),), (28, 24))
    freeze(evolved.to_operator(), tmp_path / "f.onnx", shape=SHAPE)
    frozen = open_engine(load(tmp_path / "f.onnx"), "onnxruntime", threads=1)(PICTURES[:, None])
    np.testing.assert_allclose(frozen, evolved(PICTURES), atol=1e-5)


@settings(max_examples=40)
@given(formulas(Feature, FREEZABLE))
def test_any_formula_of_freezable_words_is_an_operator(formula):
    found, expected = to_operator(formula, SHAPE)(PICTURES[:, None]).ravel(), evaluator(PICTURES)(formula)
    # a pixel on a threshold may fall on either side
    assert np.allclose(found, expected, atol=1e-4) or "threshold" in str(formula)


@settings(max_examples=60)
@given(formulas(Feature))
def test_text_and_formula_are_one(formula):
    assert parse(str(formula)) == formula
    assert formula.size == len(str(formula).replace("(", " ").replace(")", " ").replace(",", " ").split())


def test_brackets_stand_only_where_needed():
    for text in (
        "mean((image - image) * image)",
        "mean(image - (image - image))",
        "mean(image - image + image * image)",
    ):
        assert str(parse(text)) == text
    assert str(parse("mean((image * image) + image)")) == "mean(image * image + image)"


def test_shorter_formulas_leave_one_word_out():
    found = {str(f) for f in parse("mean(top(abs(image - gaussian(image, 2))))").shorter()}
    assert found == {
        "mean(abs(image - gaussian(image, 2)))", "mean(top(image - gaussian(image, 2)))", "mean(top(abs(image)))",
        "mean(top(abs(gaussian(image, 2))))", "mean(top(abs(image - image)))",
    }  # fmt: skip


@given(formulas(Feature))
def test_shorter_formulas_are_formulas(formula):
    for less in formula.shorter():
        assert parse(str(less)) == less
        assert less.size < formula.size


def test_words_compute_what_they_say():
    x = PICTURES.astype(np.float64)
    value = evaluator(x)
    for text, expected in {
        "mean(gaussian(image, 2))": ndimage.gaussian_filter(x, (0, 2, 2), mode="nearest", truncate=3).mean((1, 2)),
        "max(local_std(image, 3))": ndimage.generic_filter(x, np.std, (1, 3, 3), mode="nearest").max((1, 2)),
        "std(median(image, 5))": ndimage.median_filter(x, (1, 5, 5), mode="nearest").std((1, 2)),
        "mean(top(left(image)))": x[:, :14, :12].mean((1, 2)),
        "mean(centre(image))": x[:, 7:21, 6:18].mean((1, 2)),
        "mean(bottom(right(image)))": x[:, 14:, 12:].mean((1, 2)),
        "percentile(image, 90)": np.percentile(x, 90, (1, 2)),
        "mean(threshold(image, 0.5))": (x >= 0.5).mean((1, 2)),
        "mean(image * image)": (x * x).mean((1, 2)),
    }.items():
        np.testing.assert_allclose(value(parse(text)), expected, atol=1e-6, err_msg=text)
    ramp = np.tile(np.arange(10.0), (1, 10, 1))
    assert evaluator(ramp)(parse("max(sobel_x(image))")) == pytest.approx(1)
    assert evaluator(ramp)(parse("max(abs(sobel_y(image)))")) == pytest.approx(0)
    assert evaluator(np.linspace(0, 0.999, 16 * 16).reshape(1, 16, 16))(parse("entropy(image)")) == pytest.approx(4)


@pytest.mark.parametrize("shape", [(4, 4), (5, 7)])
def test_parts_of_small_pictures_are_never_empty(shape):
    text = "mean(centre(top(bottom(left(right(centre(top(image))))))))"
    evolved = EvolvedFeatures((text,), shape)
    x = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    np.testing.assert_allclose(evolved.to_operator()(x[:, None]), evolved(x), atol=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("mean(", "cannot be read"),
        ("(" * 500, "cannot be read"),
        ("image", "put a reduction around it"),
        ("3", "put a reduction around it"),
        ("mean(photo)", "'photo' is not known"),
        ("mean(blur(image))", "'blur' is not known"),
        ("mean(image.real)", "not known"),
        ("__import__('os').system('true')", "not known"),
        ("mean(image, image)", "mean takes Part, found Image, Image"),
        ("mean(mean(image))", "takes Part, found Feature"),
        ("max(abs(top(image)))", "abs takes Image, found Part"),
        ("mean(median(image, 4))", "a Size is odd"),
        ("mean(gaussian(image, 0))", "Sigma 0.3 to 20"),
        ("percentile(image, 101)", "Percent 0 to 100"),
        ("mean(image ** image)", "not known"),
        ("mean(gaussian(image, True))", "not known"),
    ],
)
def test_what_is_no_formula_is_refused_in_one_line(text, words):
    with pytest.raises(BadInput, match=words):
        parse(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("mean(median(image, 3))", "median"),
        ("mean(image * image)", "a product of pictures"),
        ("percentile(image, 50)", "percentile"),
        ("entropy(top(image))", "entropy"),
    ],
)
def test_a_word_without_operator_is_named(text, word):
    with pytest.raises(BadInput, match=f"{word} has no form in the algebra"):
        EvolvedFeatures((text,), (8, 8)).to_operator()


def test_features_refuse_other_pictures():
    evolved = EvolvedFeatures(("mean(image)",), (8, 8))
    with pytest.raises(ShapeError, match=r"for pictures of \(8, 8\), found \(9, 8\)"):
        evolved(np.zeros((2, 9, 8)))
    with pytest.raises(BadInput, match="no formula"):
        EvolvedFeatures((), (8, 8))
    with pytest.raises(BadInput, match="not known"):
        EvolvedFeatures(("mean(x)",), (8, 8))
