"""Pipelines, searches and cross-validation, with equal and unequal numbers of samples."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from scipy.stats import randint
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_align import MiniVec2Vec
from sklearn_align.alignment import AnchorStart, TransportRefinement
from sklearn_align.datasets import make_rotated_embeddings
from sklearn_align.metrics import retrieval_accuracy

pytestmark = pytest.mark.usefixtures("unjudged")

ROWS = {"equal": 600, "fewer": 540, "more": 660}


@pytest.fixture(scope="module")
def data():
    return make_rotated_embeddings(600, 24, n_samples_target=660, random_state=0)


@pytest.fixture(params=ROWS)
def target(request, data):
    return data.XB[: ROWS[request.param]]


def quick(**params):
    return MiniVec2Vec(
        **{
            "n_init": 1,
            "refinements": [TransportRefinement(max_iter=10)],
            "score_sample_size": 300,
            "random_state": 0,
            **params,
        }
    )


def accuracy(aligner, data):
    return retrieval_accuracy(
        aligner.transform(data.XA_test), aligner.transform_target(data.XB_test)
    )


@pytest.fixture(params=[False, True], ids=["without routing", "with routing"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.mark.usefixtures("routing")
def test_grid_search_without_pairs(data, target):
    grid = {"n_init": [1, 2]}
    search = GridSearchCV(quick(), grid, cv=3, error_score="raise").fit(data.XA, XB=target)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert accuracy(search.best_estimator_, data) > 0.9
    assert search.score(data.XA_test) == search.best_estimator_.score(data.XA_test)


def test_parameters_of_an_initialization_are_searched(data):
    aligner = quick(init=AnchorStart(n_runs=3))
    search = GridSearchCV(aligner, {"init__n_clusters": [8, 20]}, cv=2, error_score="raise")
    search.fit(data.XA, XB=data.XB)
    assert search.best_estimator_.init.n_clusters == search.best_params_["init__n_clusters"]
    first, second = (quick(init=AnchorStart(n, n_runs=3)) for n in (8, 20))
    assert not np.array_equal(first.fit(data.XA, data.XB).map_, second.fit(data.XA, data.XB).map_)


def test_default_score_of_a_search_prefers_a_map_over_none(data):
    # A step that does nothing against one that refines: the label-free score must tell.
    class Nothing:
        def iterate(self, problem, W, random_state):
            yield np.eye(len(W), dtype=W.dtype)

    grid = {"refinements": [[Nothing()], [TransportRefinement(max_iter=10)]]}
    search = GridSearchCV(quick(), grid, cv=2, error_score="raise").fit(data.XA, XB=data.XB)
    assert search.best_index_ == 1


def test_randomized_search(data, target):
    search = RandomizedSearchCV(
        quick(),
        {"score_sample_size": randint(100, 300), "n_init": [1, 2]},
        n_iter=2,
        cv=3,
        random_state=0,
        error_score="raise",
    ).fit(data.XA, XB=target)
    assert search.best_params_ in search.cv_results_["params"]
    assert accuracy(search.best_estimator_, data) > 0.9


def test_cross_validation_by_name(data, target):
    scores = cross_val_score(quick(), data.XA, cv=3, params={"XB": target}, error_score="raise")
    assert scores.shape == (3,)
    assert (scores > 0).all()


def test_cross_validation_in_processes(data):
    alone, together = (
        cross_val_score(
            quick(), data.XA, cv=2, params={"XB": data.XB}, n_jobs=n_jobs, error_score="raise"
        )
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(alone, together)


def test_pipeline_in_the_second_position(data, target):
    model = Pipeline([("scale", StandardScaler()), ("align", quick())]).fit(data.XA, target)
    expected = quick().fit(StandardScaler().fit_transform(data.XA), target)
    np.testing.assert_array_equal(model.named_steps["align"].map_, expected.map_)
    Z = model.transform(data.XA_test)
    assert Z.shape == (len(data.XA_test), 24)
    assert model.score(data.XA_test) == expected.score(
        model.named_steps["scale"].transform(data.XA_test)
    )
    assert model[-1].get_feature_names_out().tolist() == [f"minivec2vec{j}" for j in range(24)]


@pytest.mark.usefixtures("routing")
def test_labels_and_target_samples_together(data, target):
    model = Pipeline([("align", quick()), ("clf", LogisticRegression())])
    params = {"XB": target} if sklearn.get_config()["enable_metadata_routing"] else {}
    params = params or {"align__XB": target}
    model.fit(data.XA, data.labels_A, **params)
    assert model.score(data.XA_test, data.labels_test) > 0.5
    assert model.named_steps["align"].n_features_target_ == 24


@pytest.mark.usefixtures("routing")
def test_labels_and_target_samples_together_in_a_search(data, target):
    model = Pipeline([("align", quick()), ("clf", LogisticRegression())])
    routed = sklearn.get_config()["enable_metadata_routing"]
    params = {"XB": target} if routed else {"align__XB": target}
    search = GridSearchCV(model, {"clf__C": [0.1, 10.0]}, cv=2, error_score="raise")
    search.fit(data.XA, data.labels_A, **params)
    assert search.best_score_ > 0.5


@pytest.mark.usefixtures("routing")
def test_paired_target_samples_as_y_of_a_search(data):
    # XB trains without pairs, y judges with them: the test folds of y stay paired with X.
    search = GridSearchCV(quick(), {"n_init": [1, 2]}, cv=2, error_score="raise")
    search.fit(data.XA_test, data.XB_test, XB=data.XB)
    assert search.best_score_ > 0.9


def test_feature_union(data, target):
    union = FeatureUnion([("aligned", quick()), ("raw", FunctionTransformer())])
    Z = union.fit(data.XA, target).transform(data.XA_test)
    np.testing.assert_array_equal(Z[:, 24:], data.XA_test)
    np.testing.assert_array_equal(Z[:, :24], quick().fit(data.XA, target).transform(data.XA_test))


def test_fit_transform_equals_fit_and_transform(data, target):
    expected = quick().fit(data.XA, target).transform(data.XA)
    np.testing.assert_array_equal(quick().fit_transform(data.XA, target), expected)
    np.testing.assert_array_equal(quick().fit_transform(data.XA, XB=target), expected)


@pytest.mark.usefixtures("routing")
def test_sample_numbers_as_pairs_are_refused_in_a_search(data, target):
    indices = np.arange(20)
    message = r"sample indices, which no longer point .* pairs=\(XA\[rows_A\], XB\[rows_B\]\)"
    with pytest.raises(ValueError, match=message):
        GridSearchCV(quick(), {"n_init": [1]}, cv=2, error_score="raise").fit(
            data.XA, XB=target, pairs=(indices, indices)
        )


def test_sample_numbers_as_pairs_are_refused_in_cross_validate(data):
    indices = np.arange(20)
    with pytest.raises(ValueError, match="sample indices, which no longer point"):
        cross_validate(
            quick(),
            data.XA,
            cv=2,
            params={"XB": data.XB, "pairs": (indices, indices)},
            error_score="raise",
        )


@pytest.mark.usefixtures("routing")
def test_paired_samples_themselves_survive_a_search(data, target):
    pairs = (data.XA_test[:20], data.XB_test[:20])
    search = GridSearchCV(quick(), {"pair_weight": [1.0, 5.0]}, cv=2, error_score="raise")
    search.fit(data.XA, XB=target, pairs=pairs)
    assert accuracy(search.best_estimator_, data) > 0.9


def test_sample_numbers_as_pairs_work_outside_of_a_search(data):
    XA, XB = (np.concatenate([test[:5], X]) for test, X in
              ((data.XA_test, data.XA), (data.XB_test, data.XB)))  # fmt: skip
    aligner = quick().fit(XA, XB=XB, pairs=(np.arange(5), np.arange(5)))
    assert aligner.map_.shape == (24, 24)
