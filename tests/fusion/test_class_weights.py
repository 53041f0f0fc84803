"""Weights of classes and labels in folds that lack some of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from sklearn_align.fusion import AECFClassifier

CODINGS = {
    "int": np.array([0, 1, 2]),
    "float": np.array([-1.0, 1.0, 2.0]),
    "str": np.array(["a", "b", "c"]),
    "digits": np.array(["1", "2", "3"]),
}


def data(n=60, seed=0):
    rng = np.random.default_rng(seed)
    z = np.arange(n) % 3
    return rng.normal(size=(n, 4)) + z[:, None], z


def make(**options):
    return AECFClassifier(max_epochs=2, random_state=0, **options)


@pytest.mark.parametrize("coding", CODINGS)
def test_weight_of_an_absent_class_is_ignored(coding):
    X, z = data()
    present, labels = z < 2, CODINGS[coding]
    weights = dict(zip(labels.tolist(), [1.0, 3.0, 7.0], strict=True))
    some = {name: weights[name] for name in labels[:2].tolist()}
    with_all = make(class_weight=weights).fit(X[present], labels[z[present]])
    with_some = make(class_weight=some).fit(X[present], labels[z[present]])
    without = make().fit(X[present], labels[z[present]])
    np.testing.assert_array_equal(with_all.predict_proba(X), with_some.predict_proba(X))
    assert not np.array_equal(with_all.predict_proba(X), without.predict_proba(X))


@pytest.mark.parametrize("weights", [{2: 5.0}, {7: 1.0}, {0: 1.0, 7: 2.0}, {0: 2.0}, {}])
def test_incomplete_weights_are_taken_as_by_scikit_learn(weights):
    X, z = data()
    X, y = X[z < 2], z[z < 2]
    try:
        LogisticRegression(class_weight=weights).fit(X, y)
    except ValueError:
        with pytest.raises(ValueError, match=r"class_weight names .* name every class"):
            make(class_weight=weights).fit(X, y)
    else:
        make(class_weight=weights).fit(X, y)


def test_search_over_folds_that_lack_a_class():
    X, z = data()
    folds = PredefinedSplit(np.where(z == 2, 0, 1))
    grid = {"class_weight": [{0: 1.0, 1: 2.0, 2: 3.0}, "balanced", None]}
    # The scores of folds whose class was never seen are 0, but every fit succeeds.
    search = GridSearchCV(make(), grid, cv=[*folds.split()][:1], error_score="raise").fit(X, z)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("pos_weight", ["balanced", [2.0, 1.0, 0.5]])
@pytest.mark.parametrize("constant", [0, 1])
def test_label_that_is_constant_in_a_fold(pos_weight, constant):
    X, z = data()
    y = np.column_stack([z == 0, z == 1, np.full(60, constant)]).astype(int)
    y[:20, 2] = 1 - constant
    search = GridSearchCV(
        make(pos_weight=pos_weight), {"lr": [1e-3, 1e-2]},
        cv=PredefinedSplit(np.repeat([0, 1], [20, 40])), error_score="raise",
        scoring=lambda clf, X, y: float(np.isfinite(clf.predict_proba(X)).all()),
    ).fit(X, y)  # fmt: skip
    assert (search.cv_results_["mean_test_score"] == 1).all()
