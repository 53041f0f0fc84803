"""Absent blocks stay absent behind any transformer."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklearn_align import AECFClassifier, KeepAbsent


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 1000), rate=st.sampled_from([0.0, 0.3, 0.9]))
@pytest.mark.parametrize("transformer", [StandardScaler(), SimpleImputer()], ids=repr)
def test_present_samples_are_as_without_the_absent_ones(transformer, seed, rate):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20, 3))
    X[2:][rng.random(18) < 0.2, 1] = np.nan
    absent = rng.random(20) < rate
    absent[:2] = False
    X[absent] = np.nan
    before = X.copy()
    out = KeepAbsent(transformer).fit_transform(X)
    np.testing.assert_array_equal(X, before)
    assert np.isnan(out[absent]).all()
    np.testing.assert_array_equal(out[~absent], clone(transformer).fit_transform(X[~absent]))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_kinds_of_missing_values(missing):
    X = pd.DataFrame({"a": ["x", missing, "y"], "b": ["u", missing, "v"]}, dtype=object)
    out = KeepAbsent(OneHotEncoder()).fit_transform(X)
    assert np.isnan(out).all(axis=1).tolist() == [False, True, False]
    assert not np.isnan(out[[0, 2]]).any()


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_block_that_is_missing_in_part_is_present(missing):
    X = np.array([["x", "u"], [missing, missing], ["y", missing]], dtype=object)
    out = KeepAbsent(OneHotEncoder()).fit_transform(X)
    assert np.isnan(out).all(axis=1).tolist() == [False, True, False]
    np.testing.assert_array_equal(out[[0, 2]], OneHotEncoder().fit_transform(X[[0, 2]]).toarray())


def test_categorical_and_nullable_columns():
    X = pd.DataFrame(
        {"kind": pd.Categorical(["a", None, "b"]), "n": pd.array([1, None, None], dtype="Int64")}
    )
    out = KeepAbsent(OneHotEncoder(handle_unknown="ignore")).fit_transform(X)
    assert np.isnan(out).all(axis=1).tolist() == [False, True, False]


def test_lists():
    out = KeepAbsent(OneHotEncoder()).fit_transform([["x"], [None], ["y"]])
    np.testing.assert_array_equal(out, [[1, 0], [np.nan, np.nan], [0, 1]])


def test_a_batch_without_a_present_sample():
    encoder = KeepAbsent(OneHotEncoder()).fit(np.array([["x"], ["y"]], dtype=object))
    out = encoder.transform(np.array([[None], [None]], dtype=object))
    assert out.shape == (2, 2)
    assert np.isnan(out).all()
    assert encoder.transform(np.empty((0, 1), dtype=object)).shape == (0, 2)


def test_an_unknown_category_is_present():
    encoder = KeepAbsent(OneHotEncoder(handle_unknown="ignore"))
    encoder.fit(np.array([["x"], ["y"]], dtype=object))
    np.testing.assert_array_equal(
        encoder.transform(np.array([["z"], [None]], dtype=object)), [[0, 0], [np.nan, np.nan]]
    )


def test_targets_are_those_of_the_present_samples():
    X = np.random.default_rng(0).normal(size=(8, 2))
    y = np.array([0, 1] * 4)
    X[:2] = np.nan
    fitted = KeepAbsent(SelectKBest(k=1)).fit(X, y)
    expected = SelectKBest(k=1).fit(X[2:], y[2:])
    np.testing.assert_array_equal(fitted.transformer_.scores_, expected.scores_)


def test_names_and_frames():
    X = pd.DataFrame({"kind": ["a", None, "b"]}, index=[3, 4, 5])
    encoder = KeepAbsent(OneHotEncoder(sparse_output=True)).set_output(transform="pandas")
    out = encoder.fit_transform(X)
    assert list(out.columns) == ["kind_a", "kind_b"]
    assert list(out.index) == [3, 4, 5]
    assert encoder.feature_names_in_.tolist() == ["kind"]
    with pytest.raises(ValueError, match="feature names"):
        encoder.transform(X.rename(columns={"kind": "sort"}))
    assert not hasattr(KeepAbsent(FunctionTransformer()), "get_feature_names_out")


def test_copies_and_parameters():
    encoder = KeepAbsent(StandardScaler()).fit(np.arange(6.0).reshape(3, 2))
    assert encoder.get_params()["transformer__with_mean"] is True
    assert not hasattr(encoder.transformer, "mean_")
    copy = clone(encoder).set_params(transformer__with_mean=False)
    assert copy.fit(np.ones((2, 2))).transformer_.with_mean is False
    X = np.array([[1.0, np.nan], [np.nan, np.nan]])
    loaded = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(loaded.transform(X), encoder.transform(X))


@pytest.mark.parametrize(
    ("transformer", "X", "error", "message"),
    [
        (StandardScaler(), np.full((3, 2), np.nan), ValueError, r"no sample of X .* 2 column\(s\)"),
        (StandardScaler, np.ones((3, 2)), TypeError, "estimator instance"),
        ("passthrough", np.ones((3, 2)), ValueError, "'transformer' parameter"),
        (StandardScaler(), np.ones(3), ValueError, "Reshape your data"),
    ],
)
def test_what_does_not_fit_is_refused(transformer, X, error, message):
    with pytest.raises(error, match=message):
        KeepAbsent(transformer).fit(X)


def test_a_wrong_number_of_targets():
    with pytest.raises(ValueError, match="inconsistent"):
        KeepAbsent(StandardScaler()).fit(np.ones((3, 2)), [0, 1])


def test_the_recipe_of_the_guide():
    rng = np.random.default_rng(0)
    n_samples = 60
    y = np.arange(n_samples) % 2
    X = pd.DataFrame(rng.normal(size=(n_samples, 2)) + y[:, None], columns=["img_1", "img_2"])
    X["ward"] = np.where(y == 1, "north", "south").astype(object)
    # A category that some folds do not have, and absent tables.
    X.loc[5, "ward"] = "tower"
    X["age"] = rng.integers(20, 80, n_samples).astype(float)
    X.loc[10:19, ["ward", "age"]] = None
    X.loc[20:24, ["age"]] = None
    X.loc[50:, ["img_1", "img_2"]] = np.nan
    X["name"] = "somebody"
    table = ColumnTransformer(
        [
            ("ward", OneHotEncoder(handle_unknown="ignore"), ["ward"]),
            ("numbers", "passthrough", make_column_selector(dtype_include="number")),
        ],
        sparse_threshold=0,
    )
    blocks = ColumnTransformer(
        [
            ("table", KeepAbsent(table), ["ward", "age"]),
            ("image", "passthrough", make_column_selector("^img_")),
        ]
    ).set_output(transform="pandas")
    clf = AECFClassifier(
        {"table": "table__*", "image": "image__*"},
        partial_missing="impute",
        n_units=6,
        hidden_sizes=(5,),
        max_epochs=10,
        random_state=0,
    )
    model = make_pipeline(blocks, clf).fit(X, y)
    weights = clf.modality_weights(model[:-1].transform(X))
    np.testing.assert_array_equal(weights[:, 0] == 0, X[["ward", "age"]].isna().all(axis=1))
    np.testing.assert_array_equal(weights[:, 1] == 0, X["img_1"].isna())
    assert np.isfinite(cross_val_score(model, X, y, cv=3)).all()
