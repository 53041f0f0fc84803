"""Sample weights reach the nets through scikit-learn's metadata routing."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.dataset import ValidSplit

from sklearn_align import AECFClassifier, AECFEmbedder, AECFRegressor

NETS = [AECFClassifier, AECFRegressor, AECFEmbedder]
SUPERVISED = NETS[:2]


@pytest.fixture(autouse=True)
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def data(n=60, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return rng.normal(size=(n, 4)) + y[:, None], y, rng.uniform(0.2, 3, n)


def make(kind, **options):
    return kind(modalities={"a": 2, "b": 2}, max_epochs=2, random_state=0, **options)


def outputs(kind, fitted, X):
    return fitted.transform(X) if kind is AECFEmbedder else fitted.predict(X)


@pytest.mark.parametrize("kind", NETS)
def test_requests_are_those_of_the_signatures(kind):
    requests = make(kind).get_metadata_routing()
    assert requests.fit.requests == {"sample_weight": None, "groups": None}
    optional = {"classes"} if kind is AECFClassifier else set()
    assert set(requests.partial_fit.requests) == {"sample_weight", "epochs"} | optional
    with pytest.raises(TypeError, match="Unexpected args"):
        make(kind).set_fit_request(sample_weigth=True)
    with pytest.raises(TypeError, match="Unexpected args"):
        make(kind).set_partial_fit_request(labels=True)


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("split", ["auto", ValidSplit(3)])
def test_pipeline_hands_the_weights_on(kind, split):
    X, y, weight = data()
    net = make(kind, train_split=split).set_fit_request(sample_weight=True)
    pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), net)
    pipeline.fit(X, y, sample_weight=weight)
    scaled = pipeline[:-1].transform(X)
    direct = make(kind, train_split=split).fit(scaled, y, sample_weight=weight)
    without = make(kind, train_split=split).fit(scaled, y)
    np.testing.assert_array_equal(outputs(kind, pipeline, X), outputs(kind, direct, scaled))
    # The weights matter.
    assert direct.history[-1, "train_loss"] != without.history[-1, "train_loss"]


@pytest.mark.parametrize("kind", NETS)
def test_fit_transform_hands_the_weights_on(kind):
    X, y, weight = data()
    net = make(kind).set_fit_request(sample_weight=True)
    direct = clone(net).fit(X, y, sample_weight=weight).transform(X)
    np.testing.assert_array_equal(net.fit_transform(X, y, sample_weight=weight), direct)
    last = LogisticRegression().set_fit_request(sample_weight=True)
    pipeline = Pipeline([("net", clone(net)), ("last", last)])
    pipeline.fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(pipeline[0].transform(X), direct)


@pytest.mark.parametrize("kind", NETS)
def test_weights_that_nobody_decided_on_are_refused(kind):
    X, y, weight = data()
    with pytest.raises(ValueError, match="sample_weight"):
        make_pipeline(StandardScaler(), make(kind)).fit(X, y, sample_weight=weight)
    requests = clone(make(kind).set_fit_request(sample_weight="w")).get_metadata_routing()
    assert requests.fit.requests["sample_weight"] == "w"


@pytest.mark.parametrize("kind", SUPERVISED)
def test_cross_validation_hands_the_weights_on(kind):
    X, y, weight = data()
    net = make(kind).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    scores = cross_val_score(net, X, y, cv=3, params={"sample_weight": weight})
    result = cross_validate(
        net, X, y, cv=3, params={"sample_weight": weight}, return_estimator=True,
        return_indices=True,
    )  # fmt: skip
    np.testing.assert_array_equal(result["test_score"], scores)
    for fitted, train, test, score in zip(
        result["estimator"], result["indices"]["train"], result["indices"]["test"], scores,
        strict=True,
    ):  # fmt: skip
        direct = make(kind).fit(X[train], y[train], sample_weight=weight[train])
        np.testing.assert_array_equal(fitted.predict(X), direct.predict(X))
        assert direct.score(X[test], y[test], sample_weight=weight[test]) == score


@pytest.mark.parametrize("kind", SUPERVISED)
def test_search_hands_the_weights_on(kind):
    X, y, weight = data()
    net = make(kind).set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
    search = GridSearchCV(net, {"lr": [1e-3, 1e-2]}, cv=2).fit(X, y, sample_weight=weight)
    direct = make(kind, **search.best_params_).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(search.predict(X), direct.predict(X))


def test_embedder_in_a_search_over_a_pipeline():
    X, y, weight = data()
    pipeline = Pipeline(
        [
            ("net", make(AECFEmbedder).set_fit_request(sample_weight=True)),
            ("last", LogisticRegression().set_fit_request(sample_weight=True)),
        ]
    )
    accuracy = get_scorer("accuracy").set_score_request(sample_weight=True)
    search = GridSearchCV(pipeline, {"net__n_components": [2, 3]}, cv=2, scoring=accuracy)
    search.fit(X, y, sample_weight=weight)
    width = search.best_params_["net__n_components"]
    direct = make(AECFEmbedder, n_components=width).fit(X, sample_weight=weight)
    np.testing.assert_array_equal(search.best_estimator_[0].transform(X), direct.transform(X))


@pytest.mark.parametrize("kind", NETS)
def test_partial_fit_requests(kind):
    net = make(kind).set_partial_fit_request(sample_weight=True, epochs=False)
    requests = clone(net).get_metadata_routing().partial_fit.requests
    assert (requests["sample_weight"], requests["epochs"]) == (True, False)
