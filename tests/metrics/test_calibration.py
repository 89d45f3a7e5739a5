"""Probabilities that are too sure, and their temperature."""

import numpy as np
import pytest

from aplomb import metrics as m
from aplomb.errors import BadInput, ShapeError

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 300)
LOGITS = RNG.normal(size=(300, 4)) + 2 * np.eye(4)[LABELS]
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
PREDICTED = PROBABILITIES.argmax(1)


def test_reliability_of_perfect_probabilities_is_the_diagonal():
    p = RNG.uniform(0.5, 1, 20000)
    labels = (RNG.random(20000) > p).astype(int)
    curve = m.reliability(np.stack([p, 1 - p], 1), labels, 10)
    assert curve.pictures[:5].sum() == 0
    assert np.isnan(curve.accuracy[:5]).all()
    np.testing.assert_allclose(curve.accuracy[5:], curve.confidence[5:], atol=0.03)
    assert m.expected_calibration_error(np.stack([p, 1 - p], 1), labels) < 0.02


def test_calibration_error_of_one_bin_is_confidence_less_accuracy():
    expected = abs(PROBABILITIES.max(1).mean() - (PREDICTED == LABELS).mean())
    assert m.expected_calibration_error(PROBABILITIES, LABELS, bins=1) == pytest.approx(expected)


@pytest.mark.parametrize("wrong", [0.4, 1.0, 3.0])
def test_temperature_that_was_put_in_is_found(wrong):
    labels = np.array([RNG.choice(4, p=p) for p in np.repeat(PROBABILITIES, 20, 0)])
    given = m.tempered(np.repeat(PROBABILITIES, 20, 0), 1 / wrong)  # too sure by `wrong`
    t = m.fit_temperature(given, labels)
    assert t == pytest.approx(wrong, rel=0.1)
    calibrated = m.tempered(given, t)
    assert m.negative_log_likelihood(calibrated, labels) <= m.negative_log_likelihood(given, labels)
    assert np.array_equal(calibrated.argmax(1), given.argmax(1))


def test_tempered_is_the_softmax_of_divided_logits():
    z = LOGITS / 3
    np.testing.assert_allclose(m.tempered(PROBABILITIES, 3), np.exp(z) / np.exp(z).sum(1, keepdims=True))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: m.negative_log_likelihood([[2.0, 1.0]], [0]), "softmax"),
        (lambda: m.negative_log_likelihood([[np.nan, 1.0]], [0]), "softmax"),
        (lambda: m.negative_log_likelihood([[0.5, 0.5]], [2]), "label 2"),
        (lambda: m.negative_log_likelihood([[0.5, 0.5]], [0, 1]), "2 labels"),
        (lambda: m.reliability([[0.5, 0.5]], [0], 0), "bins"),
        (lambda: m.tempered([[0.5, 0.5]], 0), "positive"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, words):
    with pytest.raises((BadInput, ShapeError), match=words):
        call()
