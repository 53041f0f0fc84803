"""Scores of single samples average to those of scikit-learn's scorers."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression
from sklearn.metrics import get_scorer
from sklearn.neighbors import KNeighborsClassifier

from sklearn_align.metrics._sample_scores import sample_scorer

X = np.random.default_rng(0).normal(size=(80, 3))
WEIGHTS = np.random.default_rng(1).random(80) + 0.1


def check(estimator, y, name):
    scorer = sample_scorer(estimator, name)
    for weight in (None, WEIGHTS):
        scores = scorer(estimator, X, y, np.ones(80) if weight is None else weight)
        assert scores.shape == (80,)
        options = {} if weight is None else {"sample_weight": weight}
        expected = get_scorer(name)(estimator, X, y, **options)
        assert np.average(scores, weights=weight) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["accuracy", "neg_log_loss", "neg_brier_score"])
@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"], [3, 1]])
def test_classifiers(name, classes):
    y = np.array(classes)[
        (X[:, 0] + 0.5 * X[:, 1] > 0).astype(int) + (len(classes) > 2) * (X[:, 2] > 1)
    ]
    if name == "neg_brier_score" and len(classes) == 2:
        y = (y == classes[0]).astype(int)  # scikit-learn's scorer takes no others
    check(HistGradientBoostingClassifier(max_iter=3).fit(X, y), y, name)


def test_certain_and_wrong_predictions_have_the_finite_loss_of_scikit_learn():
    y = np.arange(80) % 2
    wrong = KNeighborsClassifier(1).fit(X, 1 - y)
    check(wrong, y, "neg_log_loss")


def test_accuracy_of_several_labels():
    y = (X[:, :2] > 0).astype(int)
    check(KNeighborsClassifier(5).fit(X, y), y, "accuracy")


@pytest.mark.parametrize("name", ["neg_mean_squared_error", "neg_mean_absolute_error", "r2"])
@pytest.mark.parametrize("n_targets", [None, 1, 2])
def test_regressors(name, n_targets):
    y = X[:, 0] + X[:, 1] ** 2
    if n_targets is not None:
        y = np.column_stack([y, 3 * X[:, 2] + X[:, 0] ** 3])[:, :n_targets]
    check(LinearRegression().fit(X, y), y, name)


def test_default_is_the_own_score_of_classifiers_and_regressors():
    y = X[:, 0] > 0
    for estimator, target in (
        (KNeighborsClassifier().fit(X, y), y),
        (LinearRegression().fit(X, X[:, 0] ** 2), X[:, 0] ** 2),
    ):
        scores = sample_scorer(estimator, None)(estimator, X, target, np.ones(80))
        assert scores.mean() == pytest.approx(estimator.score(X, target))


def test_callables_give_one_score_for_each_sample():
    model = LinearRegression().fit(X, X[:, 0])

    def score(estimator, X, y):
        return -np.abs(estimator.predict(X) - y)

    scores = sample_scorer(model, score)(model, X, X[:, 1], np.ones(80))
    np.testing.assert_array_equal(scores, -np.abs(model.predict(X) - X[:, 1]))
    own = sample_scorer(model, get_scorer("r2"))
    with pytest.raises(ValueError, match=r"shape \(80,\); .* returned shape \(\).*neg_log_loss"):
        own(model, X, X[:, 1], np.ones(80))


@pytest.mark.parametrize("scoring", ["roc_auc", "neg_root_mean_squared_error", "nonsense", 3])
def test_what_is_no_mean_over_samples(scoring):
    with pytest.raises(ValueError, match=f"scoring={scoring!r}. Pass one of .*per_sample=False"):
        sample_scorer(LinearRegression(), scoring)


def test_estimators_that_are_neither_classifiers_nor_regressors_need_a_scoring():
    with pytest.raises(ValueError, match=r"scoring=None\. Pass one of"):
        sample_scorer(BaseEstimator(), None)


def test_bad_targets():
    model = KNeighborsClassifier().fit(X, np.arange(80) % 2)
    with pytest.raises(ValueError, match=r"y holds the classes \['7'\].*leave out"):
        sample_scorer(model, "neg_log_loss")(model, X, np.full(80, 7), np.ones(80))
    with pytest.raises(ValueError, match=r"got shape \(80, 2\): pass scoring='accuracy'"):
        sample_scorer(model, "neg_brier_score")(model, X, np.ones((80, 2)), np.ones(80))
    line = LinearRegression().fit(X, X[:, 0])
    with pytest.raises(ValueError, match=r"targets y that vary.*neg_mean_squared_error"):
        sample_scorer(line, "r2")(line, X, np.ones(80), np.ones(80))
