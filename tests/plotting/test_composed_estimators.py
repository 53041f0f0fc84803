"""Displays take pipelines and searches, with X as the outermost estimator takes it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_align import AECFClassifier, AECFRegressor, MiniVec2Vec
from sklearn_align.metrics import missing_modality_curve, modality_importance
from sklearn_align.plotting import (
    AlignmentHistoryDisplay,
    AlignmentScatterDisplay,
    MissingModalityDisplay,
    ModalityImportanceDisplay,
    ModalityWeightsDisplay,
    ReliabilityDisplay,
    RetrievalDisplay,
)

# Columns of X that reach the net, in another order.
ORDER = [4, 6, 5, 0, 2]
MODALITIES = {"image": 3, "sound": 2}


def reorder(X):
    return X[:, ORDER]


def data(n=90, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, 8)) + y[:, None]
    X[np.ix_(rng.random(n) < 0.3, ORDER[:3])] = np.nan
    X[n // 2, ORDER[3:]] = np.nan
    X[n // 2, ORDER[:3]] = 0.5
    return X, y


def net(**options):
    return AECFClassifier(modalities=MODALITIES, max_epochs=2, random_state=0, **options)


def steps(last):
    return Pipeline([("order", FunctionTransformer(reorder)), ("last", last)])


def composed(X, y):
    """Pipelines and searches in each other, around one net."""
    search = {"lr": [1e-3, 1e-2]}
    return {
        "pipeline": steps(net()).fit(X, y),
        "nested pipelines": make_pipeline(FunctionTransformer(), steps(net())).fit(X, y),
        "search over a pipeline": GridSearchCV(
            steps(net()), {f"last__{name}": values for name, values in search.items()}, cv=2
        ).fit(X, y),
        "search in a pipeline": steps(GridSearchCV(net(), search, cv=2)).fit(X, y),
        "frozen pipeline": FrozenEstimator(steps(net()).fit(X, y)),
    }


@pytest.fixture(scope="module")
def fitted():
    X, y = data()
    return X, y, composed(X, y)


def net_of(estimator):
    """The net inside, found by the fitted objects themselves."""
    while not isinstance(estimator, AECFClassifier):
        estimator = getattr(estimator, "best_estimator_", None) or estimator[-1]
    return estimator


NAMES = [
    "pipeline",
    "nested pipelines",
    "search over a pipeline",
    "search in a pipeline",
    "frozen pipeline",
]


@pytest.mark.parametrize("name", NAMES)
def test_modality_weights(fitted, name):
    X, y, estimators = fitted
    estimator = estimators[name]
    inner = net_of(estimator)
    for targets in (None, y):
        display = ModalityWeightsDisplay.from_estimator(estimator, X, targets)
        direct = ModalityWeightsDisplay.from_estimator(inner, reorder(X), targets)
        np.testing.assert_array_equal(display.weights, direct.weights)
        np.testing.assert_array_equal(display.groups, direct.groups)
        assert display.group_names_ == direct.group_names_
    assert display.modality_names == ["image", "sound"]


@pytest.mark.parametrize("name", NAMES)
def test_reliability_by_presence(fitted, name):
    X, y, estimators = fitted
    display = ReliabilityDisplay.from_estimator(estimators[name], X, y, by_presence=True)
    inner = net_of(estimators[name])
    direct = ReliabilityDisplay.from_estimator(inner, reorder(X), y, by_presence=True)
    assert display.errors == direct.errors
    assert set(display.errors) == {"image", "sound", "image + sound"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
def test_missing_modality_curve(fitted, name, scoring):
    X, y, estimators = fitted
    options = {"rates": [0.0, 0.5], "n_repeats": 2, "random_state": 0, "scoring": scoring}
    estimator = estimators[name]
    curve = missing_modality_curve(estimator, X, y, **options)
    direct = missing_modality_curve(net_of(estimator), reorder(X), y, **options)
    np.testing.assert_array_equal(curve.scores, direct.scores)
    display = MissingModalityDisplay.from_estimator(estimator, X, y, **options)
    np.testing.assert_array_equal(display.scores["AECFClassifier"], direct.scores)
    if scoring is None:
        score = estimator.score(X, y)
        assert curve.scores[0, 0] == score


def test_scoring_of_a_search_is_kept():
    X, y = data()
    for scoring, refit in [("neg_log_loss", True), (["neg_log_loss", "accuracy"], "neg_log_loss")]:
        search = GridSearchCV(
            steps(net()), {"last__lr": [1e-3]}, scoring=scoring, refit=refit, cv=2
        )
        search.fit(X, y)
        curve = missing_modality_curve(search, X, y, rates=[0.0], n_repeats=1)
        assert curve.scores[0, 0] == search.score(X, y) < 0


@pytest.mark.parametrize("name", NAMES)
def test_modality_importance(fitted, name):
    X, y, estimators = fitted
    options = {"scoring": "neg_log_loss", "method": "shapley"}
    display = ModalityImportanceDisplay.from_estimator(estimators[name], X, y, **options)
    direct = modality_importance(net_of(estimators[name]), reorder(X), y, **options)
    np.testing.assert_array_equal(display.importances["shapley"], direct.importances)
    assert display.modality_names == ["image", "sound"]


def test_what_wrappers_do_with_predictions_is_kept():
    X, y = data()
    skewed = np.exp(2 + y + 0.1 * np.nan_to_num(X[:, 4]))
    reg = AECFRegressor(modalities=MODALITIES, max_epochs=2, random_state=0)
    transformed = TransformedTargetRegressor(steps(reg), func=np.log, inverse_func=np.exp)
    threshold = FixedThresholdClassifier(steps(net()), threshold=0.99)
    for outer, target in [(transformed, skewed), (threshold, y)]:
        outer.fit(X, target)
        for estimator in (outer, FrozenEstimator(outer)):
            curve = missing_modality_curve(estimator, X, target, rates=[0.0], n_repeats=1)
            assert curve.scores[0, 0] == outer.score(X, target)
    # The wrappers themselves are as before.
    assert isinstance(threshold.estimator_, Pipeline)
    assert isinstance(transformed.regressor_, Pipeline)


def test_several_estimators_miss_the_same_blocks():
    X, y = data()
    scaled = make_pipeline(StandardScaler(), net())
    X = X[:, ORDER]
    imputed = make_pipeline(SimpleImputer(), LogisticRegression())
    estimators = {"net": scaled.fit(X, y), "imputed": imputed.fit(X, y)}
    curve = missing_modality_curve(estimators, X, y, rates=[0.5], n_repeats=2, random_state=0)
    for name, estimator in estimators.items():
        alone = missing_modality_curve(
            estimator, X, y, modalities=MODALITIES, rates=[0.5], n_repeats=2, random_state=0
        )
        np.testing.assert_allclose(curve.scores[name], alone.scores)


def test_blocks_that_are_given_are_those_of_the_outer_samples(fitted):
    X, y, estimators = fitted
    outer = {"image": [4, 5, 6], "sound": [0, 2], "unused": [1, 3, 7]}
    estimator = estimators["pipeline"]
    given = missing_modality_curve(
        estimator, X, y, modalities=outer, rates=[0.0], n_repeats=1, random_state=0
    )
    assert given.scores[0, 0] == estimator.score(X, y)
    display = ReliabilityDisplay.from_estimator(estimator, X, y, by_presence=True, modalities=outer)
    assert set(display.errors) == {"image + sound + unused", "sound + unused", "image + unused"}


def test_names_of_columns_that_a_step_makes():
    X, y = data()
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(8)])
    select = ColumnTransformer([("kept", "passthrough", ["c6", "c0", "c4"])])
    select.set_output(transform="pandas")
    clf = AECFClassifier(
        modalities={"a": ["kept__c0"], "b": ["kept__c4", "kept__c6"]}, max_epochs=1, random_state=0
    )
    pipeline = make_pipeline(select, clf).fit(frame, y)
    display = ModalityWeightsDisplay.from_estimator(pipeline, frame)
    np.testing.assert_array_equal(display.weights, clf.modality_weights(select.transform(frame)))
    assert set(display.group_names_) == {"a", "a + b", "b"}


def test_regressor_of_transformed_targets():
    X, y = data()
    reg = AECFRegressor(modalities=MODALITIES, max_epochs=1, random_state=0)
    outer = TransformedTargetRegressor(steps(reg), func=np.sqrt, inverse_func=np.square)
    outer.fit(X, y.astype(float))
    display = ModalityWeightsDisplay.from_estimator(outer, X)
    weights = outer.regressor_[-1].modality_weights(reorder(X))
    np.testing.assert_array_equal(display.weights, weights)


@pytest.mark.filterwarnings("ignore::sklearn_align.exceptions.AlignmentWarning")
def test_aligners_in_pipelines_and_searches():
    rng = np.random.default_rng(0)
    XA = rng.normal(size=(300, 6)) * [6, 5, 4, 3, 2, 1] + rng.exponential(size=(300, 6))
    XB = XA @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    pca = PCA(5, random_state=0)
    pairs = (np.arange(60), np.arange(60))
    pipeline = make_pipeline(pca, MiniVec2Vec(n_init=1, random_state=0))
    pipeline.fit(XA, XB, minivec2vec__pairs=pairs)
    aligner = pipeline[-1]
    known = (XA[:50], XB[:50])
    display = RetrievalDisplay.from_estimator(pipeline, XA, XB, pairs=known)
    inner = (pca.transform(XA[:50]), XB[:50])
    direct = RetrievalDisplay.from_estimator(aligner, pca.transform(XA), XB, pairs=inner)
    assert display.accuracies.keys() == direct.accuracies.keys()
    for name, values in direct.accuracies.items():
        np.testing.assert_allclose(display.accuracies[name], values)
    scatter, direct_scatter = (
        AlignmentScatterDisplay.from_estimator(estimator, X, XB, random_state=0)
        for estimator, X in ((pipeline, XA), (aligner, pca.transform(XA)))
    )
    np.testing.assert_allclose(scatter.before, direct_scatter.before)
    np.testing.assert_allclose(scatter.after, direct_scatter.after)
    history = AlignmentHistoryDisplay.from_estimator(pipeline)
    assert history.history == aligner.history_


def test_estimators_without_what_is_drawn():
    X, y = data()
    X = np.nan_to_num(X)
    other = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    with pytest.raises(TypeError, match="LogisticRegression has no modality_weights"):
        ModalityWeightsDisplay.from_estimator(other, X)
    for display in (ModalityWeightsDisplay, ReliabilityDisplay):
        for unfitted in (steps(net()), GridSearchCV(net(), {"lr": [1.0]}), net()):
            with pytest.raises(NotFittedError):
                display.from_estimator(unfitted, X, y)
    search = GridSearchCV(steps(net()), {"last__lr": [1e-3]}, refit=False, cv=2).fit(X, y)
    with pytest.raises(ValueError, match="refit=True"):
        ModalityWeightsDisplay.from_estimator(search, X)
