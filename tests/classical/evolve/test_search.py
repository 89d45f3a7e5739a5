"""Evolution: it finds what tells classes apart, from the seed alone, within its limits."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("deap")
pytest.importorskip("sklearn")

from aplomb.classical.evolve import FREEZABLE, FUNCTIONS, evolve, parse
from aplomb.classical.evolve.formula import evaluator
from aplomb.classical.evolve.search import LARGEST, _judge, discriminant, search
from aplomb.errors import BadInput, ShapeError

SRC = str(Path(__file__).parents[3] / "src")


def stripes(count, seed):
    """Two classes of equal mean and variance: stripes across and along, of any phase, in noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:12, :12]
    labels = rng.integers(0, 2, count)
    phase = rng.uniform(0, 2 * np.pi, count)
    wave = np.where(labels[:, None, None], x, y) * 1.5 + phase[:, None, None]
    return 0.5 + 0.2 * np.sin(wave) + rng.normal(0, 0.1, (count, 12, 12)), labels


IMAGES, LABELS = stripes(60, 0)
SMALL = {"features": 2, "population": 12, "generations": 4}


def test_evolution_tells_apart_what_intensity_does_not():
    found = evolve(IMAGES, LABELS, features=1, population=30, generations=6)
    new, truth = stripes(200, 1)
    feature = found(new)[:, 0]
    middle = (found(IMAGES)[LABELS == 0].mean() + found(IMAGES)[LABELS == 1].mean()) / 2
    right = ((feature > middle) == truth).mean()
    assert max(right, 1 - right) > 0.95
    intensity = new.std(axis=(1, 2))
    assert abs(intensity[truth == 0].mean() - intensity[truth == 1].mean()) < 0.1 * intensity.std()


def test_the_result_depends_on_the_seed_and_not_on_the_workers():
    one, four = (evolve(IMAGES, LABELS, **SMALL, seed=3, workers=w) for w in (1, 4))
    assert one == four
    assert one.formulas != evolve(IMAGES, LABELS, **SMALL, seed=4).formulas


def test_the_seed_means_the_same_in_another_process():
    code = f"""
import numpy as np
from aplomb.classical.evolve import evolve
images, labels = np.random.default_rng(0).random((30, 8, 8)), np.arange(30) % 2
print(evolve(images, labels, **{SMALL | {"generations": 8}!r}).formulas)
"""
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": SRC},
        ).stdout
        for _ in range(2)
    ]
    assert found[0] == found[1] != ""


def test_the_callers_random_numbers_are_left_alone():
    random.seed(1)
    expected = [random.random() for _ in range(2)]
    random.seed(1)
    evolve(IMAGES, LABELS, **SMALL | {"generations": 0})
    assert [random.random() for _ in range(2)] == expected


def test_the_best_team_is_never_lost_and_progress_is_told():
    images, labels = np.random.default_rng(0).random((90, 8, 8)), np.arange(90) % 3
    told = []
    found = evolve(images, labels, features=3, population=10, generations=6, progress=lambda *step: told.append(step))
    assert list(found.history) == sorted(found.history)
    assert told == [(g, 6, found.history[g]) for g in range(7)]


def test_formulas_stay_short_and_use_only_the_words_that_were_given():
    words = ("sobel_x", "abs", "+", "gaussian", "mean", "max")
    found = evolve(IMAGES, LABELS, features=2, population=20, generations=8, functions=words)
    for text in found.formulas:
        assert parse(text).size <= LARGEST
        used = {w for w in FUNCTIONS if f"{w}(" in text or f" {w} " in text}
        assert used <= set(words)


def test_what_is_evolved_of_freezable_words_can_be_frozen():
    found = evolve(IMAGES, LABELS, **SMALL, functions=FREEZABLE)
    operator = found.to_operator()
    assert operator.output_shape((5, 1, 12, 12)) == (5, 2)
    np.testing.assert_allclose(operator(IMAGES[:, None]), found(IMAGES), atol=1e-5)


def test_a_second_formula_complements_the_first():
    """Four classes by two bits, each of which one formula can see: a team needs both."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 15)
    images = rng.normal(0.3, 0.02, (60, 8, 8))
    images[:, :4] += 0.3 * (labels % 2)[:, None, None]
    images[:, :, :4] += 0.3 * (labels // 2)[:, None, None]
    words = ("mean", "top", "left", "bottom", "right", "-")
    team = evolve(images, labels, features=2, population=20, generations=5, functions=words)
    assert team.history[-1] == 1


def test_words_that_add_nothing_are_taken_out():
    found = evolve(IMAGES, LABELS, features=1, population=20, generations=6)
    formula = parse(found.formulas[0])
    worth = _judge(LABELS, 0)
    value = evaluator(IMAGES.astype(np.float32))
    least = worth([value(formula)])
    assert least >= found.history[-1]
    assert all(worth([value(less)]) < least for less in formula.shorter())


def test_equal_formulas_and_constant_ones_do_no_harm():
    x = np.zeros((20, 8, 8), np.float32)
    team, history = search(
        x, np.arange(20) % 2, features=2, population=4, generations=1, words=("mean", "abs"), seed=0, workers=1,
        progress=None,
    )  # fmt: skip
    assert len(team) == 2
    assert history[-1] == 0


def test_discriminant_is_that_of_scikit_learn():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 400)
    x = rng.normal(size=(400, 3)) + 2 * np.eye(5)[labels, :3]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = LinearDiscriminantAnalysis().fit(x[:300], labels[:300]).predict(x[300:])
    assert (discriminant(x[:300], labels[:300], x[300:]) == theirs).mean() >= 0.99
    twice = np.concatenate([x, x], axis=1)
    assert (discriminant(twice[:300], labels[:300], twice[300:]) == theirs).mean() >= 0.97


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": LABELS[:-1]}, "60 pictures and 59 labels"),
        ({"labels": np.zeros(60, int)}, "one class only"),
        ({"labels": [1] + [0] * 59}, "class 1 has one picture only"),
        ({"images": IMAGES[:1], "labels": [0]}, "one picture only"),
        ({"images": np.full_like(IMAGES, np.nan)}, "NaN"),
        ({"images": IMAGES[:, :3]}, "too small"),
        ({"features": 0}, "0 features"),
        ({"population": 1}, "1 formulas"),
        ({"functions": ("blur", "mean")}, "'blur', known are"),
        ({"functions": ("gaussian",)}, "gives a number"),
    ],
)
def test_bad_input_is_refused_in_one_line(change, words):
    with pytest.raises((BadInput, ShapeError), match=words):
        evolve(**{"images": IMAGES, "labels": LABELS} | change)


def test_without_deap_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "aplomb.classical.evolve.search", raising=False)
    monkeypatch.setitem(sys.modules, "deap", None)
    with pytest.raises(BadInput, match=r"needs deap: pip install 'aplomb\[learn\]'"):
        evolve(IMAGES, LABELS)
