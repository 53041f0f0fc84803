import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV

from sklearn_align.metrics import (
    ConfidenceBins,
    expected_calibration_error,
    maximum_calibration_error,
)
from sklearn_align.metrics._calibration import bin_confidence

BOTH = [expected_calibration_error, maximum_calibration_error]


def problem(n=400, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(n_classes, 0.7), size=n)
    return rng.integers(n_classes, size=n), proba


def loop_over_bins(y, proba, n_bins, weight=None):
    """Gap and weight of each bin of equal width, from the definition."""
    weight = np.ones(len(y)) if weight is None else weight
    gaps, weights = [], []
    for j in range(n_bins):
        inside = [
            i
            for i in range(len(y))
            if j / n_bins < proba[i].max() <= (j + 1) / n_bins or (j == 0 and proba[i].max() == 0)
        ]
        if inside:
            w = weight[inside]
            confidence = np.average(proba[inside].max(axis=1), weights=w)
            accuracy = np.average(proba[inside].argmax(axis=1) == y[inside], weights=w)
            gaps.append(abs(confidence - accuracy))
            weights.append(w.sum())
    return np.array(gaps), np.array(weights)


@pytest.mark.parametrize("n_bins", [1, 7, 15])
def test_against_the_definition(n_bins):
    y, proba = problem()
    gaps, weights = loop_over_bins(y, proba, n_bins)
    assert expected_calibration_error(y, proba, n_bins=n_bins) == pytest.approx(
        np.average(gaps, weights=weights)
    )
    assert maximum_calibration_error(y, proba, n_bins=n_bins) == pytest.approx(gaps.max())


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_one_label_agrees_with_the_calibration_curve(strategy):
    rng = np.random.default_rng(0)
    p = rng.random(600)
    y = (rng.random(600) < p**2).astype(int)
    frequency, mean = calibration_curve(y, p, n_bins=10, strategy=strategy)
    gap = np.abs(frequency - mean)
    maximum = maximum_calibration_error(y[:, None], p[:, None], n_bins=10, strategy=strategy)
    # Quantiles of scikit-learn are interpolated, so that samples at an edge may change bins.
    assert maximum == pytest.approx(gap.max(), abs=1e-12 if strategy == "uniform" else 0.02)
    if strategy == "quantile":
        expected = expected_calibration_error(
            y[:, None], p[:, None], n_bins=10, strategy="quantile"
        )
        assert expected == pytest.approx(gap.mean(), abs=0.005)


def test_worked_example():
    # Confidences .9 .9 .6 .6; one of two and none of two are hits.
    proba = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]]
    y = [0, 1, 0, 0]
    assert expected_calibration_error(y, proba) == pytest.approx((0.4 + 0.6) / 2)
    assert maximum_calibration_error(y, proba) == pytest.approx(0.6)


@pytest.mark.parametrize("metric", BOTH)
def test_perfect_certainty_has_no_error_and_certain_mistakes_have_error_one(metric):
    y = np.array([0, 1, 2, 1])
    assert metric(y, np.eye(3)[y]) == 0
    assert metric(y, np.eye(3)[(y + 1) % 3]) == 1
    indicator = np.eye(3)[y]
    assert metric(indicator, indicator) == 0
    assert metric(indicator, 1 - indicator) == 1


def test_calibrated_predictions_reach_the_sampling_floor():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), size=40_000)
    y = (proba.cumsum(axis=1) < rng.random((40_000, 1))).sum(axis=1)
    assert expected_calibration_error(y, proba) < 0.01
    sharpened = proba**3 / (proba**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(y, sharpened) > 0.1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n_bins=st.integers(1, 20))
@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("metric", BOTH)
def test_weights_are_repetitions_and_order_does_not_matter(metric, strategy, seed, n_bins):
    y, proba = problem(60, 3, seed)
    proba = np.round(proba, 1)
    proba[:, 0] = 1 - proba[:, 1:].sum(axis=1)
    proba = np.clip(proba, 0, 1)
    proba /= proba.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    weight = rng.integers(0, 4, size=60)
    weight[0] = 1
    settings_ = {"n_bins": n_bins, "strategy": strategy, "labels": [0, 1, 2]}
    weighted = metric(y, proba, sample_weight=weight, **settings_)
    repeated = metric(y.repeat(weight), proba.repeat(weight, axis=0), **settings_)
    assert weighted == pytest.approx(repeated, abs=1e-9)
    order = rng.permutation(60)
    shuffled = metric(y[order], proba[order], sample_weight=5.0 * weight[order], **settings_)
    assert shuffled == pytest.approx(weighted, abs=1e-9)
    assert 0 <= weighted <= 1


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_expected_is_never_above_maximum(strategy):
    for seed in range(10):
        y, proba = problem(seed=seed)
        assert (
            expected_calibration_error(y, proba, strategy=strategy)
            <= maximum_calibration_error(y, proba, strategy=strategy) + 1e-12
        )


