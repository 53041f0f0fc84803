import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

import sklearn_align._similarity as similarity_module
from sklearn_align._similarity import (
    max_csls,
    mean_of_top_k,
    mutual_csls_neighbors,
    nearest_mean,
    row_blocks,
    top_k,
)


@pytest.fixture(params=[1, 700, 2**25])
def block_bytes(request, monkeypatch):
    monkeypatch.setattr(similarity_module, "_BLOCK_BYTES", request.param)
    return request.param


@pytest.fixture
def spaces():
    rng = np.random.default_rng(0)
    return rng.standard_normal((37, 5)), rng.standard_normal((23, 5))


@pytest.mark.parametrize("n_samples", [0, 1, 100])
def test_blocks_cover_all_samples_within_their_budget(block_bytes, n_samples):
    blocks = list(row_blocks(n_samples, 10, np.float64))
    assert np.concatenate([[], *(np.arange(n_samples)[b] for b in blocks)]).tolist() == list(
        range(n_samples)
    )
    for block in blocks:
        n = block.stop - block.start
        assert n == 1 or n * 10 * 8 <= block_bytes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_are_as_large_as_their_budget_allows(monkeypatch, dtype):
    monkeypatch.setattr(similarity_module, "_BLOCK_BYTES", 700)
    first, *_ = row_blocks(100, 10, dtype)
    n = first.stop - first.start
    assert n * 10 * np.dtype(dtype).itemsize <= 700 < (n + 1) * 10 * np.dtype(dtype).itemsize


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("k", [1, 4, 23, 50])
def test_top_k_against_a_full_sort(spaces, k):
    X, Y = spaces
    similarity, index = top_k(X, Y, k)
    order = np.argsort(-(X @ Y.T), axis=1)[:, :k]
    np.testing.assert_array_equal(np.sort(index, axis=1), np.sort(order, axis=1))
    np.testing.assert_allclose(similarity, np.take_along_axis(X @ Y.T, index, axis=1))
    np.testing.assert_allclose(mean_of_top_k(X, Y, k), similarity.mean(axis=1))


@pytest.mark.usefixtures("block_bytes")
def test_max_csls_against_the_formula(spaces):
    X, Y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in spaces)
    cosine = X @ Y.T
    r_X = np.sort(cosine, axis=1)[:, -3:].mean(axis=1)
    r_Y = np.sort(cosine, axis=0)[-3:].mean(axis=0)
    expected = (2 * cosine - r_X[:, None] - r_Y).max(axis=1)
    np.testing.assert_allclose(max_csls(X, Y, 3), expected)


@pytest.mark.parametrize("dtype_X", [np.float32, np.float64])
@pytest.mark.parametrize("dtype_Y", [np.float32, np.float64])
def test_the_higher_precision_is_kept(spaces, dtype_X, dtype_Y):
    X, Y = (side.astype(dtype) for side, dtype in zip(spaces, (dtype_X, dtype_Y), strict=True))
    higher = np.result_type(dtype_X, dtype_Y)
    assert top_k(X, Y, 2)[0].dtype == higher
    assert mean_of_top_k(X, Y, 2).dtype == higher
    assert max_csls(X, Y, 2).dtype == higher


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


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
def test_top_k_against_scikit_learn(k):
    rng = np.random.default_rng(3)
    X, Y = unit(rng.standard_normal((31, 6))), unit(rng.standard_normal((23, 6)))
    model = NearestNeighbors(n_neighbors=min(k, 23), metric="cosine", algorithm="brute").fit(Y)
    distance, nearest = model.kneighbors(X)
    similarity, index = top_k(X, Y, k)
    order = np.argsort(-similarity, axis=1)
    np.testing.assert_array_equal(np.take_along_axis(index, order, axis=1), nearest)
    np.testing.assert_allclose(np.take_along_axis(similarity, order, axis=1), 1 - distance)


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("k", [1, 5, 23, 99])
def test_nearest_mean_against_a_full_sort(k):
    rng = np.random.default_rng(0)
    queries, keys, values = (rng.standard_normal(s) for s in ((31, 6), (23, 6), (23, 4)))
    order = np.argsort(-(queries @ keys.T), axis=1)[:, :k]
    np.testing.assert_allclose(nearest_mean(queries, keys, values, k), values[order].mean(axis=1))


def test_nearest_mean_keeps_the_dtype_of_the_values():
    X = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    assert nearest_mean(X, X, X, 3).dtype == np.float32


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


@pytest.mark.parametrize("block_bytes", [1, 2**25])
def test_of_equal_samples_the_first_is_the_neighbour(monkeypatch, block_bytes):
    monkeypatch.setattr(similarity_module, "_BLOCK_BYTES", block_bytes)
    Y = np.eye(3)
    found = mutual_csls_neighbors(np.concatenate([Y, Y]), Y, 1)
    np.testing.assert_array_equal(found, [[0, 1, 2], [0, 1, 2]])


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
