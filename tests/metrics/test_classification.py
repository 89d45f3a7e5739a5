"""Scores of classifications against scikit-learn and their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aplomb import metrics as m
from aplomb.errors import BadInput, ShapeError

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 300)
LOGITS = RNG.normal(size=(300, 4)) + 2 * np.eye(4)[LABELS]
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
PREDICTED = PROBABILITIES.argmax(1)


def test_scores_are_those_of_scikit_learn():
    theirs = pytest.importorskip("sklearn.metrics")
    assert m.accuracy(PREDICTED, LABELS) == theirs.accuracy_score(LABELS, PREDICTED)
    assert m.top_k(PROBABILITIES, LABELS, 2) == theirs.top_k_accuracy_score(LABELS, PROBABILITIES, k=2)
    assert np.array_equal(m.confusion_matrix(PREDICTED, LABELS), theirs.confusion_matrix(LABELS, PREDICTED))
    assert m.negative_log_likelihood(PROBABILITIES, LABELS) == pytest.approx(theirs.log_loss(LABELS, PROBABILITIES))
    # with a class that is never given and one that never occurs
    predicted, labels = np.where(PREDICTED == 3, 4, PREDICTED), LABELS
    found = theirs.precision_recall_fscore_support(labels, predicted, labels=range(5), zero_division=0)
    for mine, other in zip(m.class_scores(predicted, labels), found, strict=True):
        np.testing.assert_allclose(mine, other)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=50))
def test_confusion_matrix_counts_every_picture_once(pairs):
    predicted, labels = np.array(pairs).T
    matrix = m.confusion_matrix(predicted, labels, 4)
    assert matrix.sum() == len(pairs)
    assert np.array_equal(matrix.sum(axis=1), np.bincount(labels, minlength=4))
    assert np.array_equal(matrix, m.confusion_matrix(labels, predicted, 4).T)
    assert m.top_k(np.eye(4)[predicted], labels, 4) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: m.accuracy([0, 1], [0]), "one of each"),
        (lambda: m.accuracy([], []), "at least one"),
        (lambda: m.accuracy([0.5], [0]), "whole numbers"),
        (lambda: m.accuracy([-1], [0]), "found -1"),
        (lambda: m.confusion_matrix([3], [0], 2), "found the label 3"),
        (lambda: m.top_k([[0.5, 0.5]], [0], 3), "k from 1 to 2"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, words):
    with pytest.raises((BadInput, ShapeError), match=words):
        call()
