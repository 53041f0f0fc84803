from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from sklearn_align.fusion._scaling import ColumnScaler


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    offset=st.sampled_from([0.0, 1.0, -1e3, 1e8]),
    spread=st.sampled_from([1e-3, 1.0, 1e6]),
)
def test_against_sklearn(seed, offset, spread):
    rng = np.random.default_rng(seed)
    X = offset + spread * rng.normal(size=(30, 3))
    X[rng.random(X.shape) < 0.2] = np.nan
    weight = rng.random(30) + 0.1
    ours = ColumnScaler(3).fit(X, weight, standardize=True).transform(X)
    for column in range(3):
        seen = ~np.isnan(X[:, column])
        expected = StandardScaler().fit_transform(
            X[seen, column : column + 1], sample_weight=weight[seen]
        )
        np.testing.assert_allclose(ours[seen, column], expected[:, 0], rtol=1e-3, atol=1e-3)
        assert (ours[~seen, column] == 0).all()


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1, -3e-8])
def test_constant_columns_become_zero(value):
    X = np.full((7, 1), value)
    scaled = ColumnScaler(1).fit(X, np.ones(7), standardize=True).transform(X)
    np.testing.assert_allclose(scaled, 0, atol=1e-6)


def test_column_that_is_never_there():
    X = np.full((4, 1), np.nan)
    scaler = ColumnScaler(1).fit(X, np.ones(4), standardize=True)
    assert (scaler.transform(X) == 0).all()
    np.testing.assert_allclose(scaler.transform(np.array([[2.0]])), 2.0)


def test_without_standardising_values_stay_and_gaps_get_the_mean():
    X = np.array([[1.0], [3.0], [np.nan]])
    scaled = ColumnScaler(1).fit(X, np.ones(3), standardize=False).transform(X)
    np.testing.assert_array_equal(scaled, [[1.0], [3.0], [2.0]])


def test_inverse_and_state():
    X = 1e5 + np.random.default_rng(0).normal(size=(20, 2))
    scaler = ColumnScaler(2).fit(X, np.ones(20), standardize=True)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X, rtol=1e-9)
    copy = ColumnScaler(2)
    copy.load_state_dict(scaler.state_dict())
    np.testing.assert_array_equal(copy.transform(X), scaler.transform(X))


def test_input_is_not_touched():
    X = np.array([[1.0], [np.nan]])
    ColumnScaler(1).fit(X, np.ones(2), standardize=True).transform(X)
    np.testing.assert_array_equal(X, [[1.0], [np.nan]])
