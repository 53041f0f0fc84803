from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_align.datasets import drop_modalities

MODALITIES = {"a": 2, "b": 3, "c": 1}


def make_samples(n=400):
    return np.random.default_rng(0).standard_normal((n, 6))


def presence(X):
    missing = np.isnan(X)
    blocks = [missing[:, :2], missing[:, 2:5], missing[:, 5:]]
    for block in blocks:
        # Only whole blocks are missing.
        assert (block.all(axis=1) == block.any(axis=1)).all()
    return ~np.column_stack([block.any(axis=1) for block in blocks])


@settings(max_examples=50, deadline=None)
@given(rate=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_whole_blocks_are_dropped_one_is_kept_and_the_rest_is_unchanged(rate, seed):
    X = make_samples(50)
    dropped = drop_modalities(X, MODALITIES, rate, random_state=seed)
    assert presence(dropped).any(axis=1).all()
    kept = ~np.isnan(dropped)
    np.testing.assert_array_equal(dropped[kept], X[kept])


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_rate_is_met_but_for_the_blocks_that_are_kept(rate):
    n = 30_000
    present = presence(drop_modalities(make_samples(n), MODALITIES, rate, random_state=0))
    # A sample that would lose all three blocks keeps one of them.
    expected = rate - rate**3 / 3
    np.testing.assert_allclose(1 - present.mean(axis=0), expected, atol=0.01)


def test_rate_by_name():
    n = 20_000
    present = presence(
        drop_modalities(make_samples(n), MODALITIES, {"b": 0.95, "c": 0.2}, random_state=0)
    )
    assert present[:, 0].all()
    np.testing.assert_allclose(present[:, 1:].mean(axis=0), [0.05, 0.8], atol=0.01)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_extreme_rates(rate):
    n_present = presence(drop_modalities(make_samples(), MODALITIES, rate, random_state=0)).sum(
        axis=1
    )
    assert set(n_present) == {3 if rate == 0 else 1}


def test_dropped_blocks_are_nested_over_rates():
    dropped = [
        np.isnan(drop_modalities(make_samples(), MODALITIES, rate, random_state=0))
        for rate in (0.1, 0.4, 0.8, 1.0)
    ]
    for lower, higher in pairwise(dropped):
        assert (lower <= higher).all()
        assert lower.sum() < higher.sum()


def test_blocks_that_are_missing_already_stay_missing_and_are_not_the_one_kept():
    X = make_samples()
    X[:, :2] = np.nan
    X[:100, 5] = np.nan
    X[0] = np.nan
    present = presence(drop_modalities(X, MODALITIES, 1.0, random_state=0))
    assert not present[0].any()
    assert (present[1:].sum(axis=1) == 1).all()
    assert present[1:100, 1].all()
    assert not present[:, 0].any()


def test_dropped_blocks_differ_from_seed_to_seed_but_not_from_call_to_call():
    X = make_samples()
    first, again, other = (drop_modalities(X, MODALITIES, random_state=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (np.isnan(first) != np.isnan(other)).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_type_is_kept_and_the_input_too(dtype):
    X = np.arange(600).reshape(100, 6).astype(dtype)
    before = X.copy()
    dropped = drop_modalities(X, MODALITIES, random_state=0)
    assert dropped.dtype == (np.float64 if dtype == np.int64 else dtype)
    np.testing.assert_array_equal(X, before)
    assert not np.shares_memory(dropped, X)
    assert not np.shares_memory(drop_modalities(X, MODALITIES, 0.0), X)


def test_pandas_keeps_index_columns_and_types():
    X = pd.DataFrame(make_samples(100), columns=list("abcdef"), index=np.arange(100) + 7)
    X = X.astype({"a": np.float32}).assign(f=np.arange(100))
    before = X.copy()
    by_name = {"first": ["b", "f"], "second": ["a", "c", "d", "e"]}
    dropped = drop_modalities(X, by_name, random_state=0)
    pd.testing.assert_frame_equal(X, before)
    assert dropped.index.equals(X.index)
    assert list(dropped.columns) == list(X.columns)
    assert dropped["a"].dtype == np.float32
    assert dropped["f"].dtype == np.float64
    same = drop_modalities(
        X.to_numpy(np.float64), {"first": [1, 5], "second": [0, 2, 3, 4]}, random_state=0
    )
    np.testing.assert_allclose(dropped.to_numpy(np.float64), same, rtol=1e-6)


def test_polars():
    X = pl.DataFrame({name: make_samples(50)[:, j] for j, name in enumerate("abcdef")})
    dropped = drop_modalities(X, MODALITIES, random_state=0)
    assert isinstance(dropped, pl.DataFrame)
    assert dropped.columns == X.columns
    np.testing.assert_array_equal(
        dropped.to_numpy(), drop_modalities(X.to_numpy(), MODALITIES, random_state=0)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 1.5}, "rate must be in"),
        ({"rate": -0.1}, "rate must be in"),
        ({"rate": np.nan}, "rate must be in"),
        ({"rate": "half"}, "rate must be in"),
        ({"rate": {"a": 2}}, "rate must be in"),
        ({"rate": {"z": 0.5}}, "unknown modalities \\['z'\\]"),
        ({"modalities": {"a": 2}}, "sum to 2"),
    ],
)
def test_bad_input(options, message):
    arguments = {"modalities": MODALITIES, **options}
    with pytest.raises(ValueError, match=message):
        drop_modalities(make_samples(), **arguments)
