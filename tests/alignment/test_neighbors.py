import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sklearn_align._blocked as blocked
from sklearn_align.alignment._neighbors import mutual_csls_neighbors, nearest_mean


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(params=[1, 700, 2**25])
def block_bytes(request, monkeypatch):
    monkeypatch.setattr(blocked, "_BLOCK_BYTES", request.param)


def brute_force_mutual(X, Y, k):
    cosine = X @ Y.T
    r_X = np.sort(cosine, axis=1)[:, -k:].mean(axis=1)
    r_Y = np.sort(cosine, axis=0)[-k:].mean(axis=0)
    csls = 2 * cosine - r_X[:, None] - r_Y
    return [
        (i, j)
        for i in range(len(X))
        for j in range(len(Y))
        if csls[i].argmax() == j and csls[:, j].argmax() == i
    ]


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("k", [1, 5, 23, 99])
def test_nearest_mean_against_a_full_sort(k):
    rng = np.random.default_rng(0)
    queries, keys, values = (rng.standard_normal(s) for s in ((31, 6), (23, 6), (23, 4)))
    order = np.argsort(-(queries @ keys.T), axis=1)[:, :k]
    np.testing.assert_allclose(nearest_mean(queries, keys, values, k), values[order].mean(axis=1))


def test_nearest_mean_keeps_the_dtype_of_the_values():
    rows = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    assert nearest_mean(rows, rows, rows, 3).dtype == np.float32


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("k", [1, 3, 10])
def test_mutual_neighbours_against_brute_force(k):
    rng = np.random.default_rng(1)
    X = unit(rng.standard_normal((41, 5)))
    Y = unit(X[rng.permutation(41)[:29]] + 0.3 * rng.standard_normal((29, 5)))
    rows_X, rows_Y = mutual_csls_neighbors(X, Y, k)
    expected = brute_force_mutual(X, Y, k)
    assert 5 < len(expected) < 29
    assert list(zip(rows_X.tolist(), rows_Y.tolist(), strict=True)) == expected


@given(n=st.integers(1, 15), m=st.integers(1, 15), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_mutual_neighbours_are_one_to_one_and_never_empty(n, m, seed):
    rng = np.random.default_rng(seed)
    X, Y = unit(rng.standard_normal((n, 4))), unit(rng.standard_normal((m, 4)))
    rows_X, rows_Y = mutual_csls_neighbors(X, Y, 2)
    assert 1 <= len(rows_X) == len(rows_Y)
    assert len(set(rows_X)) == len(rows_X)
    assert len(set(rows_Y)) == len(rows_Y)
    swapped = mutual_csls_neighbors(Y, X, 2)
    assert set(zip(rows_X, rows_Y, strict=True)) == set(zip(*reversed(swapped), strict=True))


def test_a_permutation_is_recovered():
    rng = np.random.default_rng(2)
    X = unit(rng.standard_normal((60, 8)))
    p = rng.permutation(60)
    rows_X, rows_Y = mutual_csls_neighbors(X, X[p], 5)
    np.testing.assert_array_equal(p[rows_Y], rows_X)
    assert len(rows_X) == 60
