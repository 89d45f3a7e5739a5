"""ROC, precision and recall against scikit-learn, ties included, and by their laws."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aplomb.errors import BadInput, ShapeError
from aplomb.metrics import average_precision, best_dice, precision_recall_curve, roc_area, roc_curve


@st.composite
def rankings(draw):
    """Scores with many ties, and a reference with both classes."""
    n = draw(st.integers(2, 30))
    scores = draw(hnp.arrays(np.float64, n, elements=st.integers(0, 6).map(lambda v: v / 6)))
    truth = draw(hnp.arrays(np.bool_, n))
    assume(0 < truth.sum() < n)
    return scores, truth


@given(rankings())
def test_areas_are_scikit_learns(ranking):
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores, truth = ranking
    assert roc_area(scores, truth) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert average_precision(scores, truth) == pytest.approx(average_precision_score(truth, scores), abs=1e-12)


@given(rankings())
def test_curves_are_scikit_learns(ranking):
    from sklearn.metrics import precision_recall_curve as oracle
    from sklearn.metrics import roc_curve as roc_oracle

    scores, truth = ranking
    for ours, theirs in zip(roc_curve(scores, truth), roc_oracle(truth, scores, drop_intermediate=False), strict=True):
        np.testing.assert_allclose(ours, theirs)
    precision, recall, thresholds = oracle(truth, scores)
    curve = precision_recall_curve(scores, truth)
    np.testing.assert_allclose(curve.precision, precision[-2::-1])
    np.testing.assert_allclose(curve.recall, recall[-2::-1])
    np.testing.assert_allclose(curve.thresholds, thresholds[::-1])


@given(rankings(), st.randoms())
def test_only_the_order_of_scores_matters(ranking, random):
    scores, truth = ranking
    order = list(range(len(scores)))
    random.shuffle(order)
    for changed in (np.exp(3 * scores), 7 + scores / 100):
        assert roc_area(changed[order], truth[order]) == pytest.approx(roc_area(scores, truth), abs=1e-12)
        assert average_precision(changed[order], truth[order]) == pytest.approx(average_precision(scores, truth))


@given(rankings())
def test_the_roc_area_is_symmetric_and_in_its_range(ranking):
    scores, truth = ranking
    area = roc_area(scores, truth)
    assert 0 <= area <= 1
    assert roc_area(-scores, truth) == pytest.approx(1 - area, abs=1e-12)
    assert roc_area(-scores, ~truth) == pytest.approx(area, abs=1e-12)


@given(rankings())
def test_the_best_dice_is_that_of_its_threshold_and_none_is_better(ranking):
    scores, truth = ranking

    def f1(threshold):
        taken = scores >= threshold
        return 2 * (taken & truth).sum() / (taken.sum() + truth.sum())

    best = best_dice(scores, truth)
    assert best.value == pytest.approx(f1(best.threshold))
    assert best.value == pytest.approx(max(f1(t) for t in scores))


@pytest.mark.parametrize("metric", [roc_area, average_precision, lambda *a: best_dice(*a).value])
def test_perfect_scores_reach_one_and_the_mask_hides_the_rest(metric):
    truth = np.array([[0, 0, 1, 1, 0]])
    scores = np.array([[0.1, 0.2, 0.6, 0.7, 0.9]])
    field = np.array([[True, True, True, True, False]])
    assert metric(scores, truth) < 1
    assert metric(scores, truth, field) == 1


def test_what_cannot_be_ranked_is_refused():
    scores, truth = np.array([0.1, 0.9]), np.array([0, 1])
    with pytest.raises(BadInput, match="1 of 2 NaN"):
        roc_area(np.array([np.nan, 1]), truth)
    with pytest.raises(BadInput, match="every pixel of the reference is object"):
        roc_area(scores, truth + 1 - truth)
    with pytest.raises(BadInput, match="nothing to find"):
        average_precision(scores, truth * 0)
    with pytest.raises(BadInput, match="0 and 1, found the label 255"):
        roc_area(scores, truth * 255)
    with pytest.raises(ShapeError, match=r"\(2,\).*\(3,\)"):
        roc_area(scores, np.array([0, 1, 1]))
    assert average_precision(scores, truth * 0 + 1) == 1