def test_quantile_bins_hold_equally_many_samples():
    # Sorted by confidence, each half has its own accuracy.
    confidence = np.linspace(0.6, 0.9, 100)
    proba = np.column_stack([confidence, 1 - confidence])
    y = np.repeat([0, 1], 50)
    expected = np.mean([1 - confidence[:50].mean(), confidence[50:].mean()])
    assert expected_calibration_error(y, proba, n_bins=2, strategy="quantile") == pytest.approx(
        expected
    )


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_errors_are_averages_of_the_bins(strategy):
    y, proba = problem()
    hit = (proba.argmax(axis=1) == y).astype(float)
    weight = np.ones(len(y))
    bins = bin_confidence(proba.max(axis=1), hit, weight, n_bins=10, strategy=strategy)
    assert isinstance(bins, ConfidenceBins)
    np.testing.assert_array_equal(bins.gap, abs(bins.confidence - bins.accuracy))
    assert bins.weight.sum() == len(y)
    options = {"n_bins": 10, "strategy": strategy}
    assert expected_calibration_error(y, proba, **options) == pytest.approx(
        np.average(bins.gap, weights=bins.weight)
    )
    assert maximum_calibration_error(y, proba, **options) == pytest.approx(bins.gap.max())


def test_one_column_means_the_second_class():
    rng = np.random.default_rng(0)
    p, y = rng.random(50), rng.integers(2, size=50)
    for metric in BOTH:
        both = metric(y, np.column_stack([1 - p, p]))
        assert metric(y, p) == metric(y, p[:, None]) == pytest.approx(both)


def test_multilabel_is_binned_per_label():
    rng = np.random.default_rng(0)
    p = rng.random((200, 3))
    y = (rng.random((200, 3)) < p).astype(int)
    ece = [expected_calibration_error(y[:, [j]], p[:, [j]]) for j in range(3)]
    mce = [maximum_calibration_error(y[:, [j]], p[:, [j]]) for j in range(3)]
    assert expected_calibration_error(y, p) == pytest.approx(np.mean(ece))
    assert maximum_calibration_error(y, p) == pytest.approx(np.max(mce))


def test_labels_give_the_order_of_the_columns():
    y, proba = problem(n_classes=3)
    names = np.array(["b", "c", "a"])
    order = np.argsort(names)
    assert expected_calibration_error(names[y], proba, labels=names) == pytest.approx(
        expected_calibration_error(y, proba)
    )
    assert expected_calibration_error(names[y], proba[:, order]) == pytest.approx(
        expected_calibration_error(y, proba)
    )
    missing = y != 2
    with pytest.raises(ValueError, match="y_proba has 3 columns but y_true has 2 classes"):
        expected_calibration_error(y[missing], proba[missing])
    assert expected_calibration_error(y[missing], proba[missing], labels=[0, 1, 2]) > 0


@pytest.mark.parametrize("metric", BOTH)
@pytest.mark.parametrize(
    ("y", "proba", "options", "message"),
    [
        ([0, 1], [[0.5, 0.5]], {}, "inconsistent numbers of samples"),
        ([0, 1], [[0.5, 0.6], [0.5, 0.5]], {}, "must sum to 1"),
        ([0, 1], [[-1.0, 2.0], [0.5, 0.5]], {}, "probabilities in"),
        ([0, 1], [[np.nan, 1.0], [0.5, 0.5]], {}, "y_proba contains NaN"),
        ([0, 5], [[0.5, 0.5], [0.5, 0.5]], {"labels": [0, 1]}, "not in labels: \\[5\\]"),
        ([0, 1], [0.5, 0.5], {"n_bins": 0}, "n_bins == 0"),
        ([0, 1], [0.5, 0.5], {"strategy": "even"}, "strategy must be"),
        ([0, 1], [0.5, 0.5], {"sample_weight": [0, 0]}, "zero"),
        ([0, 1], [0.5, 0.5], {"sample_weight": [-1, 2]}, "[Nn]egative"),
        ([0.3, 1.2], [0.5, 0.5], {}, "continuous"),
        ([[0, 2], [1, 0]], [[0.5, 0.5], [0.5, 0.5]], {}, "only 0 and 1"),
        ([[0, 1], [1, 0]], [[0.5, 0.5], [0.5, 0.5]], {"labels": [0, 1]}, "labels is for classes"),
    ],
)
def test_bad_input(metric, y, proba, options, message):
    with pytest.raises(ValueError, match=message):
        metric(y, proba, **options)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_as_a_scorer_in_a_search(n_classes):
    X, y = make_classification(300, n_informative=5, n_classes=n_classes, random_state=0)
    scorer = make_scorer(
        expected_calibration_error, response_method="predict_proba", greater_is_better=False
    )
    search = GridSearchCV(LogisticRegression(), {"C": [1e-4, 1.0]}, scoring=scorer).fit(X, y)
    assert (search.cv_results_["mean_test_score"] < 0).all()
    direct = expected_calibration_error(y, search.predict_proba(X))
    assert scorer(search.best_estimator_, X, y) == pytest.approx(-direct)
